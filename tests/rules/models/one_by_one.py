"""Lifecycle, one person at a time."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from rules.models.lifecycle import Limits, State


def one_by_one(days: list[int], of: Limits, as_of: int) -> State:
    """The state of one person as the sentences say, in plain Python."""

    def own(known: list[int]) -> tuple[int, int]:
        between = sorted(b - a for a, b in pairwise(known))
        if len(known) < 4:
            return of.at_risk, of.lapsed
        return min(of.at_risk, between[ceil(len(between) * 4 / 5) - 1]), min(of.lapsed, between[-1])

    known = sorted({day for day in days if day <= as_of})
    if not known:
        return State.PROSPECT
    if as_of - known[0] <= 30:
        return State.NEW
    at_risk, lapsed = own(known)
    waiting = as_of - known[-1]
    if waiting > lapsed:
        return State.LAPSED
    if waiting > at_risk:
        return State.AT_RISK
    if len(known) > 1 and known[-1] - known[-2] > own(known[:-1])[1]:
        return State.REACTIVATED
    return State.ACTIVE
