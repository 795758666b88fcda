"""What the language can say, both evaluators can decide: every form, on the same people, alike."""

from __future__ import annotations

import datetime as dt
import random

from rules import ir
from rules.engine.person import PersonFacts
from rules.engine.walk import nodes
from rules.language import compile_expression
from rules.vocabulary import Field, Type
from tests.rules.engine.agreement import by_duckdb, by_python
from tests.rules.language.forms import FORMS
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
TEXTS = ["DE", "de", "AT", "Shoes", "Munich", "Welcome", "/pricing/a", "Straße", "Lead", "x1"]


def value(field: Field, draw: random.Random) -> object:
    """Some value of the type, or missing."""
    if draw.random() < 0.25:
        return None
    if field.name in ("latitude", "shop.longitude"):
        return draw.choice([0, 48_100_000, 11_500_000, -33_900_000, -18_000_001, 95_000_000])
    if field.name == "cluster":
        return draw.choice(["bargain hunters", "X"])
    match field.type:
        case Type.TEXT:
            return draw.choice(TEXTS)
        case Type.NUMBER:
            return int(draw.choice([-2, 0, 1, 2.5, 4, 1000.5, 500]) * 1_000_000)
        case Type.MONEY:
            return draw.choice([-100, 0, 1, 250, 5_000, 49_991, 500_000])
        case Type.BOOLEAN:
            return draw.random() < 0.5
        case Type.DATE:
            return dt.date(
                draw.choice([1980, 2000, 2026]), draw.choice([1, 2, 3]), draw.choice([1, 3, 28, 31, 9][:4:2])
            )
        case Type.DATETIME:
            return AS_OF - dt.timedelta(hours=draw.choice([-30, 0, 5, 30, 100, 900, 9000]))
        case _:
            return tuple(draw.sample(["golf", "a", "b"], draw.randint(1, 3)))


def population(draw: random.Random) -> list[PersonFacts]:
    people = []
    for number in range(60):
        facts = {name: value(field, draw) for name, field in VOCABULARY.fields.items()}
        activity: dict[str, list[dict[str, object]]] = {}
        for kind in VOCABULARY.kinds.values():
            rows: list[dict[str, object]] = []
            for _ in range(draw.choice([0, 1, 2, 5])):
                row: dict[str, object] = {name: value(field, draw) for name, field in kind.fields.items()}
                row["at"] = AS_OF - dt.timedelta(
                    hours=draw.choice([-5, 0, 20, 100, 900, 9000]), microseconds=number
                )
                rows.append(row)
            activity[kind.name] = rows
        people.append(
            PersonFacts(
                number,
                {name: each for name, each in facts.items() if each is not None},
                activity=activity,
                suppressed=draw.random() < 0.3,
                consented={"email": draw.choice([True, False, None])},
                lists=frozenset(draw.choice([[], ["newsletter:spring"]])),
            )
        )
    return people


def test_both_evaluators_decide_every_form_alike() -> None:
    conditions: dict[str, ir.Predicate] = {}
    for expression in FORMS:
        node = compile_expression(expression, VOCABULARY)
        assert not isinstance(node, tuple)
        if not any(isinstance(each, ir.InSegment | ir.HeldSegment) for each in nodes([node])):
            conditions[expression] = node
    people = population(random.Random(7))
    plain = by_python(conditions, people, as_of=AS_OF)
    engine = by_duckdb(conditions, people, as_of=AS_OF).members
    assert {name: set(engine[name]) for name in conditions} == plain
    decided = [name for name, members in plain.items() if 0 < len(members) < len(people)]
    assert len(decided) > len(conditions) * 0.7, "most forms should be true of some and false of others"
