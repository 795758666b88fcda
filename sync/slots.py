"""When a schedule is due: slots as instants in UTC, found by calculation alone. Knows no store and no clock.

A slot is the moment that names a run; what is due at it may start a little later, by the schedule's jitter,
which is the same for everybody who calculates it. A slot within blackout hours moves to their end, so that
several of them become one. Summer time follows Debian's cron: a daily time that does not exist comes right
after the gap, one that exists twice comes once, and steps such as `*/30` go on through both.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cronsim import CronSim

from sync.config.timing import ScheduleSettings

_TOO_MANY = 100_000
"""Slots that were missed are counted up to here; who was away for longer is not told the exact number."""


@dataclass(frozen=True, slots=True)
class Due:
    """`slot` names the run, `at` is when it may start: `slot` and its jitter."""

    slot: dt.datetime
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Passed:
    """Slots from the one waited for until now: how many, and the last of them."""

    count: int
    last: dt.datetime


def next_due(schedule: ScheduleSettings, *, after: dt.datetime) -> Due | None:
    """The first slot later than `after`; None if there is none, as for what follows something else."""
    slot = next(slots(schedule, after=after), None)
    return None if slot is None else due_at(schedule, slot)


def due_at(schedule: ScheduleSettings, slot: dt.datetime) -> Due:
    """The slot with its jitter; jitter never leads into blackout hours."""
    at = slot + dt.timedelta(seconds=_jitter_s(schedule, slot))
    return Due(slot, slot if blackout_end(schedule, at) != at else at)


def passed(schedule: ScheduleSettings, *, first: dt.datetime, now: dt.datetime) -> Passed:
    """The slots from `first` (which is one) until `now`, those included whose jitter is not over yet."""
    count, last = 1, first
    for slot in slots(schedule, after=first):
        if slot > now or count == _TOO_MANY:
            break
        count, last = count + 1, slot
    return Passed(count, last)


def slots(schedule: ScheduleSettings, *, after: dt.datetime) -> Iterator[dt.datetime]:
    """All slots later than `after`, in order, each once."""
    last = after
    # A slot that was moved out of blackout hours may stem from a time before `after`.
    for raw in _raw(schedule, after=after - dt.timedelta(days=1) if schedule.blackout else after):
        slot = blackout_end(schedule, raw)
        if slot > last:
            last = slot
            yield slot


def blackout_end(schedule: ScheduleSettings, at: dt.datetime) -> dt.datetime:
    """`at` itself, or the end of the blackout hours it lies in, in UTC."""
    zone = ZoneInfo(schedule.zone)
    for _ in range(len(schedule.blackout) + 1):  # the end of one may lie in another
        local = at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        hit = next((one for one in schedule.blackout if one.has(minute)), None)
        if hit is None:
            break
        days = 1 if minute >= hit.start and hit.end <= hit.start else 0
        end = dt.datetime.combine(
            local.date() + dt.timedelta(days=days), dt.time(hit.end // 60, hit.end % 60), tzinfo=zone
        )
        if end.astimezone(dt.UTC) <= at:  # it exists twice, and this is the second one
            end = end.replace(fold=1)
        at = end.astimezone(dt.UTC)
    return at


def _raw(schedule: ScheduleSettings, *, after: dt.datetime) -> Iterator[dt.datetime]:
    """Slots by the calendar alone, in order; an instant may come twice.

    In the second of two equal hours cronsim begins with the times of the first one, which are over.
    """
    if schedule.every_s is not None:
        number = int(after.timestamp()) // schedule.every_s + 1
        while True:
            yield dt.datetime.fromtimestamp(number * schedule.every_s, dt.UTC)
            number += 1
    if schedule.cron is not None:
        local = after.astimezone(ZoneInfo(schedule.zone))
        for found in CronSim(schedule.cron, local):
            yield found.astimezone(dt.UTC)


def _jitter_s(schedule: ScheduleSettings, slot: dt.datetime) -> float:
    if not schedule.jitter_s:
        return 0.0
    digest = hashlib.sha256(f"{schedule.name} {slot.timestamp():.0f}".encode()).digest()
    return int(int.from_bytes(digest[:8], "big") / 2**64 * schedule.jitter_s * 1000) / 1000
