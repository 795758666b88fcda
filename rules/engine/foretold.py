"""What a condition comes to after one edit, where its values tell: nobody is made anew for it."""

from __future__ import annotations

from typing import Final

from rules import ir
from rules.engine.activity import Known, comparable, compared, ordinal
from rules.engine.edits import Edit, Fewer, More, SetFact
from rules.engine.periods import microseconds, window
from rules.engine.person import Evaluator
from rules.vocabulary import NUMBER_SCALE, Type

_TESTS = frozenset((ir.InPeriod, ir.IsKnown, ir.IsTrue, ir.TextTest, ir.Anniversary, ir.ListTest))


class _Untold:
    """That must be tried."""


_UNTOLD: Final = _Untold()


def foretold(node: ir.Predicate, edit: Edit, one: Evaluator) -> bool | None:
    """Whether it would be true of the person after the edit; None: that must be tried.

    `one`: the person, or as edits would make them; places of `Fewer` are those of the person's own activity,
    no row of which is there twice.
    """
    kind = type(node)
    if kind is ir.Compare:
        return _compared(node, edit, one)  # type: ignore[arg-type]
    if kind in _TESTS:
        value = _value(node.value, edit, one)  # type: ignore[union-attr, arg-type]
        if value is _UNTOLD:
            return None
        return value is not None and one.known_holds(node, value)  # type: ignore[arg-type]
    if kind is ir.Not:
        told = foretold(node.part, edit, one)  # type: ignore[union-attr]
        return None if told is None else not told
    if kind is ir.And or kind is ir.Or:
        decides = kind is ir.Or
        for part in node.parts:  # type: ignore[union-attr]
            told = foretold(part, edit, one)
            if told is None or told is decides:
                return told
        return not decides
    return None


def _compared(node: ir.Compare, edit: Edit, one: Evaluator) -> bool | None:
    left, right = node.left, node.right
    if _type(left) is not _type(right):
        return None
    x = _value(left, edit, one)
    y = right.value if type(right) is ir.Literal else _value(right, edit, one)
    if x is _UNTOLD or y is _UNTOLD:
        return None
    return x is not None and y is not None and compared(node.operator, comparable(x), comparable(y))


def _type(node: ir.Value) -> Type:
    return Type.NUMBER if type(node) is ir.DaysSince else node.type  # type: ignore[union-attr]


def _value(node: ir.Value, edit: Edit, one: Evaluator) -> Known | _Untold | None:
    kind = type(node)
    if kind is ir.Aggregate:
        made: type = type(edit)
        if made is More and edit.kind == node.kind:  # type: ignore[union-attr]
            return _more(node, edit, one)  # type: ignore[arg-type]
        if made is Fewer and edit.kind == node.kind:  # type: ignore[union-attr]
            return _fewer(node, edit, one)  # type: ignore[arg-type]
        return one.came_to(node)  # type: ignore[arg-type]
    if kind is ir.Fact:
        if type(edit) is SetFact and edit.name == node.name:  # type: ignore[union-attr]
            return edit.value  # type: ignore[return-value]
        return one.person.facts.get(node.name)  # type: ignore[union-attr, return-value]
    if kind is ir.DaysSince:
        then = _value(node.value, edit, one)  # type: ignore[union-attr, arg-type]
        return then if then is None or isinstance(then, _Untold) else one.days_since(then)
    return node.value if kind is ir.Literal else _UNTOLD  # type: ignore[union-attr, return-value]


def _more(node: ir.Aggregate, edit: More, one: Evaluator) -> Known | None:
    inside, where = window(node.period, one.clock), node.where
    if not edit.alike:
        fitting = [row for row in edit.rows if ordinal(row["at"]) in inside]
        if where is not None:
            fitting = [row for row in fitting if one.holds(where, row)]
        return one.amount(node, [*one.rows(node), *fitting])
    at = edit.ats[0]
    known, row, fits = one.came_to(node), edit.first, microseconds(at) in inside
    if not fits or (where is not None and not one.holds(where, row)):
        return known
    match node.function:
        case ir.AggregateFunction.COUNT:
            return known + NUMBER_SCALE * edit.n  # type: ignore[operator]
        case ir.AggregateFunction.SUM:
            return known + (row.get(node.field or "") or 0) * edit.n  # type: ignore[operator]
        case ir.AggregateFunction.LAST_AT:
            return at if known is None else max(known, at)  # type: ignore[type-var]
    return one.amount(node, [*one.rows(node), *[row] * edit.n])


def _fewer(node: ir.Aggregate, edit: Fewer, one: Evaluator) -> Known | None:
    there = one.person.activity[edit.kind]
    gone = {id(there[place]) for place in edit.places}
    return one.amount(node, [row for row in one.rows(node) if id(row) not in gone])
