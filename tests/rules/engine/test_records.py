"""Related records: the present state of each, by both evaluators; what is one record, and its latest row."""

from __future__ import annotations

import datetime as dt

import pytest

from rules.engine.person import PersonFacts
from rules.language import compile_expression, render
from tests.rules.engine.agreement import members
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
Row = dict[str, object]


def state(deal: str | None, stage: str, days_ago: float, euros: int = 0, **more: object) -> Row:
    at = AS_OF - dt.timedelta(days=days_ago)
    return {"deal": deal, "stage": stage, "at": at, "amount": euros * 100, **more}


def person(number: int, *rows: Row) -> PersonFacts:
    activity: dict[str, list[Row]] = {}
    for row in rows:
        activity.setdefault(f"deal_{row['stage']}", []).append(row)
    return PersonFacts(number, activity=activity)


def who(expression: str, *people: PersonFacts, as_of: dt.datetime = AS_OF) -> set[int]:
    """Who is in, on which both evaluators agree."""
    condition = compile_expression(expression, VOCABULARY)
    assert not isinstance(condition, tuple), [str(problem) for problem in condition]
    return members(condition, people, as_of=as_of)


WON = person(1, state("a", "open", 20, 900), state("a", "won", 5, 2_000))
OPEN = person(2, state("b", "open", 3, 5_000))
MIXED = person(3, state("c", "won", 9, 1_500), state("d", "lost", 8, 100), state("e", "open", 1, 50))
NOTHING = person(4)
EVERYONE = (WON, OPEN, MIXED, NOTHING)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('any(deal where stage = "won" and amount > 1000)', {1, 3}),
        ('any(deal where stage = "open")', {2, 3}),  # person 1's deal was open once, and is not any more
        ('all(deal where stage = "won")', {1}),
        ('none(deal where stage = "won")', {2, 4}),
        ('count(deal where stage = "open") >= 1', {2, 3}),
        ("count(deal) = 3", {3}),
        ("any(deal)", {1, 2, 3}),
        ("none(deal)", {4}),
        ("sum(deal.amount) = 2000", {1}),
        ("any(deal where amount > 10, last 4 days)", {2, 3}),
        ('all(deal where stage = "open", last 4 days)', {2, 3}),
    ],
)
def test_related_records_are_asked_for_what_they_are_now(expression: str, expected: set[int]) -> None:
    assert who(expression, *EVERYONE) == expected


def test_all_is_false_of_people_without_records_and_none_is_true() -> None:
    assert who('all(deal where stage = "won")', NOTHING) == set()
    assert who('not all(deal where stage = "won")', NOTHING) == {4}
    assert who('none(deal where stage = "won")', NOTHING) == {4}
    assert who('all(deal where stage = "won") or none(deal)', *EVERYONE) == {1, 4}


def test_a_replay_sees_the_states_of_its_own_time() -> None:
    before = AS_OF - dt.timedelta(days=5) - dt.timedelta(microseconds=1)
    assert who('any(deal where stage = "open")', WON, as_of=before) == {1}
    assert who('any(deal where stage = "won")', WON, as_of=before) == set()
    assert who('any(deal where stage = "won")', WON, as_of=AS_OF - dt.timedelta(days=5)) == {1}
    assert who("any(deal)", WON, as_of=AS_OF - dt.timedelta(days=21)) == set()


def test_at_equal_times_the_kind_named_last_is_the_state_then_the_greater_event_id() -> None:
    closed = person(1, state("a", "lost", 2), state("a", "open", 2))
    assert who('any(deal where stage = "lost")', closed) == {1}
    later = state("a", "won", 2, 5, event_id="2"), state("a", "won", 2, 9, event_id="1")
    assert who("sum(deal.amount) = 5", person(1, *later)) == {1}
    assert who("sum(deal.amount) = 5", person(1, *reversed(later))) == {1}


def test_a_record_is_one_by_its_id_as_written_and_rows_without_an_id_are_none() -> None:
    spelled = person(1, state("a", "open", 2), state("A", "open", 3), state(None, "open", 1))
    assert who("count(deal) = 2", spelled) == {1}
    assert who("any(deal)", person(2, state(None, "won", 1))) == set()


def test_of_a_missing_field_a_condition_is_false_and_its_opposite_true() -> None:
    unknown = person(1, {**state("a", "open", 2), "amount": None})
    assert who("any(deal where amount > 10)", unknown) == set()
    assert who("any(deal where not amount > 10)", unknown) == {1}
    assert who("all(deal where not amount > 10)", unknown) == {1}


def test_all_is_no_record_that_does_not_fit() -> None:
    """The second way to say it, in the language itself."""
    other_way = 'any(deal) and none(deal where not (stage = "won" or amount > 40))'
    assert (
        who('all(deal where stage = "won" or amount > 40)', *EVERYONE)
        == who(other_way, *EVERYONE)
        == {1, 2, 3}
    )


@pytest.mark.parametrize(
    "expression",
    [
        'any(deal where stage = "won")',
        'none(deal where stage = "won", last 30 days)',
        'all(deal where stage = "won" or amount > 40)',
        'count(deal where stage = "open") >= 2',
        "sum(deal.amount) > 5",
        "days since deal > 5",
    ],
)
def test_records_render_as_they_are_written(expression: str) -> None:
    condition = compile_expression(expression, VOCABULARY)
    assert not isinstance(condition, tuple)
    assert render(condition) == expression


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "any(purchase where gift)",
            "any asks for records such as deals, but purchase is an activity; write purchase where …",
        ),
        (
            "none(purchase)",
            "none asks for records such as deals, but purchase is an activity; write never purchase",
        ),
        ("any(deal_won)", "but deal_won is an activity; write deal_won where …, or any(deal where …)"),
        ("all(deal)", "all needs a condition: all(deal where …); or write any(deal)"),
        ("any(dael)", 'unknown record "dael"; did you mean "deal"?'),
        ("any(zzzzz)", 'unknown record "zzzzz" (known: deal)'),
        ("any(vip)", "any asks for records such as deals, but vip is a fact of the person"),
        ("deal = 3", "deal is a kind of record, not a value; write any(deal where …) or count(deal)"),
        ('any(deal where stag = "x")', 'unknown field "stag" of deal; did you mean "stage"?'),
        ("any(deal where any(deal))", "cannot stand inside where"),
    ],
)
def test_a_misuse_of_records_says_what_to_write(expression: str, message: str) -> None:
    problems = compile_expression(expression, VOCABULARY)
    assert isinstance(problems, tuple)
    assert message in " | ".join(str(problem) for problem in problems)
