"""Members by the plain Python evaluator, to hold against the engine's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import duckdb

from rules import ir
from rules.engine import Evaluation, evaluate
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts, Population, holds
from rules.engine.relations import relations
from rules.engine.standing import Standing
from rules.engine.walk import ranks
from rules.ruleset import Place, RuleSet, Segment
from rules.vocabulary import Vocabulary
from tests.rules.vocabulary import VOCABULARY

PLACE = Place("test.toml", 1, 1)


def rule_set(conditions: Mapping[str, ir.Predicate]) -> RuleSet:
    """Segments with these conditions, in this order."""
    return RuleSet({id_: Segment(id_, id_, when, "", PLACE) for id_, when in conditions.items()})


def by_duckdb(
    conditions: Mapping[str, ir.Predicate],
    people: Sequence[PersonFacts],
    *,
    as_of: dt.datetime,
    zone: str = "Europe/Berlin",
    vocabulary: Vocabulary = VOCABULARY,
    connection: duckdb.DuckDBPyConnection | None = None,
    standing: Mapping[str, Standing] | None = None,
) -> Evaluation:
    """The engine's evaluation of conditions over people given as values."""
    connection = connection or duckdb.connect()
    with relations(connection, people, vocabulary) as tables:
        return evaluate(connection, rule_set(conditions), tables, as_of=as_of, zone=zone, standing=standing)


def by_python(
    conditions: Mapping[str, ir.Predicate],
    people: Sequence[PersonFacts],
    *,
    as_of: dt.datetime,
    zone: str = "Europe/Berlin",
    entered: Mapping[tuple[str, int], dt.datetime] | None = None,
) -> dict[str, set[int]]:
    """The same, one person at a time; `entered`: since when which person is in which segment."""
    clock = Clock(as_of, zone)
    population = Population(ranks(conditions.values()), people, Context(clock))
    members: dict[str, set[int]] = {id_: set() for id_ in conditions}
    for one in people:
        context = Context(
            clock,
            population,
            lambda segment, one=one: one.person in members[segment],
            lambda segment, one=one: (entered or {}).get((segment, one.person)),
        )
        for id_, condition in conditions.items():
            if holds(condition, one, context):
                members[id_].add(one.person)
    return members


def members(
    condition: ir.Predicate, people: Sequence[PersonFacts], *, as_of: dt.datetime, zone: str = "Europe/Berlin"
) -> set[int]:
    """Who is in, on which both evaluators must agree."""
    found = by_python({"it": condition}, people, as_of=as_of, zone=zone)["it"]
    assert set(by_duckdb({"it": condition}, people, as_of=as_of, zone=zone).members["it"]) == found
    return found
