"""What a campaign earned: treated people beside those who were held out, as they were assigned.

Margin over cost without a holdout is no return: those who bought might have bought anyway. Compared are means
per person (Welch's variance), so that a holdout of a tenth stands for the rest; the interval is normal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from rules.models.columns import Floats, InputError
from rules.models.worth.wilson import Z_95

LEAST_PEOPLE = 30
"""In either group; with fewer nothing is said."""
UNEVEN_P = 0.001
"""Below this the groups are not those that were planned (Fabijan et al., KDD 2019)."""


@dataclass(frozen=True, slots=True)
class Return:
    """`gain`: the margin that treated people brought beyond what they would have anyway, `error` its standard
    error; `cost`: of treating them. All in the unit of what people spent."""

    treated: int
    held: int
    gain: float
    error: float
    cost: float

    @property
    def profit(self) -> float:
        """What is left of the gain."""
        return self.gain - self.cost

    @property
    def roi(self) -> float:
        """Profit as a share of the cost: -1 is all lost, 0 is none."""
        return self.profit / self.cost

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of the ROI."""
        half = Z_95 * self.error / self.cost
        return self.roi - half, self.roi + half


def earned(treated: Floats, held: Floats, *, margin: float, cost: float) -> Return:
    """`treated`, `held`: what each person spent (0: nothing). `margin`: the share of it that is kept.

    InputError with fewer than 30 people in either group, or without a cost.
    """
    if min(len(treated), len(held)) < LEAST_PEOPLE or cost <= 0:
        raise InputError(f"a return needs {LEAST_PEOPLE} people in either group and a cost")
    people = len(treated)
    difference = float(treated.mean()) - float(held.mean())
    variance = float(treated.var(ddof=1)) / people + float(held.var(ddof=1)) / len(held)
    return Return(
        people, len(held), margin * people * difference, margin * people * math.sqrt(variance), cost
    )


def together(parts: Iterable[Return]) -> Return:
    """Of several campaigns: gains and costs add up, and the variances of the gains."""
    found = list(parts)
    return Return(
        sum(one.treated for one in found),
        sum(one.held for one in found),
        sum(one.gain for one in found),
        math.hypot(*(one.error for one in found)),
        sum(one.cost for one in found),
    )


def uneven(treated: int, held: int, *, share: float) -> float:
    """The probability of groups at least as far from the plan, if `share` of people were held out at random:
    chi-square with one degree of freedom."""
    people = treated + held
    if not people:
        return 1.0
    planned = people * share
    square = (held - planned) ** 2 / planned + (treated - people + planned) ** 2 / (people - planned)
    return math.erfc(math.sqrt(square / 2))
