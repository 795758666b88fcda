"""Lifecycle over the lake: limits by the store's gaps on one day, states by them on every other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.models.lifecycle import Limits, limits, states
from sync.config.modelling import LifecycleSettings
from sync.models.log import Log
from sync.models.model import Facts, Fit, insufficient


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
        return Fit(extent.document(), parameters=parameters, notices=found.notices)

    def score(
        self, log: Log, settings: LifecycleSettings, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The state of everybody."""
        days = log.orders(settings).days(people)
        of = Limits(int(parameters["at_risk"]), int(parameters["lapsed"]))
        found = states(people.astype(np.int64), days["person"], days["day"], of, as_of=log.today)
        return {"lifecycle": found.astype(np.object_)}
