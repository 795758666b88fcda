"""Leads: who somebody is (fit) and what somebody does (engagement), two scores that are never added up.

Fit is points for values of features: set by hand to begin with, learned once enough leads have converted.
Features must be what was known before the outcome: `leaks` looks for those that were not. Outcomes are known
only of leads that somebody worked, so learned points repeat whom your colleagues preferred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

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
from rules.models.ranking import COIN, auc, least_auc


@dataclass(frozen=True, slots=True)
class Coded:
    """A long column of few values. `codes`: for each lead the place in `values`, which are all different."""

    values: Sequence[str]
    codes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.codes)

    def part(self, first: int, end: int) -> Coded:
        """Of the leads from `first` to before `end`."""
        return Coded(self.values, self.codes[first:end])


Features = Mapping[str, Sequence[str] | Coded]
"""Name → the value of each lead, in classes such as "50-249 people"; "" where it is not known."""
LEAST_CONVERSIONS = 100
SCALE = 10.0
RIDGE = 1.0
"""Holds the points of rare values back: half of it times the squared coefficients is added to the loss."""
MOST_LEAKING = 0.05
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Points by feature and value; values that are not named have none.

    groups: feature → group (a feature without one is its own); caps: group → the most its points add up to.
    """

    points: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, str] = field(default_factory=dict)
    caps: Mapping[str, int] = field(default_factory=dict)

    def score(self, features: Features) -> Ints:
        """The points of each lead. InputError if a feature of the card is not there."""
        rows = _rows(features)
        sums: dict[str, Ints] = {}
        for name, points in self.points.items():
            if name not in features:
                raise InputError(f"features: {name} has points but no column; add it or take its points away")
            coded = _coded(features[name])
            own = np.array([points.get(value, 0) for value in coded.values], dtype=np.int64)[coded.codes]
            group = self.groups.get(name, name)
            sums[group] = sums.get(group, np.zeros(rows, np.int64)) + own
        total = np.zeros(rows, np.int64)
        for group, earned in sums.items():
            total = total + (np.minimum(earned, self.caps[group]) if group in self.caps else earned)
        return total


def learn(
    features: Features,
    converted: Sequence[bool] | Bools,
    *,
    groups: Mapping[str, str] | None = None,
    caps: Mapping[str, int] | None = None,
    scale: float = SCALE,
    ridge: float = RIDGE,
) -> tuple[Scorecard | None, tuple[Notice, ...]]:
    """Points by logistic regression: scale × coefficient, rounded; the commonest value of each feature has 0.

    Of equally common ones it is the first in the alphabet. None and a notice with fewer than 100 conversions.
    """
    outcome = np.asarray(converted, dtype=np.bool_)
    if _rows(features) != len(outcome):
        raise InputError(
            f"converted has {len(outcome)} rows, features have {_rows(features)}: one for every lead"
        )
    wins = int(outcome.sum())
    if wins < LEAST_CONVERSIONS:
        message = f"{wins} conversions; learned points need {LEAST_CONVERSIONS}: set them by hand."
        evidence = {"n": wins, "need": LEAST_CONVERSIONS}
        return None, (Notice("lead.few_outcomes", Severity.REFUSAL, message, evidence),)
    coded = {name: _coded(values) for name, values in features.items()}
    columns, design, won, counts = _design(coded, outcome)
    constant = np.ones((len(won), 1))
    found = _fitted(sparse.hstack([constant, design], format="csr"), won, counts, ridge=ridge)[1:]
    points: dict[str, dict[str, int]] = {name: {} for name in sorted(features)}
    for (name, value), each in zip(columns, found.tolist(), strict=True):
        points[name][value] = round(scale * each)
    return Scorecard(points, groups or {}, caps or {}), ()


def coefficients(design: Floats, outcome: Bools, *, ridge: float) -> Floats:
    """Of a logistic regression: the constant, which is not held back, then one per column."""
    rows, counts = np.unique(np.column_stack([outcome, design]), axis=0, return_counts=True)
    return _fitted(np.column_stack([np.ones(len(rows)), rows[:, 1:]]), rows[:, 0], counts, ridge=ridge)


