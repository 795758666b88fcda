"""What lines of cells and windows of activity say of each other: what lies above, what is narrower."""

from __future__ import annotations

from rules import ir
from rules.language.checks.cells import Line, Range
from rules.vocabulary import NUMBER_SCALE


def at_or_above(line: Line, constant: int) -> int:
    """The cells that surely lie at or above a constant, which may be none of the line's own."""
    above = [each for each in line.constants if each >= constant]
    if constant not in line.constants:
        lower = [each for each in line.constants if each < constant]
        if line.whole and lower and lower[-1] == constant - NUMBER_SCALE:
            return line.all() & line.mask(Range(lower[-1], None, low_in=False))
    return line.all() & line.mask(Range(above[0], None)) if above else 0


def below(line: Line, constant: int) -> int:
    """The cells that surely lie below a constant."""
    if constant in line.constants:
        return line.all() & line.mask(Range(None, constant, high_in=False))
    lower = [each for each in line.constants if each < constant]
    return line.all() & line.mask(Range(None, lower[-1])) if lower else 0


def window_of(value: ir.Aggregate) -> int | None:
    """The length of `last N days` in millionths of a day; None: another window."""
    match value.period:
        case ir.Last(n, unit) if unit is ir.Unit.DAY or unit is ir.Unit.WEEK:
            return n * (7 if unit is ir.Unit.WEEK else 1) * NUMBER_SCALE
    return None


def is_latest_of(count: ir.Aggregate, other: ir.Value) -> bool:
    """Whether `other` is when the latest ever was of what `count` counts."""
    return (
        isinstance(other, ir.Aggregate)
        and other.function is ir.AggregateFunction.LAST_AT
        and isinstance(other.period, ir.Ever)
        and type(count) is type(other)
        and (count.kind, count.where) == (other.kind, other.where)
    )


def is_narrower(one: ir.Aggregate, other: ir.Aggregate) -> bool:
    """Whether whatever counts for `one` counts for `other`."""
    if type(one) is not type(other) or one.kind != other.kind:
        return False
    if other.where is not None and one.where != other.where:
        parts = one.where.parts if isinstance(one.where, ir.And) else (one.where,)
        needed = other.where.parts if isinstance(other.where, ir.And) else (other.where,)
        if not set(needed) <= set(parts):
            return False
    if isinstance(other.period, ir.Ever) or one.period == other.period:
        return True
    mine, theirs = window_of(one), window_of(other)
    return mine is not None and theirs is not None and mine <= theirs
