"""When audiences are wanted, and whether the calls of a plan will be done by then. Pure."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping

from sync.audience import AudienceInput


def next_at(by: dt.time, *, zone: str, after: dt.datetime) -> dt.datetime:
    """The first instant not before `after` at which clocks in `zone` show `by`; aware UTC.

    A time that a change of clocks skips is taken as the same distance from midnight.
    """
    here = zoneinfo.ZoneInfo(zone)
    day = after.astimezone(here).date()
    for later in (0, 1):
        local = dt.datetime.combine(day + dt.timedelta(days=later), by, tzinfo=here)
        if (instant := local.astimezone(dt.UTC)) >= after:
            return instant
    return dt.datetime.combine(day + dt.timedelta(days=2), by, tzinfo=here).astimezone(dt.UTC)


def soonest(dues: Iterable[dt.datetime | None]) -> dt.datetime | None:
    """The earliest of those that say when; None if none does."""
    return min((due for due in dues if due is not None), default=None)


def order(due: dt.datetime | None) -> tuple[bool, dt.datetime]:
    """Sorts what is wanted soonest to the front, and what is wanted at no time to the end."""
    return due is None, due or dt.datetime.max.replace(tzinfo=dt.UTC)


def late(
    audiences: Iterable[AudienceInput], ready_s: Mapping[int, float], *, start: dt.datetime, zone: str
) -> Iterator[str]:
    """A sentence for each audience whose changes take longer than until they are wanted.

    `ready_s`: our id of an audience (or of the field that carries it) → seconds from `start` to its end.
    """
    here = zoneinfo.ZoneInfo(zone)
    for one in audiences:
        seconds = ready_s.get(one.audience if one.carrier is None else one.carrier)
        if one.due is None or seconds is None:
            continue
        ready = start + dt.timedelta(seconds=seconds)
        if ready > one.due:
            wanted, done = (moment.astimezone(here) for moment in (one.due, ready))
            yield (
                f"{one.segment} → {one.connection} is wanted by {wanted:%H:%M} and will be done about "
                f"{done:%H:%M:%S} if it is sent at once: plan it earlier"
            )
