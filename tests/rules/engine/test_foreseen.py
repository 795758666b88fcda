"""A person as edits would make them answers as the person made so does, whatever was asked before."""

from __future__ import annotations

import datetime as dt
from itertools import islice, pairwise, permutations

from hypothesis import HealthCheck, given, settings

from rules import ir
from rules.engine.edits import Edit, Fewer, More, SetConsent, SetFact, SetSuppressed, applied
from rules.engine.flips import nearest
from rules.engine.foretold import Foretold
from rules.engine.offers import offers
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator, PersonFacts
from rules.engine.ranks import KnownRanks, Threshold
from rules.engine.scopes import PersonScope
from rules.engine.walk import ranks
from rules.engine.words import said
from tests.rules.engine.generated_people import DAY, ZONE
from tests.rules.engine.test_ahead import NOW, compiled, true, worlds
from tests.thorough import examples

CONTEXT = Context(Clock(NOW, ZONE))


def edits_of(conditions: dict[str, ir.Predicate], person: PersonFacts, scope: PersonScope) -> list[Edit]:
    """Edits of all sorts: such as are thought of for the conditions, and some activity that is gone."""
    found: list[Edit] = []
    for condition in conditions.values():
        for target in (True, False):
            found += [edit for offer in islice(offers(condition, target, scope), 3) for edit in offer]
    for kind, rows in person.activity.items():
        found += [Fewer(kind, (place,)) for place in range(min(len(rows), 2))]
    return found


