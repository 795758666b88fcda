"""The members of every segment now, by asking only those of whom it may have changed since the last time.

Whoever is asked is asked everything anew, over all of their rows: nothing is added to or taken from what was
computed before, so late, replaced and vanished rows need no thought. Everybody else keeps their memberships.
The answer is that of `evaluate`, always: a segment of which it is not known whom time may change is asked of
everybody.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from rules import ir
from rules.engine.dialect import DuckDB
from rules.engine.evaluation import Evaluation, Tables
from rules.engine.periods import Clock
from rules.engine.touched import Edges, Unsettled, edges
from rules.engine.walk import nodes
from rules.ruleset import RuleSet

if TYPE_CHECKING:
    import duckdb
    from pyroaring import BitMap


@dataclass(frozen=True, slots=True)
class Before:
    """An evaluation before this one: when it was, and per segment its members and the rule's version."""

    as_of: dt.datetime
    members: Mapping[str, BitMap]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Renewed:
    """The members now, how many people were asked for it, and which segments everybody was asked, and why."""

    evaluation: Evaluation
    asked: int
    in_full: Mapping[str, str]


class Ask(Protocol):
    """`evaluate` with everything given but what this decides."""

    def __call__(self, rules: RuleSet, tables: Tables, known: Mapping[str, BitMap]) -> Evaluation:
        """The members of these segments; `known`: those of the others that they use."""


def renew(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    tables: Tables,
    *,
    before: Before,
    changed: BitMap,
    as_of: dt.datetime,
    zone: str,
    ask: Ask,
) -> Renewed:
    """What `ask(rules, tables, {})` tells, at the price of what changed.

    `changed`: at least everybody of whom a row of `people` or of an activity came, went or became another
    since `before`. The zone, and what the columns mean, are those of then; `as_of` is no earlier.
    """
    if as_of < before.as_of:
        raise ValueError("an evaluation cannot be renewed backwards in time")
    then, now, dialect = Clock(before.as_of, zone), Clock(as_of, zone), DuckDB()
    looked_for, in_full = _classified(rules, before, then, now, dialect)
    first, between, rest = _stages(rules, in_full)
    queries = list(looked_for.queries(tables.people, tables.activity, dialect))
    touched = changed | _persons(connection, queries)
    members: dict[str, BitMap] = {}

    def again(names: Collection[str], people: BitMap) -> None:
        if not names:
            return
        found: Mapping[str, BitMap] = {}
        if people:
            with _only(connection, tables, people) as restricted:
                known = {name: bitmap & people for name, bitmap in members.items()}
                found = ask(_some(rules, names), restricted, known).members
        for name in names:
            kept = before.members[name] - people
            members[name] = kept | found[name] if people else kept

    again(first, touched)
    told = Evaluation({}, 0, {})
    if between:
        told = ask(_some(rules, between), tables, members)
        moved = touched.copy()
        for name in between:
            members[name] = told.members[name]
            if name in before.members:
                moved |= members[name] ^ before.members[name]
        again(rest, moved)
    total = connection.sql(f"SELECT count(*) FROM {tables.people}").fetchall()[0][0]
    ordered = {name: members[name] for name in rules.segments}
    return Renewed(replace(told, members=ordered, people=total), len(touched), in_full)


def _classified(
    rules: RuleSet, before: Before, then: Clock, now: Clock, dialect: DuckDB
) -> tuple[Edges, dict[str, str]]:
    """All edges to look at, and the segments that everybody must be asked, with the reason."""
    looked_for, in_full = Edges(), dict[str, str]()
    for name, segment in rules.segments.items():
        if name not in before.members:
            in_full[name] = "it is new"
        elif before.versions.get(name) != segment.version:
            in_full[name] = "its rule is another"
        elif any(used not in before.members for used in _uses(segment.when)):
            in_full[name] = "it uses a segment that is new"
        else:
            try:
                looked_for.merge(edges(segment.when, then, now, dialect))
            except Unsettled as reason:
                in_full[name] = str(reason)
    return looked_for, in_full


def _stages(rules: RuleSet, in_full: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """(What depends on no segment that everybody is asked; those, and what lies between two of them; what
    depends on them): each only uses what is in front of it, or of its own."""
    above: set[str] = set()  # uses one of them, or is one
    for name, segment in rules.segments.items():
        if name in in_full or not above.isdisjoint(_uses(segment.when)):
            above.add(name)
    below: set[str] = set()  # is used by one of them, or is one
    for name in reversed(list(rules.segments)):
        if name in in_full or name in below:
            below |= {name, *_uses(rules.segments[name].when)}
    names = list(rules.segments)
    return (
        [name for name in names if name not in above],
        [name for name in names if name in above and name in below],
        [name for name in names if name in above and name not in below],
    )


def _uses(condition: ir.Predicate) -> set[str]:
    """The segments whose membership a condition needs."""
    found = (getattr(node, "segment", None) for node in nodes([condition], inside_aggregates=False))
    return {name for name in found if isinstance(name, str)}


def _some(rules: RuleSet, names: Collection[str]) -> RuleSet:
    return RuleSet({name: segment for name, segment in rules.segments.items() if name in names})


def _persons(connection: duckdb.DuckDBPyConnection, queries: list[str]) -> BitMap:
    import numpy as np
    from pyroaring import BitMap

    if not queries:
        return BitMap()
    table = connection.sql(f"SELECT DISTINCT person FROM ({' UNION ALL '.join(queries)})").to_arrow_table()
    return BitMap(table["person"].to_numpy().astype(np.uint32))


@contextmanager
def _only(connection: duckdb.DuckDBPyConnection, tables: Tables, people: BitMap) -> Iterator[Tables]:
    """The same relations with the rows of these people alone."""
    import numpy as np
    import pyarrow as pa

    name = f"segsync_{secrets.token_hex(4)}_touched"
    numbers = np.array(people, dtype=np.uint32).astype(np.int32)
    connection.register(f"{name}_given", pa.table({"person": numbers}))
    connection.execute(f"CREATE TEMP TABLE {name} AS SELECT person FROM {name}_given")
    connection.unregister(f"{name}_given")

    def rows(relation: str) -> str:
        return f"(SELECT * FROM {relation} SEMI JOIN {name} USING (person))"

    try:
        yield Tables(rows(tables.people), {kind: rows(found) for kind, found in tables.activity.items()})
    finally:
        connection.execute(f"DROP TABLE {name}")
