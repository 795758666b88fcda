"""When to send: the hour of a person's own day at which letters to them are clicked most.

A single person's clicks are far too few for 24 rates: the hour with the best raw rate does worse than the one
best hour of everybody. So counts are smoothed around the clock, and each person's rates are held near those
of the group, as if some more letters had been clicked as the group does; a group's near those of the store.
Hours at which hardly anything was sent are never chosen: nothing is known of them. What was sent when was
chosen by someone, so rates by hour are like for like only as far as sends were spread over the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Bools, Floats, InputError, Ints, Notice, Severity
from rules.models.paired import Tally

HOURS = 24
WIDTH_HOURS = 1.5
"""One standard deviation of the bell that neighbouring hours are weighed by."""
PRIOR_SENDS = 60.0
"""So many smoothed deliveries more, clicked as is usual, are added to every hour of a person or group."""
TRIED_SHARE = 0.01
"""An hour with less of all deliveries was hardly tried; evenly spread, each has 0.042."""
MOST_SHARE, SPREAD_HOURS = 0.95, 12
"""Deliveries are spread if it takes so many hours to hold so many of them."""
_DIGITS = 12
"""Rates that differ by less are equal: sums of the same numbers differ so by the order they are added in."""


def _kernel() -> Floats:
    apart = np.abs(np.arange(HOURS)[:, None] - np.arange(HOURS)[None, :])
    around = np.minimum(apart, HOURS - apart)
    return np.asarray(np.exp(-0.5 * (around / WIDTH_HOURS) ** 2), dtype=np.float64)


KERNEL: Floats = _kernel()


@dataclass(frozen=True, slots=True)
class Counts:
    """(…, 24): deliveries by the hour they were made at, and how many of these were clicked."""

    sends: Floats
    clicks: Floats

    def __post_init__(self) -> None:
        for name, values in (("sends", self.sends), ("clicks", self.clicks)):
            if values.shape[-1:] != (HOURS,):
                raise InputError(f"{name}: 24 counts are needed, one for each hour, not {values.shape}")
        if (self.clicks > self.sends).any() or (self.clicks < 0).any():
            raise InputError("clicks: 0 to as many as were sent are needed; count each delivery once")

    def total(self) -> Counts:
        """Of all rows together, (24,)."""
        return Counts(self.sends.reshape(-1, HOURS).sum(axis=0), self.clicks.reshape(-1, HOURS).sum(axis=0))


def counts(person: Ints, hour: Ints, clicked: Bools, *, people: int) -> Counts:
    """(people, 24) of deliveries, one row each in any order. person: 0 to people − 1; hour: 0 to 23."""
    place, size = person * HOURS + hour, people * HOURS

    def tally(of: Ints) -> Floats:
        return np.bincount(of, minlength=size).astype(np.float64).reshape(people, HOURS)

    return Counts(tally(place), tally(place[clicked]))


def rates(of: Counts, usual: Floats | float) -> Floats:
    """(…, 24): how likely a delivery at each hour is clicked. usual: the same of the group around them."""
    return (of.clicks @ KERNEL + PRIOR_SENDS * usual) / (of.sends @ KERNEL + PRIOR_SENDS)


def best_hour(of: Floats, tried: Bools) -> Ints:
    """The hour with the highest rate, of those that were tried; of equals the first of the day."""
    return np.asarray(np.where(tried, np.round(of, _DIGITS), -np.inf).argmax(axis=-1), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Usual:
    """store, groups: rates by hour (24,). tried: the hours that may be chosen."""

    store: Floats
    groups: Mapping[str, Floats]
    tried: Bools

    @property
    def store_hour(self) -> int:
        """The best for everybody."""
        return int(best_hour(self.store, self.tried))

    def of(self, group: str) -> Floats:
        """The rates of a group; the store's for one that is not known."""
        return self.groups.get(group, self.store)

    def group_hours(self) -> dict[str, int]:
        """The best of each group."""
        return {name: int(best_hour(found, self.tried)) for name, found in self.groups.items()}


def fit(groups: Mapping[str, Counts], *, least_sends: float = 0) -> Usual:
    """From what was sent to whom in which group (each (24,)). Groups with fewer deliveries than `least_sends`
    and the one without a name go by the store's hours. InputError where nothing was sent."""
    names = sorted(groups)
    sends = np.array([groups[name].sends for name in names]).reshape(-1, HOURS)
    clicks = np.array([groups[name].clicks for name in names]).reshape(-1, HOURS)
    everything = Counts(sends, clicks).total()
    sent = float(everything.sends.sum())
    if not sent:
        raise InputError("nothing was sent, so no hour is known to be better than another")
    store = rates(everything, float(everything.clicks.sum()) / sent)
    return Usual(
        store,
        {
            name: rates(groups[name], store)
            for name in names
            if name and groups[name].sends.sum() >= least_sends
        },
        everything.sends >= TRIED_SHARE * sent,
    )


def around(of: Counts, hour: Ints) -> Tally:
    """By row, what was sent within an hour of each row's `hour`, and how much of it was clicked."""
    near = (hour[:, None] + np.array([-1, 0, 1])) % HOURS
    return Tally(
        np.take_along_axis(of.sends, near, axis=1).sum(axis=1),
        np.take_along_axis(of.clicks, near, axis=1).sum(axis=1),
    )


def not_spread(sends: Floats) -> tuple[Notice, ...]:
    """Of deliveries by hour (24,): a warning where nearly all fall into few hours."""
    sent = float(sends.sum())
    shares = np.cumsum(np.sort(sends)[::-1]) / sent
    hours = int(np.searchsorted(shares, MOST_SHARE) + 1)
    if hours >= SPREAD_HOURS:
        return ()
    share = float(shares[hours - 1])
    tried = "never" if share >= 1 else "hardly"
    message = f"{share:.1%} of sends fall in {hours} hours; the other hours were {tried} tried."
    evidence = {"share": share, "hours": hours}
    return (Notice("sendtime.not_spread", Severity.WARNING, message, evidence),)
