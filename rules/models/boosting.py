"""Boosted trees as plain numbers: fitted by scikit-learn, kept as JSON, read by this file alone.

Small steps, small trees, and a tenth of the people held back to tell when to stop (Friedman 2001, "Greedy
function approximation: a gradient boosting machine", Annals of Statistics 29, 1189-1232; histograms as in
scikit-learn's HistGradientBoostingClassifier). Classes are never weighted. A column of texts is one of
categories. What was fitted never needs scikit-learn again, so a model outlives its versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.special import expit

from rules.models.columns import Bools, Column, Floats, InputError, column, same_length

SETTINGS: Mapping[str, Any] = {
    "learning_rate": 0.05,
    "max_leaf_nodes": 15,
    "l2_regularization": 1.0,
    "early_stopping": True,
}
SEED = 0
MOST_LEVELS = 254
"""Of one feature; scikit-learn has a bin for each."""

Features: TypeAlias = Mapping[str, Column | Sequence[str]]
"""Name → a number per row (NaN: not known) or a text per row."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes in columns, node 0 the root; `feature` is -1 at a leaf, which has a `value`.

    Elsewhere rows go `left` whose number is at most `limit` (None: every number there is), or whose category
    is one of `levels`, by node; who has neither goes left where `missing_left`.
    """

    feature: tuple[int, ...]
    limit: tuple[float | None, ...]
    levels: Mapping[int, tuple[int, ...]]
    left: tuple[int, ...]
    right: tuple[int, ...]
    missing_left: tuple[bool, ...]
    value: tuple[float, ...]

    def of(self, columns: Sequence[Floats]) -> Floats:
        """The value of the leaf that each row ends in. All rows pass each node at once."""
        found = np.zeros(len(columns[0]))
        waiting = [(0, np.ones(len(found), np.bool_))]
        while waiting:
            node, here = waiting.pop()
            if self.feature[node] < 0:
                found[here] = self.value[node]
                continue
            goes_left = self._goes_left(node, columns[self.feature[node]])
            waiting += [(self.left[node], here & goes_left), (self.right[node], here & ~goes_left)]
        return found

    def _goes_left(self, node: int, values: Floats) -> Bools:
        limit = self.limit[node]
        if node in self.levels:
            goes: Bools = np.isin(values, self.levels[node])
        elif limit is None:
            goes = ~np.isnan(values)
        else:
            goes = values <= limit
        return goes | np.isnan(values) if self.missing_left[node] else goes


@dataclass(frozen=True, slots=True)
class Trees:
    """The log odds of a row are the `constant` and what each tree tells of it. `levels`: feature → its
    categories, whose place is their number; a text that is none of them is not known."""

    names: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    constant: float
    trees: tuple[Tree, ...]

    def of(self, features: Features) -> Floats:
        """The probability (0 to 1) of each row. InputError if a feature is missing."""
        missing = [name for name in self.names if name not in features]
        if missing:
            raise InputError(
                f"features: {', '.join(missing)} is not given, but was when the model was fitted"
            )
        columns = [_numbers(name, features[name], self.levels) for name in self.names]
        same_length(**dict(zip(self.names, columns, strict=True)))
        odds = np.full(len(columns[0]), self.constant)
        for tree in self.trees:
            odds += tree.of(columns)
        found: Floats = expit(odds)
        return found

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def read_trees(document: Mapping[str, Any]) -> Trees:
    """What `Trees.document` wrote, after JSON made texts of the numbers that are keys."""
    trees = []
    for one in document["trees"]:
        columns = {name: tuple(values) for name, values in one.items() if name != "levels"}
        by_node = {int(node): tuple(some) for node, some in one["levels"].items()}
        trees.append(Tree(**columns, levels=by_node))
    levels = {name: tuple(some) for name, some in document["levels"].items()}
    return Trees(tuple(document["names"]), levels, float(document["constant"]), tuple(trees))


def fit(features: Features, churned: Bools, *, settings: Mapping[str, Any] = SETTINGS) -> Trees:
    """On one thread: on small machines several take ten times as long. The same rows in the same order give
    the same trees. InputError for columns of different lengths, and more than 254 categories."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    texts = [name for name, values in features.items() if _is_text(values)]
    levels = {name: tuple(sorted({str(one) for one in features[name]})) for name in texts}
    for name, some in levels.items():
        if len(some) > MOST_LEVELS:
            raise InputError(f"{name} has {len(some)} categories; {MOST_LEVELS} are the most")
    # scikit-learn puts categories first; in this order it leaves every column where it is
    names = (*texts, *(name for name in features if name not in levels))
    columns = [_numbers(name, features[name], levels) for name in names]
    same_length(churned=np.asarray(churned), **dict(zip(names, columns, strict=True)))
    with threadpool_limits(limits=1):
        model = HistGradientBoostingClassifier(
            **settings, categorical_features=[name in levels for name in names], random_state=SEED
        ).fit(np.column_stack(columns), churned)
    trees = tuple(_tree(predictor) for (predictor,) in model._predictors)
    return Trees(names, levels, float(model._baseline_prediction[0, 0]), trees)


def _tree(predictor: Any) -> Tree:
    """Out of scikit-learn's table of nodes, which holds the very numbers that it predicts by."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    categories = nodes["is_categorical"].astype(bool) & ~leaf
    limits = [float(one) if np.isfinite(one) else None for one in nodes["num_threshold"]]
    return Tree(
        feature=tuple(np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)).tolist()),
        limit=tuple(None if leaf[node] or categories[node] else limits[node] for node in range(len(nodes))),
        levels={
            int(node): _bits(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
            for node in np.flatnonzero(categories)
        },
        left=tuple(nodes["left"].tolist()),
        right=tuple(nodes["right"].tolist()),
        missing_left=tuple(nodes["missing_go_to_left"].astype(bool).tolist()),
        value=tuple(nodes["value"].tolist()),
    )


def _bits(words: Sequence[int]) -> tuple[int, ...]:
    """The places of the bits that are set, 32 in each word, the lowest first."""
    return tuple(32 * at + bit for at, word in enumerate(words) for bit in range(32) if int(word) >> bit & 1)


def _is_text(values: Column | Sequence[str]) -> bool:
    return np.asarray(values).dtype.kind in "OUS"


def _numbers(name: str, values: Column | Sequence[str], levels: Mapping[str, tuple[str, ...]]) -> Floats:
    """A column as numbers: of texts the places of their categories."""
    if name not in levels:
        known = np.asarray(values, dtype=np.float64)
        return known if np.isnan(known).any() else column(name, known)
    place = {level: float(at) for at, level in enumerate(levels[name])}
    return np.array([place.get(str(one), np.nan) for one in values])
