"""The members of every segment now, by asking only those of whom it may have changed since the last time.

Whoever is asked is asked everything anew, over all of their rows: nothing is added to or taken from what was
computed before, so late, replaced and vanished rows need no thought. Everybody else keeps their memberships.
The answer is that of `evaluate`, always: a segment of which it is not known whom time may change is asked of
everybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from pyroaring import BitMap

from rules import ir
from rules.engine.affected import classified, needs, ranks_of, stages, those, uses
from rules.engine.crossings import crossed
from rules.engine.duckdb_dialect import DuckDB
from rules.engine.evaluation import Evaluation
from rules.engine.few import few
from rules.engine.order import Order, Sort, aged, sort_of
from rules.engine.parts import Unsettled
from rules.engine.periods import Clock
from rules.engine.ranks import Thresholds, Values
from rules.engine.singly import MOST_PEOPLE, Singly
from rules.engine.standing import Memory
from rules.engine.stretches import TooMany
from rules.engine.tables import Tables
from rules.engine.touched import Edges, Looking
from rules.engine.walk import Rank
from rules.ruleset import Place, RuleSet, Segment

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Before:
    """An evaluation before this one: when it was, and per segment its members and the rule's version; by what
    people were compared, and what it was told of before, as far as they are known."""

    as_of: dt.datetime
    members: Mapping[str, BitMap]
    versions: Mapping[str, str]
    order: Order = field(default_factory=Order)
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Changed:
    """At least everybody of whom a row came, went or became another since: of `people`, and of activity."""

    people: BitMap
    activity: Mapping[str, BitMap]  # by kind; one that is missing did not change

    def of(self, condition: ir.Predicate) -> BitMap:
        """Those of whom the condition may have changed."""
        if not self.activity:
            return self.people
        kinds_ = needs(condition).kinds
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
        self,
        rules: RuleSet,
        tables: Tables,
        *,
        known: Mapping[str, BitMap],
        asked: Mapping[str, BitMap],
        given: Mapping[Rank, Thresholds],
        compared: bool = False,
    ) -> Evaluation:
        """The members of these segments; `known` and what follows: as `evaluate` has them."""


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
    memory: Memory | None = None,
    most_singly: int = MOST_PEOPLE,
) -> Renewed:
    """What `ask` tells of everybody, at the price of what changed.

    `changed`: since `before`. The zone, and what the columns mean, are those of then; `as_of` is no earlier.
    `memory`: what `ask` is told of before. `most_singly`: so few people are looked at without `ask`, where
    rows are kept by person.
    """
    if as_of < before.as_of:
        raise ValueError("an evaluation cannot be renewed backwards in time")
    then, now, dialect = Clock(before.as_of, zone), Clock(as_of, zone), DuckDB()
    looking = Looking(then, now, dialect)
    every = [one.when for one in rules.segments.values()]
    singly = Singly(tables, every, now, memory or Memory(), most_singly)
    ordering = _Ordering(connection, tables, before, changed, then, now, ask, singly, looking)
    remembered = {
        name: (memory or Memory()).moved(one.when, before.memory) for name, one in rules.segments.items()
    }
    forgotten = {name for name, moved in remembered.items() if moved is None}
    looked_for, in_full = classified(
        rules, before.members, before.versions, forgotten, ordering.settled(rules), looking
    )
    order = ordering.renewed(those(rules, looked_for))
    given = {
        rank: order.thresholds(rank, now) for rank in ranks_of(rules.segments[n].when for n in looked_for)
    }
    first, between, rest = stages(rules, in_full)
    found = crossed(connection, tables, looked_for, dialect)
    people: dict[str, BitMap] = {}
    for name in looked_for:
        condition = rules.segments[name].when
        moved = [ordering.moved(rank, order) for rank in needs(condition).ranks]
        used = [people[one] for one in uses(condition) if one in people]
        people[name] = changed.of(condition).union(found[name], *moved, *used, remembered[name] or BitMap())
    members: dict[str, BitMap] = {}

    def again(names: Collection[str]) -> None:
        asked = {name: people[name] for name in names if people[name]}
        members.update({name: before.members[name] for name in names if name not in asked})
        if not asked:
            return
        known = {name: before.members[name] for name in asked} | members
        wanted = those(rules, asked)
        told: Mapping[str, BitMap] | None = None
        if singly.able(asked.values()):
            conditions = {name: one.when for name, one in wanted.segments.items()}
            with suppress(TooMany):
                told = singly.members(conditions, asked, known, given)
        if told is None:
            some = BitMap.union(*asked.values())
            known = {name: bitmap & some for name, bitmap in known.items()}
            with few(connection, wanted, tables, asked) as restricted:
                told = ask(wanted, restricted, known=known, asked=asked, given=given).members
        for name, whom in asked.items():
            was, inside = before.members[name], told[name] & whom
            members[name] = _with(was, whom, inside)

    again(first)
    told = Evaluation({}, 0, {})
    if between:
        told = ask(those(rules, between), tables, known=members, asked={}, given=given)
        for name in between:
            members[name] = told.members[name]
        for name in rest:
            for one in uses(rules.segments[name].when):
                moved_ = members[one] ^ before.members[one] if one in between else people[one]
                people[name] |= moved_
        again(rest)
    if tables.by_person is None:
        total = connection.sql(f"SELECT count(*) FROM {tables.people}").fetchall()[0][0]
    else:
        total = tables.by_person.count()
    evaluation = Evaluation(
        {name: members[name] for name in rules.segments},
        total,
        {**told.thresholds, **given},
        told.seconds,
        order=order.beside(told.order),
    )
    asked = len(BitMap.union(BitMap(), *people.values()))  # also about people who are gone
    return Renewed(evaluation, min(asked, total), in_full)


def _with(members: BitMap, asked: BitMap, inside: BitMap) -> BitMap:
    """The members, once it is known who of those who were asked is inside."""
    moved = (members & asked) ^ inside
    return members ^ moved if moved else members  # one copy, and that of those alone that moved


class _Ordering:
    """Everybody's place among the others, renewed by asking those whose values may have changed."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Tables,
        before: Before,
        changed: Changed,
        then: Clock,
        now: Clock,
        ask: Ask,
        singly: Singly,
        looking: Looking,
    ) -> None:
        self.connection, self.tables, self.before, self.changed = connection, tables, before, changed
        self.then, self.now, self.ask, self.dialect = then, now, ask, DuckDB()
        self.singly, self.looking = singly, looking
        self._asked: dict[Sort, BitMap] = {}
        self._edges: dict[Rank, list[Edges]] = {}

    def settled(self, rules: RuleSet) -> Collection[Rank]:
        """The ranks of which it is known whose values may have changed."""
        for rank in ranks_of(one.when for one in rules.segments.values()):
            if self.before.order.knows(rank):
                value = aged(rank.value) or rank.value
                try:
                    self._edges[rank] = [] if self.looking.still else self.looking.value_edges(value)
                except Unsettled:
                    continue
        return self._edges.keys()

    def renewed(self, rules: RuleSet) -> Order:
        """The order now, as far as these rules need it."""
        wanted = ranks_of(one.when for one in rules.segments.values())
        if not wanted:
            return Order()
        names = {rank: f"rank {number}" for number, rank in enumerate(wanted)}
        looked_for = {names[rank]: self._edges[rank] for rank in wanted}
        found = crossed(self.connection, self.tables, looked_for, self.dialect)
        for rank in wanted:
            whom = self.changed.of(rank) | found[names[rank]]
            self._asked[sort_of(rank)] = self._asked.get(sort_of(rank), BitMap()) | whom
        asked = {names[rank]: whom for rank in wanted if (whom := self._asked[sort_of(rank)])}
        fresh: dict[Sort, Values] | None = None
        people = {sort: np.array(whom.to_array(), np.uint32) for sort, whom in self._asked.items()}
        if self.singly.able(asked.values()):
            with suppress(TooMany):
                fresh = self.singly.values(wanted, self._asked, self.before.order)
        if fresh is None and asked:
            place = Place("", 0, 0)
            each = {n: Segment(n, n, rank, "", place) for rank, n in names.items() if n in asked}
            with few(self.connection, RuleSet(each), self.tables, asked) as restricted:
                told = self.ask(RuleSet(each), restricted, known={}, asked={}, given={}, compared=True).order
            fresh = {sort: values.only(people[sort]) for sort, values in told.values.items()}
        return self.before.order.renewed(wanted, people, fresh or {})

    def moved(self, rank: Rank, order: Order) -> BitMap:
        """Whoever may be in where they were not, or the reverse."""
        return self._asked[sort_of(rank)] | order.moved(rank, self.before.order, self.then, self.now)
