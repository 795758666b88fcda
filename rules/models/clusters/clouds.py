"""Clouds: people without any structure, spread and related as the real ones are. Clusters hold in them, too,
to some degree, and real clusters have to hold better than in all of them to be more than a cut.

How stable the clusters of a cloud are differs from cloud to cloud, the more so the fewer people there are.
The highest stability of twenty clouds is passed by one in twenty-one further ones. That is for one number of
clusters: of several, one passes by chance far more often, so each of them needs as many times more clouds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rules.models.columns import Floats


def cloud_like(matrix: Floats, *, seed: int) -> Floats:
    """As many people of a normal distribution with the same mean and covariance: no structure at all."""
    random = np.random.default_rng(seed)
    covariance = np.atleast_2d(np.cov(matrix, rowvar=False))
    return random.multivariate_normal(matrix.mean(axis=0), covariance, size=len(matrix), method="eigh")


def most_stable(
    matrix: Floats, least: Callable[[Floats, int], float], *, seed: int, count: int, against: float
) -> float:
    """The highest stability of `count` clouds like the data; of the first that reaches `against`, if one
    does, for others are not looked at then. `least`: the stability of the worst cluster, by the cloud and its
    number, from 0."""
    highest = 0.0
    for number in range(count):
        highest = max(highest, least(cloud_like(matrix, seed=seed + number + 1), number))
        if highest >= against:
            break
    return highest
