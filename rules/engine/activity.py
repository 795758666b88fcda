"""One person's activity as features look at it: which of it counts, and what that comes to.

Part of the slow, obvious evaluator (see `person`): plain Python, straight from the definitions in `rules.ir`.
"""

from __future__ import annotations

import datetime as dt
import operator as operators
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeAlias

from rules import ir
from rules.engine.periods import Clock, Range, days, microseconds, slices, window
from rules.engine.records import present_states
from rules.engine.stretches import Lying
from rules.engine.walk import Feature
from rules.text import fold
from rules.vocabulary import NUMBER_SCALE

_COMPARED: Mapping[ir.Comparison, Callable[[Any, Any], bool]] = {
    ir.Comparison.EQ: operators.eq,
    ir.Comparison.LT: operators.lt,
    ir.Comparison.LE: operators.le,
    ir.Comparison.GT: operators.gt,
    ir.Comparison.GE: operators.ge,
}
Known: TypeAlias = str | int | bool | float | Fraction | dt.date | dt.datetime | Sequence[str]
Row: TypeAlias = Mapping[str, object]
"""A fact sheet: column → value in physical units (NUMBER millionths, MONEY minor units, texts unfolded,
DATE `date`, DATETIME aware `datetime`, TEXTS a list), None or absent: missing. Activity also has `at`."""


@dataclass(slots=True)
class Kept:
    """The rows of one kind, when they happened (microseconds), and what was found of them: by instant."""

    rows: Sequence[Row]
    ats: list[int]
    """Of rows that were made; of others the columns know."""
    ordered: bool
    found: dict[Clock, Found] = field(default_factory=dict)

    def inside(self, found: Range) -> Sequence[Row]:
        """The rows of a range."""
        if isinstance(self.rows, Lying):
            return self.rows.inside(found)
        if self.ordered:
            start = 0 if found.start is None else bisect_left(self.ats, found.start)
            return self.rows[start : None if found.end is None else bisect_left(self.ats, found.end)]
        return [row for row, at in zip(self.rows, self.ats, strict=True) if at in found]


@dataclass(slots=True)
class Found:
    """What features came to, and which rows they are of."""

    values: dict[ir.Aggregate, Known | None] = field(default_factory=dict)
    rows: dict[Feature, Sequence[Row]] = field(default_factory=dict)


def kept_of(kept: dict[str, Kept], activity: Mapping[str, Sequence[Row]], kind: str) -> Kept:
    """What was found before of the rows of a kind, or of other rows nothing yet."""
    found, rows = kept.get(kind), activity.get(kind, ())
    if found is None or found.rows is not rows:
        found = kept[kind] = kept_anew(rows)
    return found


def kept_anew(rows: Sequence[Row]) -> Kept:
    """Rows of which nothing was found yet."""
    if isinstance(rows, Lying):
        return Kept(rows, [], ordered=True)
    ats = [ordinal(row["at"]) for row in rows]
    return Kept(rows, ats, all(one <= next_ for one, next_ in pairwise(ats)))


