"""Two choices compared within each person: of what came by either, how much was answered.

Who answers more than others answers more by any choice, so people are never compared with each other. Each
has the weight of Mantel and Haenszel (1959), n1 n2 / (n1 + n2); the interval is that of independent people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rules.models.columns import Floats, InputError, same_length

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Tally:
    """Row by row of people: what was sent by one choice, and how much of it was answered."""

    sent: Floats
    answered: Floats


@dataclass(frozen=True, slots=True)
class Paired:
    """people: who was sent something by both choices. personal, usual: the shares that were answered. The
    bounds are of the 95 % interval of their difference."""

    people: int
    personal: float
    usual: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """The whole interval is above 0."""
        return self.low > 0

    @property
    def difference(self) -> float:
        """By how much the personal choice is answered more."""
        return self.personal - self.usual


NOBODY = Paired(0, 0.0, 0.0, 0.0, 0.0)


def paired(personal: Tally, usual: Tally) -> Paired:
    """The comparison over people who were sent something by both; `NOBODY` with fewer than two of them."""
    same_length(
        personal=personal.sent, answered=personal.answered, usual=usual.sent, answered_usual=usual.answered
    )
    if (personal.answered > personal.sent).any() or (usual.answered > usual.sent).any():
        raise InputError("answered: more than was sent; count each delivery once")
    both = (personal.sent > 0) & (usual.sent > 0)
    if both.sum() < 2:
        return NOBODY
    n1, n2 = personal.sent[both], usual.sent[both]
    first, second = personal.answered[both] / n1, usual.answered[both] / n2
    weight = n1 * n2 / (n1 + n2)
    total = float(weight.sum())
    shares = float((weight * first).sum()) / total, float((weight * second).sum()) / total
    middle = shares[0] - shares[1]
    error = float(np.sqrt(((weight * (first - second - middle)) ** 2).sum())) / total
    return Paired(len(n1), *shares, middle - Z95 * error, middle + Z95 * error)
