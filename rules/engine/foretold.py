"""What a condition comes to after some edits, where its values tell: nobody is made anew for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rules import ir
from rules.engine.activity import Known, comparable, compared, ordinal
from rules.engine.edits import Edit, Fewer, More, SetConsent, SetFact, SetList, SetSuppressed
from rules.engine.periods import microseconds, window
from rules.engine.person import SCALES, Evaluator, calculated
from rules.vocabulary import NUMBER_SCALE

_TESTS = frozenset((ir.InPeriod, ir.IsKnown, ir.IsTrue, ir.TextTest, ir.Anniversary, ir.ListTest))
_OF_ACTIVITY = frozenset((More, Fewer))
_RANKS = frozenset((ir.RankShare, ir.RankCount, ir.Quintile))


class _Untold:
    """That must be tried."""


_UNTOLD: Final = _Untold()


class Foretold:
    """Of one person after some edits; what was told once is not worked out again.

    `one`: the person, or as edits would make them; places of `Fewer` are those of the person's own activity,
    no row of which is there twice.
    """

    def __init__(self, one: Evaluator, edits: Sequence[Edit]) -> None:
        self.one, self.edits = one, edits
        self._known: dict[ir.Predicate, bool | None] = {}

    def holds(self, node: ir.Predicate) -> bool | None:
        """Whether it would be true of the person after the edits; None: that must be tried."""
        known = self._known
        if node in known:
            return known[node]
        told = known[node] = self._holds(node)
        return told

    def _holds(self, node: ir.Predicate) -> bool | None:
        kind = type(node)
        if kind is ir.Compare:
            return self._compared(node.operator, node.left, node.right)  # type: ignore[union-attr]
        if kind in _TESTS:
            value = self._value(node.value)  # type: ignore[union-attr, arg-type]
            if value is _UNTOLD:
                return None
            return value is not None and self.one.known_holds(node, value)  # type: ignore[arg-type]
        if kind is ir.And or kind is ir.Or:
            return self._first(node.parts, decides=kind is ir.Or)  # type: ignore[union-attr]
        if kind in _RANKS:
            return self._ranked(node)  # type: ignore[arg-type]
        match node:
            case ir.Not(part):
                told = self.holds(part)
                return None if told is None else not told
            case ir.InSegment(segment):
                return None if self.one.conditions is None else self.holds(self.one.conditions[segment])
            case ir.InSet(of, options):
                for option in options:
                    told = self._compared(ir.Comparison.EQ, of, option)
                    if told is not False:
                        return told
                return False
            case ir.Constant(always):
                return always
            case ir.Suppressed() | ir.Consented() | ir.InList():
                return self._known_of(node)
        return None

    def _first(self, parts: Sequence[ir.Predicate], *, decides: bool) -> bool | None:
        """The answer of the first part that decides, or that of all of them."""
        for part in parts:
            told = self.holds(part)
            if told is None or told is decides:
                return told
        return not decides

    def _known_of(self, node: ir.Suppressed | ir.Consented | ir.InList) -> bool:
        for edit in reversed(self.edits):
            match edit, node:
                case SetSuppressed(suppressed), ir.Suppressed():
                    return suppressed
                case (SetConsent(name, on), ir.Consented(name_)) | (SetList(name, on), ir.InList(name_)):
                    if name == name_:
                        return on
        return self.one.holds(node, self.one.person.facts)

    def _compared(self, operator: ir.Comparison, left: ir.Value, right: ir.Value) -> bool | None:
        x = self._value(left)
        y = right.value if type(right) is ir.Literal else self._value(right)
        if x is _UNTOLD or y is _UNTOLD:
            return None
        made = left.type is not right.type or type(left) is ir.Arithmetic or type(right) is ir.Arithmetic
        if made and not (isinstance(x, str) and isinstance(y, str)):
            x, y = self._double(left), self._double(right)
            if x is _UNTOLD or y is _UNTOLD:
                return None
        return x is not None and y is not None and compared(operator, comparable(x), comparable(y))

    def _ranked(self, rank: ir.RankShare | ir.RankCount | ir.Quintile) -> bool | None:
        """While everybody else stays as they are."""
        value = rank.value
        average = type(value) is ir.Aggregate and value.function is ir.AggregateFunction.AVG
        known = self._double(value) if average else self._value(value)
        group = None if rank.by is None else self._value(rank.by)
        if self.one.context.ranks is None or isinstance(known, _Untold) or isinstance(group, _Untold):
            return None
        ranked = self.one.ranked_by(rank, known, group)
        return ranked is not None and self.one.context.ranks.holds(rank, *ranked)

    def _double(self, node: ir.Value) -> float | _Untold | None:
        """A number in major units."""
        value = self._value(node)
        if value is None or isinstance(value, _Untold) or type(node) is ir.Arithmetic:
            return value  # type: ignore[return-value]
        if type(node) is ir.Aggregate and node.function is ir.AggregateFunction.AVG:
            return _UNTOLD  # its sum and its number are each made a double
        return float(value) / float(SCALES[node.type])  # type: ignore[arg-type]

    def _value(self, node: ir.Value) -> Known | _Untold | None:
        kind = type(node)
        if kind is ir.Aggregate:
            return self._counted(node)  # type: ignore[arg-type]
        if kind is ir.Fact:
            for edit in reversed(self.edits):
                if type(edit) is SetFact and edit.name == node.name:  # type: ignore[union-attr]
                    return edit.value  # type: ignore[return-value]
            return self.one.person.facts.get(node.name)  # type: ignore[union-attr, return-value]
        if kind is ir.Literal:
            return node.value  # type: ignore[union-attr, return-value]
        if kind is ir.DaysSince:
            then = self._value(node.value)  # type: ignore[union-attr, arg-type]
            return then if then is None or isinstance(then, _Untold) else self.one.days_since(then)
        if kind is ir.Arithmetic:
            left, right = self._double(node.left), self._double(node.right)  # type: ignore[union-attr]
            if isinstance(left, _Untold) or isinstance(right, _Untold):
                return _UNTOLD
            return calculated(node.operator, left, right)  # type: ignore[union-attr]
        return _UNTOLD

    def _counted(self, node: ir.Aggregate) -> Known | _Untold | None:
        """What activity comes to, of whose kind one edit at most changes some."""
        found: More | Fewer | None = None
        for edit in self.edits:
            if type(edit) in _OF_ACTIVITY and edit.kind == node.kind:  # type: ignore[union-attr]
                if found is not None:
                    return _UNTOLD
                found = edit  # type: ignore[assignment]
        if found is None:
            return self.one.came_to(node)
        return self._more(node, found) if isinstance(found, More) else self._fewer(node, found)

    def _more(self, node: ir.Aggregate, edit: More) -> Known | None:
        one, where = self.one, node.where
        inside = window(node.period, one.clock)
        if not edit.alike:
            fitting = [row for row in edit.rows if ordinal(row["at"]) in inside]
            if where is not None:
                fitting = [row for row in fitting if one.holds(where, row)]
            return one.amount(node, [*one.rows(node), *fitting])
        at, known = edit.ats[0], one.came_to(node)
        if microseconds(at) not in inside or (where is not None and not one.holds(where, edit.first)):
            return known
        function = node.function
        if function is ir.AggregateFunction.COUNT:
            return known + NUMBER_SCALE * edit.n  # type: ignore[operator]
        if function is ir.AggregateFunction.SUM:
            return known + (edit.first.get(node.field or "") or 0) * edit.n  # type: ignore[operator]
        if function is ir.AggregateFunction.LAST_AT:
            return at if known is None else max(known, at)  # type: ignore[type-var]
        return one.amount(node, [*one.rows(node), *[edit.first] * edit.n])

    def _fewer(self, node: ir.Aggregate, edit: Fewer) -> Known | None:
        there = self.one.person.activity[edit.kind]
        gone = {id(there[place]) for place in edit.places}
        return self.one.amount(node, [row for row in self.one.rows(node) if id(row) not in gone])
