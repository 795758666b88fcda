"""Probabilities that come true: what a model foretells, mapped to how often it came.

Isotonic regression (Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass
probability estimates") follows any rising curve but needs many; a sigmoid (Platt 1999, "Probabilistic outputs
for support vector machines") has two numbers. Fit it to people whom the model has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from rules.models.columns import Bools, Floats, same_length
from rules.models.lead import coefficients

LEAST_ISOTONIC = 1_000
"""So many to whom it happened are needed for isotonic regression; with fewer it is a sigmoid."""
_FARTHEST = 1e-12
"""From 0 and from 1, so that log odds are finite."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Isotonic: lines between the points (`given`, `true`), level beyond them. Sigmoid, where there are none:
    the log odds times `slope`, and `constant`."""

    given: tuple[float, ...] = ()
    true: tuple[float, ...] = ()
    slope: float = 1.0
    constant: float = 0.0

    def of(self, risk: Floats) -> Floats:
        """Probabilities (0 to 1), as calibrated."""
        if self.given:
            return np.interp(risk, self.given, self.true)
        odds = logit(np.clip(risk, _FARTHEST, 1 - _FARTHEST))
        found: Floats = expit(self.slope * odds + self.constant)
        return found

    def document(self) -> dict[str, Any]:
        """As JSON."""
        lists = {"given": list(self.given), "true": list(self.true)}
        return {**lists, "slope": self.slope, "constant": self.constant}


def read_calibration(document: Mapping[str, Any]) -> Calibration:
    """What `Calibration.document` wrote."""
    return Calibration(
        tuple(document["given"]), tuple(document["true"]), document["slope"], document["constant"]
    )


def calibrate(risk: Floats, came: Bools) -> Calibration:
    """By what was foretold of people and whether it came; both must be there at least once."""
    from sklearn.isotonic import IsotonicRegression

    same_length(risk=risk, came=came)
    if came.sum() >= LEAST_ISOTONIC:
        curve = IsotonicRegression(y_min=0.0, y_max=1.0).fit(risk, came.astype(np.float64))
        return Calibration(tuple(curve.X_thresholds_.tolist()), tuple(curve.y_thresholds_.tolist()))
    odds = logit(np.clip(risk, _FARTHEST, 1 - _FARTHEST))
    constant, slope = coefficients(odds[:, None], came, ridge=0.0)
    return Calibration(slope=float(slope), constant=float(constant))
