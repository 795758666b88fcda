"""Drift as population stability index, with a limit that knows how many people there are.

The usual limits of .10 and .25 have no error rate: without any drift, two samples of 100 people pass .10 more
often than not. Under no drift the index is about (B-1)(1/N + 1/M) on average, and its 95 % point is
chi2_.95(B-1) (1/N + 1/M) for samples drawn apart (Yurdakul, Naranjo 2020, "Statistical properties of the
population stability index", Journal of Risk Model Validation 14). Of the same people at two times, most of
whom stayed as they were, it moves less, so that the limit is a careful one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rules.models.columns import Column, Floats, InputError, Notice, Severity, column, same_length

LEAST = 200
"""With fewer people on either side nothing is said."""
BINS = 10
SETTLED = 0.10
"""Below this nothing is drift, however many people there are."""
_FLOOR = 1e-4
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Psi:
    """`bins`: those that remain. `n` and `m`: people before and now."""

    value: float
    limit: float
    bins: int
    n: int
    m: int

    @property
    def too_small(self) -> bool:
        """Whether there are too few to tell."""
        return min(self.n, self.m) < LEAST

    @property
    def alarm(self) -> bool:
        """Whether it is drift."""
        return not self.too_small and self.value > self.limit


def psi(before: Column, now: Column, *, bins: int = BINS) -> Psi:
    """Of a number that people have, cut at the deciles of `before`; equal cuts count once."""
    then, later = column("before", before), column("now", now)
    if not len(then) or not len(later):
        return Psi(0.0, SETTLED, 0, len(then), len(later))
    cuts = np.unique(np.quantile(then, np.arange(1, bins) / bins))
    return psi_of_counts(_counted(then, cuts), _counted(later, cuts))


def psi_of_counts(before: Column, now: Column) -> Psi:
    """Of categories: how many people each had before, and has now. What nobody ever had is no bin."""
    then, later = column("before", before, at_least=0), column("now", now, at_least=0)
    same_length(before=then, now=later)
    there = then + later > 0
    n, m, bins = int(then.sum()), int(later.sum()), int(there.sum())
    if not n or not m:
        return Psi(0.0, SETTLED, bins, n, m)
    expected, observed = (np.maximum(some[there] / some.sum(), _FLOOR) for some in (then, later))
    value = float(np.sum((observed - expected) * np.log(observed / expected)))
    return Psi(value, limit(bins, n, m), bins, n, m)


def limit(bins: int, n: int, m: int) -> float:
    """What the index must exceed to be drift, with so many people on each side."""
    if n < 1 or m < 1:
        raise InputError(f"a limit for {n} and {m} people is none: there must be some on both sides")
    if bins < 2:
        return SETTLED
    from scipy.stats import chi2  # a second to load, which every run would wait for

    return max(SETTLED, float(chi2.ppf(_CONFIDENCE, bins - 1)) * (1 / n + 1 / m))


def told(feature: str, found: Psi) -> Notice | None:
    """What to say of it, if there is something to say."""
    evidence: dict[str, float | int | str] = {
        "feature": feature,
        "psi": found.value,
        "limit": found.limit,
        "bins": found.bins,
        "n": found.n,
        "m": found.m,
    }
    if found.too_small:
        message = (
            f"{feature}: {found.n:,} people then and {found.m:,} now are too few to tell drift"
            f" ({LEAST} are needed on both sides); compare longer spans or larger segments."
        )
        return Notice("drift.too_small", Severity.NOTE, message, evidence)
    if found.alarm:
        message = (
            f"{feature} PSI {found.value:.3f} over limit {found.limit:.3f} (n {found.n:,} vs {found.m:,}):"
            " look at what changed (a source, a season, a campaign), and whether limits in rules still fit."
        )
        return Notice("drift.psi", Severity.WARNING, message, evidence)
    return None


def _counted(values: Floats, cuts: Floats) -> Floats:
    return np.bincount(np.searchsorted(cuts, values, side="left"), minlength=len(cuts) + 1).astype(np.float64)
