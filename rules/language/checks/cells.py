"""What conditions say of one value: its possible values, cut into cells at the constants of the rules.

A condition on a value is then the set of cells in which it is true, an integer with a bit for each. What is
proved with cells holds of every person; what cells cannot express is a cell of its own, and proves nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from rules import ir
from rules.vocabulary import NUMBER_SCALE, Type

_F = ir.AggregateFunction
_EXACT = 2**53
_HOURS = {ir.Unit.HOUR: 1, ir.Unit.DAY: 24, ir.Unit.WEEK: 168}
_MONTHS = {ir.Unit.MONTH: 1, ir.Unit.YEAR: 12}
_MOST_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Range:
    """Between two constants; None: no bound. `low_in`, `high_in`: the constant itself is inside."""

    low: int | None
    high: int | None
    low_in: bool = True
    high_in: bool = True


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these constants."""

    options: frozenset[Hashable]


@dataclass(frozen=True, slots=True)
class Look:
    """A test of a text, decided for every constant."""

    kind: ir.TextTestKind
    text: str

    def holds(self, text: str) -> bool:
        match self.kind:
            case ir.TextTestKind.CONTAINS:
                return self.text in text
            case ir.TextTestKind.STARTS:
                return text.startswith(self.text)
            case ir.TextTestKind.ENDS:
                return text.endswith(self.text)


Test: TypeAlias = Range | OneOf | Look
YES = OneOf(frozenset({True}))


