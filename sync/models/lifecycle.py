"""Lifecycle over the lake: limits by the store's gaps on one day, states by them on every other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Floats, Notice, Severity
from rules.models.lifecycle import FIXED_AT_RISK, FIXED_LAPSED, Limits, State, limits, states
from rules.models.ranking import COIN
from sync.config.modelling import LifecycleSettings
from sync.models.again import Again, tried, untried
from sync.models.log import Ints, Log, Orders
from sync.models.model import Facts, Fit, insufficient

_FIXED = FIXED_AT_RISK, FIXED_LAPSED
_GUESS = f"fixed limits of {FIXED_AT_RISK} and {FIXED_LAPSED} days"


class Lifecycle:
    """See `sync.models.model.Model`."""

    def fit(self, log: Log, settings: LifecycleSettings) -> Fit:
        """The limits. Refused only where nobody ever ordered.

        Where fixed limits tell better who orders again they are used, unless forced otherwise; where these
        tell nothing either, there is no fact.
        """
        orders = log.orders(settings)
        extent = orders.extent()
        if not extent.orders:
            told = insufficient("lifecycle", "Nobody has an order yet; 1 is missing.", {"n": 0, "need": 1})
            return Fit(extent.document(), notices=(told,))
        days = orders.days()
        rows = days["person"], days["day"]
        found = limits(*rows, as_of=log.today)
        own = {"at_risk": found.at_risk, "lapsed": found.lapsed}
        judged = tried(log, orders, partial(_ranked, orders, rows), guess=_GUESS)
        if judged is None:
            return Fit(extent.document(), own, {}, (*found.notices, untried("lifecycle")))
        fixed = (found.at_risk, found.lapsed) != _FIXED and judged.naive > judged.model
        notices, better = list(found.notices), (judged.least_naive if fixed else judged.least) > COIN
        if not better:
            notices.append(judged.chance("lifecycle", judged.naive if fixed else judged.model))
        elif fixed:
            notices.append(_fixed_win(found, judged))
        parameters = {**own, "fixed": list(_FIXED) if fixed else None}
        return Fit(extent.document(), parameters, judged.document, tuple(notices), better=better)

    def score(
        self, log: Log, settings: LifecycleSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The state of everybody."""
        days = log.orders(settings).days(people)
        of = Limits(int(parameters["at_risk"]), int(parameters["lapsed"]))
        if parameters.get("fixed") and not settings.force:
            of = Limits(*parameters["fixed"])
        found = states(people.astype(np.int64), days["person"], days["day"], of, as_of=log.today)
        return {"lifecycle": found.astype(np.object_)}


def _ranked(orders: Orders, rows: tuple[Ints, Ints], day: int) -> tuple[Ints, Floats, Floats]:
    """By the states that limits made on that day give, and by those of fixed limits; without who is new then,
    for new is new by either."""
    people = orders.totals(until=day).person
    both = [states(people, *rows, of, as_of=day) for of in (limits(*rows, as_of=day), Limits(*_FIXED))]
    known = both[0] != State.NEW.value
    own, fixed = (_place(found[known]) for found in both)
    return people[known], own, fixed


def _place(found: NDArray[np.str_]) -> Floats:
    """The keenest highest."""
    lapsed, at_risk = (found == each.value for each in (State.LAPSED, State.AT_RISK))
    return np.select([lapsed, at_risk], [0.0, 1.0], 2.0)


def _fixed_win(own: Limits, judged: Again) -> Notice:
    message = (
        f"Who orders within {judged.days} days is told better by {_GUESS} ({judged.naive:.1%} of pairs of"
        f" people are in the right order, {judged.model:.1%} by the store's own {own.at_risk} and"
        f" {own.lapsed} days): the fixed ones are used. force = true in [models.lifecycle] takes the store's"
        " own."
    )
    evidence = {"auc": judged.model, "naive_auc": judged.naive, "days": judged.days}
    return Notice("lifecycle.baseline_wins", Severity.WARNING, message, evidence)
