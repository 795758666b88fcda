"""Members by the plain Python evaluator, to hold against the engine's."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import duckdb
from pyroaring import BitMap

from rules import ir
from rules.engine import Evaluation, Tables, evaluate
from rules.engine.periods import Clock, edge_of
from rules.engine.person import Context, PersonFacts, holds
from rules.engine.population import Population
from rules.engine.relations import relations
from rules.engine.session import Session
from rules.engine.standing import Standing
from rules.engine.walk import nodes, ranks
from rules.ruleset import Place, RuleSet, Segment
from rules.vocabulary import Vocabulary
from tests.rules.vocabulary import VOCABULARY

Since: TypeAlias = Callable[[str, int], dt.datetime | None]
"""Segment and person → since when the person was in it without a break."""
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
    since: Since | None = None,
) -> Evaluation:
    """The engine's evaluation of conditions over people given as values."""
    connection = connection or duckdb.connect()
    with relations(connection, people, vocabulary) as tables:
        return evaluated(
            connection, conditions, tables, people, as_of=as_of, zone=zone, standing=standing, since=since
        )


def evaluated(
    connection: duckdb.DuckDBPyConnection | Session,
    conditions: Mapping[str, ir.Predicate],
    tables: Tables,
    people: Sequence[PersonFacts],
    *,
    as_of: dt.datetime,
    zone: str,
    standing: Mapping[str, Standing] | None = None,
    since: Since | None = None,
) -> Evaluation:
    """The evaluation of conditions over relations that hold these people."""
    since = since or member_since(as_of)
    held: dict[ir.HeldSegment, BitMap] = {}
    for node in nodes(conditions.values()):
        if isinstance(node, ir.HeldSegment) and (edge := edge_of(node, Clock(as_of, zone))):
            dated = {one.person: since(node.segment, one.person) for one in people}
            held[node] = BitMap(person for person, at in dated.items() if at is not None and at <= edge)
    return evaluate(
        connection,
        rule_set(conditions),
        tables,
        as_of=as_of,
        zone=zone,
        standing=standing,
        held=held,
    )


def member_since(as_of: dt.datetime) -> Since:
    """A history of everybody, the same in any process, with instants on and beside the edges of `for N …`."""
    us, day = dt.timedelta(microseconds=1), dt.timedelta(days=1)
    edges = [as_of - n * day for n in (1, 2, 3, 12, 30, 90)] + [
        as_of - dt.timedelta(hours=n) for n in (1, 12)
    ]
    instants = [None, *(edge + move for edge in edges for move in (us, 0 * us, -us)), as_of - 5000 * day]
    return lambda segment, person: instants[zlib.crc32(f"{segment}:{person}".encode()) % len(instants)]


def by_python(
    conditions: Mapping[str, ir.Predicate],
    people: Sequence[PersonFacts],
    *,
    as_of: dt.datetime,
    zone: str = "Europe/Berlin",
    entered: Mapping[tuple[str, int], dt.datetime] | None = None,
    since: Since | None = None,
) -> dict[str, set[int]]:
    """The same, one person at a time; `entered`: since when which person is in which segment."""
    since = since or member_since(as_of)
    clock = Clock(as_of, zone)
    population = Population(ranks(conditions.values()), people, Context(clock))
    members: dict[str, set[int]] = {id_: set() for id_ in conditions}
    for one in people:
        context = Context(
            clock,
            population,
            lambda segment, one=one: one.person in members[segment],
            lambda segment, one=one: (entered or {}).get((segment, one.person)),
            lambda segment, one=one: since(segment, one.person),
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
