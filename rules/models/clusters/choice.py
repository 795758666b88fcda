"""How many clusters: as many as come back when other people of the same kind are looked at, and more surely
than a cloud without any structure would give.

Stability of a cluster: its best Jaccard overlap with a cluster of a bootstrap sample, averaged over samples
(Hennig 2007, Computational Statistics & Data Analysis 52, 258-271). Every k finds "stable" clusters in a
cloud as well, so the same is asked of normal distributions with the data's mean and covariance: see `clouds`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from rules.models.clusters.centres import assigned, fit, groups
from rules.models.clusters.clouds import most_stable
from rules.models.columns import Floats, InputError, Ints, Notice, Severity

VALID, DISSOLVED = 0.75, 0.5
MOST = 8
LEAST_SHARE = 0.02

Told = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is drawn: bootstrap samples of the people; clouds for each number of clusters that is asked,
    and bootstrap samples of those; attempts of each fit; and how many people are looked at, for a sample
    shows as well whether clusters hold. `more_draws`: of the clouds that are there because several numbers
    are asked: fewer draws make them differ more by chance, so that real clusters have to pass no less."""

    draws: int = 100
    clouds: int = 20
    cloud_draws: int = 25
    more_draws: int = 10
    starts: int = 3
    sample: int = 4_000


ENOUGH = Effort()


class Verdict(StrEnum):
    """NATURAL: holds, and a cloud's would not. CUT: holds as a cloud's would: useful, but no group.

    HOLDS: it was not compared with a cloud, for a larger k was chosen.
    """

    NATURAL = "natural"
    CUT = "cut"
    HOLDS = "holds"
    UNSTABLE = "unstable"
    TOO_SMALL = "too small"


@dataclass(frozen=True, slots=True)
class Tried:
    """One k. `stability` by cluster (0 to 1), `smallest`: share of people in the smallest cluster.

    `cloud`: the stability that structureless clouds stay below, or of the first cloud that did not; None
    where it was not needed to decide.
    """

    k: int
    stability: tuple[float, ...]
    smallest: float
    cloud: float | None
    verdict: Verdict
    centres: tuple[tuple[float, ...], ...] = ()
    """Of the clusters whose stability is told, in their order: they were found among some of the people."""

    @property
    def least(self) -> float:
        """The stability of the cluster that holds worst."""
        return min(self.stability)


@dataclass(frozen=True, slots=True)
class Choice:
    """The number of clusters and why; `natural`: it is more than a useful cut through a cloud."""

    k: int
    natural: bool
    tried: tuple[Tried, ...]
    notices: tuple[Notice, ...]


def choose(
    matrix: Floats,
    *,
    seed: int,
    ks: Iterable[int] = range(2, MOST + 1),
    wanted: int | None = None,
    least_share: float = LEAST_SHARE,
    effort: Effort = ENOUGH,
    told: Told = lambda _: None,
) -> Choice:
    """The largest k whose clusters all hold (>= .75), none of them too small, all above a cloud's.

    If there is none: `wanted`, else the largest k that holds at all, as a useful cut. `told`: the share of
    the work that is done (0 to 1), now and then. InputError for fewer people than clusters to be tried.
    """
    numbers = sorted({*ks, *(() if wanted is None else (wanted,))})
    if len(matrix) <= max(numbers) * 2:
        raise InputError(f"{len(matrix)} people are too few to look for {max(numbers)} clusters")
    random = np.random.default_rng(seed)
    some = matrix
    if len(matrix) > effort.sample:
        some = matrix[np.sort(random.choice(len(matrix), effort.sample, replace=False))]
    tried: dict[int, Tried] = {}
    for place, k in enumerate(numbers):
        tried[k] = _held(some, k, seed=seed, least_share=least_share, effort=effort)
        told(0.5 * (place + 1) / len(numbers))
    holding = [k for k in reversed(numbers) if tried[k].verdict is Verdict.HOLDS]
    candidates = holding if wanted is None else [k for k in holding if k == wanted]
    natural = None
    for place, k in enumerate(candidates):
        least = tried[k].least
        cloud = cloud_stability(some, k, seed=seed, effort=effort, among=len(candidates), against=least)
        holds = least > cloud
        verdict = Verdict.NATURAL if holds else Verdict.CUT
        tried[k] = replace(tried[k], cloud=cloud, verdict=verdict)
        told(0.5 + 0.5 * (place + 1) / len(candidates))
        if holds:
            natural = k
            break
    told(1.0)
    k = wanted or natural or next(iter(holding), min(numbers))
    is_natural = tried[k].verdict is Verdict.NATURAL
    return Choice(k, is_natural, tuple(tried.values()), tuple(_notices(tried[k])))


