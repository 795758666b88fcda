"""Retention: how many orders are followed by another of the same person within so many days.

By the product-limit estimate over gaps, as lifecycle's limits: who ordered yesterday and waits counts as
waiting since yesterday, not as gone (Kaplan, Meier 1958). Read off, never extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyroaring import BitMap

from rules.models.lifecycle import Gaps, open_after

DAYS = (30, 90, 365)


def retention(of: Gaps, *, days: Sequence[int] = DAYS) -> dict[int, float | None]:
    """Days → the share of gaps that close within them; None where no gap was watched for so long."""
    if not len(of.days):
        return dict.fromkeys(days)
    longest = int(of.days.max())
    at, still = open_after(of)
    found: dict[int, float | None] = {}
    for limit in days:
        seen = int(np.searchsorted(at, limit, side="right"))
        closed = 1 - float(still[seen - 1]) if seen else 0.0
        found[limit] = closed if longest >= limit else None
    return found


def of_members(of: Gaps, members: BitMap) -> Gaps:
    """The gaps of these people alone."""
    inside = np.zeros(1 + int(of.person.max(initial=0)), np.bool_)
    numbers = np.asarray(members.to_array(), np.int64)
    inside[numbers[numbers < len(inside)]] = True
    theirs = np.flatnonzero(inside[of.person])
    return Gaps(of.days[theirs], of.closed[theirs], of.person[theirs])
