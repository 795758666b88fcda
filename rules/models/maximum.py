"""Maximum likelihood in the logarithms of positive parameters, with exact gradients and several starts.

Likelihoods multiply and sum, they do not use `@`: its threads may add up in another order on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize

from rules.models.columns import Floats, InputError

Likelihood = Callable[[Floats], tuple[float, Floats]]
"""Parameters → the mean log-likelihood and its derivatives by them."""

STARTS: tuple[tuple[float, ...], ...] = ((0.1, 0.1, 0.1, 0.1), (0.0, 0.0, 0.0, 0.0), (-0.5, 0.5, -0.5, 0.5))
"""Logarithms of parameters; a model of fewer takes the first ones."""
_WIDEST = 14.0
"""Logarithms are held within ± this: data that point to 0 or ∞ end at a bound, where a model says so."""


def maximum(
    likelihood: Likelihood, parameters: int, *, starts: Sequence[tuple[float, ...]] = STARTS
) -> Floats:
    """The parameters of the highest likelihood that any start leads to; of equals, the first start's.
    InputError where none leads anywhere."""

    def objective(logs: Floats) -> tuple[float, Floats]:
        found = np.exp(logs)
        value, by_parameter = likelihood(found)
        return -value, -by_parameter * found

    best: tuple[float, Floats] | None = None
    for start in starts:
        done = minimize(
            objective,
            np.array(start[:parameters]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-_WIDEST, _WIDEST)] * parameters,
            options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000},
        )
        if np.isfinite(done.fun) and (best is None or float(done.fun) < best[0]):
            best = float(done.fun), np.exp(done.x)
    if best is None:
        raise InputError("no start led to a likelihood: the columns are too extreme for the model")
    return best[1]
