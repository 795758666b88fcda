"""The interval of a share (Wilson 1927, "Probable inference, the law of succession, and statistical
inference", JASA 22, 209-212): it stays within 0 and 1, also where nobody did or everybody."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rules.models.columns import InputError

Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole`, with the 95 % interval of the share."""

    part: int
    whole: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself."""
        return self.part / self.whole


def wilson(part: int, whole: int, *, z: float = Z_95) -> Share:
    """The share `part` of `whole` with its interval. InputError if there is no whole, or less of it."""
    if not 0 <= part <= whole or whole < 1:
        raise InputError(f"a share of {part} in {whole} is none: count a part of at least one")
    p, square = part / whole, z * z
    centre = (p + square / (2 * whole)) / (1 + square / whole)
    half = z * math.sqrt(p * (1 - p) / whole + square / (4 * whole * whole)) / (1 + square / whole)
    return Share(part, whole, max(0.0, centre - half), min(1.0, centre + half))
