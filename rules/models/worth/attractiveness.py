"""Which segments are the most attractive, by criteria whose weights are seen, and how far that rests on them.

After Dolnicar, Gruen, Leisch 2018, "Market Segmentation Analysis", chapter 4: who fails a knock-out criterion
is not ranked; the rest are by the sum of weight times percent rank. The weights are then drawn anew a
thousand times around the given ones: a segment that ranks first to sixth is not "number one".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Floats, InputError, Notice, Severity, column, percent_ranks

DRAWS = 1_000
SEED = 20_240
SPREAD = 20.0
"""The sum of the Dirichlet's parameters: a weight of .25 is drawn between about .09 and .46 (95 %)."""
_RANGE = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Attraction:
    """Of one segment. `score`: 0 to 1. `best` and `worst`: its rank in 95 % of the draws. `first`: the share
    of draws in which it is the first."""

    segment: str
    score: float
    rank: int
    best: int
    worst: int
    first: float


def shares(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights, as shares of their sum. InputError if one is negative, or all are nothing."""
    column("weights", list(weights.values()), at_least=0, advice="give weights of 0 or more")
    total = sum(weights.values())
    if not total > 0:
        raise InputError("weights: one at least must be more than 0")
    return {name: weight / total for name, weight in weights.items()}


def attractiveness(
    criteria: Mapping[str, Mapping[str, float]],
    weights: Mapping[str, float],
    *,
    seed: int = SEED,
    draws: int = DRAWS,
) -> list[Attraction]:
    """The segments in the order of their ranks; equal scores in the order of names.

    criteria: criterion → segment → value, more is better, each of the same segments (knock-outs left out);
    weights: criterion → weight. The order of neither matters.
    """
    given = shares({name: weights[name] for name in sorted(criteria)})
    segments = sorted({segment for values in criteria.values() for segment in values})
    if not segments:
        return []
    ranks = np.column_stack([_ranks(segments, name, criteria[name]) for name in sorted(criteria)])
    score = ranks @ np.array(list(given.values()))
    place = _places(score[np.newaxis, :])[0]
    # gammas over their sum are a Dirichlet draw; a weight of 0 stays 0
    gammas = np.random.default_rng(seed).gamma(
        SPREAD * np.array(list(given.values())), size=(draws, len(given))
    )
    drawn = _places((gammas / gammas.sum(axis=1, keepdims=True)) @ ranks.T)
    best, worst = np.quantile(drawn, _RANGE, axis=0, method="inverted_cdf")
    found = [
        Attraction(
            name,
            float(score[at]),
            int(place[at]),
            int(best[at]),
            int(worst[at]),
            float((drawn[:, at] == 1).mean()),
        )
        for at, name in enumerate(segments)
    ]
    return sorted(found, key=lambda one: one.rank)


def told_unstable(found: list[Attraction]) -> Notice | None:
    """`eval.rank_unstable` if the first one is first only by these weights."""
    if not found or found[0].worst == 1:
        return None
    first = found[0]
    message = (
        f"{first.segment} is first by these weights, but ranks {first.best} to {first.worst} when they are"
        f" moved (first in {first.first:.0%} of draws): decide between those whose ranges overlap by what you"
        " know of them."
    )
    evidence: dict[str, float | int | str] = {
        "segment": first.segment, "best": first.best, "worst": first.worst, "first": first.first
    }  # fmt: skip
    return Notice("eval.rank_unstable", Severity.WARNING, message, evidence)


def _ranks(segments: list[str], criterion: str, values: Mapping[str, float]) -> Floats:
    missing = [name for name in segments if name not in values]
    if missing:
        raise InputError(f"{criterion}: a value for every segment is needed, {missing[0]} has none")
    return percent_ranks(column(criterion, [values[name] for name in segments]))


def _places(scores: Floats) -> Floats:
    """Ranks from 1 along the rows, the highest first; equal ones in their order."""
    order = np.argsort(-np.round(scores, 12), axis=1, kind="stable")
    return np.asarray(np.argsort(order, axis=1, kind="stable") + 1, dtype=np.float64)
