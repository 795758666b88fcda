"""Clouds: people without any structure, spread and related as the real ones are. Clusters hold in them, too,
to some degree, and real clusters have to hold better than in all of them to be more than a cut.

How stable the clusters of a cloud are differs from cloud to cloud, the more so the fewer people there are.
The highest stability of twenty clouds is passed by one in twenty-one further ones. That is for one number of
clusters: of several, one passes by chance far more often, so each of them needs as many times more clouds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

from rules.models.columns import Floats

_RARELY = 1e-4
_EXACT = 1e-6
"""Clusters whose instability is below this one come back exactly."""


def cloud_like(matrix: Floats, *, seed: int) -> Floats:
    """As many people of a normal distribution with the same mean and covariance: no structure at all."""
    random = np.random.default_rng(seed)
    covariance = np.atleast_2d(np.cov(matrix, rowvar=False))
    return random.multivariate_normal(matrix.mean(axis=0), covariance, size=len(matrix), method="eigh")


def most_stable(
    matrix: Floats,
    least: Callable[[Floats, int], float],
    *,
    seed: int,
    first: int,
    count: int,
    against: float,
) -> float:
    """The highest stability of `count` clouds like the data. `least`: the stability of the worst cluster, by
    the cloud and its number, from 0.

    Fewer are looked at where more would not matter: if one reaches `against`, or if `against` is far beyond
    the `first` ones.
    """
    found: list[float] = []
    for number in range(count):
        found.append(least(cloud_like(matrix, seed=seed + number + 1), number))
        if found[-1] >= against or (len(found) == first and far_beyond(found, against)):
            break
    return max(found)


def far_beyond(found: Sequence[float], stability: float) -> bool:
    """Whether a further cloud would be so stable less than once in 10,000 times, if the instabilities
    (1 - stability) of clouds are lognormal: the bound of a new observation (Hahn and Meeker 1991, Statistical
    Intervals)."""
    count = len(found)
    unstable = np.log(np.maximum(1 - np.asarray([*found, stability]), _EXACT))
    spread = float(unstable[:-1].std(ddof=1)) * np.sqrt(1 + 1 / count) if count > 1 else 0.0
    far = spread * stdtrit(count - 1, 1 - _RARELY)
    return bool(spread > 0 and unstable[:-1].mean() - unstable[-1] > far)