def stability(
    matrix: Floats, k: int, *, seed: int, draws: int = ENOUGH.draws, starts: int = ENOUGH.starts
) -> tuple[Floats, Floats]:
    """(per cluster its mean best Jaccard over bootstrap samples, the centres of the clusters).

    Compared are the people of the sample, each once.
    """
    centres = fit(matrix, k, seed=seed)
    there = assigned(matrix, centres)

    def overlaps(draw: int) -> Floats:
        drawn = np.random.default_rng((seed, draw)).integers(len(matrix), size=len(matrix))
        once, times = np.unique(drawn, return_counts=True)
        return best_overlaps(there[once], groups(matrix[once], k, times, seed=seed + draw, starts=starts), k)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the fits do not hold Python's lock
        found = np.array(list(threads.map(overlaps, range(1, draws + 1))))
    return found.mean(axis=0), centres


def best_overlaps(before: Ints, after: Ints, k: int) -> Floats:
    """Per cluster of `before` the largest |A and B| / |A or B| with one of `after`; both number to k."""
    both = np.bincount(before * k + after, minlength=k * k).reshape(k, k)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    found: Floats = (both / np.maximum(either, 1)).max(axis=1)
    return found


def _held(matrix: Floats, k: int, *, seed: int, least_share: float, effort: Effort) -> Tried:
    held, found = stability(matrix, k, seed=seed, draws=effort.draws, starts=effort.starts)
    smallest = float(np.bincount(assigned(matrix, found), minlength=k).min() / len(matrix))
    verdict = Verdict.HOLDS
    if held.min() < VALID:
        verdict = Verdict.UNSTABLE
    elif smallest < least_share:
        verdict = Verdict.TOO_SMALL
    centres = tuple(tuple(float(one) for one in centre) for centre in found)
    return Tried(k, tuple(float(one) for one in held), smallest, None, verdict, centres)


def cloud_stability(
    matrix: Floats, k: int, *, seed: int, effort: Effort = ENOUGH, among: int = 1, against: float = 1.0
) -> float:
    """What the worst of k clusters has to pass to be more than a cloud like the data; see `most_stable`.

    `among`: so many numbers of clusters are asked this, each of which could pass by chance: at most once in
    twenty times one of them does if `effort.clouds` is 20.
    """

    def least(cloud: Floats, number: int) -> float:
        draws = effort.cloud_draws if number < effort.clouds else effort.more_draws
        held, _ = stability(cloud, k, seed=seed, draws=draws, starts=effort.starts)
        return float(held.min())

    first = effort.clouds
    return most_stable(matrix, least, seed=seed, first=first, count=first * among, against=against)


def _notices(chosen: Tried) -> Iterable[Notice]:
    if chosen.verdict is not Verdict.NATURAL:
        message = (
            f"{chosen.k} clusters are a useful cut, not natural groups: people without any structure would"
            " be divided as surely."
        )
        evidence: dict[str, float | int | str] = {"k": chosen.k, "stability": chosen.least}
        if chosen.cloud is not None:
            evidence["cloud"] = chosen.cloud
        yield Notice("cluster.not_natural", Severity.WARNING, message, evidence)
    for number, held in enumerate(chosen.stability, start=1):
        if held <= DISSOLVED:
            message = (
                f"Cluster {number} does not come back with other people of the same kind: Jaccard {held:.2f}."
            )
            yield Notice("cluster.dissolved", Severity.WARNING, message, {"cluster": number, "jaccard": held})
