"""The nearest change that turns a condition really does: by the evaluator, and by the engine."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from rules import ir
from rules.engine.ahead import Ahead
from rules.engine.edits import applied
from rules.engine.flips import after, deadline, nearest
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts
from rules.engine.ranks import KnownRanks, Threshold
from rules.engine.scopes import PersonScope
from rules.engine.walk import nodes
from rules.engine.words import said
from rules.vocabulary import Type
from tests.rules.engine.agreement import by_duckdb
from tests.rules.engine.generated_people import DAY, ZONE
from tests.rules.engine.test_ahead import NOW, compiled, true, worlds
from tests.thorough import examples

CONTEXT = Context(Clock(NOW, ZONE))
PERSON = PersonFacts(
    7,
    {"country": "FR", "ltv": 45_010, "score": 2_000_000, "birthday": dt.date(1990, 6, 20)},
    {
        "purchase": [
            {"at": NOW - 80 * DAY, "amount": 3000, "category": "Shoes"},
            {"at": NOW - 20 * DAY, "amount": 2000, "category": "Bags"},
        ],
        "email_click": [{"at": NOW - 27 * DAY}],
    },
    consented={"email": None},
)


def told(text: str, person: PersonFacts = PERSON, **conditions: str) -> list[str]:
    inside = {name: compiled(one) for name, one in conditions.items()}
    flip = nearest(compiled(text), PersonScope(person, CONTEXT, inside))
    return [] if flip is None else list(said(flip, person, CONTEXT))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("count(purchase) >= 4", ["2 more purchase"]),
        ("sum(purchase.amount, last 90 days) >= 99.90", ["1 more purchase (amount 49.90)"]),
        ("ltv >= 500", ["ltv becomes 500.00 (49.90 more)"]),
        ("ltv < 450.10", ["ltv becomes 450.09 (0.01 less)"]),
        ('country = "DE"', ["country becomes de"]),
        ('country in ["DE", "AT"]', ["country becomes one of de, at"]),
        ('country != "FR"', ["country becomes something other than fr"]),
        ("consented to email", ["consent to email is given"]),
        ("not suppressed", ["opts out"]),
        ("count(purchase, last 90 days) >= 2", ["1 purchase fewer (of 2025-12-12 09:00 UTC)"]),
        ('count(purchase where category = "hats") >= 1', ["1 more purchase (category hats)"]),
        (
            "sum(purchase.amount) >= 100 and count(purchase) >= 4",
            ["1 more purchase (amount 50.00)", "1 more purchase"],
        ),
        ('country = "DE" or count(email_click) >= 9', ["country becomes de"]),
        ("purchase then email_click within 30 days", ["1 more email_click"]),
        ("stopped purchase for 30 days", ["1 purchase fewer (of 2026-02-10 09:00 UTC)"]),
        ("random 50% of \"test\"", []),
    ],
)  # fmt: skip
def test_the_nearest_change_is_told_in_words_with_amounts(text: str, lines: list[str]) -> None:
    assert told(text) == lines


def test_segments_that_turn_by_it_are_named() -> None:
    assert told('not in segment "vip"', vip="ltv >= 400") == [
        "ltv becomes 399.99 (50.11 less)",
        "leaves segment vip by that",
    ]


def test_a_rank_is_passed_while_everybody_else_stays() -> None:
    rank = ir.RankCount(ir.Side.TOP, 10, ir.Fact("ltv", Type.MONEY), None)
    context = Context(Clock(NOW, ZONE), KnownRanks({rank: {None: Threshold(at_least=60_000)}}))
    flip = nearest(rank, PersonScope(PERSON, context, {}))
    assert flip is not None
    assert list(said(flip, PERSON, context)) == ["ltv becomes 600.00 (149.90 more)"]


def test_more_activity_is_needed_before_what_there_is_leaves_the_window() -> None:
    rule = compiled("count(email_click, last 30 days) >= 3")
    flip = nearest(rule, PersonScope(PERSON, CONTEXT, {}))
    assert flip is not None
    assert list(said(flip, PERSON, CONTEXT)) == ["2 more email_click"]
    assert deadline(flip, rule, Ahead(PERSON, CONTEXT, {})) == NOW + 3 * DAY


def test_nearly_every_condition_a_person_can_turn_has_a_change() -> None:
    signs, functions = ("<", "<=", ">", ">=", "=", "!="), ("sum", "avg", "min", "max")
    conditions = [f"score {sign} {n}" for sign in signs for n in (0, 2, 7)]
    conditions += [f"{one}(purchase.amount, last {n} days) > 25" for one in functions for n in (30, 90)]
    conditions += ["days since purchase > 60", "birthday anniversary within next 7 days"]
    conditions += ["city is missing", "city is known", 'interests has "Hats"']
    conditions += ["purchase in at least 3 of the last 4 months", "restarted purchase after 30 days"]
    conditions += ["score + count(purchase) > 12", "all(deal where amount > 5)"]
    conditions += ['none(deal where stage = "won")', 'first_name matches "^An"']
    assert [text for text in conditions if not told(text)] == []


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})


@settings(
    max_examples=examples(90),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(worlds())
def test_applying_the_nearest_change_turns_the_condition(
    connection: duckdb.DuckDBPyConnection,
    world: tuple[dt.datetime, dict[str, ir.Predicate], PersonFacts],
) -> None:
    as_of, conditions, person = world
    for name, condition in conditions.items():
        flip = nearest(condition, PersonScope(person, Context(Clock(as_of, ZONE)), conditions))
        if flip is None:
            continue
        changed, before = after(person, flip), true(name, person, conditions, as_of)
        assert true(name, changed, conditions, as_of) is not before, flip
        if any(isinstance(node, ir.Earned) and node.kind == "deal" for node in nodes(conditions.values())):
            continue  # points are given for activity; only the generator gives them for records
        found = by_duckdb(conditions, [changed], as_of=as_of, zone=ZONE, connection=connection)
        assert (3 in found.members[name]) is not before
        for edit in flip.edits:
            others = tuple(one for one in flip.edits if one is not edit)
            assert true(name, applied(person, others), conditions, as_of) is before, "could be left out"
