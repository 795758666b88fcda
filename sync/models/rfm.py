"""RFM over the lake: cut points of one day, scores and group names by them on every other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Floats, Notice
from rules.models.groups import standard
from rules.models.rfm import CutPoints, age_of_edges, cut_points, empty_scores, floor, grouped_by_name, score
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import RfmSettings
from sync.models.again import tried, untried
from sync.models.log import DAY_US, Ints, Log, Orders, Totals
from sync.models.model import Facts, Fit

_GUESS = "past spend alone"
_INSTEAD = "choose people by sum(purchase.amount), or treat them alike"
_DIMENSIONS = ("recency", "frequency", "money")


class Rfm:
    """See `sync.models.model.Model`. Spend is in minor units of the base currency."""

    def fit(self, log: Log, settings: RfmSettings) -> Fit:
        """Cut points of everybody who ordered. Refused below the floor; no fact where past spend alone, or
        treating everybody alike, tells as well who orders again."""
        orders = log.orders(settings)
        extent, everybody = orders.extent(), orders.totals()
        columns = _columns(log, everybody)
        history = 0 if extent.first is None else log.today - extent.first
        below = floor(columns[0], columns[1], history_days=history)
        if below:
            return Fit(extent.document(), notices=below)
        cuts = cut_points(*columns, made_on=log.today, fixed_frequency=settings.fixed_frequency)
        scores = score(cuts, *columns)
        sizes = {name: np.bincount(getattr(scores, name), minlength=6)[1:].tolist() for name in _DIMENSIONS}
        judged = tried(log, orders, partial(_ranked, orders, settings), guess=_GUESS)
        notices = list(empty_scores(scores, *columns))
        if judged is None:
            notices.append(untried("rfm"))
        elif not judged.better:
            notices.append(judged.loses("rfm", _GUESS, instead=_INSTEAD))
        return Fit(
            extent.document(),
            parameters={**_document(cuts), "sizes": sizes},
            baseline={} if judged is None else judged.document,
            notices=tuple(notices),
            better=judged is None or judged.better,
        )

    def score(
        self, log: Log, settings: RfmSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """Scores are missing for who never ordered; the group is Prospects then."""
        totals = log.orders(settings).totals(people).of(people)
        scores = score(_cuts(parameters), *_columns(log, totals))
        bought = totals.orders > 0
        found: dict[str, Any] = {
            f"rfm.{name}": np.where(bought, getattr(scores, name) * float(NUMBER_SCALE), np.nan)
            for name in _DIMENSIONS
        }
        found["rfm.group"] = grouped_by_name(scores, settings.groups or standard())
        return found


def old_edges(parameters: Mapping[str, Any], log: Log) -> tuple[Notice, ...]:
    """A warning of cut points that are older than a quarter."""
    return age_of_edges(_cuts(parameters), today=log.today)


def _ranked(orders: Orders, settings: RfmSettings, day: int) -> tuple[Ints, Floats, Floats]:
    """By the sum of the three scores, as a fit on that day would have given them, and by past spend."""
    totals = orders.totals(until=day)
    days = (day + 1) - totals.last // DAY_US
    cuts = cut_points(
        days, totals.orders, totals.value, made_on=day, fixed_frequency=settings.fixed_frequency
    )
    scores = score(cuts, days, totals.orders, totals.value)
    together = scores.recency + scores.frequency + scores.money
    return totals.person, together.astype(np.float64), totals.value.astype(np.float64)


def _columns(log: Log, totals: Totals) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    days = np.where(totals.orders > 0, (log.as_of_us - totals.last) // DAY_US, 0)
    return days, totals.orders, totals.value


def _document(cuts: CutPoints) -> dict[str, Any]:
    """An edge below every value, which no JSON can hold, is null."""
    edges = {
        name: [None if math.isinf(edge) else edge for edge in getattr(cuts, name)] for name in _DIMENSIONS
    }
    return {**edges, "made_on": cuts.made_on, "buyers": cuts.buyers}


def _cuts(parameters: Mapping[str, Any]) -> CutPoints:
    recency, frequency, money = (
        tuple(-math.inf if edge is None else float(edge) for edge in parameters[name]) for name in _DIMENSIONS
    )
    return CutPoints(recency, frequency, money, int(parameters["made_on"]), int(parameters["buyers"]))
