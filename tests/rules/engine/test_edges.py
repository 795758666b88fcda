"""Every way in which time alone changes who belongs: no row changes, one person is asked, and rightly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import duckdb
import pytest

from rules import ir
from rules.engine.duckdb_dialect import DuckDB
from rules.engine.parts import Unsettled
from rules.engine.periods import Clock, Range
from rules.engine.person import PersonFacts
from rules.engine.touched import Looking, crossing
from rules.vocabulary import Type
from tests.rules.engine.generated_people import DAY, ZONE
from tests.rules.engine.generated_values import over
from tests.rules.engine.test_incremental import HOUR, Moment, Walk

F, Unit = ir.AggregateFunction, ir.Unit
THEN = dt.datetime(2026, 3, 27, 12, tzinfo=dt.UTC)  # two days before clocks change in Berlin
ONE = ir.Literal(1_000_000, Type.NUMBER)
AT = ir.Fact("at", Type.DATETIME)
WITHIN_A_DAY = ir.Within(1, Unit.DAY)


def purchases(
    function: ir.AggregateFunction, period: ir.Period, type_: Type, where: ir.Predicate | None = None
) -> ir.Aggregate:
    """A function over purchases."""
    return ir.Aggregate(function, "purchase", None, where, period, type_)


def some(period: ir.Period, where: ir.Predicate | None = None, kind: str = "purchase") -> ir.Predicate:
    """At least one in the period."""
    return ir.Compare(ir.Comparison.GE, over(F.COUNT, kind, None, where, period, Type.NUMBER), ONE)


def days_ago(limit: int, value: ir.Value) -> ir.Predicate:
    """More than so many days have passed since."""
    return ir.Compare(ir.Comparison.GT, ir.DaysSince(value), ir.Literal(limit * 1_000_000, Type.NUMBER))


def bought(*ages: dt.timedelta) -> dict[str, object]:
    """Purchases of these ages."""
    return {"activity": {"purchase": [{"at": THEN - age} for age in ages]}}


def fact(**facts: object) -> dict[str, object]:
    """A person of whom that is known."""
    return {"facts": facts}


LAST = purchases(F.LAST_AT, ir.Ever(), Type.DATETIME)
FADING = ir.Score(
    "s", (ir.Earned("purchase", None, ir.Ever(), 10_000_000, None, 1),), None, None
)  # halves every day
EARNED = ir.Score(
    "e", (ir.Earned("purchase", None, ir.Last(7, Unit.DAY), 1_000_000, None, None),), None, None
)
GRANTED = ir.Score(
    "g", (ir.Granted(days_ago(5, ir.Fact("signed_up", Type.DATETIME)), 1_000_000),), None, None
)
DEALS = {
    "activity": {
        "deal_open": [{"at": THEN - DAY, "deal": "d", "stage": "open"}],
        "deal_won": [{"at": THEN + HOUR, "deal": "d", "stage": "won"}],
    }
}
OPEN = ir.Compare(ir.Comparison.EQ, ir.Fact("stage", Type.TEXT), ir.Literal("open", Type.TEXT))

CASES: Mapping[str, tuple[ir.Predicate, dict[str, object], dt.timedelta]] = {
    "activity leaves a window": (some(ir.Last(7, Unit.DAY)), bought(7 * DAY - HOUR), 2 * HOUR),
    "activity lay in the future": (some(ir.Ever()), bought(-HOUR), 2 * HOUR),
    "activity enters a window in the past": (some(ir.Ago(3, 5, Unit.DAY)), bought(3 * DAY - HOUR), 2 * HOUR),
    "a month ends": (some(ir.Calendar(ir.CalendarUnit.MONTH, 0)), bought(HOUR), 5 * DAY),
    "months are of different length": (some(ir.Last(1, Unit.MONTH)), bought(28 * DAY - HOUR), DAY),
    "activity crosses from slice to slice": (
        ir.Compare(
            ir.Comparison.GE,
            purchases(F.SLICES, ir.Last(3, Unit.DAY), Type.NUMBER),
            ir.Literal(2_000_000, Type.NUMBER),
        ),
        bought(DAY - HOUR, DAY - 3 * HOUR),
        2 * HOUR,
    ),
    "a condition on activity has a clock in it": (
        some(ir.Ever(), ir.InPeriod(AT, ir.Last(2, Unit.DAY))),
        bought(2 * DAY - HOUR),
        2 * HOUR,
    ),
    "an instant leaves a period": (
        ir.InPeriod(ir.Fact("signed_up", Type.DATETIME), ir.Last(2, Unit.DAY)),
        fact(signed_up=THEN - 2 * DAY + HOUR),
        2 * HOUR,
    ),
    "a date comes near": (
        ir.InPeriod(ir.Fact("birthday", Type.DATE), ir.Next(7, Unit.DAY)),
        fact(birthday=dt.date(2026, 4, 5)),
        3 * DAY,
    ),
    "a birthday comes": (
        ir.Anniversary(ir.Fact("birthday", Type.DATE), ir.Calendar(ir.CalendarUnit.DAY, 0)),
        fact(birthday=dt.date(1990, 3, 29)),
        2 * DAY,
    ),
    "days since a fact": (
        days_ago(5, ir.Fact("signed_up", Type.DATETIME)),
        fact(signed_up=THEN - 5 * DAY + HOUR),
        2 * HOUR,
    ),
    "days since a fact grant points": (
        ir.Compare(ir.Comparison.GE, GRANTED, ONE),
        fact(signed_up=THEN - 5 * DAY + HOUR),
        2 * HOUR,
    ),
    "days since the last activity": (days_ago(5, LAST), bought(5 * DAY - HOUR, 90 * DAY), 2 * HOUR),
    "the last activity leaves a period": (
        ir.InPeriod(LAST, ir.Last(5, Unit.DAY)),
        bought(5 * DAY - HOUR, 90 * DAY),
        2 * HOUR,
    ),
    "arithmetic with days since the last activity": (
        ir.Compare(
            ir.Comparison.GT,
            ir.Arithmetic(ir.Operator.MULTIPLY, ir.DaysSince(LAST), ONE, Type.NUMBER),
            ir.Literal(5_000_000, Type.NUMBER),
        ),
        bought(5 * DAY - HOUR),
        2 * HOUR,
    ),
    "somebody stopped": (ir.Stopped(LAST, ir.Last(5, Unit.DAY)), bought(5 * DAY - HOUR), 2 * HOUR),
    "the time to follow is over": (
        ir.Sequence(
            (ir.Step("purchase", None, None),), ir.Unless("email_click", None, WITHIN_A_DAY), ir.Ever()
        ),
        bought(DAY - HOUR),
        2 * HOUR,
    ),
    "what must not follow does": (
        ir.Sequence((ir.Step("purchase", None, None),), ir.Unless("email_click", None, None), ir.Ever()),
        {"activity": {"purchase": [{"at": THEN - HOUR}], "email_click": [{"at": THEN + HOUR}]}},
        2 * HOUR,
    ),
    "a step leaves the period": (
        ir.Sequence(
            (ir.Step("purchase", None, None), ir.Step("purchase", None, WITHIN_A_DAY)),
            None,
            ir.Last(3, Unit.DAY),
        ),
        bought(3 * DAY - HOUR, 3 * DAY - 3 * HOUR),
        2 * HOUR,
    ),
    "a restart leaves the period": (
        ir.Restarted("purchase", None, ir.Within(30, Unit.DAY), ir.Last(3, Unit.DAY)),
        bought(3 * DAY - HOUR, 60 * DAY),
        2 * HOUR,
    ),
    "points fade at midnight": (
        ir.Compare(ir.Comparison.GE, FADING, ir.Literal(10_000_000, Type.NUMBER)),
        bought(HOUR),
        DAY / 2,
    ),
    "a new state, outside the period, hides the one before": (
        some(ir.Between(None, THEN), OPEN, "deal"),
        DEALS,
        2 * HOUR,
    ),
    "points are earned for a time": (
        ir.Compare(ir.Comparison.GE, EARNED, ONE),
        bought(7 * DAY - HOUR),
        2 * HOUR,
    ),
}


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})


@pytest.mark.parametrize("case", CASES)
def test_whom_time_alone_changes_is_asked_and_nobody_else(
    case: str, connection: duckdb.DuckDBPyConnection
) -> None:
    condition, given, passed = CASES[case]
    one, other = PersonFacts(person=7, **given), PersonFacts(person=8)  # type: ignore[arg-type]
    walk = Walk(connection)
    _, before = walk.step(Moment(THEN, {"it": condition}, [one, other]))
    told, after = walk.step(Moment(THEN + passed, {"it": condition}, [one, other]))
    assert set(before["it"]) ^ set(after["it"]) == {7}  # else the case shows nothing
    assert told is not None
    assert (told.evaluation.members, told.in_full, told.asked) == (after, {}, 1)


def test_what_is_compared_with_people_or_moves_on_both_sides_is_asked_of_everybody() -> None:
    then, now = Clock(THEN, ZONE), Clock(THEN + DAY, ZONE)
    signed_up = ir.DaysSince(ir.Fact("signed_up", Type.DATETIME))
    unsettled: list[ir.Predicate] = [
        ir.RankCount(ir.Side.TOP, 3, ir.Fact("ltv", Type.MONEY), None),
        ir.Compare(ir.Comparison.GT, ir.DaysSince(LAST), signed_up),
        some(ir.Ever(), ir.InPeriod(ir.Fact("closes", Type.DATE), ir.Next(3, Unit.DAY)), "deal"),
    ]
    for condition in unsettled:
        with pytest.raises(Unsettled):
            Looking(then, now, DuckDB()).edges(condition)


def test_ranges_cross_where_exactly_one_holds() -> None:
    samples = [Range(a, b) for a in (None, 0, 2, 5) for b in (None, 1, 2, 4, 7)]
    for a in samples:
        for b in samples:
            found = crossing(a, b)
            for x in range(-1, 9):
                assert any(x in part for part in found) == ((x in a) != (x in b)), (a, b, x)
