"""A cluster as a short rule that an admin can read and adopt, with how well it hits the cluster.

A shallow tree is grown on two thirds of the people; fidelity is measured on the others. Limits are rounded
to three figures, since nobody means 127.3846.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Bools, Floats, Ints, same_length

DEPTH = 3
SPLIT = 7_193
"""Names the stream of random numbers that divides people into seen and not seen."""
LEAST_SHARE = 0.01
"""Of the people: a branch for fewer is no rule."""
MISSING = -1e30
"""What the tree sees where nothing is known, below every value."""
KNOWN = MISSING / 10
"""A limit below this one parts who lacks the feature from who has it."""


@dataclass(frozen=True, slots=True)
class Bound:
    """`feature` is above `low` (if any) and at most `high` (if any). Below KNOWN: it is known, or missing."""

    feature: str
    low: float | None
    high: float | None

    def text(self, expressions: Mapping[str, str], conditions: Mapping[str, str]) -> str:
        """In the rule language; `expressions`: feature → how a rule asks for it; `conditions`: the same of
        those that are 1 where something holds, and 0."""
        if self.feature in conditions:
            condition = conditions[self.feature]
            return condition if self.low is not None else f"not ({condition})"
        asked = expressions.get(self.feature, self.feature)
        if self.high is not None and self.high < KNOWN:
            return f"{asked} is missing"
        parts = []
        if self.low is not None and self.low >= KNOWN:
            parts.append(f"{asked} > {_written(self.low)}")
        if self.high is not None:
            parts.append(f"{asked} <= {_written(self.high)}")
        return " and ".join(parts) or f"{asked} is known"


@dataclass(frozen=True, slots=True)
class Distilled:
    """Any of `branches`, of which all bounds hold. On people the tree has not seen: `precision` is the share
    of the rule's people who are in the cluster, `recall` the share of the cluster that the rule finds."""

    branches: tuple[tuple[Bound, ...], ...]
    precision: float
    recall: float

    @property
    def fidelity(self) -> float:
        """The harmonic mean of both; 0 if the rule finds nobody."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    def text(
        self, expressions: Mapping[str, str] | None = None, conditions: Mapping[str, str] | None = None
    ) -> str:
        """As the condition of a rule; empty if no rule was found."""
        some = [
            " and ".join(bound.text(expressions or {}, conditions or {}) for bound in branch)
            for branch in self.branches
        ]
        return some[0] if len(some) == 1 else " or ".join(f"({one})" for one in some)


def distil(
    features: Mapping[str, Floats],
    cluster: Ints,
    wanted: int,
    *,
    seed: int,
    decimals: Mapping[str, int] | None = None,
) -> Distilled:
    """The rule for cluster `wanted`. `features` as people know them, not scaled; of NaN nothing holds.
    `decimals`: how many a limit of a feature may have, 6 if not told; 0 of what is counted."""
    from sklearn.tree import DecisionTreeClassifier

    same_length(cluster=cluster, **features)
    names = list(features)
    matrix = np.column_stack([np.asarray(features[name], dtype=np.float64) for name in names])
    inside = cluster == wanted
    # a stream of its own: drawn as the caller draws, whom it looks at could depend on the cluster
    seen = np.random.default_rng((seed, SPLIT)).random(len(inside)) < 2 / 3
    known = np.nan_to_num(matrix, nan=MISSING)
    tree = DecisionTreeClassifier(
        max_depth=DEPTH,
        min_samples_leaf=max(1, int(LEAST_SHARE * seen.sum())),
        class_weight="balanced",  # the rule is to find a small cluster as well as a large one
        random_state=seed,
    ).fit(np.clip(known[seen], MISSING, -MISSING).astype(np.float32), inside[seen])
    branches = _merged(tuple(_leaves(tree.tree_, names, decimals or {})))
    hit = _hits(branches, matrix, names)[~seen]
    right = int((hit & inside[~seen]).sum())
    return Distilled(branches, right / max(int(hit.sum()), 1), right / max(int(inside[~seen].sum()), 1))


def _leaves(tree: object, names: list[str], decimals: Mapping[str, int]) -> list[tuple[Bound, ...]]:
    """The bounds of every leaf in which most people (weighted) are of the cluster."""
    left, right = tree.children_left, tree.children_right  # type: ignore[attr-defined]
    feature, limit, value = tree.feature, tree.threshold, tree.value  # type: ignore[attr-defined]
    found: list[tuple[Bound, ...]] = []

    def walk(node: int, bounds: dict[str, tuple[float | None, float | None]]) -> None:
        if left[node] == right[node]:
            if value[node][0].argmax() == 1 and len(value[node][0]) == 2:
                found.append(tuple(Bound(name, low, high) for name, (low, high) in bounds.items()))
            return
        name, at = names[feature[node]], _rounded(float(limit[node]), decimals.get(names[feature[node]], 6))
        low, high = bounds.get(name, (None, None))
        walk(left[node], {**bounds, name: (low, at if high is None else min(high, at))})
        walk(right[node], {**bounds, name: (at if low is None else max(low, at), high)})

    walk(0, {})
    return found


def _merged(branches: tuple[tuple[Bound, ...], ...]) -> tuple[tuple[Bound, ...], ...]:
    """Two branches that differ only in on which side of one limit they are become one without it."""
    some = list(branches)
    for first in range(len(some)):
        for second in range(first + 1, len(some)):
            joined = _joined(some[first], some[second])
            if joined is not None:
                rest = [one for at, one in enumerate(some) if at not in (first, second)]
                return _merged((*rest[:first], joined, *rest[first:]))
    return tuple(some)


def _joined(one: tuple[Bound, ...], other: tuple[Bound, ...]) -> tuple[Bound, ...] | None:
    differ = [bound for bound in one if bound not in other], [bound for bound in other if bound not in one]
    if len(differ[0]) != 1 or len(differ[1]) != 1 or differ[0][0].feature != differ[1][0].feature:
        return None
    low, high = sorted(
        (differ[0][0], differ[1][0]), key=lambda bound: (bound.low is not None, bound.low or 0)
    )
    if low.high is None or low.high != high.low:
        return None
    wide = Bound(low.feature, low.low, high.high)
    kept = tuple(bound for bound in one if bound in other)
    return kept if wide.low is None and wide.high is None else (*kept, wide)


def _hits(branches: tuple[tuple[Bound, ...], ...], matrix: Floats, names: list[str]) -> Bools:
    found = np.zeros(len(matrix), dtype=np.bool_)
    for branch in branches:
        inside = np.ones(len(matrix), dtype=np.bool_)
        for bound in branch:
            values = matrix[:, names.index(bound.feature)]
            if bound.high is not None and bound.high < KNOWN:
                inside &= np.isnan(values)
                continue
            with np.errstate(invalid="ignore"):
                inside &= ~np.isnan(values)
                inside &= True if bound.low is None else values > bound.low
                inside &= True if bound.high is None else values <= bound.high
        found |= inside
    return found


def _rounded(limit: float, decimals: int) -> float:
    whole = limit if decimals else float(np.floor(limit))  # above 1.5 and above 1 are the same
    return round(float(f"{whole:.3g}"), decimals)


def _written(limit: float) -> str:
    """Without an exponent, which no rule has."""
    return f"{limit:.6f}".rstrip("0").rstrip(".")
