"""What a fit comes to, and what every model here can do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Notice, Severity
from rules.models.paired import Paired
from sync.config.modelling import ModelSettings
from sync.models.log import Log
from sync.store.models import ModelState, ModelVersion

S_contra = TypeVar("S_contra", bound=ModelSettings, contravariant=True)
Facts = Mapping[str, "NDArray[np.int64] | NDArray[np.float64] | NDArray[np.object_]"]
"""Fact → a value for each person: numbers in millionths, money in minor units, NaN or None where missing."""


@dataclass(frozen=True, slots=True)
class Fit:
    """`parameters`: as JSON, None if refused. `baseline`: the naive guess beside the model, as JSON."""

    data: Mapping[str, Any]
    parameters: Mapping[str, Any] | None = None
    baseline: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    better: bool = True  # than the naive guess

    @property
    def state(self) -> ModelState:
        """What becomes of it."""
        if self.parameters is None:
            return ModelState.REFUSED
        return ModelState.FITTED if self.better else ModelState.NO_BETTER


class Model(Protocol[S_contra]):
    """A model over the lake. Both are deterministic, and neither looks at a clock."""

    def fit(self, log: Log, settings: S_contra) -> Fit:
        """Make it of what the log has."""
        ...

    def score(
        self, log: Log, settings: S_contra, parameters: Mapping[str, Any], people: NDArray[np.int32]
    ) -> Facts:
        """The facts of these people (ascending, of one bucket), by parameters of whichever day."""
        ...


def insufficient(needed: str, message: str, evidence: Mapping[str, float | int | str]) -> Notice:
    """The refusal for too few data; `needed` names the model."""
    return Notice(f"{needed}.insufficient_data", Severity.REFUSAL, message, evidence)


def unproven(needed: str, one: Paired, *, personal: str, usual: str) -> Notice:
    """That a personal choice did no better on later answers than the same one for everybody."""
    if not one.people:
        message = f"{personal} differs from {usual} for nobody who was sent both: there is no gain."
        return Notice(f"{needed}.no_gain", Severity.REFUSAL, message, {"people": 0})
    message = (
        f"{personal} ({one.personal:.1%} answered) is not proven better than {usual} ({one.usual:.1%};"
        f" difference {one.low:+.1%} to {one.high:+.1%} with 95 % confidence)."
    )
    evidence = {"personal": one.personal, "usual": one.usual, "low": one.low, "high": one.high}
    return Notice(f"{needed}.no_gain", Severity.REFUSAL, message, evidence)


def said(notice: Notice) -> dict[str, Any]:
    """As JSON."""
    return {
        "code": notice.code,
        "severity": str(notice.severity),
        "message": notice.message,
        "evidence": dict(notice.evidence),
    }


def version_of(
    name: str, model: ModelSettings, fit: Fit, before: list[ModelVersion], why: str, as_of: dt.datetime
) -> ModelVersion:
    """A fit as the next version, which is not stored yet. `before`: those there are, the newest first."""
    number = 1
    if before:
        number = before[0].version + (before[0].state is not ModelState.REFUSED)
    document = {
        "why": why,
        "data": dict(fit.data),
        "parameters": None if fit.parameters is None else dict(fit.parameters),
        "baseline": dict(fit.baseline),
        "notices": [said(notice) for notice in fit.notices],
    }
    return ModelVersion(name, number, as_of, fit.state, model.fingerprint, document)
