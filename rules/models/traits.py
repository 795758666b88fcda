"""What sets a group of people apart from everybody: differences worth telling that are not chance.

Asks for sums only (how many, mean, variance), so that whoever has a table of a million people need not load
it. A difference of numbers is judged by Welch's test of the group against the others, a share by the
hypergeometric distribution; of all that are tried at once, Benjamini and Hochberg (1995) keep those told
mostly real.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DIFFERENCE, RATIO = 0.5, 1.5
"""Least standardised difference of a number, and least ratio of a share, that is worth telling."""
SUPPORT = 30
"""Least people of the group with the feature."""
FALSE_SHARE = 0.05
"""Of the differences told so many may be chance."""
MUCH = 1.0


@dataclass(frozen=True, slots=True)
class Trait:
    """One difference. Numbers: `size` in standard deviations, `inside` and `everybody` the medians.
    Levels: `size` the ratio of shares, `inside` and `everybody` these. `support`: people of the group who
    have the number, or the level.
    """

    feature: str
    level: str | None
    size: float
    inside: float
    everybody: float
    p: float
    support: int

    @property
    def strength(self) -> float:
        """On one scale: a share that doubles counts as one standard deviation."""
        return abs(self.size) if self.level is None else float(np.log2(self.size))

    @property
    def tells(self) -> bool:
        """Whether the difference is large enough, chance or not."""
        return self.strength >= (DIFFERENCE if self.level is None else float(np.log2(RATIO)))

    def words(self, called: Mapping[str, str]) -> str:
        """`high spend`, `country DE`; `called`: feature → its words."""
        name = called.get(self.feature, self.feature.replace("_", " "))
        if self.level is not None:
            return f"{name} {self.level}"
        much = "very " if abs(self.size) >= 2 * MUCH else ""
        return f"{much}{'high' if self.size > 0 else 'low'} {name}"


@dataclass(frozen=True, slots=True)
class Moments:
    """Of some people's numbers: how many, their mean, and their variance (the mean square distance)."""

    count: int
    mean: float
    variance: float

    def without(self, part: Moments) -> Moments:
        """Those of the others. `part` is some of these people."""
        others = self.count - part.count
        if others <= 0:
            return Moments(0, 0.0, 0.0)
        mean = (self.count * self.mean - part.count * part.mean) / others
        squares = self.count * (self.variance + (self.mean - mean) ** 2)
        squares -= part.count * (part.variance + (part.mean - mean) ** 2)
        return Moments(others, mean, max(squares / others, 0.0))


def number_trait(
    feature: str, inside: Moments, everybody: Moments, *, medians: tuple[float, float]
) -> Trait | None:
    """How a number differs; None if too few of the group have it, nobody else has, or all have the same.
    `medians`: inside, and of everybody."""
    others = everybody.without(inside)
    spread = float(np.sqrt(everybody.variance))
    if inside.count < SUPPORT or not others.count or spread <= 1e-9 * abs(everybody.mean):
        return None
    size = (inside.mean - everybody.mean) / spread
    return Trait(feature, None, size, *medians, _welch(inside, others), inside.count)


def level_trait(
    feature: str, level: str, *, both: int, inside: int, having: int, everybody: int
) -> Trait | None:
    """How a share differs: `both` of the `inside` have the level, and `having` of everybody. None if too few
    have it."""
    if both < SUPPORT:
        return None
    from scipy import stats  # a second to load, which whoever only imports this would wait for

    share, overall = both / inside, having / everybody
    p = float(stats.hypergeom.sf(both - 1, everybody, having, inside))
    return Trait(feature, level, share / overall, share, overall, p, both)


def not_chance(ps: Sequence[float]) -> np.ndarray:
    """Benjamini and Hochberg: up to the largest i of the sorted with p_i <= i q / m."""
    given = np.nan_to_num(np.array(ps, dtype=np.float64), nan=1.0)
    order = np.argsort(given, kind="stable")
    below = np.flatnonzero(given[order] <= FALSE_SHARE * np.arange(1, len(given) + 1) / max(len(given), 1))
    found = np.zeros(len(given), dtype=np.bool_)
    if len(below):
        found[order[: below[-1] + 1]] = True
    return found


def strongest_first(traits: Sequence[Trait]) -> tuple[Trait, ...]:
    """In the order they are told: of equally strong ones, and of what differs by rounding alone, the one that
    more people have first."""
    return tuple(
        sorted(traits, key=lambda one: (-round(one.strength, 9), -one.support, one.feature, one.level or ""))
    )


def _welch(inside: Moments, others: Moments) -> float:
    """The two-sided p of Welch's test; 1 where one of two cannot be judged."""
    if min(inside.count, others.count) < 2:
        return 1.0
    spreads = [float(np.sqrt(m.variance * m.count / (m.count - 1))) for m in (inside, others)]
    if not any(spreads):
        return 0.0 if inside.mean != others.mean else 1.0
    from scipy import stats  # as above

    found = stats.ttest_ind_from_stats(
        inside.mean, spreads[0], inside.count, others.mean, spreads[1], others.count, equal_var=False
    )
    return float(found.pvalue)
