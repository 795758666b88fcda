"""Activity in order against every way of choosing activities, one by one: no engine's short cuts in here."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from itertools import pairwise, product

import duckdb
import pytest

from rules import ir
from rules.engine import Tables, evaluate
from rules.engine.person import PersonFacts
from rules.language import compile_expression
from tests.rules.engine.agreement import by_duckdb, by_python, members, rule_set
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
HOUR, DAY, US = dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(microseconds=1)
KINDS = ("cart_add", "email_click", "purchase")
UNITS = {ir.Unit.HOUR: HOUR, ir.Unit.DAY: DAY, ir.Unit.WEEK: 7 * DAY}


def compiled(text: str) -> ir.Predicate:
    found = compile_expression(text, VOCABULARY)
    assert not isinstance(found, tuple), found
    return found


def who(
    *histories: dict[str, list[dt.datetime | tuple[dt.datetime, dict[str, object]]]],
) -> list[PersonFacts]:
    """Persons 0, 1, … with activity at these instants, with or without fields."""
    return [
        PersonFacts(
            number,
            activity={
                kind: [{"at": row[0], **row[1]} if isinstance(row, tuple) else {"at": row} for row in rows]
                for kind, rows in history.items()
            },
        )
        for number, history in enumerate(histories)
    ]


def ago(**span: float) -> dt.datetime:
    return AS_OF - dt.timedelta(**span)


def found(text: str, people: list[PersonFacts]) -> set[int]:
    return members(compiled(text), people, as_of=AS_OF)


# ── every choice of activities, for generated histories on a coarse grid, so that instants coincide ──


def histories(draw: random.Random, count: int) -> list[PersonFacts]:
    def row() -> dict[str, object]:
        at = AS_OF - draw.randint(-1, 14) * HOUR + draw.choice([-US, US, *[dt.timedelta(0)] * 4])
        return {"at": at, "sku": draw.choice(["a", "b", None]), "campaign": draw.choice(["a", "b", None])}

    return [
        PersonFacts(number, activity={k: [row() for _ in range(draw.choice([0, 1, 3, 5]))] for k in KINDS})
        for number in range(count)
    ]


def condition(draw: random.Random, kind: str) -> str:
    field = "campaign" if kind == "email_click" else "sku"
    return f'{kind} where ({field} = "{draw.choice("ab")}")' if draw.random() < 0.3 else kind


def gap(draw: random.Random) -> str:
    return draw.choice(["", *(f" within {n} hours" for n in (1, 2, 3, 5))])


def sequences(draw: random.Random, count: int) -> Iterator[ir.Sequence]:
    for number in range(count):
        steps = draw.choice([1, 2, 3, 3, 4]) if number % 2 else draw.choice([2, 3, 4])
        text = condition(draw, draw.choice(KINDS))
        for _ in range(steps - 1):
            text += f" then {condition(draw, draw.choice(KINDS))}{gap(draw)}"
        if steps == 1 or number % 2:
            text += f" not followed by {condition(draw, draw.choice(KINDS))}{gap(draw)}"
        text += draw.choice(["", f", last {draw.randint(3, 15)} hours", ", between 2 and 12 hours ago"])
        node = compiled(text)
        assert isinstance(node, ir.Sequence)
        yield node


def fits(row: dict[str, object], where: ir.Predicate | None) -> bool:
    if where is None:
        return True
    assert isinstance(where, ir.Compare)
    assert isinstance(where.left, ir.Fact)
    assert isinstance(where.right, ir.Literal)
    return row[where.left.name] == where.right.value


def in_window(at: dt.datetime, period: ir.Period) -> bool:
    match period:
        case ir.Last(n, _):
            return AS_OF - n * HOUR < at <= AS_OF
        case ir.Ago(n, m, _):
            return AS_OF - m * HOUR < at <= AS_OF - n * HOUR
    return at <= AS_OF


def by_every_choice(node: ir.Sequence, person: PersonFacts) -> bool:
    """Straight from the words: choose one activity for every step, and look whether the choice will do."""

    def rows(step: ir.Step | ir.Unless) -> list[dt.datetime]:
        return [row["at"] for row in person.activity[step.kind] if fits(dict(row), step.where)]  # type: ignore[misc]

    def near(before: dt.datetime, at: dt.datetime, within: ir.Within | None) -> bool:
        return before < at and (within is None or at <= before + within.n * UNITS[within.unit])

    for chosen in product(*(rows(step) for step in node.steps)):
        if not all(in_window(at, node.period) for at in chosen):
            continue
        pairs = zip(chosen, chosen[1:], node.steps[1:], strict=False)
        if not all(near(before, at, step.within) for before, at, step in pairs):
            continue
        unless, last = node.unless, chosen[-1]
        if unless is None:
            return True
        passed = unless.within is None or last + unless.within.n * UNITS[unless.within.unit] <= AS_OF
        if passed and not any(near(last, at, unless.within) for at in rows(unless) if at <= AS_OF):
            return True
    return False


def by_earliest(node: ir.Sequence, person: PersonFacts) -> bool:
    """The tempting short cut: always the earliest activity that may be the next step."""
    at: dt.datetime | None = None
    for step in node.steps:
        fitting = [row for row in person.activity[step.kind] if fits(dict(row), step.where)]
        later = [row["at"] for row in fitting if in_window(row["at"], node.period)]  # type: ignore[arg-type]
        later = [each for each in later if at is None or each > at]  # type: ignore[operator]
        if not later:
            return False
        following = min(later)  # type: ignore[type-var]
        if at and step.within and following > at + step.within.n * UNITS[step.within.unit]:  # type: ignore[operator]
            return False
        at = following  # type: ignore[assignment]
    return True


def test_sequences_are_those_that_every_choice_of_activities_gives() -> None:
    draw = random.Random(11)
    people = histories(draw, 120)
    nodes = dict(enumerate(sequences(draw, 48)))
    conditions: dict[str, ir.Predicate] = {f"s{number}": node for number, node in nodes.items()}
    expected = {
        f"s{number}": {one.person for one in people if by_every_choice(node, one)}
        for number, node in nodes.items()
    }
    engine = by_duckdb(conditions, people, as_of=AS_OF).members
    assert {id_: set(bitmap) for id_, bitmap in engine.items()} == expected
    assert by_python(conditions, people, as_of=AS_OF) == expected
    decided = [id_ for id_, there in expected.items() if 0 < len(there) < len(people)]
    assert len(decided) > len(nodes) * 0.7
    fooled = [
        one.person
        for number, node in nodes.items()
        if node.unless is None
        for one in people
        if by_earliest(node, one) != (one.person in expected[f"s{number}"])
    ]
    assert len(fooled) > 20, (
        "taking the earliest activity would do as well on this data, so it proves nothing"
    )


def test_an_early_step_out_of_reach_does_not_hide_a_later_one() -> None:
    people = who(
        {"cart_add": [ago(hours=30), ago(hours=5)], "purchase": [ago(hours=29, minutes=30), ago(hours=1)]}
    )
    assert found("cart_add then purchase within 4 hours then email_click", people) == set()
    assert found("cart_add then purchase within 4 hours, last 24 hours", people) == {0}
    chain = who(
        {"cart_add": [ago(hours=10)], "email_click": [ago(hours=9), ago(hours=6)], "purchase": [ago(hours=5)]}
    )
    assert found("cart_add then email_click within 5 hours then purchase within 1 hour", chain) == {0}
    assert found("cart_add then email_click within 3 hours then purchase within 1 hour", chain) == set()


def test_a_step_is_later_than_the_one_before_and_at_most_its_gap_later() -> None:
    start = ago(days=5)
    people = who(*({"cart_add": [start], "purchase": [at]} for at in (start - US, start, start + US)))
    assert found("cart_add then purchase", people) == {2}
    edges = (start + 2 * DAY, start + 2 * DAY + US)
    people = who(*({"cart_add": [start], "purchase": [at]} for at in edges))
    assert found("cart_add then purchase within 2 days", people) == {0}
    assert found("cart_add then purchase within 48 hours", people) == {0}


def test_one_activity_is_never_two_steps() -> None:
    people = who(
        {"purchase": [ago(days=1)]}, {"purchase": [ago(days=1)] * 2}, {"purchase": [ago(days=1), ago(days=2)]}
    )
    assert found("purchase then purchase", people) == {2}
    assert found("purchase then purchase then purchase", people) == set()
    assert found("purchase then purchase within 1 week", people) == {2}


def test_the_window_holds_for_every_step_and_what_is_after_as_of_is_ignored() -> None:
    people = who(
        {"cart_add": [ago(days=30)], "purchase": [ago(days=29)]},
        {"cart_add": [ago(days=30) + US], "purchase": [ago(days=29)]},
        {"cart_add": [ago(days=1)], "purchase": [AS_OF]},
        {"cart_add": [ago(days=1)], "purchase": [AS_OF + US]},
    )
    assert found("cart_add then purchase within 2 days, last 30 days", people) == {1, 2}
    assert found("cart_add then purchase", people) == {0, 1, 2}


def test_a_sequence_may_have_any_number_of_steps() -> None:
    people = who(*({"purchase": [ago(hours=h) for h in range(count)]} for count in (59, 60, 61)))
    assert found(" then ".join(["purchase"] * 60), people) == {1, 2}
    assert found(" then ".join(["purchase"] + ["purchase within 1 hour"] * 59), people) == {1, 2}


def test_what_broke_off_counts_only_when_its_time_has_passed() -> None:
    people = who(
        {"cart_add": [ago(hours=24)]},
        {"cart_add": [ago(hours=24) + US]},
        {"cart_add": [ago(hours=30)], "purchase": [ago(hours=6)]},
        {"cart_add": [ago(hours=30)], "purchase": [ago(hours=6) + US]},
        {"cart_add": [ago(hours=30)], "purchase": [ago(hours=30)]},
        {"cart_add": [ago(hours=50), ago(hours=30)], "purchase": [ago(hours=29)]},
        {"cart_add": [ago(hours=50), ago(hours=30)], "purchase": [ago(hours=40)]},
        {"cart_add": [ago(days=7)]},
    )
    assert found("cart_add not followed by purchase within 24 hours, last 7 days", people) == {0, 3, 4, 6}
    assert found("cart_add not followed by purchase, last 7 days", people) == {0, 1, 4, 6}


def test_the_window_of_what_broke_off_does_not_bound_what_must_not_follow() -> None:
    people = who({"cart_add": [ago(hours=50)], "purchase": [ago(hours=30)]}, {"cart_add": [ago(hours=50)]})
    assert found("cart_add not followed by purchase within 1 day, between 40 and 60 hours ago", people) == {1}


def test_a_kind_without_rows_ends_a_sequence_and_follows_nothing() -> None:
    people = who({"cart_add": [ago(days=3)]})
    assert found("cart_add then purchase", people) == set()
    assert found("purchase not followed by cart_add", people) == set()
    assert found("cart_add not followed by purchase within 1 day", people) == {0}
    assert found("restarted purchase after 3 days", people) == set()
    assert found("stopped purchase for 3 days", people) == set()


def test_instants_that_no_calendar_has_make_no_sequence_fail() -> None:
    connection = duckdb.connect()
    connection.execute(
        """CREATE TABLE world (person INTEGER, suppressed BOOLEAN, in_lists VARCHAR[]);
        INSERT INTO world VALUES (1, FALSE, []), (2, FALSE, []);
        CREATE TABLE bought AS SELECT * FROM (VALUES
            (1, TIMESTAMPTZ '-infinity'), (1, TIMESTAMPTZ 'infinity'),
            (1, make_timestamptz(-9223372022400000000)), (NULL, now()), (2, NULL),
            (2, make_timestamptz(9223372036854775000)), (1, TIMESTAMPTZ '2026-01-01 00:00:00+00')
        ) AS rows(person, "at")"""
    )
    texts = (
        "purchase then purchase within 3 days", "purchase then purchase", "restarted purchase after 90 days",
        "purchase not followed by purchase within 3 days", "stopped purchase for 60 days",
        "purchase in at least 1 of the last 4 months",
    )  # fmt: skip
    rules = rule_set({text: compiled(text) for text in texts})
    tables = Tables(people="world", activity={"purchase": "bought"})
    found = evaluate(connection, rules, tables, as_of=AS_OF, zone="Europe/Berlin").members
    assert {text: set(found[text]) for text in texts} == {
        "purchase then purchase within 3 days": set(),
        "purchase then purchase": {1},
        "restarted purchase after 90 days": {1},
        "purchase not followed by purchase within 3 days": {1},
        "stopped purchase for 60 days": {1},
        "purchase in at least 1 of the last 4 months": {1},
    }


# ── regularly, stopped, restarted, most frequent ──


def test_regularity_counts_the_rolling_slices_with_activity() -> None:
    at = [dt.datetime(2026, month, 2, 9, tzinfo=dt.UTC) for month in (2, 1)] + [
        dt.datetime(2025, month, 2, 9, tzinfo=dt.UTC) for month in (12, 11)
    ]  # as_of is 2 March 9:00 UTC: these are the ends of slices
    people = who(
        {"purchase": [AS_OF, at[0], at[1], at[2]]},  # each is the last instant of its slice
        {"purchase": [AS_OF, at[0], at[0] + US, at[3]]},  # the latest and the second; the last is too early
        {"purchase": [AS_OF, at[0] + US, ago(days=3)]},  # all in one
        {"purchase": [at[1], at[2], at[3] + US, at[3] + US]},
        {"purchase": [AS_OF + US, at[0], at[1]]},
    )
    assert found("purchase in at least 1 of the last 4 months", people) == {0, 1, 2, 3, 4}
    assert found("purchase in at least 2 of the last 4 months", people) == {0, 1, 3, 4}
    assert found("purchase in at least 3 of the last 4 months", people) == {0}
    assert found("purchase in at least 4 of the last 4 months", people) == {0}
    assert found("not purchase in at least 4 of the last 4 months", people) == {1, 2, 3, 4}


@pytest.mark.parametrize("unit", ["hours", "days", "weeks"])
def test_slices_of_a_fixed_length_are_worked_out_alike_by_division(unit: str) -> None:
    length = UNITS[ir.Unit(unit[:-1])]
    draw = random.Random(3)
    people = who(
        *(
            {"purchase": [AS_OF - draw.randint(-1, 200) * length / 2 + draw.choice([US, -US, 0 * US])
                          for _ in range(draw.randint(0, 40))]}
            for _ in range(60)
        )
    )  # fmt: skip
    for n, least in ((3, 2), (62, 20), (63, 20)):
        counted = [
            len({(AS_OF - row["at"]) // length for row in one.activity["purchase"]  # type: ignore[operator]
                 if 0 * US <= AS_OF - row["at"] < n * length})  # type: ignore[operator]
            for one in people
        ]  # fmt: skip
        expected = {number for number, slices in enumerate(counted) if slices >= least}
        assert found(f"purchase in at least {least} of the last {n} {unit}", people) == expected
        assert 0 < len(expected) < len(people) or n == 3


def test_whoever_stopped_did_it_once_and_not_since() -> None:
    people = who({"purchase": [ago(days=60)]}, {"purchase": [ago(days=60) + US]}, {},
                 {"purchase": [ago(days=90), ago(days=3)]})  # fmt: skip
    assert found("stopped purchase for 60 days", people) == {0}
    assert found("not stopped purchase for 60 days", people) == {1, 2, 3}
    clamped = who({"purchase": [dt.datetime(2026, 1, 2, 9, tzinfo=dt.UTC)]}, {"purchase": [ago(days=58)]})
    assert found("stopped purchase for 2 months", clamped) == {0}


def test_whoever_restarted_came_back_after_a_pause() -> None:
    people = who(
        {"purchase": [ago(days=100), ago(days=10)]},
        {"purchase": [ago(days=100), ago(days=10) - US]},
        {"purchase": [ago(days=100), ago(days=50), ago(days=10)]},
        {"purchase": [ago(days=10)]},
        {"purchase": [ago(days=300), ago(days=200), ago(days=200), ago(days=195)]},
        {"purchase": [ago(days=100), AS_OF + US]},
    )
    assert found("restarted purchase after 90 days", people) == {0, 4}
    assert found("restarted purchase after 90 days, last 30 days", people) == {0}
    assert found("restarted purchase after 89 days, last 30 days", people) == {0, 1}


def test_restarts_are_those_that_neighbours_in_time_show() -> None:
    draw = random.Random(5)
    people = histories(draw, 200)
    for hours, window in ((2, 30), (3, 6), (5, 12)):
        expected = set()
        for one in people:
            at = sorted({row["at"] for row in one.activity["purchase"] if row["at"] <= AS_OF})  # type: ignore[type-var, operator]
            pairs = pairwise(at)
            if any(b - a >= hours * HOUR and b > AS_OF - window * HOUR for a, b in pairs):  # type: ignore[operator]
                expected.add(one.person)
        assert found(f"restarted purchase after {hours} hours, last {window} hours", people) == expected
        assert expected


def test_the_most_frequent_value_and_of_several_the_least() -> None:
    def bought(*categories: str | None) -> dict[str, list[object]]:
        return {"purchase": [(ago(days=n), {"category": name}) for n, name in enumerate(categories)]}

    rows = [("Shoes", "shoes", "Bags"), ("b", "a", None, None), ("b", "A", "B", "a"), (None,)]
    people = who(*(bought(*names) for names in rows))  # type: ignore[arg-type]
    assert found('most frequent(purchase.category) = "shoes"', people) == {0}
    assert found('most frequent(purchase.category) = "a"', people) == {1, 2}
    assert found("most frequent(purchase.category) is missing", people) == {3}
    assert found('most frequent(purchase.category) matches "^Shoes$"', people) == {0}
    assert found('most frequent(purchase.category, last 36 hours) = "shoes"', people) == {0}
    assert found('most frequent(purchase.category where category != "shoes") = "bags"', people) == {0}
    amounts = who(*({"purchase": [(ago(days=1), {"amount": a}) for a in row]} for row in ([5, 7, 7], [9, 5])))  # type: ignore[misc]
    assert found("most frequent(purchase.amount) = 0.07", amounts) == {0}
    assert found("most frequent(purchase.amount) = 0.05", amounts) == {1}
