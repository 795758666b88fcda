"""What a campaign earned: treated people beside those who were held out, as they were assigned.

Margin over cost without a holdout is no return: those who bought might have bought anyway. Compared are means
per person, so that a holdout of a tenth stands for the rest; intervals are those of `spread`, and so is what
is left of a return once the largest spenders are capped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Floats, InputError
from rules.models.worth.spread import SEED, Cap, Difference, Estimate, added, compared, driven

LEAST_PEOPLE = 30
"""In either group; with fewer nothing is said."""
UNEVEN_P = 0.001
"""Below this the groups are not those that were planned (Fabijan et al., KDD 2019)."""


@dataclass(frozen=True, slots=True)
class Return:
    """`bought`, `held_bought`: who of them spent anything. `gain`: the margin that treated people brought
    beyond what they would have anyway, `capped` the same with the largest spenders of each campaign counting
    no more than in `caps`; `cost`: of treating them. All in the unit of what people spent."""

    treated: int
    held: int
    bought: int
    held_bought: int
    gain: Difference
    capped: Difference
    cost: float
    caps: tuple[Cap, ...]

    @property
    def profit(self) -> float:
        """What is left of the gain."""
        return self.gain.value - self.cost

    @property
    def roi(self) -> float:
        """Profit as a share of the cost: -1 is all lost, 0 is none."""
        return self.profit / self.cost

    @property
    def welch(self) -> Estimate:
        """The ROI with Welch's interval."""
        return self._share(self.gain.welch)

    @property
    def bootstrap(self) -> Estimate:
        """The ROI with the bootstrap's."""
        return self._share(self.gain.bootstrap)

    @property
    def capped_welch(self) -> Estimate:
        """What the ROI would be with the largest spenders capped."""
        return self._share(self.capped.welch)

    @property
    def capped_bootstrap(self) -> Estimate:
        """As well, with the bootstrap's interval."""
        return self._share(self.capped.bootstrap)

    @property
    def outlier_driven(self) -> bool:
        """Whether what is said of it rests on the largest spenders."""
        return driven(self.welch, self.capped_welch, nothing=-1.0)

    @property
    def among_spenders(self) -> bool:
        """Whether it is spenders of whom 0.5 % are capped, as fewer people than that bought: of one campaign
        at least."""
        return any(cap.among_spenders for cap in self.caps)

    def _share(self, gain: Estimate) -> Estimate:
        return Estimate(*((each - self.cost) / self.cost for each in (gain.value, gain.low, gain.high)))


def earned(
    treated: Floats, held: Floats, *, margin: float, cost: float, seed: int | tuple[int, ...] = SEED
) -> Return:
    """`treated`, `held`: what each person spent (0: nothing). `margin`: the share of it that is kept. `seed`:
    of the bootstrap; another one for each campaign, for they are taken to know nothing of each other.

    InputError with fewer than 30 people in either group, or without a cost.
    """
    if min(len(treated), len(held)) < LEAST_PEOPLE or cost <= 0:
        raise InputError(f"a return needs {LEAST_PEOPLE} people in either group and a cost")
    found, kept = compared(treated, held, seed=seed), margin * len(treated)
    bought = [int(np.count_nonzero(spent)) for spent in (treated, held)]
    gain, capped = found.whole.times(kept), found.capped.times(kept)
    return Return(len(treated), len(held), bought[0], bought[1], gain, capped, cost, (found.cap,))


def together(parts: Iterable[Return]) -> Return:
    """Of several campaigns: gains and costs add up, and the variances of the gains."""
    found = list(parts)
    return Return(
        sum(one.treated for one in found),
        sum(one.held for one in found),
        sum(one.bought for one in found),
        sum(one.held_bought for one in found),
        added(one.gain for one in found),
        added(one.capped for one in found),
        sum(one.cost for one in found),
        tuple(cap for one in found for cap in one.caps),
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
