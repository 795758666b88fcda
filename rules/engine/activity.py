"""One person's activity as features look at it: which of it counts, and what that comes to.

Part of the slow, obvious evaluator (see `person`): plain Python, straight from the definitions in `rules.ir`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

from rules import ir
from rules.engine.periods import Clock, Range, days, microseconds, slices, window
from rules.engine.records import present_states
from rules.engine.walk import Feature
from rules.text import fold
from rules.vocabulary import NUMBER_SCALE

Known: TypeAlias = str | int | bool | float | Fraction | dt.date | dt.datetime | Sequence[str]
Row: TypeAlias = Mapping[str, object]
"""A fact sheet: column → value in physical units (NUMBER millionths, MONEY minor units, texts unfolded,
DATE `date`, DATETIME aware `datetime`, TEXTS a list), None or absent: missing. Activity also has `at`."""


class Seen:
    """The activity of one person at one instant. `fits`: whether a condition is true of one activity."""

    def __init__(
        self,
        activity: Mapping[str, Sequence[Row]],
        clock: Clock,
        fits: Callable[[ir.Predicate, Row], bool],
    ) -> None:
        self.activity, self.clock, self._fits = activity, clock, fits

    def rows(self, node: Feature) -> list[Row]:
        """The activity that counts: in the window, not after as_of, and as `where` says."""
        rows: Sequence[Row] = self.activity.get(node.kind, ())
        if isinstance(node, ir.RecordAggregate):
            rows = present_states(node, self.activity, self.clock)
        return self._fitting(rows, node.where, window(node.period, self.clock))

    def _fitting(self, rows: Sequence[Row], where: ir.Predicate | None, inside: Range) -> list[Row]:
        return [
            row for row in rows if ordinal(row["at"]) in inside and (where is None or self._fits(where, row))
        ]

    def instants(self, kind: str, where: ir.Predicate | None, found: Range) -> list[int]:
        """When the activity happened that fits and lies in the range, in order."""
        return sorted(ordinal(row["at"]) for row in self.fitting(kind, where, found))

    def fitting(self, kind: str, where: ir.Predicate | None, found: Range) -> list[Row]:
        """The activity of the kind that fits and lies in the range."""
        return self._fitting(self.activity.get(kind, ()), where, found)

    def numbers(self, node: ir.Aggregate) -> list[int]:
        """The known values of the field that the aggregate is over."""
        known = [row.get(node.field or "") for row in self.rows(node)]
        return [value for value in known if value is not None]  # type: ignore[misc]

    def value(self, node: ir.Aggregate) -> Known | None:
        """What it comes to; None is missing."""
        rows = self.rows(node)
        name = node.field or ""
        known = [row for row in rows if row.get(name) is not None]
        values = [row[name] for row in known]
        match node.function:
            case ir.AggregateFunction.COUNT:
                return len(rows) * NUMBER_SCALE
            case ir.AggregateFunction.SUM:
                return sum(self.numbers(node))
            case ir.AggregateFunction.SLICES:
                assert isinstance(node.period, ir.Last)  # noqa: S101 - as the representation says
                parts = slices(node.period, self.clock)
                return sum(any(ordinal(row["at"]) in part for row in rows) for part in parts) * NUMBER_SCALE
            case ir.AggregateFunction.LAST_AT:
                return max((row["at"] for row in rows), default=None)  # type: ignore[type-var, return-value]
            case ir.AggregateFunction.FIRST_AT:
                return min((row["at"] for row in rows), default=None)  # type: ignore[type-var, return-value]
            case ir.AggregateFunction.DISTINCT:
                return len({comparable(v) for v in values}) * NUMBER_SCALE if rows else None
        if not values:
            return None
        match node.function:
            case ir.AggregateFunction.AVG:
                return Fraction(sum(self.numbers(node)), len(values))
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
                return max(known, key=lambda row: (row["at"], _order(row[name])))[name]  # type: ignore[return-value]
            case ir.AggregateFunction.EARLIEST:
                return min(known, key=lambda row: (row["at"], _order(row[name])))[name]  # type: ignore[return-value]


def comparable(value: object) -> object:
    """The form in which values compare: texts folded."""
    return fold(value) if isinstance(value, str) else value


def _order(value: object) -> tuple[object, object]:
    """Folded first; texts that differ only unfolded still have one order."""
    return (comparable(value), value)


def ordinal(value: object) -> int:
    """Microseconds of an instant, days of a date."""
    if isinstance(value, dt.datetime):
        return microseconds(value)
    assert isinstance(value, dt.date), f"{value!r} is no date"  # noqa: S101
    return days(value)