def _fitted(matrix: Floats | sparse.csr_array, won: Floats | Bools, counts: Ints, *, ridge: float) -> Floats:
    """`coefficients`: a row for each distinct one, and how often it is there. The first column is 1."""
    held = np.full(matrix.shape[1], ridge)
    held[0] = 0.0
    everybody = float(counts.sum())

    def loss(beta: Floats) -> tuple[float, Floats]:
        odds = matrix @ beta
        value = counts @ (np.logaddexp(0.0, odds) - won * odds) + held @ beta**2 / 2
        slopes = matrix.T @ (counts * (expit(odds) - won)) + held * beta
        return float(value) / everybody, slopes / everybody

    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000}
    done = minimize(loss, np.zeros(matrix.shape[1]), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(done.x, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Band:
    """Leads whose score is at least `at_least`, below the next band's; rate with Wilson's 95 % interval."""

    at_least: float
    leads: int
    converted: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """How a scorecard did on later leads: bands, best first.

    lift: the top band's rate by everybody's (base_rate).
    auc, naive_auc: of the card, and of the points set by hand beside it (0.5, a coin, without). The card is
    better if it ranks more pairs rightly than these, and more than a coin by more than chance.
    """

    bands: tuple[Band, ...]
    base_rate: float
    lift: float
    auc: float
    naive_auc: float
    notices: tuple[Notice, ...]

    @property
    def better(self) -> bool:
        """Than what stands beside it."""
        return not self.notices


def backtest(
    card: Scorecard,
    features: Features,
    converted: Sequence[bool] | Bools,
    *,
    edges: Sequence[float],
    by_hand: Scorecard | None = None,
) -> Backtest:
    """Judge a card by leads that came after those it was learned from. edges: where bands begin, rising."""
    outcome = np.asarray(converted, dtype=np.bool_)
    scores = card.score(features).astype(np.float64)
    rows = same_length(converted=outcome, features=scores)
    if not rows:
        raise InputError("converted: there is no row; later leads are needed to judge by")
    band = np.searchsorted(column("edges", edges), scores, side="right")
    bands = []
    for number in range(len(edges), -1, -1):
        inside = band == number
        leads, wins = int(inside.sum()), int(outcome[inside].sum())
        low, high = wilson(wins, leads)
        start = float(edges[number - 1]) if number else -np.inf
        bands.append(Band(start, leads, wins, wins / leads if leads else 0.0, low, high))
    base = float(outcome.mean())
    card_auc, least = auc(scores, outcome), least_auc(scores, outcome)
    naive = COIN if by_hand is None else auc(by_hand.score(features).astype(np.float64), outcome)
    return Backtest(
        bands=tuple(bands),
        base_rate=base,
        lift=bands[0].rate / base if base else 0.0,
        auc=card_auc,
        naive_auc=naive,
        notices=_naive_wins(card_auc, naive, least),
    )


def wilson(wins: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate (1927, JASA 22, 209-212); 0 to 1 of nobody."""
    if not of:
        return 0.0, 1.0
    rate, z = wins / of, Z95
    centre = (rate + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z * np.sqrt(rate * (1 - rate) / of + z**2 / (4 * of**2)) / (1 + z**2 / of)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def matrix(
    fit: Column,
    engagement: Column,
    *,
    fit_at_least: tuple[float, float],
    engaged_at_least: tuple[float, float],
) -> tuple[str, ...]:
    """A1 to C3 of each lead: A, B, C by fit, 1, 2, 3 by engagement, best first.

    Who has no data (NaN) of engagement is in `A-` to `C-`. The bounds are where A and B, or 1 and 2,
    begin: the higher one first.
    """
    for name, (high, low) in (("fit_at_least", fit_at_least), ("engaged_at_least", engaged_at_least)):
        if not high > low:
            raise InputError(f"{name} is {high:g}, {low:g}: the higher bound comes first")
    points, done = column("fit", fit), np.asarray(engagement, dtype=np.float64)
    same_length(fit=points, engagement=done)
    letters = np.select([points >= fit_at_least[0], points >= fit_at_least[1]], ["A", "B"], "C")
    numbers = np.select(
        [np.isnan(done), done >= engaged_at_least[0], done >= engaged_at_least[1]], ["-", "1", "2"], "3"
    )
    return tuple(letter + number for letter, number in zip(letters.tolist(), numbers.tolist(), strict=True))


def leaks(filled_at: Mapping[str, Column], converted_at: Column) -> tuple[Notice, ...]:
    """Warns of features that more than 5 % of converters got after they converted. Times; NaN for never."""
    won = np.asarray(converted_at, dtype=np.float64)
    notices = []
    for name in sorted(filled_at):
        filled = np.asarray(filled_at[name], dtype=np.float64)
        same_length(**{name: filled, "converted_at": won})
        converters, late = int(np.isfinite(won).sum()), int((filled > won).sum())
        share = late / converters if converters else 0.0
        if share > MOST_LEAKING:
            message = (
                f"Feature {name} is filled after conversion for {share:.1%} of converters: leave it out."
            )
            evidence: dict[str, float | str] = {"feature": name, "share": share}
            notices.append(Notice("lead.leak", Severity.WARNING, message, evidence))
    return tuple(notices)


def _rows(features: Features) -> int:
    lengths = {name: len(values) for name, values in features.items()}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items()) or "there is no feature"
        raise InputError(f"features: every one needs a value for every lead: {told}")
    return next(iter(lengths.values()))


def _coded(values: Sequence[str] | Coded) -> Coded:
    if isinstance(values, Coded):
        return values
    distinct, codes = np.unique(np.array(values, dtype=np.str_), return_inverse=True)
    return Coded(distinct.tolist(), codes.astype(np.int32))


def _design(
    features: Mapping[str, Coded], outcome: Bools
) -> tuple[list[tuple[str, str]], sparse.csr_array, Bools, Ints]:
    """A column of 0 and 1 for each value but the commonest of each feature, by name and value.

    A row for each distinct lead, with whether it converted and how many leads are like that.
    """
    alike = outcome.astype(np.int64)
    for coded in features.values():
        # Numbered anew each time, so that no product of many features outgrows a whole number.
        alike = np.unique(alike * len(coded.values) + coded.codes, return_inverse=True)[1]
    _, first, counts = np.unique(alike, return_index=True, return_counts=True)
    columns: list[tuple[str, str]] = []
    cells: list[tuple[Ints, Ints]] = []
    for name in sorted(features):
        coded = features[name]
        often = np.bincount(coded.codes, minlength=len(coded.values))
        there = sorted((value, code) for code, value in enumerate(coded.values) if often[code])
        commonest = min(there, key=lambda one: (-often[one[1]], one[0]))
        place = np.full(len(coded.values), -1)
        for value, code in there:
            if (value, code) != commonest:
                place[code] = len(columns)
                columns.append((name, value))
        at = place[coded.codes[first]]
        rows = np.flatnonzero(at >= 0)
        cells.append((rows, at[rows]))
    rows, places = (np.concatenate(each) for each in zip(*cells, strict=True))
    design = sparse.csr_array((np.ones(len(rows)), (rows, places)), shape=(len(first), len(columns)))
    return columns, design, outcome[first], counts


def _naive_wins(learned: float, naive: float, least: float) -> tuple[Notice, ...]:
    if learned > naive and least > COIN:
        return ()
    message = (
        f"Which later leads convert is told no better by these points ({learned:.1%} of pairs of leads are in"
        f" the right order) than by those set by hand ({naive:.1%})."
    )
    if least <= COIN:
        message = (
            f"These points do not tell which later leads convert: {learned:.1%} of pairs of leads are in the"
            f" right order, a coin has {COIN:.0%}, and the difference may be chance."
        )
    evidence = {"auc": learned, "naive_auc": naive}
    return (Notice("lead.baseline_wins", Severity.REFUSAL, message, evidence),)
