"""Conditions that can never be true because of constants on one and the same value: `x > 5 and x < 3`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules import ir
from rules.language.render import render


@dataclass(slots=True)
class _Bounds:
    """What the conditions joined by `and` so far leave of one value; `options` None: anything."""

    low: ir.Literal | None = None
    low_open: bool = False
    high: ir.Literal | None = None
    high_open: bool = False
    options: frozenset[ir.Literal] | None = None

    def empty(self) -> bool:
        if self.options is not None and not any(self._holds(option) for option in self.options):
            return True
        if self.low is None or self.high is None:
            return False
        low, high = _number(self.low), _number(self.high)
        return low > high or (low == high and (self.low_open or self.high_open))

    def _holds(self, option: ir.Literal) -> bool:
        number = _number(option)
        if self.low is not None and (
            number < _number(self.low) or (self.low_open and number == _number(self.low))
        ):
            return False
        high = None if self.high is None else _number(self.high)
        return high is None or number < high or (number == high and not self.high_open)


def contradictions(predicate: ir.Predicate) -> Iterator[str]:
    """One message for each value on which the parts of an `and` contradict each other."""
    match predicate:
        case ir.And(parts):
            yield from _joined(parts)
            for part in parts:
                yield from contradictions(part)
        case ir.Or(parts):
            for part in parts:
                yield from contradictions(part)
        case ir.Not(part):
            yield from contradictions(part)


def agree(parts: tuple[ir.Predicate, ...], other: ir.Predicate) -> bool | None:
    """Whether `other` can be true beside all parts, as far as constants on its own value tell; None: the
    parts say nothing of it."""
    bounds: dict[str, _Bounds] = {}
    for part in parts:
        _narrow(part, bounds)
    said = set(bounds)
    value = _narrow(other, bounds)
    if value is None or value.key not in said:
        return None
    return not bounds[value.key].empty()


def _joined(parts: tuple[ir.Predicate, ...]) -> Iterator[str]:
    bounds: dict[str, _Bounds] = {}
    shown: dict[str, list[str]] = {}
    told: set[str] = set()
    for part in parts:
        value = _narrow(part, bounds)
        if value is None:
            if isinstance(part, ir.Not) and part.part in parts:
                yield f"can never be true: {render(ir.And((part.part, part)))}"
            continue
        shown.setdefault(value.key, []).append(render(part))
        if bounds[value.key].empty() and value.key not in told:
            told.add(value.key)
            yield f"can never be true: {' and '.join(shown[value.key])}"


def _narrow(part: ir.Predicate, bounds: dict[str, _Bounds]) -> ir.Value | None:
    """Put a comparison with constants into the bounds of its value; None for other conditions."""
    match part:
        case ir.Compare(operator, value, ir.Literal() as constant):
            bound = bounds.setdefault(value.key, _Bounds())
            if operator is ir.Comparison.EQ:
                _keep(bound, frozenset([constant]))
            elif operator in (ir.Comparison.GT, ir.Comparison.GE):
                open_ = operator is ir.Comparison.GT
                if bound.low is None or (_number(constant), open_) > (_number(bound.low), bound.low_open):
                    bound.low, bound.low_open = constant, open_
            else:
                open_ = operator is ir.Comparison.LT
                if bound.high is None or (-_number(constant), open_) > (
                    -_number(bound.high),
                    bound.high_open,
                ):
                    bound.high, bound.high_open = constant, open_
            return value
        case ir.InSet(value, options):
            _keep(bounds.setdefault(value.key, _Bounds()), frozenset(options))
            return value
    return None


def _keep(bound: _Bounds, options: frozenset[ir.Literal]) -> None:
    bound.options = options if bound.options is None else bound.options & options


def _number(literal: ir.Literal) -> int:
    """Only numbers and money have an order here; of other types no two bounds meet."""
    return literal.value if isinstance(literal.value, int) else 0
