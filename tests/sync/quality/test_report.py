"""Waterfall, scores, fill rates, badges: each against a second way to count."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from pyroaring import BitMap

from rules import ir
from rules.ruleset import Place, RuleSet, Segment
from rules.vocabulary import Type
from sync.quality.mailable import STEPS, waterfall
from sync.quality.report import blocked
from sync.quality.rules import RULES, WEIGHTS, Dimension, Feature, Severity
from sync.quality.scores import DIMENSION_WEIGHTS, overall, scores
from sync.quality.trust import Badge, needs, trust
from tests.sync.quality.records import FIELDS, contact, found, look_at

CONSENTS = (None, "opted_in", "opted_in", "pending", "never_asked", "opted_out", "undeliverable")


def crowd(seed: int, count: int = 400) -> list[dict[str, Any]]:
    """Contacts of half as many persons, whose consents and addresses are drawn."""
    chance = random.Random(seed)
    return [
        contact(
            number,
            chance.choice(("shop", "news")),
            person=chance.randrange(count // 2),
            email=chance.choice((None, "bad", f"p{number}@x.example", f"p{number}@x.example")),
            country=chance.choice((None, "DE", "Nowhere")),
            email_consent=chance.choice(CONSENTS),
        )
        for number in range(1, count + 1)
    ]


def test_each_step_of_the_waterfall_is_what_pandas_counts() -> None:
    rows = crowd(3)
    made, _ = look_at(rows)
    steps = waterfall(made)
    table = pd.DataFrame(rows)
    told = table["shop.email"].fillna(table["news.email"])
    table["valid"] = told.str.contains("@").fillna(False).astype(bool)
    each = table.groupby("person").agg(
        valid=("valid", "any"), consents=("email_consent", lambda c: set(c.dropna()))
    )

    def left(row: Any) -> int:
        if not row.valid:
            return 1
        states = row.consents
        if not (
            ("opted_in" in states and "pending" not in states) or states & {"opted_out", "undeliverable"}
        ):
            return 2
        return 3 if "undeliverable" in states else 4 if "opted_out" in states else 5

    reached = each.apply(left, axis=1)
    assert [step.people for step in steps] == [int((reached >= n).sum()) for n in range(1, 6)]
    assert [step.name for step in steps] == list(STEPS)
    assert [step.lost for step in steps[1:]] == [
        before.people - after.people for before, after in pairwise(steps)
    ]
    assert all(step.lost for step in steps[1:])


def test_a_score_is_the_weighted_share_that_passes() -> None:
    rows = crowd(4)
    made, checked = look_at(rows)
    faulty = {rule: len(who) for rule, who in found(made).items()}
    given = {one.dimension: one for one in scores(checked, faulty, before={"validity": 50.0})}
    emails = [row for row in rows if row.get("shop.email") or row.get("news.email")]
    bad = sum(1 for row in emails if "bad" in (row.get("shop.email"), row.get("news.email")))
    places = [row for row in rows if row.get("shop.country") or row.get("news.country")]
    nowhere = sum(1 for row in places if "Nowhere" in (row.get("shop.country"), row.get("news.country")))
    expected = 100 * (1.0 * (1 - bad / len(emails)) + 0.5 * (1 - nowhere / len(places))) / 1.5
    validity = given[Dimension.VALIDITY]
    assert validity.score == pytest.approx(expected, abs=0.05)
    assert dict(validity.weights) == {"email-invalid": 1.0, "country-unknown": 0.5}
    assert validity.score is not None
    assert validity.trend == pytest.approx(validity.score - 50.0, abs=0.051)
    told = [(one.score, one.weight) for one in given.values() if one.score is not None]
    assert overall(list(given.values())) == pytest.approx(
        sum(s * w for s, w in told) / sum(w for _, w in told), abs=0.05
    )


def test_weights_add_up_and_worse_weighs_more() -> None:
    assert sum(DIMENSION_WEIGHTS.values()) == pytest.approx(1.0)
    assert set(DIMENSION_WEIGHTS) == set(Dimension)
    assert WEIGHTS[Severity.ERROR] > WEIGHTS[Severity.WARNING] > WEIGHTS[Severity.INFO] > 0


def fact(name: str) -> ir.IsKnown:
    return ir.IsKnown(ir.Fact(name, Type.TEXT))


def segment(id_: str, when: ir.Predicate) -> Segment:
    return Segment(id_, id_, when, "", Place("a.toml", 1, 1))


def test_a_badge_tells_the_share_of_members_that_rest_on_a_fault() -> None:
    born = ir.Compare(ir.Comparison.EQ, ir.Fact("birthday", Type.TEXT), ir.Literal("x", Type.TEXT))
    bought = ir.Aggregate(ir.AggregateFunction.COUNT, "purchase", None, born, ir.Ever(), Type.NUMBER)
    rules = RuleSet(
        {
            "here": segment("here", fact("country")),
            "raw": segment("raw", fact("news.country")),
            "through": segment("through", ir.And((ir.InSegment("here"), fact("first_name")))),
            "buyers": segment("buyers", ir.Compare(ir.Comparison.GT, bought, ir.Literal(0, Type.NUMBER))),
            "willing": segment("willing", ir.Consented("email")),
        }
    )
    needed = needs(rules, FIELDS)
    assert {name: {"country", "birthday", "consent"} & fields for name, fields in needed.items()} == {
        "here": {"country"},
        "raw": {"country"},
        "through": {"country"},
        "buyers": set(),  # a purchase's own field of that name is none of the person's
        "willing": {"consent"},
    }
    faults = {
        ("country-unknown", "country"): BitMap(range(0, 30)),
        ("country-missing", "country"): BitMap(range(100)),  # worth knowing, no more
        ("consent-unknown", "consent"): BitMap(range(10)),
        ("stale", "activity"): BitMap(range(100)),  # true of the buyers, and nothing false
    }
    members = dict.fromkeys(needed, BitMap(range(100)))
    badges = {one.segment: one for one in trust(members, needed, faults)}
    assert {name: (one.badge, one.share) for name, one in badges.items()} == {
        "here": (Badge.UNTRUSTED, 0.30),
        "raw": (Badge.UNTRUSTED, 0.30),
        "through": (Badge.UNTRUSTED, 0.30),
        "buyers": (Badge.TRUSTED, 0.0),
        "willing": (Badge.DOUBTFUL, 0.10),
    }
    assert badges["here"].worst == ("country-unknown", "country")


def test_what_is_blocked_counts_every_person_once() -> None:
    faults = {
        ("country-unknown", "country"): BitMap(range(10)),
        ("country-missing", "country"): BitMap(range(5, 40)),
        ("email-shared", "email"): BitMap(range(50)),  # blocks nothing
    }
    (only,) = blocked(faults, 100)
    assert (only.feature, only.people, only.share) == (Feature.GEOGRAPHY, 40, 0.4)
    assert only.rules == ("country-missing", "country-unknown")
    assert not RULES["email-shared"].blocks
