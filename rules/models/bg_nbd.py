"""How often people will buy and whether they still do: BG/NBD.

Fader, Hardie, Lee (2005), "Counting your customers the easy way", Marketing Science 24(2), 275-284. For
purchases without a contract. Everybody buys at a rate of his own and may leave after each purchase with a
probability of his own. Who never bought again is alive with certainty in this model: never call people active
because of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, expit, gammaln, hyp2f1, psi

from rules.models.columns import Column, Floats, InputError, column, grouped, must_hold, same_length
from rules.models.maximum import maximum

_NUDGE = 1e-6
_NEAR_ONE, _ROUNDING = 2e-3, 1e-9
"""What the nudge costs at most where a is 1, as a share and at nothing."""
_NODES, _TINY = 64, 1e-300
LEAST_A, MOST_B = 0.01, 100.0
"""Beyond these nobody seems ever to leave: the history is too short to tell."""


@dataclass(frozen=True, slots=True)
class BgNbd:
    """Fitted parameters: rates ~ Gamma(r, alpha), leaving ~ Beta(a, b). `alpha` is in the times' unit."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    @property
    def churn_identified(self) -> bool:
        """Whether the data tell leaving from waiting; if not, neither `alive` nor forecasts may be shown."""
        return self.a >= LEAST_A and self.b <= MOST_B

    def alive(self, frequency: Column, recency: Column, age: Column) -> Floats:
        """The probability that each person still buys, as of the end of the columns."""
        x, t_x, t = _summary(frequency, recency, age)
        log_odds = np.full(len(x), -np.inf)
        again = x > 0
        x, t_x, t = x[again], t_x[again], t[again]
        log_odds[again] = (
            np.log(self.a)
            - np.log(self.b + x - 1)
            + (self.r + x) * (np.log(self.alpha + t) - np.log(self.alpha + t_x))
        )
        return np.asarray(expit(-log_odds), dtype=np.float64)

    def purchases(self, ahead: float, frequency: Column, recency: Column, age: Column) -> Floats:
        """How many purchases of each person are expected in the time `ahead`, in the columns' unit.

        In Euler's form of the hypergeometric factor: as printed, the formula is ∞·0 for heavy buyers.
        """
        return self.if_alive(ahead, frequency, age) * self.alive(frequency, recency, age)

    def if_alive(self, ahead: float, frequency: Column, age: Column) -> Floats:
        """The same, of people who are known to buy still."""
        x = column("frequency", frequency, at_least=0, whole=True)
        t = column("age", age, at_least=0)
        same_length(frequency=x, age=t)
        return self._still_to_come(_horizon(ahead), x, self.alpha + t)

    def of_newcomer(self, ahead: float) -> float:
        """How many repeat purchases of somebody who just bought first are expected in the time `ahead`."""
        return float(self._still_to_come(_horizon(ahead), np.zeros(1), np.array([self.alpha]))[0])

    def _still_to_come(self, ahead: float, x: Floats, scale: Floats) -> Floats:
        a = self.a if abs(self.a - 1) >= _NUDGE else 1 + _NUDGE
        last = a + self.b + x - 1
        last = np.where(np.abs(last) < _NUDGE, _NUDGE, last)
        with np.errstate(all="ignore"):  # what is no number is found below
            factor = (scale / (scale + ahead)) ** (a - 1) * hyp2f1(
                a + self.b - 1 - self.r, a - 1, last, ahead / (scale + ahead)
            )
            found = np.asarray(last / (a - 1) * (1 - factor), dtype=np.float64)
        most = (self.r + x) * ahead / scale  # if nobody ever left
        lost = ~((found >= -_ROUNDING) & (found <= most * (1 + _NEAR_ONE) + _ROUNDING))
        if lost.any():
            found[lost] = self._integrated(ahead, x[lost], scale[lost])
        return found

    def _integrated(self, ahead: float, x: Floats, scale: Floats) -> Floats:
        """The same as a mean over the chance to leave, for parameters so large (all people alike) that the
        hypergeometric function is lost: given a chance p, it is (1 - (scale / (scale + p ahead))^(r+x)) / p.
        """
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        p = np.maximum(betaincinv(self.a, (self.b + x)[:, None], (nodes[None, :] + 1) / 2), _TINY)
        each = -np.expm1(-(self.r + x)[:, None] * np.log1p(p * ahead / scale[:, None])) / p
        return np.asarray((each * (weights / 2)).sum(axis=1), dtype=np.float64)