class Seen(ABC):
    """The activity of one person at one instant.

    `kept`: what was found before, by kind; of other rows than these it is not used, and made anew.
    """

    def __init__(self, activity: Mapping[str, Sequence[Row]], kept: dict[str, Kept], clock: Clock) -> None:
        self.activity, self.clock, self._kept = activity, clock, kept
        self._known: dict[str, tuple[Kept, Found]] = {}

    @abstractmethod
    def holds(self, node: ir.Predicate, row: Row) -> bool:
        """Whether a condition is true of one activity."""

    def rows(self, node: Feature) -> Sequence[Row]:
        """The activity that counts: in the window, not after as_of, and as `where` says."""
        if isinstance(node, ir.RecordAggregate):
            rows = kept_anew(present_states(node, self.every(), self.clock))
            return self._fitting(rows, node.where, window(node.period, self.clock))
        kept, every = self._found(node.kind)
        found = every.rows.get(node)
        if found is None:
            found = self._fitting(kept, node.where, window(node.period, self.clock))
            every.rows[node] = found
        return found

    def every(self) -> Mapping[str, Sequence[Row]]:
        """All activity, by kind."""
        return self.activity

    def _found(self, kind: str) -> tuple[Kept, Found]:
        found = self._known.get(kind)
        if found is None:
            kept = kept_of(self._kept, self.activity, kind)
            there = kept.found.get(self.clock)
            if there is None:
                there = kept.found[self.clock] = Found()
            found = self._known[kind] = kept, there
        return found

    def _fitting(self, kept: Kept, where: ir.Predicate | None, inside: Range) -> Sequence[Row]:
        found = kept.inside(inside)
        return found if where is None else [row for row in found if self.holds(where, row)]

    def instants(self, kind: str, where: ir.Predicate | None, found: Range) -> list[int]:
        """When the activity happened that fits and lies in the range, in order."""
        return sorted(ordinal(row["at"]) for row in self.fitting(kind, where, found))

    def fitting(self, kind: str, where: ir.Predicate | None, found: Range) -> Sequence[Row]:
        """The activity of the kind that fits and lies in the range."""
        return self._fitting(kept_of(self._kept, self.activity, kind), where, found)

    def came_to(self, node: ir.Aggregate) -> Known | None:
        """What it comes to; None is missing."""
        if type(node) is ir.RecordAggregate:
            return self._came_to(node)
        found = self._found(node.kind)[1].values
        known = found.get(node, found)
        if known is found:
            known = found[node] = self._came_to(node)
        return known  # type: ignore[return-value]

    def _came_to(self, node: ir.Aggregate) -> Known | None:
        return self.amount(node, self.rows(node))

    def amount(self, node: ir.Aggregate, rows: Sequence[Row]) -> Known | None:
        """What it comes to of these rows, all of which count."""
        match node.function:
            case ir.AggregateFunction.COUNT:
                return len(rows) * NUMBER_SCALE
            case ir.AggregateFunction.SUM:
                return sum(numbers(node, rows))
            case ir.AggregateFunction.SLICES:
                assert isinstance(node.period, ir.Last)  # noqa: S101 - as the representation says
                parts = slices(node.period, self.clock)
                return sum(any(ordinal(row["at"]) in part for row in rows) for part in parts) * NUMBER_SCALE
            case ir.AggregateFunction.LAST_AT:
                return max(_ends(rows), default=None)  # type: ignore[type-var, return-value]
            case ir.AggregateFunction.FIRST_AT:
                return min(_ends(rows), default=None)  # type: ignore[type-var, return-value]
        name = node.field or ""
        values = _known(name, rows)
        match node.function:
            case ir.AggregateFunction.DISTINCT:
                return len({comparable(v) for v in values}) * NUMBER_SCALE if rows else None
        if not values:
            return None
        match node.function:
            case ir.AggregateFunction.AVG:
                return Fraction(sum(numbers(node, rows)), len(values))
            case ir.AggregateFunction.LIST:
                return sorted({fold(str(value)) for value in values})
            case ir.AggregateFunction.MOST_FREQUENT:
                counts = Counter(comparable(value) for value in values)
                return min(values, key=lambda value: (-counts[comparable(value)], _order(value)))  # type: ignore[return-value]
            case ir.AggregateFunction.MIN:
                return min(values, key=_order)  # type: ignore[return-value]
            case ir.AggregateFunction.MAX:
                return max(values, key=_order)  # type: ignore[return-value]
            case ir.AggregateFunction.LATEST:
                known = [row for row in rows if row.get(name) is not None]
                return max(known, key=lambda row: (row["at"], _order(row[name])))[name]  # type: ignore[return-value]
            case ir.AggregateFunction.EARLIEST:
                known = [row for row in rows if row.get(name) is not None]
                return min(known, key=lambda row: (row["at"], _order(row[name])))[name]  # type: ignore[return-value]


def numbers(node: ir.Aggregate, rows: Sequence[Row]) -> list[int]:
    """The known values of the field that the aggregate is over."""
    return _known(node.field or "", rows)  # type: ignore[return-value]


def _known(name: str, rows: Sequence[Row]) -> list[object]:
    """The known values of a field."""
    if isinstance(rows, Lying):
        return rows.known(name)
    return [value for row in rows if (value := row.get(name)) is not None]


def _ends(rows: Sequence[Row]) -> Iterable[object]:
    """When the first and the last of the rows happened, whatever else may be between."""
    return rows.ends() if isinstance(rows, Lying) else (row["at"] for row in rows)


def comparable(value: object) -> object:
    """The form in which values compare: texts folded."""
    return fold(value) if isinstance(value, str) else value


def compared(operator: ir.Comparison, x: object, y: object) -> bool:
    """Whether one value is before, after or at another, both in the form in which they compare."""
    return _COMPARED[operator](x, y)


def _order(value: object) -> tuple[object, object]:
    """Folded first; texts that differ only unfolded still have one order."""
    return (comparable(value), value)


def ordinal(value: object) -> int:
    """Microseconds of an instant, days of a date."""
    if isinstance(value, dt.datetime):
        return microseconds(value)
    assert isinstance(value, dt.date), f"{value!r} is no date"  # noqa: S101
    return days(value)
