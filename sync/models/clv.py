"""Lifetime value over the lake: judged on days it has not seen, then fitted to all of them.

The orders of the first half of the history (or all but the horizon, if that is shorter) make a model that is
judged by the other half, beside the same rate as before and past spend. If it wins, the model that is used is
fitted to everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.bg_nbd import BgNbd, fit_bg_nbd
from rules.models.clv import LEAST_REPEATERS, Comparison, compare, lifetime_value, season
from rules.models.columns import InputError, Notice, Severity, rows_of
from rules.models.gamma_gamma import GammaGamma, fit_gamma_gamma
from rules.models.history import Later, Summary
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import ClvSettings
from sync.models.log import Histories, Log, Orders, date_of, drawn
from sync.models.model import Facts, Fit, insufficient

WEEK = 7.0
MONTH_DAYS = 365.25 / 12
MOST_FITTED = 100_000
"""Of more customers so many are drawn: four or five numbers are told by them to within a hundredth."""


class Clv:
    """See `sync.models.model.Model`. Times are weeks, money is minor units of the base currency."""

    def fit(self, log: Log, settings: ClvSettings) -> Fit:
        """Refused with fewer than 100 people who bought again, and where nobody seems ever to leave."""
        orders = log.orders(settings)
        extent, horizon = orders.extent(), round(settings.months * MONTH_DAYS)
        if extent.first is None or extent.last is None:
            told = insufficient("clv", "Nobody has an order yet.", {"n": 0, "need": LEAST_REPEATERS})
            return Fit(extent.document(), notices=(told,))
        split = log.today - min(-(-(log.today - extent.first) // 2), horizon)
        before = summary(orders.histories(until=split), until=split)
        again = int((before.frequency > 0).sum())
        if again < LEAST_REPEATERS:
            message = (
                f"{again} people bought again by {date_of(split)}, the day up to which values are tried;"
                f" {LEAST_REPEATERS} are needed, {LEAST_REPEATERS - again} are missing."
            )
            told = insufficient("clv", message, {"n": again, "need": LEAST_REPEATERS})
            return Fit(extent.document(), notices=(told,))
        try:
            tried = _fitted(before)
            found = _judged(log, orders, tried, before, split)
            everything = summary(orders.histories(until=log.today), until=log.today)
            purchases, value = _fitted(everything)
        except InputError as error:
            told = Notice("clv.not_fitted", Severity.REFUSAL, f"{error}.", {})
            return Fit(extent.document(), notices=(told,))
        baseline = {**_document(found, split, log.today), "tried": _parameters(*tried)}
        known = season(date_of(extent.first), date_of(log.today), ahead_days=horizon)
        notices = (*_told_once(found, purchases), *known)
        if not purchases.churn_identified or any(_refuses(one) for one in found.notices):
            return Fit(extent.document(), baseline=baseline, notices=notices)
        parameters = _parameters(purchases, value)
        return Fit(extent.document(), parameters, baseline, notices, better=found.better)

    def score(
        self, log: Log, settings: ClvSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """Missing for who never ordered; P(alive) also for who ordered on one day only, of whom the model is
        sure whatever they do."""
        histories = log.orders(settings).histories(until=log.today, people=people)
        of = summary(histories, until=log.today)
        purchases = BgNbd(**parameters["purchases"])
        columns = of.frequency, of.recency, of.age
        worth = lifetime_value(
            purchases,
            GammaGamma(**parameters["value"]),
            *columns,
            of.mean_value,
            periods=settings.months,
            discount=float(settings.discount),
            margin=float(settings.margin),
        )
        value, alive = np.full(len(people), np.nan), np.full(len(people), np.nan)
        row = np.searchsorted(people, of.person)
        value[row] = worth
        if len(row):
            known = np.where(of.frequency > 0, purchases.alive(*columns), np.nan)
            alive[row] = known * float(NUMBER_SCALE)
        return {f"clv_{settings.months}m": value, "p_alive": alive}


def summary(of: Histories, *, until: int) -> Summary:
    """What the models of purchases and values ask for, in weeks."""
    again = (of.days - 1).astype(np.float64)
    repeated = (of.value - of.first_value).astype(np.float64)
    return Summary(
        person=of.person,
        first_day=of.first,
        frequency=again,
        recency=(of.last - of.first) / WEEK,
        age=(until - of.first) / WEEK,
        mean_value=np.divide(repeated, again, out=np.zeros(len(again)), where=again > 0),
        spend=of.value.astype(np.float64),
    )


def sample(of: Summary, most: int = MOST_FITTED) -> Summary:
    """Everybody, or so many of them, the same ones in whichever order, machine and version."""
    if len(of.person) <= most:
        return of
    return rows_of(of, drawn(of.person, most))


def _fitted(of: Summary) -> tuple[BgNbd, GammaGamma]:
    of = sample(of)
    purchases = fit_bg_nbd(of.frequency, of.recency, of.age)
    value = fit_gamma_gamma(of.frequency, of.mean_value)
    _ = value.population_mean  # InputError where there is none
    return purchases, value


def _judged(
    log: Log, orders: Orders, tried: tuple[BgNbd, GammaGamma], before: Summary, split: int
) -> Comparison:
    after = orders.histories(after=split, until=log.today)
    inside = np.isin(after.person, before.person)
    row = np.searchsorted(before.person, after.person[inside])
    bought, spent = np.zeros(len(before.person)), np.zeros(len(before.person))
    bought[row], spent[row] = after.days[inside], after.value[inside]
    return compare(*tried, before, Later(bought, spent), ahead=(log.today - split) / WEEK)


def _refuses(notice: Notice) -> bool:
    return notice.severity is Severity.REFUSAL and notice.code != "clv.baseline_wins"


def _told_once(found: Comparison, purchases: BgNbd) -> list[Notice]:
    """What the judging found, and that the final fit tells no leaving, if only that does not."""
    if purchases.churn_identified or not all(one.code != "clv.no_churn_identified" for one in found.notices):
        return list(found.notices)
    message = (
        "Fitted to everything, nobody seems ever to leave: the history is too short to tell who left from who"
        f" waits (a {purchases.a:.4g}, b {purchases.b:.4g}); wait for a longer one."
    )
    told = Notice("clv.no_churn_identified", Severity.REFUSAL, message, {"a": purchases.a, "b": purchases.b})
    return [*found.notices, told]


def _document(found: Comparison, split: int, until: int) -> dict[str, Any]:
    """The naive guess beside the model, as JSON."""
    return {
        "from": str(date_of(split + 1)),
        "to": str(date_of(until)),
        "naive": "the same rate as before, past spend",
        **{
            name: getattr(found, name)
            for name in ("model_error", "naive_error", "model_top", "naive_top", "predicted", "came")
        },
    }


def _parameters(purchases: BgNbd, value: GammaGamma) -> dict[str, dict[str, float]]:
    return {"purchases": asdict(purchases), "value": asdict(value)}