def fit_bg_nbd(frequency: Column, recency: Column, age: Column) -> BgNbd:
    """The parameters that make the columns likeliest. One row per customer, all times in one unit.

    frequency: days with a purchase after the first one; recency: time from the first to the last of them, 0
    without; age: time from the first purchase to the end of the data. InputError for rows that contradict
    this, and where nobody bought again.
    """
    x, t_x, t = _summary(frequency, recency, age)
    if not (x > 0).any():
        raise InputError("frequency: nobody bought again, so no rate can be told; wait for repeat purchases")
    unit = float(t.max())
    (x, t_x, t), counts = grouped(x, t_x, t)
    weights = counts / counts.sum()

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        each, slopes = _log_likelihood(parameters, x, t_x / unit, t / unit)
        return float((weights * each).sum()), (slopes * weights).sum(axis=1)

    r, alpha, a, b = maximum(likelihood, 4)
    each, _ = _log_likelihood(np.array([r, alpha * unit, a, b]), x, t_x, t)
    return BgNbd(float(r), float(alpha * unit), float(a), float(b), float((counts * each).sum()))


def _log_likelihood(parameters: Floats, x: Floats, t_x: Floats, t: Floats) -> tuple[Floats, Floats]:
    """By row, and its derivatives: one row per parameter."""
    r, alpha, a, b = parameters
    again = x > 0
    before = np.where(again, b + x - 1, 1.0)
    # Still there at the end, or left with the last purchase (which only who bought again can have done).
    stayed = -(r + x) * np.log(alpha + t)
    left = np.where(again, np.log(a) - np.log(before) - (r + x) * np.log(alpha + t_x), -np.inf)
    each = (
        gammaln(r + x)
        - gammaln(r)
        + r * np.log(alpha)
        + gammaln(a + b)
        + gammaln(b + x)
        - gammaln(b)
        - gammaln(a + b + x)
        + np.logaddexp(stayed, left)
    )
    gone = expit(left - stayed)
    together = psi(a + b) - psi(a + b + x)
    slopes = np.stack(
        [
            psi(r + x) - psi(r) + np.log(alpha) - (1 - gone) * np.log(alpha + t) - gone * np.log(alpha + t_x),
            r / alpha - (r + x) * ((1 - gone) / (alpha + t) + gone / (alpha + t_x)),
            together + gone / a,
            together + psi(b + x) - psi(b) - gone / before,
        ]
    )
    return np.asarray(each, dtype=np.float64), np.asarray(slopes, dtype=np.float64)


def _summary(frequency: Column, recency: Column, age: Column) -> tuple[Floats, Floats, Floats]:
    x = column("frequency", frequency, at_least=0, whole=True)
    t_x = column("recency", recency, at_least=0)
    t = column("age", age, at_least=0)
    if not same_length(frequency=x, recency=t_x, age=t):
        raise InputError("frequency: there is no row; one per customer is needed")
    must_hold("recency", t_x, t_x <= t, "that is after the end of the data (age); check the unit of both")
    must_hold(
        "recency", t_x, (x > 0) | (t_x == 0), "who did not buy again (frequency 0) has 0; mend either column"
    )
    must_hold(
        "recency", t_x, (x == 0) | (t_x > 0), "who bought again has more than 0; count each day only once"
    )
    return x, t_x, t


def _horizon(ahead: float) -> float:
    if not (np.isfinite(ahead) and ahead >= 0):
        raise InputError(f"ahead is {ahead:g}: a time of 0 or more is needed, in the unit of the columns")
    return float(ahead)
