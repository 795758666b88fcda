"""Predicates that hold one whole number against constants: which number, and the interval it must lie in.

Teams ask the same few numbers in hundreds of ways. Such a number is selected once and compared here, many
times cheaper than a column of SQL for every way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules import ir
from rules.engine.bits import bits_of
from rules.engine.emit import MIRRORED, Emitter, is_instant
from rules.engine.periods import resolve
from rules.vocabulary import Type

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from rules.engine.bits import Bits

_LEAST, _MOST = -(2**63), 2**63 - 1
_WHOLE = (Type.NUMBER, Type.MONEY)
_C = ir.Comparison


@dataclass(frozen=True, slots=True)
class Interval:
    """`least` <= number <= `most`; what is missing lies in none, or stands for 0."""

    number: str  # SQL of 64 bits
    least: int = _LEAST
    most: int = _MOST
    or_zero: bool = False


def interval_of(predicate: ir.Predicate, emitter: Emitter) -> Interval | None:
    """None: the predicate is of another kind, or a matter of more than 64 bits."""
    match predicate:
        case ir.Compare(operator, left, ir.Literal(int(constant), type_)) if type_ in _WHOLE:
            return _compared(left, operator, constant, type_, emitter)
        case ir.Compare(operator, ir.Literal(int(constant), type_), right) if type_ in _WHOLE:
            return _compared(right, MIRRORED[operator], constant, type_, emitter)
        case ir.InPeriod(value, period) if is_instant(value):
            found = resolve(period, emitter.clock, Type.DATETIME)
            if found.start is None or found.end is None:  # an infinite instant may lie there
                return None
            return Interval(_microseconds(value, emitter), found.start, found.end - 1)
    return None


def _compared(
    value: ir.Value, operator: ir.Comparison, constant: int, type_: Type, emitter: Emitter
) -> Interval | None:
    if isinstance(value, ir.DaysSince):
        if not is_instant(value.value) or type_ is not Type.NUMBER:
            return None
        # floor((now − x) / 86 400) >= n is x <= now − n × 86 400.
        least, most = _bounds(operator, constant)
        now = emitter.clock.now
        latest = _MOST if least == _LEAST else now - least * 86_400
        earliest = _LEAST if most == _MOST else now - (most + 1) * 86_400 + 1
        return Interval(_microseconds(value.value, emitter), earliest, latest)
    scalar = emitter.value(value)
    if scalar.double or scalar.over is not None or scalar.type is not type_:
        return None
    least, most = _bounds(operator, constant)
    if not scalar.wide:
        return Interval(scalar.sql, least, most, scalar.or_zero)
    if not _LEAST < constant < _MOST:
        return None
    dialect = emitter.dialect
    held = dialect.at_most(dialect.at_least(scalar.sql, _LEAST), _MOST)
    return Interval(f"({held})::{dialect.types[Type.NUMBER]}", least, most, scalar.or_zero)


def _bounds(operator: ir.Comparison, constant: int) -> tuple[int, int]:
    """The least and the most that pass."""
    least = {_C.GE: constant, _C.EQ: constant, _C.GT: constant + 1}
    most = {_C.LE: constant, _C.EQ: constant, _C.LT: constant - 1}
    return least.get(operator, _LEAST), most.get(operator, _MOST)


def _microseconds(value: ir.Value, emitter: Emitter) -> str:
    return emitter.dialect.microseconds(emitter.value(value).sql)


class Numbers:
    """A selected column of whole numbers."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        whole = column.cast(pa.int64())
        self._known = None if whole.null_count == 0 else bits_of(pc.is_valid(whole))
        self._numbers: NDArray[np.int64] = pc.fill_null(whole, 0).to_numpy()

    def within(self, interval: Interval) -> Bits:
        """The rows whose number lies in the interval."""
        import numpy as np

        least, most = max(interval.least, _LEAST), min(interval.most, _MOST)
        rows = np.full(len(self._numbers), least <= most)
        if _LEAST < least <= most:
            rows &= self._numbers >= least
        if least <= most < _MOST:
            rows &= self._numbers <= most
        bits = np.packbits(rows, bitorder="little")
        return bits if self._known is None or interval.or_zero else bits & self._known
