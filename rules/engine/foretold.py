"""What a comparison comes to after one edit, where that is but a number more: nobody is made anew for it."""

from __future__ import annotations

from collections.abc import Sequence

from rules import ir
from rules.engine.activity import Known, comparable, compared, ordinal
from rules.engine.edits import Edit, Fewer, More, SetFact
from rules.engine.periods import window
from rules.engine.person import Evaluator
from rules.vocabulary import NUMBER_SCALE


def foretold(node: ir.Predicate, edits: Sequence[Edit], one: Evaluator) -> bool | None:
    """Whether it would be true of the person after the edits; None: that must be tried."""
    if type(node) is not ir.Compare or type(node.right) is not ir.Literal or len(edits) != 1:
        return None
    left, right, edit = node.left, node.right, edits[0]
    value: object = None
    if type(left) is ir.Fact:
        becomes = isinstance(edit, SetFact) and edit.name == left.name
        value = edit.value if becomes else one.person.facts.get(left.name)  # type: ignore[union-attr]
    elif type(left) is ir.Aggregate and type(edit) is More and edit.kind == left.kind:
        value = _more(left, edit, one)
        if value is None:
            return None
    elif type(left) is ir.Aggregate and type(edit) is not Fewer:
        value = one.came_to(left)
    else:
        return None
    if left.type is not right.type:
        return None
    return value is not None and compared(node.operator, comparable(value), comparable(right.value))


def _more(node: ir.Aggregate, edit: More, one: Evaluator) -> Known | None:
    """How many there would be, or how much in all; None: it is not that."""
    counts = node.function is ir.AggregateFunction.COUNT
    if not counts and node.function is not ir.AggregateFunction.SUM:
        return None
    if edit.fresh is not None or len(edit.ats) != 1:
        return None
    known, row = one.came_to(node), edit.rows[0]
    assert isinstance(known, int)  # noqa: S101 - so both are
    inside = ordinal(row["at"]) in window(node.period, one.clock)
    if not inside or (node.where is not None and not one.holds(node.where, row)):
        return known
    each = NUMBER_SCALE if counts else row.get(node.field or "")
    return known + (each or 0) * edit.n  # type: ignore[operator]
