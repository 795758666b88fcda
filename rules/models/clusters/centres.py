"""The centres of clusters, and who is nearest to which."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from rules.models.columns import Floats, InputError, Ints

if TYPE_CHECKING:
    from sklearn.cluster import KMeans
    from threadpoolctl import ThreadpoolController

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
    model = _fitted(matrix, k, seed=seed, starts=starts, begin=begin)
    centres: Floats = np.asarray(model.cluster_centers_, dtype=np.float64)
    order = np.lexsort((*centres.T[::-1], -centres[:, by]))
    return centres[order]


def groups(matrix: Floats, k: int, times: Ints, *, seed: int, starts: int) -> Ints:
    """The number of the cluster of each of these people, of whom each is there so many `times`."""
    if len(matrix) < k:
        raise InputError(f"{k} clusters need {k} people who differ; there are {len(matrix)}")
    model = _fitted(matrix, k, seed=seed, starts=starts, times=times)
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


def _fitted(
    matrix: Floats, k: int, *, seed: int, starts: int, begin: Floats | None = None, times: Ints | None = None
) -> KMeans:
    from sklearn.cluster import KMeans

    start, attempts = ("k-means++", starts) if begin is None else (begin, 1)
    # Threads of its own make small fits slower, and sums that depend on how many there are. OMP_NUM_THREADS
    # would say so only to whoever loads OpenMP later.
    with _threads().limit(limits=1):
        return KMeans(k, init=start, n_init=attempts, random_state=seed).fit(matrix, sample_weight=times)


@cache
def _threads() -> ThreadpoolController:
    """Of the libraries loaded by then, scikit-learn's among them: to look for them takes as long as a small
    fit."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
