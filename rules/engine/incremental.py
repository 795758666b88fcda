"""The members of every segment now, by asking only those of whom it may have changed since the last time.

Whoever is asked is asked everything anew, over all of their rows: nothing is added to or taken from what was
computed before, so late, replaced and vanished rows need no thought. Everybody else keeps their memberships.
The answer is that of `evaluate`, always: a segment of which it is not known whom time may change is asked of
everybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pyroaring import BitMap

from rules import ir
from rules.engine.crossings import crossed
from rules.engine.dialect import Dialect
from rules.engine.duckdb_dialect import DuckDB
from rules.engine.evaluation import Evaluation
from rules.engine.few import few
from rules.engine.periods import Clock
from rules.engine.tables import Tables
from rules.engine.touched import Edges, Unsettled, edges
from rules.engine.walk import kinds, nodes
from rules.ruleset import RuleSet

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Before:
    """An evaluation before this one: when it was, and per segment its members and the rule's version."""

    as_of: dt.datetime
    members: Mapping[str, BitMap]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """At least everybody of whom a row came, went or became another since: of `people`, and of activity."""

    people: BitMap
    activity: Mapping[str, BitMap]  # by kind; one that is missing did not change

    def of(self, condition: ir.Predicate) -> BitMap:
        """Those of whom the condition may have changed."""
        kinds_ = kinds([condition])
        return self.people.union(self.people, *(b for kind, b in self.activity.items() if kind in kinds_))


@dataclass(frozen=True, slots=True)
class Renewed:
    """The members now, how many people were asked for it, and which segments everybody was asked, and why."""

    evaluation: Evaluation
    asked: int
    in_full: Mapping[str, str]


class Ask(Protocol):
    """`evaluate` with everything given but what this decides."""

    def __call__(
        self, rules: RuleSet, tables: Tables, known: Mapping[str, BitMap], asked: Mapping[str, BitMap]
    ) -> Evaluation:
        """The members of these segments; `known`, `asked`: as `evaluate` has them."""


def renew(
    connection: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    tables: Tables,
    *,
    before: Before,
    changed: Changed,
    as_of: dt.datetime,
    zone: str,
    ask: Ask,
) -> Renewed:
    """What `ask(rules, tables, {}, {})` tells, at the price of what changed.

    `changed`: since `before`. The zone, and what the columns mean, are those of then; `as_of` is no earlier.
    """
    if as_of < before.as_of:
        raise ValueError("an evaluation cannot be renewed backwards in time")
    then, now, dialect = Clock(before.as_of, zone), Clock(as_of, zone), DuckDB()
    looked_for, in_full = _classified(rules, before, then, now, dialect)
    first, between, rest = _stages(rules, in_full)
    found = crossed(connection, tables, looked_for, dialect)
    people: dict[str, BitMap] = {}
    for name, segment in rules.segments.items():
        if name not in in_full:
            used = [people[one] for one in _uses(segment.when) if one in people]
            people[name] = changed.of(segment.when).union(found[name], *used)
    members: dict[str, BitMap] = {}

    def again(names: Collection[str]) -> None:
        asked = {name: people[name] for name in names if people[name]}
        members.update({name: before.members[name] for name in names if name not in asked})
        if not asked:
            return
        some = BitMap.union(*asked.values())
        known = {name: before.members[name] & some for name in asked}
        known |= {name: bitmap & some for name, bitmap in members.items()}
        wanted = _some(rules, asked)
        with few(connection, wanted, tables, asked) as restricted:
            told = ask(wanted, restricted, known, asked).members
        for name, whom in asked.items():
            members[name] = (before.members[name] - whom) | (told[name] & whom)

    again(first)
    told = Evaluation({}, 0, {})
    if between:
        told = ask(_some(rules, between), tables, members, {})
        for name in between:
            members[name] = told.members[name]
        for name in rest:
            for one in _uses(rules.segments[name].when):
                moved = members[one] ^ before.members[one] if one in between else people[one]
                people[name] |= moved
        again(rest)
    total = connection.sql(f"SELECT count(*) FROM {tables.people}").fetchall()[0][0]
    ordered = {name: members[name] for name in rules.segments}
    asked = BitMap.union(BitMap(), *people.values())
    return Renewed(replace(told, members=ordered, people=total), len(asked), in_full)


def _classified(
    rules: RuleSet, before: Before, then: Clock, now: Clock, dialect: Dialect
) -> tuple[dict[str, Edges], dict[str, str]]:
    """The edges to look at for each segment, and those that everybody must be asked, with the reason."""
    looked_for, in_full = dict[str, Edges](), dict[str, str]()
    for name, segment in rules.segments.items():
        if name not in before.members:
            in_full[name] = "it is new"
        elif before.versions.get(name) != segment.version:
            in_full[name] = "its rule is another"
        elif any(used not in before.members for used in _uses(segment.when)):
            in_full[name] = "it uses a segment that is new"
        else:
            try:
                found = edges(segment.when, then, now, dialect)
                looked_for[name] = Edges() if then == now else found
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