@dataclass(slots=True)
class Line:
    """The cells of ordered values: below the first constant, it, between it and the second, …

    `whole`: only multiples of a whole number occur; `least`, `most`: nothing lies beyond."""

    constants: list[int] = field(default_factory=list)
    whole: bool = False
    least: int | None = None
    most: int | None = None
    _all: int = 0

    def all(self) -> int:
        """The cells in which a value may lie."""
        self._all = self._all or self._possible()
        return self._all

    def _possible(self) -> int:
        every = (1 << (2 * len(self.constants) + 1)) - 1
        bounded = every & self.mask(Range(self.least, self.most))
        if self.whole:
            for place in range(len(self.constants) + 1):
                if not self._whole_between(place):
                    bounded &= ~(1 << (2 * place))
            for place, constant in enumerate(self.constants):
                if constant % NUMBER_SCALE:
                    bounded &= ~(1 << (2 * place + 1))
        return bounded

    def _whole_between(self, place: int) -> bool:
        if place in (0, len(self.constants)):
            return True
        low, high = self.constants[place - 1], self.constants[place]
        return (low // NUMBER_SCALE + 1) * NUMBER_SCALE < high

    def mask(self, test: Test) -> int:
        """The cells in the range, or of the constants."""
        if isinstance(test, OneOf):
            return sum(
                1 << (2 * place + 1) for place, each in enumerate(self.constants) if each in test.options
            )
        if isinstance(test, Look):
            return 0
        every = (1 << (2 * len(self.constants) + 1)) - 1
        if test.low is not None:
            every &= -1 << (2 * bisect_left(self.constants, test.low) + (1 if test.low_in else 2))
        if test.high is not None:
            every &= (1 << (2 * bisect_left(self.constants, test.high) + (2 if test.high_in else 1))) - 1
        return every


@dataclass(slots=True)
class Names:
    """The cells of texts and other values without an order: one for each constant; the others by what the
    looks of the rules say of them."""

    constants: list[Hashable] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    def all(self) -> int:
        """The cells in which a value may lie."""
        cells = (1 << len(self.constants)) - 1
        for answers in range(1 << len(self.looks)):
            if self._possible(answers):
                cells |= 1 << (len(self.constants) + answers)
        return cells

    def _possible(self, answers: int) -> bool:
        true = [look for number, look in enumerate(self.looks) if answers >> number & 1]
        false = [look for number, look in enumerate(self.looks) if not answers >> number & 1]
        if any(_implies(one, other) for one in true for other in false):
            return False
        return not any(_exclude(one, other) for one in true for other in true)

    def mask(self, test: Test) -> int:
        """The cells in which the test is true."""
        if isinstance(test, Range):
            return 0
        if isinstance(test, OneOf):
            return sum(1 << place for place, each in enumerate(self.constants) if each in test.options)
        found = 0
        for place, constant in enumerate(self.constants):
            found |= test.holds(str(constant)) << place
        number = self.looks.index(test)
        for answers in range(1 << len(self.looks)):
            found |= (answers >> number & 1) << (len(self.constants) + answers)
        return found


def _implies(one: Look, other: Look) -> bool:
    if other.kind is ir.TextTestKind.CONTAINS:
        return other.text in one.text
    return one.kind is other.kind and other.holds(one.text)


def _exclude(one: Look, other: Look) -> bool:
    same = one.kind is other.kind is not ir.TextTestKind.CONTAINS
    return same and not one.holds(other.text) and not other.holds(one.text)


Cells: TypeAlias = Line | Names


def atom(test: ir.Predicate) -> tuple[ir.Value, str, Test] | None:
    """The value a condition is about, in which of its aspects, and what it asks; None: no such condition."""
    match test:
        case ir.Compare(operator, value, ir.Literal(int() as constant, Type.NUMBER | Type.MONEY)):
            if abs(constant) > _EXACT:
                return None
            return value, "amount", _compared(operator, constant)
        case ir.Compare(ir.Comparison.EQ, value, ir.Literal(constant)):
            return value, "name", OneOf(frozenset({constant}))
        case ir.InSet(value, options):
            aspect = "amount" if options[0].type in (Type.NUMBER, Type.MONEY) else "name"
            return value, aspect, OneOf(frozenset(option.value for option in options))
        case ir.TextTest(kind, value, text):
            return value, "name", Look(kind, text)
        case ir.IsTrue(value):
            return value, "truth", YES
        case ir.InPeriod(value, period):
            return _dated(value, period)
    return None


def _compared(operator: ir.Comparison, constant: int) -> Range:
    match operator:
        case ir.Comparison.EQ:
            return Range(constant, constant)
        case ir.Comparison.LT:
            return Range(None, constant, high_in=False)
        case ir.Comparison.LE:
            return Range(None, constant)
        case ir.Comparison.GT:
            return Range(constant, None, low_in=False)
        case ir.Comparison.GE:
            return Range(constant, None)


def _dated(value: ir.Value, period: ir.Period) -> tuple[ir.Value, str, Test] | None:
    """Windows of one family can be ordered: by the clock, by months, by fixed days, by calendar unit."""
    match period:
        case ir.Last(n, unit) if unit in _HOURS:
            return value, "hours", Range(-n * _HOURS[unit], 0, low_in=False)
        case ir.Next(n, unit) if unit in _HOURS:
            return value, "hours", Range(0, n * _HOURS[unit], high_in=False)
        case ir.Ago(n, m, unit) if unit in _HOURS:
            return value, "hours", Range(-m * _HOURS[unit], -n * _HOURS[unit], low_in=False)
        case ir.Last(n, unit):
            return value, "months", Range(-n * _MONTHS[unit], 0, low_in=False)
        case ir.Next(n, unit):
            return value, "months", Range(0, n * _MONTHS[unit], high_in=False)
        case ir.Ago(n, m, unit):
            return value, "months", Range(-m * _MONTHS[unit], -n * _MONTHS[unit], low_in=False)
        case ir.Calendar(unit, shift):
            return value, f"this {unit}", OneOf(frozenset({shift}))
        case ir.Between(start, end):
            if all(bound is None or not hasattr(bound, "hour") for bound in (start, end)):
                low = start.toordinal() if start is not None else None
                return value, "day", Range(low, end.toordinal() if end is not None else None, high_in=False)
    return None


def missable(value: ir.Value) -> bool:
    """Whether it may be missing."""
    match value:
        case ir.Aggregate(function):
            return function not in (_F.COUNT, _F.SUM, _F.SLICES)
        case ir.Score() | ir.Literal():
            return False
    return True


def cells(value: ir.Value, aspect: str, tests: Iterable[Test]) -> Cells:
    """The cells of a value in one aspect, cut at the constants of all tests."""
    tests = list(tests)
    if aspect in ("name", "truth") or aspect.startswith("this "):
        names: set[Hashable] = set()
        looks: list[Look] = []
        for test in tests:
            if isinstance(test, OneOf):
                names |= test.options
            elif isinstance(test, Look) and test not in looks and len(looks) < _MOST_LOOKS:
                looks.append(test)
        return Names(sorted(names, key=repr), looks)
    bounds: set[object] = set()
    for test in tests:
        if isinstance(test, Range):
            bounds |= {test.low, test.high}
        elif isinstance(test, OneOf):
            bounds |= test.options
    line = Line()
    match value:
        case ir.Aggregate(_F.COUNT | _F.SLICES):
            line.whole, line.least = True, 0
        case ir.Aggregate(_F.DISTINCT):
            line.whole, line.least = True, NUMBER_SCALE
        case ir.DaysSince(ir.Aggregate(_F.LAST_AT | _F.FIRST_AT)):
            line.least = 0
        case ir.Score(_, _, at_least, at_most) if at_least is None or at_most is None or at_least < at_most:
            line.least, line.most = at_least, at_most
    bounds |= {line.least, line.most}
    line.constants = sorted(bound for bound in bounds if isinstance(bound, int))
    return line
