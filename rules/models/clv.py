"""Customer lifetime value, the naive guess beside it, and whether it may be offered at all.

Value = margin × expected value of a purchase × expected purchases, discounted by period. No interval is
given: the numbers are expectations, and nothing here tells how far a single person will be from them. Models
for purchases without a contract; do not use them for subscriptions.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from rules.models.bg_nbd import LEAST_A, MOST_B, BgNbd, fit_bg_nbd
from rules.models.columns import Column, Floats, InputError, Notice, Severity, column, distinct, same_length
from rules.models.gamma_gamma import GammaGamma, fit_gamma_gamma
from rules.models.history import Later, Summary

__all__ = [
    "BgNbd",
    "Comparison",
    "GammaGamma",
    "compare",
    "fit_bg_nbd",
    "fit_gamma_gamma",
    "lifetime_value",
    "same_rate",
    "season",
]

MONTH_WEEKS = 365.25 / 12 / 7
"""A twelfth of a year, for summaries in weeks."""
MOST_CORRELATION = 0.3
"""Of frequency and mean value, in size; beyond it Gamma-Gamma's assumption does not hold."""
LEAST_REPEATERS = 100
Z95 = 1.959964
TOP = 0.2
"""The share of customers whose later revenue is compared."""


def lifetime_value(
    purchases: BgNbd,
    value: GammaGamma,
    frequency: Column,
    recency: Column,
    age: Column,
    mean_value: Column,
    *,
    periods: int = 12,
    period: float = MONTH_WEEKS,
    discount: float = 0.01,
    margin: float = 1.0,
) -> Floats:
    """What each customer is worth over the next periods, in the unit of money of `mean_value`.

    `period` is in the columns' unit of time, `discount` per period (0.01 a month is 12.7 % a year), `margin`
    the share of revenue that is kept. Purchases count at the end of the period in which they are expected.
    """
    if periods < 1 or not period > 0:
        raise InputError(f"periods is {periods}, period is {period:g}: at least 1, and longer than 0")
    if not discount > -1 or not np.isfinite(margin):
        raise InputError(f"discount is {discount:g}, margin is {margin:g}: above -1, and a number")
    alive = purchases.alive(frequency, recency, age)
    each = value.expected_value(frequency, mean_value)
    # What is to come depends on few different pairs, and takes long to compute.
    (x, t), place = distinct(column("frequency", frequency), column("age", age))
    before = worth = np.zeros(len(x))
    for number in range(1, periods + 1):
        so_far = purchases.if_alive(number * period, x, t)
        worth = worth + (so_far - before) / (1 + discount) ** number
        before = so_far
    return margin * each * alive * worth[place]


