"""Proofs about conditions: can it be true of anyone, of everyone, does one follow from another.

Whatever is said here is so for any data; where a proof would take too long, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import NamedTuple, TypeAlias

from rules import ir
from rules.language.checks.cells import Cells, Line, Look, Names, Test, atom, cells, missable
from rules.language.checks.narrowing import at_or_above, below, is_latest_of, is_narrower, window_of
from rules.vocabulary import NUMBER_SCALE

Masks: TypeAlias = dict[int, int]
"""Variable → the cells it may still be in."""

_STEPS = 400
_BOTH = 0b11
_IN, _OUT = 0, 1
_F = ir.AggregateFunction


class Formula(NamedTuple):
    """A condition whose negations stand at its leaves. A leaf: `variable` is in one of the cells `mask`;
    otherwise all (`every`) or any of `parts`."""

    variable: int = -1
    mask: int = 0
    every: bool = True
    parts: tuple[Formula, ...] = ()


class _Proof:
    """How many steps are left."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = _STEPS


class _Summary(NamedTuple):
    """What a condition says at once: the cells it leaves, what it asks about, what its `or`s ask about."""

    masks: Masks
    variables: frozenset[int]
    branches: frozenset[int]


class _TooLongError(Exception):
    pass


@dataclass(slots=True)
class Logic:
    """Conditions over common variables: made once for all the rules that are compared."""

    _variables: dict[object, int] = field(default_factory=dict)
    _full: list[int] = field(default_factory=list)
    _cells: dict[object, Cells] = field(default_factory=dict)
    _links: dict[int, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    _formulas: dict[int, tuple[ir.Predicate, Formula, Formula]] = field(default_factory=dict)  # by identity
    _summaries: dict[int, _Summary] = field(default_factory=dict)
    _proved: dict[tuple[int, int], tuple[ir.Predicate, bool]] = field(default_factory=dict)

    @classmethod
    def over(cls, predicates: Iterable[ir.Predicate]) -> Logic:
        """The logic in which these conditions can be compared."""
        logic = cls()
        tests: dict[tuple[ir.Value, str], list[Test]] = {}
        together: set[frozenset[ir.Value]] = set()
        for predicate in predicates:
            mine: dict[tuple[ir.Value, str], list[Test]] = {}
            _gather(predicate, mine)
            for name, each in mine.items():
                tests.setdefault(name, []).extend(each)
            together.add(frozenset(value for value, aspect in mine if aspect == "amount"))
        for (value, aspect), each in tests.items():
            logic._cells[value, aspect] = cells(value, aspect, each)
        pairs = {pair for values in together if len(values) > 1 for pair in permutations(values, 2)}
        for one, other in pairs:
            logic._link(one, other)
        return logic

    def never(self, *together: ir.Predicate, unless: ir.Predicate | None = None) -> bool:
        """Whether no one can be in all of these, and not in `unless`."""
        if unless is None and len(together) == 1:
            return self._nobody(together[0], _IN)
        formulas = [self._formula(each)[0] for each in together]
        if unless is not None:
            formulas.append(self._formula(unless)[1])
        try:
            return not self._possible(formulas, {}, _Proof())
        except _TooLongError:
            return False

    def always(self, predicate: ir.Predicate) -> bool:
        """Whether everyone is in it."""
        return self._nobody(predicate, _OUT)

    def _nobody(self, predicate: ir.Predicate, side: int) -> bool:
        """Whether no one can be on this side of it: on that side of any part, where one is enough."""
        known = self._proved.get((id(predicate), side))
        if known is not None:
            return known[1]
        match predicate:
            case ir.Not(part):
                found = self._nobody(part, _OUT - side)
            case ir.Or(parts) if side == _IN:
                found = all(self._nobody(part, side) for part in parts)
            case ir.And(parts) if side == _OUT:
                found = all(self._nobody(part, side) for part in parts)
            case _:
                found = self._empty(self._formula(predicate)[side])
        self._proved[id(predicate), side] = (predicate, found)
        return found

    def _empty(self, formula: Formula) -> bool:
        """Whether it is surely true of nobody."""
        if formula.variable >= 0:
            return not formula.mask
        if not formula.every:
            return all(self._empty(part) for part in formula.parts)
        try:
            return not self._possible([formula], {}, _Proof())
        except _TooLongError:
            return False

    def within(self, one: ir.Predicate, other: ir.Predicate) -> bool:
        """Whether everyone in the one is in the other. Quick, for comparing many."""
        mine, theirs = self._summary(one), self._summary(other)
        for variable, mask in theirs.masks.items():
            beyond = mine.masks.get(variable, self._full[variable]) & ~mask
            if beyond and variable not in mine.branches:
                return False
        if mine.branches or theirs.branches:
            return self.never(one, unless=other)
        return True

    def cells(self, predicate: ir.Predicate) -> tuple[int, ...] | None:
        """Which cells it leaves of each of its variables, where that is all it says: it has no `or`. Of two
        that ask about the same variables, the one is within the other where its cells are."""
        found = self._summary(predicate)
        return None if found.branches else tuple(found.masks[each] for each in sorted(found.masks))

    def variables(self, predicate: ir.Predicate) -> frozenset[int]:
        """What it asks about."""
        return self._summary(predicate).variables

    def related(self, one: ir.Predicate, other: ir.Predicate) -> bool:
        """Whether the one may say something of the other."""
        mine, theirs = self.variables(one), self.variables(other)
        if not self._links or mine & theirs:
            return bool(mine & theirs)
        linked = {link[1] for variable in mine for link in self._links.get(variable, ())}
        back = {link[1] for variable in theirs for link in self._links.get(variable, ())}
        return bool(linked & theirs or back & mine)

    def _summary(self, predicate: ir.Predicate) -> _Summary:
        found = self._summaries.get(id(predicate))
        if found is None:
            formula = self._formula(predicate)[0]
            masks: Masks = {}
            branches: set[int] = set()
            waiting = [formula]
            while waiting:
                each = waiting.pop()
                if each.variable >= 0:
                    masks[each.variable] = masks.get(each.variable, self._full[each.variable]) & each.mask
                elif each.every or len(each.parts) == 1:
                    waiting.extend(each.parts)
                else:
                    branches |= set(_variables_of(each))
            found = _Summary(masks, frozenset(_variables_of(formula)), frozenset(branches))
            self._summaries[id(predicate)] = found
        return found

    def _formula(self, predicate: ir.Predicate) -> tuple[Formula, Formula]:
        """The condition and its complement."""
        found = self._formulas.get(id(predicate))
        if found is None:
            found = self._formulas[id(predicate)] = (predicate, *self._made(predicate))
        return found[1], found[2]

    def _made(self, predicate: ir.Predicate) -> tuple[Formula, Formula]:
        match predicate:
            case ir.Constant(value):
                true, false = Formula(), Formula(every=False)
                return (true, false) if value else (false, true)
            case ir.Not(part):
                yes, no = self._formula(part)
                return no, yes
            case ir.And(parts) | ir.Or(parts):
                every = isinstance(predicate, ir.And)
                both = [self._formula(part) for part in parts]
                yes_parts, no_parts = tuple(yes for yes, _ in both), tuple(no for _, no in both)
                return Formula(every=every, parts=yes_parts), Formula(every=not every, parts=no_parts)
            case ir.IsKnown(value):
                return self._known(value)
            case ir.ListTest(kind, value, options):
                has = [self._leaf(("has", value, option), YES_MASK, _BOTH) for option in options]
                known = self._known(value)
                every = kind is ir.ListTestKind.ALL
                yes = Formula(every=every, parts=tuple(one for one, _ in has))
                no = Formula(every=not every, parts=tuple(other for _, other in has))
                return _and((yes, no), known)
        found = atom(predicate)
        if found is None:
            return self._leaf(predicate, YES_MASK, _BOTH)
        value, aspect, test = found
        into = self._cells[value, aspect]
        if isinstance(test, Look) and isinstance(into, Names) and test not in into.looks:
            return self._leaf(predicate, YES_MASK, _BOTH)
        inside = self._leaf((value, aspect), into.mask(test), into.all())
        if aspect == "truth":
            return inside
        return _and(inside, self._known(value))

    def _known(self, value: ir.Value) -> tuple[Formula, Formula]:
        if not missable(value):
            return Formula(), Formula(every=False)
        return self._leaf(("known", _dated(value)), YES_MASK, _BOTH)

    def _leaf(self, name: object, mask: int, full: int) -> tuple[Formula, Formula]:
        variable = self._variables.setdefault(name, len(self._full))
        if variable == len(self._full):
            self._full.append(full)
        full = self._full[variable]
        return Formula(variable, mask & full), Formula(variable, full & ~mask)

    def _link(self, value: ir.Value, other: ir.Value) -> None:
        """`count(purchase, last 30 days)` and `days since purchase` know of each other: there was one in the
        window exactly if the latest one (in cells of days) is that short ago. Likewise of two windows."""
        if not isinstance(value, ir.Aggregate) or value.function is not _F.COUNT:
            return
        mine, theirs = self._cells[value, "amount"], self._cells[other, "amount"]
        if not isinstance(mine, Line) or not isinstance(theirs, Line):
            return
        if isinstance(other, ir.Aggregate) and other.function is _F.COUNT:
            if is_narrower(value, other):
                self._bound(value, mine, other, theirs)
        elif isinstance(other, ir.DaysSince) and is_latest_of(value, other.value):
            self._recency(value, mine, other, theirs)

    def _bound(self, few: ir.Aggregate, fewer: Line, many: ir.Aggregate, more: Line) -> None:
        """Never more in the narrower window: n there means n or more here."""
        one, other = self._line(few, fewer), self._line(many, more)
        for constant in {*fewer.constants, *more.constants, NUMBER_SCALE}:
            self._exclude(one, at_or_above(fewer, constant), other, below(more, constant))

    def _recency(self, count: ir.Aggregate, counts: Line, since: ir.DaysSince, days: Line) -> None:
        one, other = self._line(count, counts), self._line(since, days)
        known = self._known(since)[0].variable
        some, none = at_or_above(counts, NUMBER_SCALE), below(counts, NUMBER_SCALE)
        self._exclude(one, some, known, NO_MASK)
        window = window_of(count)
        if window is not None:
            self._exclude(one, some, other, at_or_above(days, window))
            self._exclude(one, none, other, below(days, window), known)
        elif isinstance(count.period, ir.Ever):
            self._exclude(one, none, known, YES_MASK)

    def _line(self, value: ir.Value, line: Line) -> int:
        return self._leaf((value, "amount"), 0, line.all())[0].variable

    def _exclude(self, one: int, here: int, other: int, there: int, known: int = -1) -> None:
        """Nobody is in `here` and in `there` (and has the fact known)."""
        self._links.setdefault(one, []).append((here, other, there, known))

    def _possible(self, formulas: list[Formula], masks: Masks, proof: _Proof) -> bool:
        """Whether all can be true at once, of someone."""
        open_: list[Formula] = []
        waiting = list(formulas)
        while waiting:
            each = waiting.pop()
            if each.variable >= 0:
                left = masks.get(each.variable, self._full[each.variable]) & each.mask
                if not left:
                    return False
                masks[each.variable] = left
            elif each.every:
                waiting.extend(each.parts)
            elif len(each.parts) == 1:
                waiting.append(each.parts[0])
            else:
                open_.append(each)
        if self._links and self._impossible(masks):
            return False
        if not open_:
            return True
        undecided = [each for each in open_ if not self._true(each, masks)]
        if not undecided:
            return True
        proof.steps -= 1
        if proof.steps < 0:
            raise _TooLongError
        first = min(undecided, key=lambda each: len(each.parts))
        rest = [each for each in undecided if each is not first]
        return any(self._possible([part, *rest], dict(masks), proof) for part in first.parts)

    def _true(self, formula: Formula, masks: Masks) -> bool:
        """Whether it already follows."""
        if formula.variable >= 0:
            return not masks.get(formula.variable, self._full[formula.variable]) & ~formula.mask
        if formula.every:
            return all(self._true(part, masks) for part in formula.parts)
        return any(self._true(part, masks) for part in formula.parts)

    def _impossible(self, masks: Mapping[int, int]) -> bool:
        for one, mask in masks.items():
            for here, other, there, known in self._links.get(one, ()):
                if known >= 0 and masks.get(known, _BOTH) != YES_MASK:
                    continue
                if not mask & ~here and other in masks and not masks[other] & ~there:
                    return True
        return False


YES_MASK, NO_MASK = 0b01, 0b10


def _gather(predicate: ir.Predicate, tests: dict[tuple[ir.Value, str], list[Test]]) -> None:
    match predicate:
        case ir.And(parts) | ir.Or(parts):
            for part in parts:
                _gather(part, tests)
        case ir.Not(part):
            _gather(part, tests)
        case _:
            if found := atom(predicate):
                value, aspect, test = found
                tests.setdefault((value, aspect), []).append(test)


def _and(one: tuple[Formula, Formula], other: tuple[Formula, Formula]) -> tuple[Formula, Formula]:
    return Formula(parts=(one[0], other[0])), Formula(every=False, parts=(one[1], other[1]))


def _dated(value: ir.Value) -> ir.Value:
    """`days since x` is missing exactly if x is."""
    return value.value if isinstance(value, ir.DaysSince) else value


def _variables_of(formula: Formula) -> Iterable[int]:
    if formula.variable >= 0:
        yield formula.variable
    for part in formula.parts:
        yield from _variables_of(part)
