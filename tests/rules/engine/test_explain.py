"""Explanations: every node of the condition with its result, every leaf with what it looked at."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from rules import ir
from rules.engine.explain import Explaining, Explanation, explain
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator, PersonFacts
from rules.engine.population import Population
from rules.engine.ranks import KnownRanks
from rules.engine.reading import read_person
from rules.engine.relations import relations
from rules.engine.walk import ranks
from rules.language import compile_expression, render
from rules.vocabulary import Type
from tests.rules.engine.agreement import by_duckdb, by_python
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
CLOCK = Clock(AS_OF, "Europe/Berlin")
VIP = PersonFacts(
    7,
    {"country": "DE", "score": 2_500_000, "ltv": 62_000},
    {"purchase": [{"at": AS_OF - dt.timedelta(days=61), "amount": 62_000}]},
)
LAPSED = "sum(purchase.amount, last 365 days) >= 500 and days since purchase > 60 and not suppressed"


def compiled(text: str) -> ir.Predicate:
    found = compile_expression(text, VOCABULARY)
    assert not isinstance(found, tuple), found
    return found


def explained(text: str, person: PersonFacts = VIP) -> Explanation:
    return explain(compiled(text), person, Context(CLOCK), render=render)


def test_the_tree_has_the_condition_s_nodes_with_results_and_values() -> None:
    tree = explained(LAPSED)
    assert tree.result
    assert [child.result for child in tree.children] == [True, True, True]
    money, days, _ = tree.children
    assert [one.value for one in money.observed] == ["620.00"]
    assert days.observed[0].value == "61"
    assert "\n".join(tree.lines()).count("✓") == 4


def test_what_was_told_of_one_condition_is_not_taken_for_another() -> None:
    texts = [LAPSED, "days since purchase > 60", "days since purchase > 61", f"not ({LAPSED})",
             "count(purchase) >= 1", "count(purchase) >= 2", 'country = "DE"', 'country = "FR"']  # fmt: skip
    for person in (VIP, PersonFacts(8)):
        together = Explaining(Evaluator(person, Context(CLOCK), {}), render, {})
        for text in [*texts, *reversed(texts)]:
            assert together.tree(compiled(text)) == explained(text, person), text


def test_what_is_missing_is_said_to_be_missing() -> None:
    tree = explained("days since purchase > 60", PersonFacts(8))
    assert not tree.result
    assert {one.value for one in tree.observed} == {None}
    assert "missing" in "\n".join(tree.lines())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("score >= 2", "2.5"),
        ("ltv >= 2", "620.00"),
        ('country = "de"', "DE"),
        ("avg(purchase.amount) > 1", "620.00"),
        ("score / 2 > 1", "1.25"),
        ("count(purchase) = 1", "1"),
        ("vip", None),
    ],
)
def test_values_are_shown_in_the_admin_s_units(text: str, value: str | None) -> None:
    assert explained(text).observed[0].value == value


def test_a_sequence_is_explained_by_when_its_steps_happened() -> None:
    day = dt.timedelta(days=1)
    cart = [{"at": AS_OF - n * day} for n in (9, 5)]
    person = PersonFacts(9, activity={"cart_add": cart, "purchase": [{"at": AS_OF - 4.5 * day}]})

    def shown(text: str) -> list[str | None]:
        return [one.value for one in explained(text, person).observed]

    assert shown("cart_add then purchase within 1 day") == [
        (AS_OF - 5 * day).isoformat(),
        (AS_OF - 4.5 * day).isoformat(),
    ]
    assert shown("cart_add then purchase within 1 hour") == [(AS_OF - 5 * day).isoformat(), None]
    assert shown("cart_add then cart_add then purchase within 1 day")[0] == (AS_OF - 9 * day).isoformat()
    assert shown("cart_add not followed by purchase within 1 day") == [(AS_OF - 9 * day).isoformat(), "none"]
    assert shown("cart_add not followed by purchase within 1 day, last 6 days") == [
        (AS_OF - 5 * day).isoformat(),
        (AS_OF - 4.5 * day).isoformat(),
    ]
    assert shown("purchase not followed by cart_add within 1 week") == [
        (AS_OF - 4.5 * day).isoformat(),
        f"none yet, open until {(AS_OF + 2.5 * day).isoformat()}",
    ]
    assert shown("restarted cart_add after 3 days") == [(AS_OF - n * day).isoformat() for n in (9, 5)]
    tree = explained("cart_add then purchase within 1 day", person)
    assert [one.text for one in tree.observed] == ["step 1 cart_add", "step 2 purchase within 1 day"]


def test_regularity_and_pauses_are_explained_by_what_was_counted() -> None:
    assert explained("purchase in at least 2 of the last 4 months").observed[0].value == "1"
    (last,) = explained("stopped purchase for 60 days").observed
    assert (last.text, last.value) == ("last purchase", (AS_OF - dt.timedelta(days=61)).isoformat())


def test_a_segment_inside_a_condition_is_explained_too() -> None:
    conditions = {"rich": compiled("ltv >= 100")}
    tree = explain(ir.Not(ir.InSegment("rich")), VIP, Context(CLOCK), render=render, conditions=conditions)
    inside = tree.children[0]
    assert (tree.result, inside.result, inside.children[0].result) == (False, True, True)
    assert inside.children[0].observed[0].value == "620.00"


def test_one_person_read_from_the_lake_is_explained_like_the_whole_evaluation_decided() -> None:
    score = ir.Fact("score", Type.NUMBER)
    conditions: dict[str, ir.Predicate] = {
        "lapsed": compiled(LAPSED),
        "top": ir.RankShare(ir.Side.TOP, 300_000, score, ir.Fact("country", Type.TEXT)),
        "fifth": ir.Quintile(5, score, None),
        "stopped": ir.Not(compiled("restarted purchase after 3 days")),
        "ordered": compiled("purchase not followed by email_click within 3 days"),
        "both": ir.And((ir.InSegment("lapsed"), ir.InSegment("top"))),
    }
    others = [PersonFacts(n, {"score": n * 1_000_000, "country": ("de", "FR")[n % 2]}) for n in range(6)]
    everyone = [*others, VIP]
    connection = duckdb.connect()
    found = by_duckdb(conditions, everyone, as_of=AS_OF, connection=connection)
    population = Population(ranks(conditions.values()), everyone, Context(CLOCK))
    assert by_python(conditions, everyone, as_of=AS_OF) == {id_: set(m) for id_, m in found.members.items()}
    with relations(connection, everyone, VOCABULARY) as tables:
        for one in everyone:
            person = read_person(connection, tables, person=one.person, conditions=conditions.values())
            assert person is not None
            for known in (KnownRanks(found.thresholds), population):
                for id_, condition in conditions.items():
                    context = Context(CLOCK, known)
                    tree = explain(condition, person, context, render=render, conditions=conditions)
                    assert tree.result == (one.person in found.members[id_])
        assert read_person(connection, tables, person=99, conditions=()) is None


def test_a_place_shows_how_far_it_is_and_a_membership_since_when() -> None:
    person = PersonFacts(1, {"latitude": 48_140_000, "shop.longitude": 12_580_000, "ltv": 500_00})
    tree = explain(compiled("location within 50 km of (48.14, 11.58)"), person, Context(CLOCK), render=render)
    assert not tree.result
    assert {one.text: one.value for one in tree.observed} == {
        "latitude": "48.14",
        "shop.longitude": "12.58",
        "distance": "74.2 km",
    }
    since = CLOCK.as_of - dt.timedelta(days=30)
    context = Context(CLOCK, since=lambda segment: since if segment == "rich" else None)
    conditions = {"rich": compiled("ltv > 100")}
    held = explain(
        compiled('in segment "rich" for 30 days'), person, context, render=render, conditions=conditions
    )
    assert held.result
    assert [one.text for one in held.children] == ["ltv > 100"]
    assert held.observed[0].value == since.isoformat(" ", "minutes")
