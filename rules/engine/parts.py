"""Which parts of a condition time alone may change, whenever that is: what of a rule stays the same from one
evaluation to the next. `touched` says whom they may have changed between two instants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from rules import ir

_FUNCTION = ir.AggregateFunction
SELECTING = (
    _FUNCTION.LATEST,
    _FUNCTION.EARLIEST,
    _FUNCTION.MIN,
    _FUNCTION.MAX,
    _FUNCTION.MOST_FREQUENT,
)
"""What these find is the field of one of the rows they look at."""
INSTANTS = (_FUNCTION.LAST_AT, _FUNCTION.FIRST_AT)
"""What these find is the instant of one of the rows."""
_WINDOWED = {
    *SELECTING,
    *INSTANTS,
    _FUNCTION.COUNT,
    _FUNCTION.SUM,
    _FUNCTION.AVG,
    _FUNCTION.DISTINCT,
    _FUNCTION.LIST,
    _FUNCTION.SLICES,
}
"""Only what lies in the window decides what these find (and, of the last, in which slice of it)."""
_NOT_KNOWN = "it has a condition of which only asking everybody is certain"


class Unsettled(Exception):
    """It is not known whom time may change. The text says why, in words for people."""


@lru_cache(maxsize=10_000)
def parts(condition: ir.Predicate) -> tuple[ir.Node, ...]:
    """Features, and conditions with more than those in them that moves; ranks too. Unsettled, if of one of
    them it can never be known."""
    return tuple(dict.fromkeys(_of_predicate(condition)))


@lru_cache(maxsize=10_000)
def steady(value: ir.Value) -> tuple[ir.Node, ...]:
    """As `parts`, of a value that no clock is in; Unsettled, if there is one."""
    return tuple(dict.fromkeys(_of_value(value)))


def moving(node: ir.Predicate) -> ir.Aggregate | None:
    """The feature that a condition with a clock in it is about; None: it is about facts."""
    leaves = [leaf for value in _values(node) for leaf in _leaves(value)]
    features = {leaf for leaf in leaves if not isinstance(leaf, ir.Fact | ir.Literal)}
    if not features:
        return None
    feature = next(iter(features))
    alone = len(features) == 1 and not any(isinstance(leaf, ir.Fact) for leaf in leaves)
    if not alone or not isinstance(feature, ir.Aggregate):
        raise Unsettled("it sets something that changes with time against something else")
    return feature


def _of_predicate(node: ir.Predicate) -> Iterator[ir.Node]:
    match node:
        case ir.And(conditions) | ir.Or(conditions):
            for condition in conditions:
                yield from _of_predicate(condition)
        case ir.Not(condition):
            yield from _of_predicate(condition)
        case (
            ir.Constant()
            | ir.InSegment()
            | ir.HeldSegment()
            | ir.InList()
            | ir.Suppressed()
            | ir.Consented()
            | ir.RandomShare()
            | ir.Near()
            | ir.Placed()
        ):
            pass
        case ir.Lasting(_, when, leave_when):
            yield from _of_predicate(when)
            if leave_when is not None:
                yield from _of_predicate(leave_when)
        case ir.IsKnown(ir.DaysSince(value)):
            yield from _of_value(value)
        case (
            ir.Compare()
            | ir.InSet()
            | ir.TextTest()
            | ir.Matches()
            | ir.IsKnown()
            | ir.IsTrue()
            | ir.ListTest()
        ):
            if any(map(_moves, _values(node))):
                yield from _of_moving(node)
            else:
                for value in _values(node):
                    yield from _of_value(value)
        case ir.InPeriod(ir.Aggregate(function) as value) if function in INSTANTS:
            yield from _of_value(value)
            yield node
        case ir.InPeriod() | ir.Anniversary():
            yield from _of_moving(node)
        case ir.AllRecords(matching, of):
            yield from _of_value(matching)
            yield from _of_value(of)
        case ir.Stopped(last):
            yield from _of_value(last)
            yield node
        case ir.Sequence() | ir.Restarted() | ir.RankShare() | ir.RankCount() | ir.Quintile():
            yield node
        case _:
            raise Unsettled(_NOT_KNOWN)


def _of_value(value: ir.Value) -> Iterator[ir.Node]:
    match value:
        case ir.Literal() | ir.Fact():
            pass
        case ir.Aggregate():
            if value.function not in _WINDOWED:
                raise Unsettled(_NOT_KNOWN)
            yield value
        case ir.Arithmetic(_, left, right):
            yield from _of_value(left)
            yield from _of_value(right)
        case ir.Score(_, parts_):
            for part in parts_:
                if isinstance(part, ir.Earned):
                    yield part
                else:
                    yield from _of_predicate(part.condition)
        case _:
            raise Unsettled(_NOT_KNOWN)


def _of_moving(node: ir.Predicate) -> Iterator[ir.Node]:
    feature = moving(node)
    if feature is not None:
        yield from _of_value(feature)
        found = feature.function in SELECTING and not isinstance(feature, ir.RecordAggregate)
        if not found and feature.function not in INSTANTS:
            raise Unsettled("it sets what was computed over activity against the clock")
    yield node


def _values(node: ir.Predicate) -> Sequence[ir.Value]:
    """What a condition is about."""
    if isinstance(node, ir.Compare):
        return node.left, node.right
    return (node.value,)  # type: ignore[union-attr, return-value]


def _moves(value: ir.Value) -> bool:
    """Whether the clock is in a value, other than in the windows and conditions of features."""
    if isinstance(value, ir.Arithmetic):
        return _moves(value.left) or _moves(value.right)
    return isinstance(value, ir.DaysSince)


def _leaves(value: ir.Value) -> Iterator[ir.Value]:
    match value:
        case ir.DaysSince(inner):
            yield from _leaves(inner)
        case ir.Arithmetic(_, left, right):
            yield from _leaves(left)
            yield from _leaves(right)
        case _:
            yield value
