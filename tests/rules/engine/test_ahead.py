"""The first instant at which time alone changes an answer: seen on both sides, and none before it."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rules import ir
from rules.engine.ahead import AHEAD, Ahead
from rules.engine.explain import one_person
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts, holds
from rules.engine.ranks import KnownRanks, Threshold
from rules.engine.walk import Rank, nodes
from rules.language import compile_expression
from rules.vocabulary import Type
from tests.rules.engine.generated import Nodes
from tests.rules.engine.generated_people import AS_OF, DAY, US, ZONE
from tests.rules.vocabulary import VOCABULARY
from tests.thorough import examples

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def compiled(text: str) -> ir.Predicate:
    found = compile_expression(text, VOCABULARY)
    assert not isinstance(found, tuple), found
    return found


def true(name: str, person: PersonFacts, conditions: Mapping[str, ir.Predicate], at: dt.datetime) -> bool:
    context = one_person(Context(Clock(at, ZONE)), person, conditions)
    return holds(conditions[name], person, context)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dt.datetime, dict[str, ir.Predicate], PersonFacts]:
    as_of = draw(st.sampled_from(AS_OF))
    drawn = Nodes(draw, as_of)
    conditions: dict[str, ir.Predicate] = {}
    for depth in (0, 1, 1, 2):
        conditions[f"s{len(conditions)}"] = drawn.predicate(depth, tuple(conditions))
    assume(not any(isinstance(node, Rank) for node in nodes(conditions.values())))
    return as_of, conditions, drawn.person(3)


@settings(max_examples=examples(90), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_the_answer_turns_just_then_and_not_before(
    world: tuple[dt.datetime, dict[str, ir.Predicate], PersonFacts],
) -> None:
    as_of, conditions, person = world
    ahead = Ahead(person, Context(Clock(as_of, ZONE)), conditions)
    chosen = random.Random(1)
    for name, condition in conditions.items():
        view = ahead.view(condition)
        before = true(name, person, conditions, as_of)
        end = as_of + AHEAD if view.turn is None else view.turn.at
        if view.turn is not None:
            assert true(name, person, conditions, end - US) is before
            assert true(name, person, conditions, end) is not before
            assert view.turn.leaves
        if any(isinstance(node, ir.Arithmetic) for node in nodes(conditions.values())):
            continue  # what comes and goes within an eighth of the time between two edges may be missed
        for _ in range(15):
            between = as_of + (end - as_of) * chosen.random()
            if between < end:
                assert true(name, person, conditions, between) is before, between


APRIL = dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC)
BUYER = PersonFacts(
    7,
    {"birthday": dt.date(1990, 3, 20), "score": 2_000_000, "signed_up": NOW - 350 * DAY},
    {
        "purchase": [{"at": NOW - 80 * DAY, "amount": 3000}, {"at": NOW - 20 * DAY, "amount": 2000}],
        "cart_add": [{"at": NOW - dt.timedelta(hours=3)}],
        "email_click": [{"at": NOW - n * DAY} for n in range(4)],
    },
)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("count(purchase, last 90 days) >= 2", NOW + 10 * DAY),
        ("sum(purchase.amount, last 30 days) < 20", NOW + 10 * DAY),
        ("days since purchase > 60", NOW + 40 * DAY + dt.timedelta(microseconds=86_400)),
        ("days since signed_up >= 365", NOW + 15 * DAY),
        ("stopped purchase for 30 days", NOW + 10 * DAY),
        ("cart_add not followed by purchase within 24 hours", NOW + dt.timedelta(hours=21)),
        ("birthday anniversary within next 7 days", dt.datetime(2026, 3, 13, 23, tzinfo=dt.UTC)),
        ("count(purchase, this month) = 0 and count(purchase, last month) = 0", APRIL),
        ("last purchase within last 1 month", dt.datetime(2026, 3, 10, 9, tzinfo=dt.UTC)),
        ("count(purchase) >= 2", None),
        ("score >= 2", None),
    ],
)  # fmt: skip
def test_windows_ages_pauses_and_calendars_turn_on_their_dates(text: str, at: dt.datetime | None) -> None:
    turn = Ahead(BUYER, Context(Clock(NOW, ZONE)), {}).view(compiled(text)).turn
    assert (turn.at if turn else None) == at


def test_points_that_fade_take_people_out_at_midnight() -> None:
    clicks = ir.Earned("email_click", None, ir.Ever(), 5_000_000, None, 7)
    score = ir.Score("engagement", (clicks,), None, None)
    rule = ir.Compare(ir.Comparison.GE, score, ir.Literal(10_000_000, score.type))
    turn = Ahead(BUYER, Context(Clock(NOW, ZONE)), {}).view(rule).turn
    assert turn is not None
    points = [sum(5 * 2 ** (-(age + later) / 7) for age in range(4)) for later in range(30)]
    days = next(later for later, sum_ in enumerate(points) if sum_ < 10)
    assert turn.at == dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC) + days * DAY


def test_ranks_are_held_still_and_it_is_said() -> None:
    age = ir.DaysSince(ir.Fact("signed_up", Type.DATETIME))
    rank = ir.RankShare(ir.Side.TOP, 100_000, age, None)
    ranks = KnownRanks({rank: {None: Threshold(at_least=355_000_000)}})
    ahead = Ahead(BUYER, Context(Clock(NOW, ZONE), ranks), {})
    view = ahead.view(ir.Or((rank, compiled("count(purchase, last 90 days) >= 2"))))
    assert view.held
    assert view.turn is not None
    assert view.turn.at == NOW + 10 * DAY
    assert ahead.view(rank).turn is None


def test_of_segments_inside_it_is_told_which_leaf_turns() -> None:
    conditions = {"recent": compiled("count(purchase, last 30 days) >= 1")}
    turn = Ahead(BUYER, Context(Clock(NOW, ZONE)), conditions).view(ir.Not(ir.InSegment("recent"))).turn
    assert turn is not None
    assert (turn.at, turn.leaves) == (NOW + 10 * DAY, (conditions["recent"],))


def test_a_member_that_stays_leaves_when_the_stay_is_over() -> None:
    lasting = ir.Lasting("recent", compiled("score > 5"), None, 72)
    context = Context(Clock(NOW, ZONE), entered=lambda _: NOW - DAY)
    turn = Ahead(BUYER, context, {}).view(lasting).turn
    assert turn is not None
    assert turn.at == NOW + 2 * DAY


def test_of_people_with_very_much_activity_it_is_told_how_far_was_looked() -> None:
    rows = [{"at": NOW - n * dt.timedelta(minutes=1)} for n in range(4_000)]
    view = Ahead(PersonFacts(8, {}, {"page_view": rows}), Context(Clock(NOW, ZONE)), {}).view(
        compiled("count(page_view, last 90 days) >= 1")
    )
    assert view.turn is None
    assert NOW < view.until < NOW + AHEAD


def test_who_is_in_for_a_time_comes_in_when_it_is_over_and_leaves_with_the_segment() -> None:
    conditions = {"recent": compiled("count(purchase, last 30 days) >= 1")}
    context = Context(Clock(NOW, ZONE), since=lambda _: NOW - 20 * DAY)
    ahead = Ahead(BUYER, context, conditions)
    turns = [ahead.view(ir.HeldSegment("recent", n, ir.Unit.DAY)).turn for n in (23, 15)]
    assert [turn and turn.at for turn in turns] == [NOW + 3 * DAY, NOW + 10 * DAY]
