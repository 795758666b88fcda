"""Churn over the lake: who of those who ordered will not order again within so many days.

The same question is asked of days in the past, whose answers are known, a horizon apart. The newest of them
judges a model of the older ones, so that nobody is judged by what he did later; then all of them make the
model that is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.boosting import read_trees
from rules.models.calibration import read_calibration
from rules.models.churn import (
    Boosted,
    Gain,
    Judged,
    Risk,
    fit,
    fit_boosted,
    gain,
    judge,
    naive_wins,
    too_few,
)
from rules.models.columns import Bools, Floats, Ints, Notice, rows_of
from rules.models.ranking import COIN, auc
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
        for one in (newest, older):
            refusal = too_few(one.churned)
            if refusal is not None:
                return Fit(extent.document(), notices=(refusal,))
        tried = _tried(newest, older)
        parameters = _document(fit(*_joined(asked).both), settings)
        if tried.gain.certain:
            parameters["boosted"] = _boosted_document(_boosted(_joined(asked)))
        return Fit(
            extent.document(),
            parameters=parameters,
            baseline=tried.document(date_of(days[0]), date_of(log.today)),
            notices=tried.notices,
            better=tried.better,
        )

    def score(
        self, log: Log, settings: ChurnSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The risk of everybody who ordered, from 0 to 1."""
        known = log.orders(settings).histories(until=log.today, people=people)
        found = np.full(len(people), np.nan)
        if len(known.person):
            of = _read(parameters).of(_features(known, log.today))
            found[np.searchsorted(people, known.person)] = of * float(NUMBER_SCALE)
        return {"churn_risk": found}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A day in the past, or several: what was known of who, and whether they then did nothing."""

    features: Mapping[str, Floats]
    churned: Bools
    person: Ints

    @property
    def both(self) -> tuple[Mapping[str, Floats], Bools]:
        return self.features, self.churned


@dataclass(frozen=True, slots=True)
class _Tried:
    """Both models on a day that neither has seen, and the guess: days since the last order alone."""

    logistic: Judged
    boosting: Judged
    gain: Gain
    naive_auc: float

    @property
    def used(self) -> Judged:
        return self.boosting if self.gain.certain else self.logistic

    @property
    def better(self) -> bool:
        used = self.used
        return used.brier < used.naive_brier and used.auc > self.naive_auc and used.least_auc > COIN

    @property
    def notices(self) -> tuple[Notice, ...]:
        wins = [] if self.better else [naive_wins(self.used, self.naive_auc)]
        return (*self.used.notices, *self.gain.notices, *wins)

    def document(self, since: object, until: object) -> dict[str, Any]:
        """As JSON: the figures of the one that is used, and those of both beside each other."""
        used = self.used
        return {
            "naive": "days since the last order alone",
            "from": str(since),
            "to": str(until),
            "churn_auc": used.auc,
            "naive_auc": self.naive_auc,
            "brier": used.brier,
            "naive_brier": used.naive_brier,
            "ece": used.ece,
            "lift": used.lift,
            "base_rate": used.base_rate,
            "predicted": used.predicted,
            "people": used.people,
            "used": "boosting" if self.gain.certain else "logistic",
            "logistic": _figures(self.logistic),
            "boosting": _figures(self.boosting),
            "gain": asdict(self.gain),
        }


def _tried(newest: _Asked, older: _Asked) -> _Tried:
    logistic, boosted = fit(*older.both).of(newest.features), _boosted(older).of(newest.features)
    return _Tried(
        judge(logistic, newest.churned),
        judge(boosted, newest.churned),
        gain(logistic, boosted, newest.churned),
        auc(newest.features["days since the last order"], newest.churned),
    )


def _figures(of: Judged) -> dict[str, float]:
    return {name: getattr(of, name) for name in ("auc", "brier", "ece", "lift")}


_LISTS = ("names", "means", "spreads", "weights")


def _document(risk: Risk, settings: ChurnSettings) -> dict[str, Any]:
    lists = {name: list(getattr(risk, name)) for name in _LISTS}
    return {**lists, "constant": risk.constant, "days": settings.days}


def _boosted(asked: _Asked) -> Boosted:
    return fit_boosted(asked.features, asked.churned, asked.person)


def _boosted_document(boosted: Boosted) -> dict[str, Any]:
    return {"trees": boosted.trees.document(), "calibration": boosted.calibration.document()}


def _read(parameters: Mapping[str, Any]) -> Risk | Boosted:
    """Boosted trees if they are used. The weights stand beside them all the same: they can be told."""
    boosted = parameters.get("boosted")
    if boosted:
        return Boosted(read_trees(boosted["trees"]), read_calibration(boosted["calibration"]))
    return Risk(**{name: tuple(parameters[name]) for name in _LISTS}, constant=float(parameters["constant"]))


def _asked(orders: Orders, day: int, horizon: int) -> _Asked:
    """Features of who had ordered by the end of that day, and whether they then did nothing."""
    known = orders.histories(until=day)
    known = rows_of(known, drawn(known.person, MOST_FITTED))
    again = orders.histories(after=day, until=day + horizon).person
    return _Asked(_features(known, day), ~np.isin(known.person, again), known.person)


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


def _joined(parts: Sequence[_Asked]) -> _Asked:
    features = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
    return _Asked(
        features,
        np.concatenate([part.churned for part in parts]),
        np.concatenate([part.person for part in parts]),
    )
