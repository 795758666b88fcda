"""The centres of clusters, and who is nearest to which."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from rules.models.columns import Floats, InputError, Ints

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

STARTS = 10
MANY = 100_000
_DRAW = 4_001
"""Names the stream of random numbers that draws so many people."""
PORTION = 100_000
"""People whose distances are held at once: memory stays the same for any number of people."""


def fit(
    matrix: Floats, k: int, *, seed: int, starts: int = STARTS, begin: Floats | None = None, by: int = 0
) -> Floats:
    """(k, columns): the centres with the least sum of squared distances of `starts` attempts.

    `begin`: centres to start from instead (of the fit before). Of more than MANY people, some are attempted
    with, and everybody moves the best centres of those. Centres with a larger mean in column `by` come first.
    InputError if there are fewer different people than clusters.
    """
    distinct = len(np.unique(matrix, axis=0)) if len(matrix) <= 10 * k else k
    if len(matrix) < k or distinct < k:
        raise InputError(f"{k} clusters need {k} people who differ; there are {min(len(matrix), distinct)}")
    if begin is None and len(matrix) > MANY:
        some = np.random.default_rng((seed, _DRAW)).choice(len(matrix), MANY, replace=False)
        begin = fit(matrix[np.sort(some)], k, seed=seed, starts=starts)
    model = _means(k, seed=seed, starts=starts, begin=begin).fit(matrix)
    centres: Floats = np.asarray(model.cluster_centers_, dtype=np.float64)
    order = np.lexsort((*centres.T[::-1], -centres[:, by]))
    return centres[order]


def groups(matrix: Floats, k: int, times: Ints, *, seed: int, starts: int) -> Ints:
    """The number of the cluster of each of these people, of whom each is there so many `times`."""
    if len(matrix) < k:
        raise InputError(f"{k} clusters need {k} people who differ; there are {len(matrix)}")
    model = _means(k, seed=seed, starts=starts, begin=None).fit(matrix, sample_weight=times)
    return np.asarray(model.labels_, dtype=np.int64)


def assigned(matrix: Floats, centres: Floats) -> Ints:
    """The number of the nearest centre per person; of several, the first."""
    found = np.empty(len(matrix), dtype=np.int64)
    for start in range(0, len(matrix), PORTION):
        found[start : start + PORTION] = distances(matrix[start : start + PORTION], centres).argmin(axis=1)
    return found


def distances(matrix: Floats, centres: Floats) -> Floats:
    """(people, k): how far everybody is from every centre."""
    squares = (matrix**2).sum(axis=1)[:, None] - 2 * matrix @ centres.T + (centres**2).sum(axis=1)[None, :]
    found: Floats = np.sqrt(np.maximum(squares, 0.0))
    return found


def _means(k: int, *, seed: int, starts: int, begin: Floats | None) -> KMeans:
    # threads of its own make small fits slower, and sums that depend on how many there are
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from sklearn.cluster import KMeans

    if begin is not None:
        return KMeans(k, init=begin, n_init=1, random_state=seed)
    return KMeans(k, n_init=starts, random_state=seed)
