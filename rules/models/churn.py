"""Churn: how likely it is that somebody does nothing in the time to come.

Logistic regression first: its probabilities come true and its weights can be read. Boosted trees, calibrated,
stand beside it and are used only where they miss by less. Classes are never weighted: that would rank as
well, and tell twice the risk. High risk is not a promise that a letter helps: only an experiment shows that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from rules.models import boosting
from rules.models.boosting import Trees
from rules.models.calibration import Calibration, calibrate
from rules.models.columns import (
    Bools,
    Column,
    Floats,
    InputError,
    Ints,
    Notice,
    Severity,
    column,
    same_length,
)
from rules.models.lead import coefficients
from rules.models.ranking import COIN, Z95, auc, least_auc

LEAST_POSITIVES = 100
DECILES = 10
FAR_OFF = 0.03
"""Mean prediction and what came differ by more: the probabilities are not to be taken at their word."""
RIDGE = 1.0
FOLDS = 3
"""Into so many parts people are divided to calibrate boosted trees: each part by trees of the others."""
SEED = 7_207

Features = Mapping[str, Column]
"""Name → its number per person, finite; the caller takes logarithms of what is skewed."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A fitted model: features are centred by `means`, divided by `spreads`, weighed and added up."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    weights: tuple[float, ...]
    constant: float

    def of(self, features: Features) -> Floats:
        """The probability (0 to 1) of each. InputError if a feature is missing."""
        missing = [name for name in self.names if name not in features]
        if missing:
            raise InputError(
                f"features: {', '.join(missing)} is not given, but was when the model was fitted"
            )
        matrix = np.column_stack([column(name, features[name]) for name in self.names])
        odds = (matrix - np.array(self.means)) / np.array(self.spreads) @ np.array(self.weights)
        found: Floats = expit(odds + self.constant)
        return found


@dataclass(frozen=True, slots=True)
class Boosted:
    """Boosted trees, and how often what they foretell comes."""

    trees: Trees
    calibration: Calibration

    def of(self, features: boosting.Features) -> Floats:
        """The probability (0 to 1) of each. InputError if a feature is missing."""
        return self.calibration.of(self.trees.of(features))