@settings(max_examples=examples(60), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_a_person_foreseen_answers_as_the_person_made_so(
    world: tuple[dt.datetime, dict[str, ir.Predicate], PersonFacts],
) -> None:
    as_of, conditions, person = world
    scope = PersonScope(person, Context(Clock(as_of, ZONE)), conditions)
    then = Clock(as_of + 30 * DAY, ZONE)
    scope.begin()
    found = edits_of(conditions, person, scope)[:12]
    for edits in [*((edit,) for edit in found), *pairwise(found)]:
        made = applied(person, edits)
        for name, condition in conditions.items():
            assert scope.after(edits, condition) is true(name, made, conditions, as_of), edits
            assert scope.plus(edits).holds(condition) is true(name, made, conditions, as_of), edits
            assert scope.later(then, edits, condition) is true(name, made, conditions, then.as_of), edits


BUYER = PersonFacts(
    7,
    {"score": 2_000_000, "country": "FR"},
    {"purchase": [{"at": NOW - n * DAY, "amount": 1000 * n, "category": "Shoes"} for n in (1, 20, 80)]},
)


def test_a_number_more_is_foretold_without_trying_and_is_what_trying_finds() -> None:
    texts = [f"{of} {sign} {n}" for of in ("count(purchase)", "score") for sign in ("<", ">=", "=", "!=")
             for n in (2, 3, 4, 5)]  # fmt: skip
    texts += [
        f'sum(purchase.amount where category = "shoes", last 30 days) >= {n}'
        for n in (211, 215, 216, 220, 221)
    ]
    text = ir.Fact("category", compiled('country = "FR"').left.type)  # type: ignore[union-attr]
    category = text.name, "Shoes", text.type
    amount = "amount", 500, compiled("ltv = 1").left.type  # type: ignore[union-attr]
    edits = [
        More("purchase", n, fields, (NOW - ago * DAY,))
        for n in (1, 2)
        for fields in ((amount, category), (amount,), (category,))
        for ago in (0, 29, 30, 31)
    ]
    edits.append(More("email_click", 3, (), (NOW,)))
    one = Evaluator(BUYER, CONTEXT)
    told = 0
    for text_ in texts:
        condition = compiled(text_)
        for edit in edits:
            found = Foretold(one, (edit,)).holds(condition)
            told += found is not None
            if found is not None:
                assert found is true("it", applied(BUYER, (edit,)), {"it": condition}, NOW), (text_, edit)
    assert told > len(texts) * len(edits) / 2


def test_what_is_foretold_of_all_values_is_what_making_the_person_finds() -> None:
    of = ["count(purchase)", "sum(purchase.amount)", "avg(purchase.amount)", "max(purchase.amount)",
          "days since purchase", "distinct(purchase.category)"]  # fmt: skip
    texts = [f"{one} {sign} {n}" for one in of for sign in ("<", ">=") for n in (1, 3, 20, 21)]
    texts += ["last purchase within last 20 days", "not first purchase within last 30 days",
              'latest(purchase.category) starts with "s"', "count(purchase) >= 3 and days since purchase > 1",
              'count(purchase) = 2 or country is known']  # fmt: skip
    text = ir.Fact("category", compiled('country = "FR"').left.type)  # type: ignore[union-attr]
    amount = "amount", 500, compiled("ltv = 1").left.type  # type: ignore[union-attr]
    fields = amount, ("category", "Hats", text.type)
    ats = [(NOW,), (NOW - DAY * 25,), (NOW - DAY * 90,), (NOW + DAY,)]
    edits: list[Edit] = [More("purchase", n, fields, at * n) for n in (1, 3) for at in ats]
    edits += [
        More("purchase", 2, fields, (NOW, NOW - DAY)),
        More("purchase", 2, (amount,), (NOW,), "category"),
    ]
    edits += [Fewer("purchase", places) for places in ((0,), (1,), (0, 2), (0, 1, 2))]
    one = Evaluator(BUYER, CONTEXT)
    for text_ in texts:
        condition = compiled(text_)
        for edit in edits:
            wanted = true("it", applied(BUYER, (edit,)), {"it": condition}, NOW)
            assert Foretold(one, (edit,)).holds(condition) is wanted, (text_, edit)


def test_several_edits_ranks_arithmetic_and_segments_are_foretold_as_making_the_person_finds() -> None:
    texts = ["count(purchase) in top 2", "score in top 10%", "sum(purchase.amount) in top 2 by country",
             "score / count(purchase) >= 0.5", "sum(purchase.amount) / count(purchase) < 12",
             'country in ["DE", "AT"]', "consented to email and not suppressed"]  # fmt: skip
    conditions = {text: compiled(text) for text in texts}
    conditions["buyers"] = compiled("count(purchase) >= 4 and score >= 3")
    conditions["in"] = buyer = ir.InSegment("buyers")
    conditions["out"] = ir.And((ir.Not(buyer), compiled("score > 1")))
    bounds = {
        rank: {
            None: Threshold(at_least=4_000_000),
            "fr": Threshold(above=3_100),
            "de": Threshold(above=9_000),
        }
        for rank in ranks(conditions.values())
    }
    context = Context(Clock(NOW, ZONE), KnownRanks(bounds))
    score, country = (compiled(text).left for text in ("score = 1", 'country = "FR"'))  # type: ignore[union-attr]
    amount = "amount", 500, compiled("ltv = 1").left.type  # type: ignore[union-attr]
    singles: list[Edit] = [More("purchase", n, (amount,), (NOW,)) for n in (1, 2)]
    singles += [Fewer("purchase", (0,)), Fewer("purchase", (0, 1, 2))]
    singles += [SetFact("score", n, score) for n in (None, 1_000_000, 9_000_000)]  # type: ignore[arg-type]
    singles += [SetFact("country", name, country) for name in (None, "De")]  # type: ignore[arg-type]
    singles += [SetConsent("email", True), SetConsent("email", False), SetSuppressed(True)]
    one = Evaluator(BUYER, context, conditions)
    for edits in [*((edit,) for edit in singles), *permutations(singles, 2)]:
        of_purchases = sum(isinstance(edit, More | Fewer) for edit in edits)
        made = Evaluator(applied(BUYER, edits), context, conditions)
        for condition in conditions.values():
            found = Foretold(one, edits).holds(condition)
            assert found is made.holds(condition, made.person.facts) or (
                found is None and of_purchases > 1
            ), (
                condition,
                edits,
            )


def test_activity_in_any_order_counts_the_same() -> None:
    rows = BUYER.activity["purchase"]
    for several in permutations(rows):
        person = PersonFacts(7, BUYER.facts, {"purchase": [*several, several[0]]})
        one = Evaluator(person, CONTEXT)
        for last in (1, 2, 20, 21, 79, 80, 90):
            counted = one.rows(compiled(f"count(purchase, last {last} days) >= 1").left)  # type: ignore[union-attr, arg-type]
            inside = [row for row in person.activity["purchase"] if row["at"] > NOW - last * DAY]  # type: ignore[operator]
            assert counted == inside, last


def test_what_one_condition_makes_think_of_is_not_taken_for_another() -> None:
    hats = ' where category = "hats"'
    texts = [f"sum(purchase.amount{where}, last {n} days) >= {bound}" for where in ("", hats)
             for n in (30, 90) for bound in (300, 400)]  # fmt: skip
    texts += [
        "count(purchase) >= 5",
        "count(purchase) >= 6",
        'country = "DE"',
        "count(purchase, last 30 days) >= 5",
        *(f"count(purchase{where}) >= 7" for where in ("", hats, " where amount > 90")),
    ]
    together = PersonScope(BUYER, CONTEXT, {})
    for text in [*texts, *reversed(texts)]:
        condition = compiled(text)
        mine, alone = nearest(condition, together), nearest(condition, PersonScope(BUYER, CONTEXT, {}))
        assert mine is not None
        assert alone is not None
        assert [*said(mine, BUYER, CONTEXT)] == [*said(alone, BUYER, CONTEXT)], text


def test_of_activity_that_is_there_twice_one_may_be_gone() -> None:
    row = {"at": NOW - DAY}
    person = PersonFacts(7, {}, {"purchase": [row, row]})
    scope = PersonScope(person, CONTEXT, {})
    gone = (Fewer("purchase", (0,)),)
    assert scope.after(gone, compiled("count(purchase) = 1"))
    assert scope.after(gone, compiled("days since purchase < 2"))
