"""Very few people looked at one by one, by the evaluator of one person: for them alone, planning and emitting
what an engine is to compute would take longer than all that is computed.

The answers are those of the engines, as the tests of agreement have it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from rules import ir
from rules.engine.activity import ordinal
from rules.engine.order import Order, Sort, aged, sort_of
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator, PersonFacts
from rules.engine.ranks import KnownRanks, Thresholds, Values
from rules.engine.reading import person_of, picked
from rules.engine.standing import Memory
from rules.engine.tables import Tables
from rules.engine.walk import Rank

if TYPE_CHECKING:
    from pyroaring import BitMap

MOST_PEOPLE = 3
MOST_ROWS = 500
"""Of activity, of each of them; of more, an engine is the quicker."""
_INT64 = 2**63


class Singly:
    """`kinds`: of activity that anything may be asked about; `memory`: who was in before; `most`: people."""

    def __init__(
        self, tables: Tables, kinds: Collection[str], clock: Clock, memory: Memory, most: int
    ) -> None:
        self.tables, self.clock, self.memory, self.most = tables, clock, memory, most
        self.kinds = sorted(kinds & tables.activity.keys())
        self._read: dict[int, PersonFacts | None] = {}
        self._large: set[int] = set()

    def able(self, people: BitMap) -> bool:
        """Whether these people are so few, and so little of them is known."""
        if self.tables.by_person is None or len(people) > self.most:
            return False
        for person in people:
            if person not in self._read and person not in self._large:
                self._look_at(person)
        return self._large.isdisjoint(people)

    def _look_at(self, person: int) -> None:
        assert self.tables.by_person is not None  # noqa: S101 - or nobody is looked at
        facts = picked(self.tables.by_person, None, person)
        rows = {kind: picked(self.tables.by_person, kind, person) for kind in self.kinds if len(facts)}
        if sum(map(len, rows.values())) > MOST_ROWS:
            self._large.add(person)
        else:
            activity = {kind: table.to_pylist() for kind, table in rows.items()}
            self._read[person] = person_of(person, facts.to_pylist(), activity)

    def members(
        self,
        conditions: Mapping[str, ir.Predicate],
        asked: Mapping[str, BitMap],
        known: Mapping[str, BitMap],
        given: Mapping[Rank, Thresholds],
    ) -> dict[str, BitMap]:
        """Of those who are asked of each segment (each after those that it uses), who is in. `known`: the
        members of other segments, and of these as far as nobody is asked; `given`: where ranks cut."""
        from pyroaring import BitMap

        found = {name: BitMap() for name in conditions}
        for person in BitMap.union(BitMap(), *asked.values()):
            facts = self._read[person]
            if facts is None:
                continue
            here: dict[str, bool] = {}

            def inside(segment: str, here: Mapping[str, bool] = here, person: int = person) -> bool:
                return here[segment] if segment in here else person in known[segment]

            one = Evaluator(facts, self._context(person, KnownRanks(given), inside))
            for name, condition in conditions.items():
                if person in asked[name]:
                    here[name] = one.holds(condition, facts.facts)
                    if here[name]:
                        found[name].add(person)
        return found

    def _context(self, person: int, ranks: KnownRanks, inside: Callable[[str], bool]) -> Context:
        memory, now = self.memory, self.clock.as_of

        def entered(segment: str) -> dt.datetime | None:
            """Not when, but whether less than its stay ago."""
            before = memory.standing.get(segment)
            if before is None or person not in before.members:
                return None
            return now + dt.timedelta(1) if person in before.held else dt.datetime.min.replace(tzinfo=dt.UTC)

        return Context(
            self.clock,
            ranks,
            inside,
            entered,
            held=lambda node: person in memory.held.get(node.key, ()),
        )

    def values(
        self, ranks: Collection[Rank], people: Mapping[Sort, BitMap], before: Order
    ) -> dict[Sort, Values]:
        """What these people are compared by, as an `Order` keeps it of everybody."""
        found: dict[Sort, Values] = {}
        for rank in ranks:
            sort = sort_of(rank)
            if sort not in found and people[sort]:
                found[sort] = self._values(rank, people[sort], before.values[sort])
        return found

    def _values(self, rank: Rank, people: BitMap, before: Values) -> Values:
        since, context = aged(rank.value), Context(self.clock)
        compared: list[tuple[int, int | float, object]] = []
        for person in people:
            facts = self._read[person]
            one = None if facts is None else Evaluator(facts, context)
            ranked = None if one is None or facts is None else one.ranked(rank, facts.facts)
            if one is None or facts is None or ranked is None:
                continue
            value = ranked[0] if since is None else -ordinal(one.value(since, facts.facts))
            compared.append((person, value, ranked[1]))  # type: ignore[arg-type]
        numbers = [value for _, value, _ in compared]
        type_ = before.values.dtype
        if any(isinstance(value, int) and not -_INT64 <= value < _INT64 for value in numbers):
            type_ = np.dtype(object)
        persons, values = np.array([person for person, _, _ in compared], np.uint32), np.array(numbers, type_)
        if before.codes is None:
            return Values(persons, values)
        names = tuple(dict.fromkeys(group for _, _, group in compared))
        codes = np.array([names.index(group) for _, _, group in compared], np.int32)
        return Values(persons, values, codes, names)
