"""How much a purchase of each person is worth: Gamma-Gamma.

Fader, Hardie (2013), "The Gamma-Gamma Model of Monetary Value", note 025 (brucehardie.com). Assumes that how
often somebody buys says nothing about for how much: `correlation` tells whether that holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, psi

from rules.models.columns import Column, Floats, InputError, column, grouped, same_length
from rules.models.maximum import maximum


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """Fitted parameters; `v` is in the unit of money of the column.

    fitted: people who bought again for more than nothing; excluded: who bought again, but for nothing or less
    (free items, refunds); correlation: of frequency and mean value among the fitted, 0 where one is constant.
    """

    p: float
    q: float
    v: float
    log_likelihood: float
    fitted: int
    excluded: int
    correlation: float

    @property
    def population_mean(self) -> float:
        """The mean value of a purchase of somebody unknown; InputError where the fit has none (q <= 1)."""
        if self.q <= 1:
            raise InputError(
                f"q is {self.q:g}: with 1 or less a mean value does not exist; look for single huge orders"
            )
        return self.p * self.v / (self.q - 1)

    def expected_value(self, frequency: Column, mean_value: Column) -> Floats:
        """The expected value of each person's purchases; the population's for who has no value above 0."""
        x, mean = _columns(frequency, mean_value)
        known = (x > 0) & (mean > 0)
        total = np.where(known, x * mean, 0.0)
        found = np.full(len(x), np.nan)
        if not known.all():
            found[~known] = self.population_mean
        shape = self.p * x[known] + self.q - 1
        if (shape <= 0).any():
            raise InputError(f"p {self.p:g} and q {self.q:g} give no mean value; look for single huge orders")
        found[known] = self.p * (self.v + total[known]) / shape
        return found


def fit_gamma_gamma(frequency: Column, mean_value: Column) -> GammaGamma:
    """The parameters that make the columns likeliest. One row per customer.

    frequency: days with a purchase after the first one; mean_value: the mean of what was paid on these days.
    Who did not buy again is passed over, who paid nothing or less is counted as excluded. InputError if
    fewer than two people or only one value are left.
    """
    x, mean = _columns(frequency, mean_value)
    fit = (x > 0) & (mean > 0)
    excluded = int(((x > 0) & ~fit).sum())
    x, mean = x[fit], mean[fit]
    if len(x) < 2 or (mean == mean[0]).all():
        raise InputError(
            f"mean_value: {len(x)} people bought again for more than nothing, or all for the same; "
            "at least two with different values are needed"
        )
    unit = float(mean.mean())
    correlation = float(np.corrcoef(x, mean)[0, 1]) if (x != x[0]).any() else 0.0
    (ordered, value), counts = grouped(x, mean)
    weights = counts / counts.sum()

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        each, slopes = _log_likelihood(parameters, ordered, value / unit)
        return float((weights * each).sum()), (slopes * weights).sum(axis=1)

    p, q, v = maximum(likelihood, 3)
    each, _ = _log_likelihood(np.array([p, q, v * unit]), ordered, value)
    total = float((counts * each).sum())
    return GammaGamma(float(p), float(q), float(v * unit), total, len(x), excluded, correlation)


def _log_likelihood(parameters: Floats, x: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """By row, and its derivatives: one row per parameter."""
    p, q, v = parameters
    shape, total = p * x + q, x * mean + v
    each = (
        gammaln(shape)
        - gammaln(p * x)
        - gammaln(q)
        + q * np.log(v)
        + (p * x - 1) * np.log(mean)
        + p * x * np.log(x)
        - shape * np.log(total)
    )
    slopes = np.stack(
        [
            x * (psi(shape) - psi(p * x) + np.log(mean) + np.log(x) - np.log(total)),
            psi(shape) - psi(q) + np.log(v) - np.log(total),
            q / v - shape / total,
        ]
    )
    return np.asarray(each, dtype=np.float64), np.asarray(slopes, dtype=np.float64)


def _columns(frequency: Column, mean_value: Column) -> tuple[Floats, Floats]:
    x = column("frequency", frequency, at_least=0, whole=True)
    mean = column("mean_value", mean_value, advice="write 0 where there is none")
    same_length(frequency=x, mean_value=mean)
    return x, mean