def same_rate(ahead: float, frequency: Column, age: Column) -> Floats:
    """The naive guess: everybody goes on buying as often as before, and nobody ever leaves."""
    x = column("frequency", frequency, at_least=0, whole=True)
    t = column("age", age, at_least=0)
    same_length(frequency=x, age=t)
    return np.divide(x * ahead, t, out=np.zeros(len(x)), where=t > 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the model and the naive guesses did on purchases they had not seen.

    model_error, naive_error: mean absolute error of purchases per person, of the model and of `same_rate`;
    model_top, naive_top: share of the later revenue held by the top fifth, by model value and by past spend;
    top_chance: how far these two may lie apart by chance alone (95 %); predicted, came: purchases in all. The
    model may be offered only if there is no notice that refuses it.
    """

    model_error: float
    naive_error: float
    model_top: float
    naive_top: float
    top_chance: float
    predicted: float
    came: float
    notices: tuple[Notice, ...]

    @property
    def may_be_offered(self) -> bool:
        """Whether the model beats the naive guess and its parameters mean anything; else use the guess."""
        return self.better and not any(notice.severity is Severity.REFUSAL for notice in self.notices)

    @property
    def better(self) -> bool:
        """Whether it errs less than the naive guess and finds the best customers no worse, but by chance.

        It is asked for both: how much there will be, and who is worth most. Which of two good rankings is
        ahead by a hair is another matter each quarter: that must not turn a fact on and off.
        """
        return self.model_error < self.naive_error and self.naive_top - self.model_top <= self.top_chance


def compare(
    purchases: BgNbd, value: GammaGamma, before: Summary, after: Later, *, ahead: float
) -> Comparison:
    """Judge models that were fitted to `before` by what came in the next `ahead` (the summary's unit)."""
    rows = same_length(frequency=before.frequency, purchases=after.purchases)
    if not rows:
        raise InputError("before: there is no row; one per customer is needed")
    columns = before.frequency, before.recency, before.age
    expected = purchases.purchases(ahead, *columns)
    model_error = float(np.abs(expected - after.purchases).mean())
    naive_error = float(np.abs(same_rate(ahead, before.frequency, before.age) - after.purchases).mean())
    worth = expected * value.expected_value(before.frequency, before.mean_value)
    tops = [_in_top(by, share=TOP) for by in (worth, before.spend)]
    model_top, naive_top = (_held(after.revenue, top) for top in tops)
    notices = [
        *_floor(before),
        *_identified(purchases),
        *_correlated(value),
    ]
    found = Comparison(
        model_error=model_error,
        naive_error=naive_error,
        model_top=model_top,
        naive_top=naive_top,
        top_chance=_chance(after.revenue, tops[0] - tops[1]),
        predicted=float(expected.sum()),
        came=float(after.purchases.sum()),
        notices=tuple(notices),
    )
    return found if found.better else replace(found, notices=(*notices, _naive_wins(found)))


def top_share(by: Floats, revenue: Floats, *, share: float) -> float:
    """The part of all revenue that comes from the top share of rows by a value; 0 if there is no revenue.

    Of rows with equal values at the edge each counts in part, so that the order of rows does not matter.
    """
    return _held(revenue, _in_top(by, share=share))


def _in_top(by: Floats, *, share: float) -> Floats:
    """How far each row is in it: 1, 0, or a part of those at the edge."""
    places = share * len(by)
    edge = np.sort(by)[::-1][min(len(by) - 1, max(0, int(np.ceil(places)) - 1))]
    above, at_edge = by > edge, by == edge
    part = (places - above.sum()) / at_edge.sum()
    return np.where(above, 1.0, np.where(at_edge, part, 0.0))


def _held(revenue: Floats, inside: Floats) -> float:
    total = float(revenue.sum())
    return float((revenue * inside).sum() / total) if total > 0 else 0.0


def _chance(revenue: Floats, difference: Floats) -> float:
    """Half the 95 % interval of the difference of two shares of the same revenue: a ratio of sums over
    customers, by its linear approximation (Cochran 1977, Sampling Techniques, section 6.4)."""
    total = float(revenue.sum())
    if total <= 0:
        return 0.0
    off = revenue * (difference - _held(revenue, difference))
    return Z95 * float(np.sqrt((off**2).sum())) / total


def season(first: dt.date, last: dt.date, *, ahead_days: int) -> tuple[Notice, ...]:
    """Warns if the days after `last` reach into months of the year that `first` to `last` never saw."""
    known = {(first + dt.timedelta(days=day)).month for day in range(min((last - first).days, 366) + 1)}
    coming = [(last + dt.timedelta(days=day)).month for day in range(1, min(ahead_days, 366) + 1)]
    unseen = [calendar.month_name[month] for month in dict.fromkeys(coming) if month not in known]
    if not unseen:
        return ()
    months = ", ".join(unseen)
    message = (
        f"The days ahead cover {months}, of which the history has no order yet: if more or less is bought"
        " then, values are off. Read them with care until it has a whole year."
    )
    return (Notice("clv.season", Severity.WARNING, message, {"months": months}),)


def _floor(before: Summary) -> list[Notice]:
    again = int((before.frequency > 0).sum())
    if again >= LEAST_REPEATERS:
        return []
    missing = LEAST_REPEATERS - again
    message = f"{again} customers bought again; values need {LEAST_REPEATERS}: {missing} are missing."
    return [Notice("clv.few_repeaters", Severity.REFUSAL, message, {"n": again, "need": LEAST_REPEATERS})]


def _identified(purchases: BgNbd) -> list[Notice]:
    if purchases.churn_identified:
        return []
    message = (
        f"The history is too short to tell who left from who waits (a {purchases.a:.4g}, at least "
        f"{LEAST_A:g} is needed; b {purchases.b:.4g}, at most {MOST_B:g}): wait for a longer one."
    )
    evidence = {"a": purchases.a, "b": purchases.b}
    return [Notice("clv.no_churn_identified", Severity.REFUSAL, message, evidence)]


def _correlated(value: GammaGamma) -> list[Notice]:
    if abs(value.correlation) <= MOST_CORRELATION:
        return []
    message = (
        f"How often people buy and for how much go together ({value.correlation:.2f}, at most "
        f"{MOST_CORRELATION:g} is assumed): values of frequent buyers are off. Use them to put people in"
        " order, not as amounts."
    )
    evidence = {"correlation": value.correlation}
    return [Notice("clv.freq_value_corr", Severity.WARNING, message, evidence)]


def _naive_wins(of: Comparison) -> Notice:
    message = (
        "What is known without a model tells as well what people will bring: that each goes on ordering"
        f" as often as before is off by {of.naive_error:.3f} orders a person (the model by"
        f" {of.model_error:.3f}), and the best fifth by past spend brought {of.naive_top:.1%} of the revenue"
        f" (by the model {of.model_top:.1%}). Let rules ask for `days since purchase`, `count(purchase)` and"
        " `sum(purchase.amount)`."
    )
    evidence = {
        "model_error": of.model_error,
        "naive_error": of.naive_error,
        "model_top": of.model_top,
        "naive_top": of.naive_top,
    }
    return Notice("clv.baseline_wins", Severity.REFUSAL, message, evidence)
