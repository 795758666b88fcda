"""How much segments explain of what people bought and of what they will be worth, for `segsync evaluate`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pyroaring import BitMap

from rules.models.columns import Floats, Notice
from rules.models.worth.variance import explained, together, told_explained
from sync.run.measured import Column, of_members

REVENUE, CLV = "revenue", "clv"
TOGETHER = ""
"""Stands for all segments, in place of a group."""


def explains(
    members: Mapping[str, BitMap], everybody: BitMap, revenue: Floats, clv: Column | None, *, days: int
) -> tuple[dict[str, dict[str, float]], list[Notice]]:
    """Outcome → group of segments (or TOGETHER) → the share of its variance that they explain; and which are
    little. `revenue`: of the last `days`, by number of person."""
    person = np.asarray(everybody.to_array(), np.int64)
    asked = [(REVENUE, f"revenue per person in the last {days} days", Column(person, revenue[person]))]
    if clv is not None:
        asked.append((CLV, "lifetime value", clv))
    found: dict[str, dict[str, float]] = {}
    notices: list[Notice] = []
    for name, words, outcome in asked:
        by_group = explained(members, {one: of_members(outcome, some) for one, some in members.items()})
        at_once = together(members, outcome.person, outcome.value)
        notices += told_explained(by_group, at_once, words)
        found[name] = by_group if at_once is None else {**by_group, TOGETHER: at_once}
    return found, notices
