"""A number for each dimension, with the weights that make it, and how it moved since the report before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sync.quality.rules import RULES, Dimension

DIMENSION_WEIGHTS: Mapping[Dimension, float] = {
    Dimension.VALIDITY: 0.25,
    Dimension.COMPLETENESS: 0.25,
    Dimension.ACCURACY: 0.20,
    Dimension.CONSISTENCY: 0.10,
    Dimension.UNIQUENESS: 0.10,
    Dimension.TIMELINESS: 0.10,
}
"""What a dimension counts for in the whole; they add up to 1. Without a score it counts for nothing."""


@dataclass(frozen=True, slots=True)
class Score:
    """`score`: 0 to 100; None: no rule of the dimension could look at anything. `weights`: by rule."""

    dimension: Dimension
    score: float | None
    weight: float
    weights: Mapping[str, float]
    before: float | None = None

    @property
    def trend(self) -> float | None:
        """Points since the report of an earlier run."""
        return None if self.score is None or self.before is None else round(self.score - self.before, 1)


def scores(
    checked: Mapping[str, int], faulty: Mapping[str, int], *, before: Mapping[str, float] | None = None
) -> tuple[Score, ...]:
    """The mean share of contacts that pass, over the rules that looked at any, by the rules' weights.

    `checked`, `faulty`: rule → contacts. `before`: dimension → score of the report to compare with.
    """
    found = []
    for dimension, weight in DIMENSION_WEIGHTS.items():
        rules = [RULES[name] for name in RULES if RULES[name].dimension is dimension and checked.get(name)]
        weights = {rule.id: rule.weight for rule in rules}
        passed = sum(rule.weight * (1 - faulty.get(rule.id, 0) / checked[rule.id]) for rule in rules)
        score = round(100 * passed / sum(weights.values()), 1) if weights else None
        found.append(Score(dimension, score, weight, weights, (before or {}).get(dimension)))
    return tuple(found)


def overall(found: Sequence[Score]) -> float | None:
    """The dimensions' mean by their weights; None if none has a score."""
    told = [(one.score, one.weight) for one in found if one.score is not None]
    if not told:
        return None
    return round(sum(score * weight for score, weight in told) / sum(weight for _, weight in told), 1)
