"""What sets a cluster apart from everybody, and a name of it in words.

Only features that the clusters were found by are told: a name by anything else would promise what the
clustering does not keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from rules.models.clusters.scaling import Categories, Numbers, Scaling, scaled
from rules.models.columns import Floats, Ints

DIFFERENCE, RATIO = 0.5, 1.5
"""Least standardised difference of a number, and least ratio of a share, that is worth telling."""
SUPPORT = 30
"""Least people of the cluster with the feature."""
FALSE_SHARE = 0.05
"""Of the differences told so many may be chance (Benjamini and Hochberg 1995)."""
IN_NAME = 3
MUCH = 1.0


@dataclass(frozen=True, slots=True)
class Trait:
    """One difference. Numbers: `size` in standard deviations (of the logarithm, where the fit took it),
    `inside` and `everybody` the medians. Levels: `size` the ratio of shares, `inside` and `everybody` these.
    """

    feature: str
    level: str | None
    size: float
    inside: float
    everybody: float
    p: float

    @property
    def strength(self) -> float:
        """On one scale: a share that doubles counts as one standard deviation."""
        return abs(self.size) if self.level is None else float(np.log2(self.size))

    def words(self, called: Mapping[str, str]) -> str:
        """`high spend`, `country DE`; `called`: feature → its words."""
        name = called.get(self.feature, self.feature.replace("_", " "))
        if self.level is not None:
            return f"{name} {self.level}"
        much = "very " if abs(self.size) >= 2 * MUCH else ""
        return f"{much}{'high' if self.size > 0 else 'low'} {name}"


def traits(
    scaling: Scaling, cluster: Ints, numbers: Numbers, categories: Categories | None = None
) -> tuple[tuple[Trait, ...], ...]:
    """Per cluster what sets it apart, the strongest first. Told are differences of at least half a standard
    deviation, or a share half as large again, that enough people have and that are not chance."""
    matrix = scaled(scaling, numbers, categories)
    k = int(cluster.max()) + 1 if len(cluster) else 0
    found = [
        (at, trait)
        for at in range(k)
        for trait in (
            *_numbers(scaling, matrix, cluster == at, numbers),
            *_levels(scaling, cluster == at, categories or {}),
        )
    ]
    real = _not_chance([trait.p for _, trait in found])
    told: list[list[Trait]] = [[] for _ in range(k)]
    for (at, trait), holds in zip(found, real, strict=True):
        if holds and trait.strength >= (DIFFERENCE if trait.level is None else float(np.log2(RATIO))):
            told[at].append(trait)
    return tuple(tuple(sorted(some, key=lambda one: (-one.strength, one.feature))) for some in told)


def names(
    of: Sequence[Sequence[Trait]], called: Mapping[str, str] | None = None, *, taken: Sequence[str] = ()
) -> tuple[str, ...]:
    """A name per cluster from its three strongest traits; a number behind it where it would be one twice.

    A cluster that nothing sets apart is "like everybody".
    """
    known, made = set(taken), []
    for some in of:
        name = ", ".join(trait.words(called or {}) for trait in some[:IN_NAME]) or "like everybody"
        unique, number = name, 1
        while unique in known:
            number += 1
            unique = f"{name} {number}"
        known.add(unique)
        made.append(unique)
    return tuple(made)


def _numbers(scaling: Scaling, matrix: Floats, inside: np.ndarray, numbers: Numbers) -> list[Trait]:
    found = []
    for place, one in enumerate(scaling.numbers):
        values = matrix[:, place]
        spread = float(values.std())
        if inside.sum() < SUPPORT or not spread or inside.all():
            continue
        size = float((values[inside].mean() - values.mean()) / spread)
        p = float(stats.ttest_ind(values[inside], values[~inside], equal_var=False).pvalue)
        raw = np.asarray(numbers[one.name], dtype=np.float64)
        medians = float(np.nanmedian(raw[inside])), float(np.nanmedian(raw))
        found.append(Trait(one.name, None, size, *medians, p))
    return found


def _levels(scaling: Scaling, inside: np.ndarray, categories: Categories) -> list[Trait]:
    found = []
    for one in scaling.categories:
        levels = np.array(categories[one.name], dtype=object)
        for level in one.levels:
            has = levels == level
            both = int((has & inside).sum())
            if both < SUPPORT:
                continue
            share, everybody = both / int(inside.sum()), float(has.mean())
            p = float(stats.hypergeom.sf(both - 1, len(has), int(has.sum()), int(inside.sum())))
            found.append(Trait(one.name, level, share / everybody, share, everybody, p))
    return found


def _not_chance(ps: Sequence[float]) -> np.ndarray:
    """Benjamini and Hochberg: up to the largest i of the sorted with p_i <= i q / m."""
    given = np.nan_to_num(np.array(ps, dtype=np.float64), nan=1.0)
    order = np.argsort(given, kind="stable")
    below = np.flatnonzero(given[order] <= FALSE_SHARE * np.arange(1, len(given) + 1) / max(len(given), 1))
    found = np.zeros(len(given), dtype=np.bool_)
    if len(below):
        found[order[: below[-1] + 1]] = True
    return found