@dataclass(frozen=True, slots=True)
class Judged:
    """How probabilities did on people they were not fitted to.

    auc: who churned is ranked above who did not in so many pairs, least_auc: the lower end of its 95 %
    interval. brier: mean squared error; `naive_brier`:
    of the base rate for everybody. ece: mean distance of deciles from what came. lift: the tenth at highest
    risk churned so many times as often as all.
    """

    people: int
    auc: float
    least_auc: float
    brier: float
    naive_brier: float
    ece: float
    lift: float
    base_rate: float
    predicted: float

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What to know before relying on the numbers."""
        if abs(self.predicted - self.base_rate) <= FAR_OFF:
            return ()
        message = (
            f"Predicted mean {self.predicted:.1%}, observed {self.base_rate:.1%}: the risks put people in"
            " order, but do not take them for how many will leave."
        )
        evidence = {"predicted": self.predicted, "observed": self.base_rate}
        return (Notice("churn.uncalibrated", Severity.WARNING, message, evidence),)


def too_few(churned: Bools) -> Notice | None:
    """The refusal below 100 people who churned, or 100 who did not."""
    least = int(min(churned.sum(), (~churned).sum()))
    if least >= LEAST_POSITIVES:
        return None
    which = "churned" if churned.sum() == least else "did not churn"
    missing = LEAST_POSITIVES - least
    message = f"{least} people {which}; {LEAST_POSITIVES} of either are needed, {missing} are missing."
    return Notice(
        "churn.few_positives",
        Severity.REFUSAL,
        message,
        {"n": least, "need": LEAST_POSITIVES, "which": which},
    )


def fit(features: Features, churned: Bools) -> Risk:
    """By maximum likelihood with a little ridge. Features that are the same for all get no weight.

    InputError where `too_few` refuses, for columns of different lengths, and for numbers that are none.
    """
    refusal = too_few(np.asarray(churned, dtype=np.bool_))
    if refusal is not None:
        raise InputError(refusal.message)
    columns = {name: column(name, values) for name, values in features.items()}
    same_length(churned=np.asarray(churned), **columns)
    matrix = np.column_stack(list(columns.values()))
    means, spreads = matrix.mean(axis=0), matrix.std(axis=0)
    spreads = np.where(spreads > 0, spreads, 1.0)
    found = coefficients((matrix - means) / spreads, np.asarray(churned, dtype=np.bool_), ridge=RIDGE)
    constant, *weights = (float(one) for one in found)
    return Risk(
        tuple(columns),
        tuple(float(one) for one in means),
        tuple(float(one) for one in spreads),
        tuple(weights),
        constant,
    )


def fit_boosted(features: boosting.Features, churned: Bools, person: Ints) -> Boosted:
    """Trees of all rows, calibrated by what trees of two thirds of the people foretell of the others. All
    rows of one `person` are on one side. InputError where `too_few` refuses."""
    refusal = too_few(np.asarray(churned, dtype=np.bool_))
    if refusal is not None:
        raise InputError(refusal.message)
    people, place = np.unique(person, return_inverse=True)
    fold = np.random.default_rng(SEED).integers(0, FOLDS, len(people))[place]
    held_out = np.zeros(len(churned))
    for each in range(FOLDS):
        seen, others = (np.flatnonzero(side) for side in (fold != each, fold == each))
        trees = boosting.fit(_rows(features, seen), churned[seen])
        held_out[others] = trees.of(_rows(features, others))
    return Boosted(boosting.fit(features, churned), calibrate(held_out, churned))


def _rows(features: boosting.Features, rows: Ints) -> boosting.Features:
    return {name: np.asarray(values)[rows] for name, values in features.items()}


def judge(risk: Floats, churned: Bools) -> Judged:
    """Probabilities beside what came."""
    same_length(risk=risk, churned=churned)
    base = float(churned.mean())
    order = np.argsort(risk, kind="stable")
    parts = [part for part in np.array_split(order, DECILES) if len(part)]
    off = [abs(float(risk[part].mean() - churned[part].mean())) * len(part) for part in parts]
    return Judged(
        people=len(risk),
        auc=auc(risk, churned),
        least_auc=least_auc(risk, churned),
        brier=float(((risk - churned) ** 2).mean()),
        naive_brier=base * (1 - base),
        ece=sum(off) / len(risk),
        lift=float(churned[parts[-1]].mean()) / base if base else 0.0,
        base_rate=base,
        predicted=float(risk.mean()),
    )


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much the squared error (Brier) of boosted trees is smaller than that of logistic regression, in
    the mean of the same people, with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """The rule: boosted trees are used only if the whole interval is above 0."""
        return self.low > 0

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What to say where they are not."""
        if self.certain:
            return ()
        message = (
            "The simpler of two ways to tell the risk is used (logistic regression): boosted trees are not"
            f" nearer to what came by more than chance (squared error {-self.mean:+.4f}, 95 % interval"
            f" {-self.high:+.4f} to {-self.low:+.4f}). Nothing is to be done."
        )
        evidence = {"gain": self.mean, "low": self.low, "high": self.high}
        return (Notice("churn.no_gain", Severity.NOTE, message, evidence),)


def gain(logistic: Floats, boosted: Floats, churned: Bools) -> Gain:
    """Of two risks of the same people, whom neither has seen."""
    same_length(logistic=logistic, boosted=boosted, churned=churned)
    off = (logistic - churned) ** 2 - (boosted - churned) ** 2
    half = Z95 * float(off.std(ddof=1)) / np.sqrt(len(off))
    return Gain(float(off.mean()), float(off.mean() - half), float(off.mean() + half))


def naive_wins(judged: Judged, naive: float) -> Notice:
    """What to say where days since the last order alone, one risk for all or a coin do as well."""
    if judged.least_auc <= COIN:
        message = (
            f"It does not tell who leaves: {judged.auc:.1%} of pairs of people are in the right order, a coin"
            f" has {COIN:.0%}, and the difference may be chance. Let rules ask for `days since purchase`, or"
            " treat everybody alike."
        )
    elif judged.auc <= naive:
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
