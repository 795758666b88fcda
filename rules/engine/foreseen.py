"""A person as they would be after edits, asked like the person they are.

Nothing is copied and nothing found again that the edits do not touch: of the kinds of activity that they add
to or take from, what counts is what counts of the person as they are, less what is gone, and what is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules import ir
from rules.engine.activity import Known, Row, kept_anew
from rules.engine.edits import Edit, activity_of, applied, known_of
from rules.engine.periods import Range, window
from rules.engine.person import Evaluator
from rules.engine.walk import Feature


class Foreseen(Evaluator):
    """`one`: the person as they are, no row of whose activity is there twice; `edits`: of them."""

    def __init__(self, one: Evaluator, edits: Sequence[Edit]) -> None:
        self._one, self._edits = one, edits
        self.context, self.clock, self.conditions = one.context, one.clock, one.conditions
        self.person = known_of(one.person, edits)
        self._inside = {}
        self._more, gone = activity_of(edits)
        there = one.person.activity
        self._gone = {kind: {id(there[kind][place]) for place in places} for kind, places in gone.items()}
        self._touched = {*self._more, *gone}
        self._rows: dict[Feature, Sequence[Row]] = {}
        self._values: dict[ir.Aggregate, Known | None] = {}

    def rows(self, node: Feature) -> Sequence[Row]:
        """See `Seen`."""
        if isinstance(node, ir.RecordAggregate):
            return super().rows(node)
        if node.kind not in self._touched:
            return self._one.rows(node)
        found = self._rows.get(node)
        if found is None:
            inside = window(node.period, self.clock)
            found = self._rows[node] = self._edited(self._one.rows(node), node.kind, node.where, inside)
        return found

    def fitting(self, kind: str, where: ir.Predicate | None, found: Range) -> Sequence[Row]:
        """See `Seen`."""
        return self._edited(self._one.fitting(kind, where, found), kind, where, found)

    def came_to(self, node: ir.Aggregate) -> Known | None:
        """See `Seen`."""
        if isinstance(node, ir.RecordAggregate):
            return self._came_to(node)
        if node.kind not in self._touched:
            return self._one.came_to(node)
        known = self._values.get(node, self)
        if known is self:
            known = self._values[node] = self._came_to(node)
        return known  # type: ignore[return-value]

    def every(self) -> Mapping[str, Sequence[Row]]:
        """See `Seen`."""
        return applied(self._one.person, self._edits).activity

    def _edited(
        self, rows: Sequence[Row], kind: str, where: ir.Predicate | None, inside: Range
    ) -> Sequence[Row]:
        gone, more = self._gone.get(kind), self._more.get(kind)
        if gone:
            rows = [row for row in rows if id(row) not in gone]
        if more:
            rows = [*rows, *self._fitting(kept_anew(more), where, inside)]
        return rows
