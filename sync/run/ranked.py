"""Segments ranked by how attractive they are: what knocks one out, the criteria, and their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rules.models.columns import InputError
from rules.models.worth.attractiveness import Attraction, attractiveness, shares
from rules.models.worth.overlaps import TWINS, Overlap
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.quality.trust import Badge
from sync.run.worth import Worth

LEAST_REACH = 0.10
RETENTION_DAYS = 90
WEIGHTS: Mapping[str, float] = {
    "revenue_per_person": 0.25,
    "size": 0.15,
    "retention": 0.15,
    "clv": 0.15,
    "growth": 0.10,
    "engagement": 0.10,
    "reach": 0.10,
}
"""Of the criteria, unless others are given; a judgement, which is why they are shown."""

_CRITERIA: Mapping[str, Callable[[Worth], float | None]] = {
    "revenue_per_person": lambda one: one.revenue_per_person,
    "size": lambda one: one.size,
    "retention": lambda one: one.retention.get(RETENTION_DAYS),
    "clv": lambda one: None if one.clv is None else one.clv.total / one.size,
    "growth": lambda one: None if one.growth is None else one.growth.rate,
    "engagement": lambda one: None if one.engagement is None else one.engagement.mean,
    "reach": lambda one: one.reach,
}


def weights_of(given: Mapping[str, float]) -> dict[str, float]:
    """The usual weights with the given ones in their place; UserError for a criterion there is not."""
    for name in given:
        if name not in WEIGHTS:
            near = did_you_mean(name, WEIGHTS) or f"; there are {', '.join(WEIGHTS)}"
            raise UserError(f"there is no criterion {name}{near}")
        if not 0 <= given[name] < math.inf:
            raise UserError(f"--weight {name}={given[name]:g}: give a number of 0 or more, such as 0.3")
    weights = {**WEIGHTS, **given}
    try:
        shares(weights)
    except InputError as error:
        raise UserError(str(error)) from None
    return weights


def knocked_out(one: Worth, *, smallest: int) -> tuple[str, ...]:
    """Why a segment is not ranked, however good its numbers are."""
    found = []
    if one.size < smallest:
        found.append(f"not substantial: fewer than {smallest:,} people")
    if one.reach < LEAST_REACH:
        found.append(f"not accessible: {one.reach:.0%} can be mailed")
    if one.badge == Badge.UNTRUSTED.value:
        found.append(f"not measurable: {one.faulty:.0%} rest on faulty data")
    return tuple(found)


def without_twins(worth: Sequence[Worth], flagged: Sequence[Overlap]) -> list[Worth]:
    """The same with what is a twin of a larger one that is ranked (or of as large a one) knocked out: to rank
    the same people twice tells nothing, and moves the ranks of the others."""
    pairs = {
        pair
        for one in flagged
        if one.jaccard >= TWINS
        for pair in ((one.smaller, one.larger), (one.larger, one.smaller))
    }
    left: list[str] = []
    twin: dict[str, str] = {}
    for one in sorted(worth, key=lambda one: (-one.size, one.segment)):
        if not one.knocked_out:
            other = next((name for name in left if (name, one.segment) in pairs), None)
            if other is None:
                left.append(one.segment)
            else:
                twin[one.segment] = other
    return [
        replace(one, knocked_out=(f"not differentiable: a twin of {twin[one.segment]}",))
        if one.segment in twin
        else one
        for one in worth
    ]


def ranked(worth: Sequence[Worth], weights: Mapping[str, float]) -> tuple[dict[str, float], list[Attraction]]:
    """The weights that were used, as shares, and the ranking of those that nothing knocks out.

    A criterion that was measured of no segment is left out. Where it was not measured of one, that one counts
    as 0: nobody ordered, nothing grew, nobody was sent anything.
    """
    left = [one for one in worth if not one.knocked_out]
    measured = {
        name: {one.segment: value(one) for one in left}
        for name, value in _CRITERIA.items()
        if weights[name] > 0
    }
    criteria = {
        name: {segment: value or 0.0 for segment, value in values.items()}
        for name, values in measured.items()
        if any(value is not None for value in values.values())
    }
    if not criteria:
        return {}, []
    used = shares({name: weights[name] for name in criteria})
    return used, attractiveness(criteria, used)
