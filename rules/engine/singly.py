"""Few people looked at one by one, by the evaluator of one person: for them alone, planning and emitting what
an engine is to compute would take longer than all that is computed.

The answers are those of the engines, as the tests of agreement have it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from rules import ir
from rules.engine.activity import Row, ordinal
from rules.engine.order import Order, Sort, aged, sort_of
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator, PersonFacts
from rules.engine.ranks import KnownRanks, Thresholds, Values
from rules.engine.reading import person_of
from rules.engine.standing import Memory
from rules.engine.stretches import Allowance, Lying, listed, rows_of
from rules.engine.tables import Span, Tables, always_read
from rules.engine.walk import Rank, fields_in, kinds_in, record_kinds_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyroaring import BitMap

MOST_PEOPLE = 1_000
MOST_ANSWERS = 4_000
"""Of a person about a condition, which cost about 25 CPU µs each; of more, an engine is the quicker."""
MOST_VALUES = 300_000
"""Of rows that are looked at one by one, of all people together. As above."""
_INT64 = 2**63


class Singly:
    """`conditions`: all that may be asked, by segment; `memory`: who was in before; `most`: people."""

    def __init__(
        self, tables: Tables, conditions: Iterable[ir.Predicate], clock: Clock, memory: Memory, most: int
    ) -> None:
        from pyroaring import BitMap

        self.tables, self.clock, self.memory, self.most = tables, clock, memory, most
        self._fields, self._whole = set[str](), set[str]()
        for condition in conditions:
            self._fields |= fields_in(condition)
            self._whole |= record_kinds_in(condition)  # all columns make a record
        self._allowed = Allowance(MOST_VALUES)
        self._people: dict[int, PersonFacts | None] = {}
        self._with_facts = BitMap()
        self._activity: dict[int, dict[str, Sequence[Row]]] = {}

    def able(self, asked: Collection[BitMap]) -> bool:
        """Whether these people are so few, and so little is asked of them."""
        from pyroaring import BitMap

        return (
            self.tables.by_person is not None
            and sum(map(len, asked)) <= MOST_ANSWERS
            and len(BitMap.union(BitMap(), *asked)) <= self.most
        )

    def _look_at(self, conditions: Mapping[ir.Node, BitMap]) -> None:
        """Reads what these conditions need of these people. TooMany, if that is not worth while."""
        from pyroaring import BitMap

        kept = self.tables.by_person
        assert kept is not None  # noqa: S101 - or nobody is looked at
        names = {*kept.names(None)}
        asking = (people for one, people in conditions.items() if not names.isdisjoint(fields_in(one)))
        asked_for_facts = BitMap.union(BitMap(), *asking) - self._with_facts
        self._read(asked_for_facts, always_read(names) | (self._fields & names))
        self._with_facts |= asked_for_facts
        self._read(BitMap.union(BitMap(), *conditions.values()) - BitMap(self._people), always_read(names))
        wanted: dict[str, list[BitMap]] = {}
        for condition, people in conditions.items():
            for kind in kinds_in(condition) & self.tables.activity.keys():
                wanted.setdefault(kind, []).append(people)
        for kind, asked in wanted.items():
            some = [n for n in BitMap.union(*asked) if kind not in self._activity[n] and self._people[n]]
            columns = {*kept.names(kind)}
            if kind not in self._whole:
                columns &= {"at", *self._fields}
            for person, stretch in zip(some, kept.stretches(kind, np.array(some, np.int32)), strict=True):
                self._activity[person][kind] = Lying(stretch, columns, self._allowed)

    def _read(self, people: BitMap, names: Collection[str]) -> None:
        """Reads these columns of these people."""
        if not people:
            return
        assert self.tables.by_person is not None  # noqa: S101 - or nobody is looked at
        table = self.tables.by_person.rows(None, np.array(people.to_array(), np.int32), Span(), names)
        for person in people:
            self._people[person] = None
            self._activity.setdefault(person, {})
        whose: list[int] = table["person"].to_pylist()
        rows = rows_of(table.column_names, map(listed, table.columns))
        for person, row in zip(whose, rows, strict=True):
            self._people[person] = person_of(person, [row], self._activity[person])

    def members(
        self,
        conditions: Mapping[str, ir.Predicate],
        asked: Mapping[str, BitMap],
        known: Mapping[str, BitMap],
        given: Mapping[Rank, Thresholds],
    ) -> dict[str, BitMap]:
        """Of those who are asked of each segment (each after those that it uses), who is in. `known`: the
        members of other segments, and of these as far as nobody is asked; `given`: where ranks cut. TooMany,
        if they did too much for that."""
        from pyroaring import BitMap

        needed: dict[ir.Node, BitMap] = {}
        of: dict[int, list[str]] = {}
        for name, condition in conditions.items():
            needed[condition] = needed.get(condition, BitMap()) | asked[name]
            for person in asked[name]:
                of.setdefault(person, []).append(name)
        self._look_at(needed)
        inside: dict[str, list[int]] = {name: [] for name in conditions}
        ranks = KnownRanks(given)
        for person, names in of.items():
            facts = self._people[person]
            if facts is None:
                continue
            here: dict[str, bool] = {}

            def is_in(segment: str, here: Mapping[str, bool] = here, person: int = person) -> bool:
                return here[segment] if segment in here else person in known[segment]

            one = Evaluator(facts, self._context(person, ranks, is_in))
            for name in names:
                here[name] = one.holds(conditions[name], facts.facts)
                if here[name]:
                    inside[name].append(person)
        return {name: BitMap(found) for name, found in inside.items()}

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
        """What these people are compared by, as an `Order` keeps it of everybody. TooMany, as above."""
        first = {sort_of(rank): rank for rank in ranks}
        wanted = {sort: rank for sort, rank in first.items() if people[sort]}
        self._look_at({rank: people[sort] for sort, rank in wanted.items()})
        return {sort: self._values(rank, people[sort], before.values[sort]) for sort, rank in wanted.items()}

    def _values(self, rank: Rank, people: BitMap, before: Values) -> Values:
        since, context = aged(rank.value), Context(self.clock)
        compared: list[tuple[int, int | float, object]] = []
        for person in people:
            facts = self._people[person]
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
