"""Which hour of people's own days an instant was, by their time zones' rules, daylight saving included."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from rules.models.columns import Ints

DAY_S, HOUR_S, HOURS = 86_400, 3_600, 24
EARLIEST = 1900
"""Years before go by this one's rules: there are none of theirs, and year 1 is a date that was not set."""


@cache
def _names() -> Mapping[str, str]:
    return {name.casefold(): name for name in sorted(zoneinfo.available_timezones())}


def zone_of(text: str | None) -> str | None:
    """The name of the time zone that a platform writes (`Europe/Berlin`, `europe_slash_berlin`), None: no
    known one."""
    if text is None:
        return None
    written = text.strip().casefold().replace("_slash_", "/").replace(" ", "_")
    return _names().get(written)


def local_hours(at_s: Ints, zone: Ints, zones: Sequence[str]) -> Ints:
    """0 to 23 for each instant (seconds since 1970 in UTC). zone: which of `zones` the person lives in."""
    found = np.zeros(len(at_s), np.int64)
    if not len(at_s):
        return found
    years = max(_year(int(at_s.min())), EARLIEST), max(_year(int(at_s.max())), EARLIEST)
    for code in np.unique(zone).tolist():
        rows = np.flatnonzero(zone == code)
        starts, offsets = _offsets(zones[code], *years)
        of = offsets[np.maximum(np.searchsorted(starts, at_s[rows], side="right") - 1, 0)]
        found[rows] = (at_s[rows] + of) // HOUR_S % HOURS
    return found


def _year(at_s: int) -> int:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).year


@cache
def _offsets(zone: str, first: int, last: int) -> tuple[Ints, Ints]:
    """From which instant on local time is how many seconds ahead of UTC, in these years."""
    place = zoneinfo.ZoneInfo(zone)

    def offset(at_s: int) -> int:
        ahead = dt.datetime.fromtimestamp(at_s, place).utcoffset()
        return 0 if ahead is None else int(ahead.total_seconds())

    begin = int(dt.datetime(first, 1, 1, tzinfo=dt.UTC).timestamp())
    end = int(dt.datetime(last + 1, 1, 1, tzinfo=dt.UTC).timestamp())
    starts, offsets = [begin], [offset(begin)]
    for day in range(begin, end, DAY_S):
        after = offset(day + DAY_S)
        if after == offsets[-1]:
            continue
        low, high = day, day + DAY_S  # the change is above low, and at high at the latest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        starts.append(high)
        offsets.append(after)
    return np.array(starts, np.int64), np.array(offsets, np.int64)
