"""Churn over the lake: who of those who ordered will not order again within so many days.

The same question is asked of days in the past, whose answers are known, a horizon apart. The newest of them
judges a model of the older ones, so that nobody is judged by what he did later; then all of them make the
model that is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.churn import Judged, Risk, fit, judge, too_few
from rules.models.columns import Bools, Floats, Notice, Severity, rows_of
from rules.models.ranking import auc
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import ChurnSettings
from sync.models.log import Histories, Log, Orders, date_of, drawn
from sync.models.model import Facts, Fit, insufficient

SNAPSHOTS = 4
"""Days in the past that are asked about, at most."""
MOST_FITTED = 100_000
"""Of more people so many are drawn for each day: a handful of weights is told by them well enough."""


class Churn:
    """See `sync.models.model.Model`. The fact is a probability; who never ordered has none."""

    def fit(self, log: Log, settings: ChurnSettings) -> Fit:
        """Refused with fewer than three horizons of orders, or fewer than 100 people who left or stayed."""
        orders = log.orders(settings)
        extent = orders.extent()
        history = 0 if extent.first is None else log.today - extent.first
        if history < 3 * settings.days:
            message = (
                f"{history} days of orders; {3 * settings.days} are needed to try a risk over {settings.days}"
                f" days, {3 * settings.days - history} are missing."
            )
            told = insufficient("churn", message, {"n": history, "need": 3 * settings.days})
            return Fit(extent.document(), notices=(told,))
        first = log.today - history
        days = [log.today - settings.days * back for back in range(1, SNAPSHOTS + 1)]
        asked = [_asked(orders, day, settings.days) for day in days if day - first >= settings.days]
        newest, older = asked[0], _joined(asked[1:])
        for _, churned in (newest, older):
            refusal = too_few(churned)
            if refusal is not None:
                return Fit(extent.document(), notices=(refusal,))
        judged = judge(fit(*older).of(newest[0]), newest[1])
        naive = auc(newest[0]["days since the last order"], newest[1])
        better = judged.brier < judged.naive_brier and judged.auc > naive
        return Fit(
            extent.document(),
            parameters=_document(fit(*_joined(asked)), settings),
            baseline=_baseline(judged, naive, date_of(days[0]), date_of(log.today)),
            notices=(*judged.notices, *(() if better else [_naive_wins(judged, naive)])),
            better=better,
        )

    def score(
        self, log: Log, settings: ChurnSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The risk of everybody who ordered, from 0 to 1."""
        lists = {name: tuple(parameters[name]) for name in _LISTS}
        risk = Risk(**lists, constant=float(parameters["constant"]))
        known = log.orders(settings).histories(until=log.today, people=people)
        found = np.full(len(people), np.nan)
        if len(known.person):
            of = risk.of(_features(known, log.today))
            inside = np.isin(known.person, people)  # activity also tells of people who are kept out
            found[np.searchsorted(people, known.person[inside])] = of[inside] * float(NUMBER_SCALE)
        return {"churn_risk": found}


_LISTS = ("names", "means", "spreads", "weights")


def _document(risk: Risk, settings: ChurnSettings) -> dict[str, Any]:
    lists = {name: list(getattr(risk, name)) for name in _LISTS}
    return {**lists, "constant": risk.constant, "days": settings.days}


def _asked(orders: Orders, day: int, horizon: int) -> tuple[dict[str, Floats], Bools]:
    """Features of who had ordered by the end of that day, and whether they then did nothing."""
    known = orders.histories(until=day)
    known = rows_of(known, drawn(known.person, MOST_FITTED))
    again = orders.histories(after=day, until=day + horizon).person
    return _features(known, day), ~np.isin(known.person, again)


def _features(of: Histories, day: int) -> dict[str, Floats]:
    """What a store knows of everybody, as of the end of that day; logarithms, for all of it is skewed."""
    since, tenure = (day - of.last).astype(np.float64), (day - of.first).astype(np.float64)
    repeats = np.maximum(of.days - 1, 0).astype(np.float64)
    gap = np.where(repeats > 0, (of.last - of.first) / np.maximum(repeats, 1), tenure)
    return {
        "days since the last order": np.log1p(since),
        "days since the first order": np.log1p(tenure),
        "days with an order": np.log1p(of.days.astype(np.float64)),
        "value in all": np.log1p(np.maximum(of.value, 0).astype(np.float64)),
        "days since the last order, in own gaps": np.log1p(since / np.maximum(gap, 1.0)),
        "ordered once only": (of.days == 1).astype(np.float64),
    }


def _joined(parts: list[tuple[dict[str, Floats], Bools]]) -> tuple[dict[str, Floats], Bools]:
    features = {name: np.concatenate([part[name] for part, _ in parts]) for name in parts[0][0]}
    return features, np.concatenate([churned for _, churned in parts])


def _baseline(judged: Judged, naive: float, since: object, until: object) -> dict[str, Any]:
    return {
        "naive": "days since the last order alone",
        "from": str(since),
        "to": str(until),
        "churn_auc": judged.auc,
        "naive_auc": naive,
        "brier": judged.brier,
        "naive_brier": judged.naive_brier,
        "ece": judged.ece,
        "lift": judged.lift,
        "base_rate": judged.base_rate,
        "predicted": judged.predicted,
        "people": judged.people,
    }


def _naive_wins(judged: Judged, naive: float) -> Notice:
    if judged.auc <= naive:
        message = (
            f"Who leaves is told as well by the days since the last order alone ({naive:.1%} of pairs of"
            f" people are in the right order, {judged.auc:.1%} by the model): let rules ask for"
            " `days since purchase` instead of churn_risk."
        )
    else:
        message = (
            f"The risks miss by no less than saying {judged.base_rate:.0%} of everybody, which is how many"
            " left: they put people in order, but a risk of 80 % does not mean that 8 in 10 leave. Let rules"
            " ask for `days since purchase`, or for the riskiest tenth only."
        )
    return Notice(
        "churn.baseline_wins",
        Severity.REFUSAL,
        message,
        {"auc": judged.auc, "naive_auc": naive, "brier": judged.brier, "naive_brier": judged.naive_brier},
    )
