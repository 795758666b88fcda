"""Lifecycle over the lake: limits by the store's gaps on one day, states by them on every other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Floats
from rules.models.lifecycle import FIXED_AT_RISK, FIXED_LAPSED, Limits, State, limits, states
from sync.config.modelling import LifecycleSettings
from sync.models.again import tried
from sync.models.log import Ints, Log
from sync.models.model import Facts, Fit, insufficient

_GUESS = f"fixed limits of {FIXED_AT_RISK} and {FIXED_LAPSED} days"


class Lifecycle:
    """See `sync.models.model.Model`."""

    def fit(self, log: Log, settings: LifecycleSettings) -> Fit:
        """The limits. Refused only where nobody ever ordered."""
        orders = log.orders(settings)
        extent = orders.extent()
        if not extent.orders:
            told = insufficient("lifecycle", "Nobody has an order yet; 1 is missing.", {"n": 0, "need": 1})
            return Fit(extent.document(), notices=(told,))
        days = orders.days()
        found = limits(days["person"], days["day"], as_of=log.today)
        parameters = {"at_risk": found.at_risk, "lapsed": found.lapsed}

        def ranked(day: int) -> tuple[Ints, Floats, Floats]:
            """By the states that limits made on that day give, and by those of fixed limits."""
            rows, people = (days["person"], days["day"]), orders.totals(until=day).person
            both = limits(*rows, as_of=day), Limits(FIXED_AT_RISK, FIXED_LAPSED)
            own, fixed = (_place(states(people, *rows, each, as_of=day)) for each in both)
            return people, own, fixed

        baseline, note = tried("lifecycle", log, orders, ranked, guess=_GUESS)
        notices = (*found.notices, *([] if note is None else [note]))
        return Fit(extent.document(), parameters=parameters, baseline=baseline, notices=notices)

    def score(
        self, log: Log, settings: LifecycleSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The state of everybody."""
        days = log.orders(settings).days(people)
        of = Limits(int(parameters["at_risk"]), int(parameters["lapsed"]))
        found = states(people.astype(np.int64), days["person"], days["day"], of, as_of=log.today)
        return {"lifecycle": found.astype(np.object_)}


def _place(found: NDArray[np.str_]) -> Floats:
    """The keenest highest."""
    lapsed, at_risk = (found == each.value for each in (State.LAPSED, State.AT_RISK))
    return np.select([lapsed, at_risk], [0.0, 1.0], 2.0)
