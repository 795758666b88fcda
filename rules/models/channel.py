"""Preferred channel: on which of several channels a person answers most of what they are sent.

For each channel the points of `rules.models.engagement` by delivery, both faded; each rate is held near the
usual one of its channel, so that one answered message of two makes no favourite. A channel on which somebody
was sent nothing lately has no rate there (no data), not a low one; where they unsubscribed, complained or
bounced, it is not scorable and never preferred, however keenly they answered before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Bools, Floats, InputError, Ints, same_length
from rules.models.engagement import Status, rates, usual_rate

PRIOR_DELIVERIES = 20.0
"""So many fresh deliveries more, answered as usual, are added to each person's on each channel. Where the
rates of people have a mean of 3 % and a standard deviation of as much, their beta distribution weighs as many
as 31 (a + b); with 10 and 8 %, 13."""
NOTHING = -1
"""No channel is preferred."""
_DIGITS = 12
"""Rates that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One channel, row by row of people: points and deliveries, both faded. out: who must not be written to
    on it. only_opens: of whom nothing is known but that a machine may have opened something."""

    points: Floats
    exposure: Floats
    out: Bools
    only_opens: Bools


@dataclass(frozen=True, slots=True)
class Preferred:
    """rate: (channels, people), NaN where there is none. choice: the place of the channel, or `NOTHING`.
    usual: by channel, of all who have a rate on it. status: by person; see `Status`."""

    rate: Floats
    choice: Ints
    usual: tuple[float, ...]
    status: tuple[Status, ...]


def preferred(channels: Sequence[Answers], *, usual: Sequence[float] | None = None) -> Preferred:
    """The channel with the highest rate of each person; of equals the first. `usual`: if known already.

    A person is scored with a rate on any channel, not scorable where they must not be written to on any, and
    else without data. InputError without a channel.
    """
    if not channels:
        raise InputError("channels: at least one is needed")
    people = same_length(**{f"exposure[{place}]": one.exposure for place, one in enumerate(channels)})
    able = [~one.out & ~one.only_opens for one in channels]
    known = tuple(usual) if usual is not None else tuple(map(_usual, channels, able))
    rate = np.array(
        [
            rates(one.points, one.exposure, able=can, usual=each, prior=PRIOR_DELIVERIES)
            for one, can, each in zip(channels, able, known, strict=True)
        ]
    ).reshape(len(channels), people)
    scored = np.isfinite(rate)
    best = np.where(scored, np.round(rate, _DIGITS), -np.inf).argmax(axis=0)
    some = scored.any(axis=0)
    shut = np.logical_and.reduce([one.out for one in channels])
    status = np.select([some, shut], [Status.SCORED.value, Status.NOT_SCORABLE.value], Status.NO_DATA.value)
    return Preferred(
        rate, np.where(some, best, NOTHING), known, tuple(Status(each) for each in status.tolist())
    )


def _usual(of: Answers, able: Bools) -> float:
    """Of everybody who can have a rate."""
    has = np.isfinite(rates(of.points, of.exposure, able=able, usual=0.0))
    return usual_rate(of.points[has], of.exposure[has])
