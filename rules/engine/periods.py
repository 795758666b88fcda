"""Periods as whole numbers: the one place where calendars, zones and `as_of` are worked out.

Instants are microseconds since 1970-01-01T00:00Z, dates are days since 1970-01-01. Every period becomes
a `Range` [start, end) of such integers, so that engines only ever compare integers and their own ideas of
calendars never matter. Rolling months and years are taken on the wall clock of the business zone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from rules.ir import (
    Ago,
    Between,
    Calendar,
    CalendarUnit,
    Ever,
    HeldSegment,
    Last,
    Next,
    Period,
    Unit,
    Within,
)
from rules.vocabulary import Type

DAY_US = 86_400_000_000
_HOURS = {Unit.HOUR: 1, Unit.DAY: 24, Unit.WEEK: 168}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}
_CALENDAR_MONTHS = {CalendarUnit.MONTH: 1, CalendarUnit.QUARTER: 3, CalendarUnit.YEAR: 12}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_EDGE = -(10**15) * 50  # some centuries before
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_FIRST_OFFSET, _LAST_OFFSET = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2050, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Range:
    """`start` <= x < `end` in microseconds or days; None is open."""

    start: int | None
    end: int | None

    def __contains__(self, x: int) -> bool:
        return (self.start is None or x >= self.start) and (self.end is None or x < self.end)


@dataclass(frozen=True, slots=True)
class Clock:
    """The one instant of an evaluation (aware) and the business zone (an IANA name)."""

    as_of: dt.datetime
    zone: str
    now: int = field(init=False, repr=False, compare=False)
    """`as_of` in microseconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "now", microseconds(self.as_of))  # refuses a naive one

    def __hash__(self) -> int:
        return self.now

    @property
    def today(self) -> int:
        """The business day of `as_of`, as a day number."""
        return _business_day(self.now, self.zone)


@lru_cache(maxsize=4096)
def _business_day(us: int, zone: str) -> int:
    return days(instant_of(us).astimezone(ZoneInfo(zone)).date())


def microseconds(instant: dt.datetime) -> int:
    """Microseconds since 1970 of an aware datetime; a naive one is a ValueError."""
    if instant.tzinfo is None:
        raise ValueError("a naive datetime has no place on the time line; give it a time zone")
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant_of(us: int) -> dt.datetime:
    """The instant of so many microseconds since 1970."""
    return _EPOCH + dt.timedelta(microseconds=us)


def days(date: dt.date) -> int:
    """Days since 1970-01-01."""
    return date.toordinal() - _EPOCH_DAY


def date_of(day: int) -> dt.date:
    """The date of a day number, clamped into the years 1 to 9999."""
    return dt.date.fromordinal(min(max(day + _EPOCH_DAY, 1), dt.date.max.toordinal()))


@lru_cache(maxsize=4096)
def resolve(period: Period, clock: Clock, type_: Type) -> Range:
    """The period as a range over values of `type_` (DATE: days; DATETIME: microseconds)."""
    dates = type_ is Type.DATE
    match period:
        case Ever():
            return Range(None, (clock.today if dates else clock.now) + 1)
        case Last(n, unit):
            return Range(_after(_shifted(clock, -n, unit, dates)), (clock.today if dates else clock.now) + 1)
        case Next(n, unit):
            return Range(clock.today if dates else clock.now, _shifted(clock, n, unit, dates))
        case Ago(n, m, unit):
            return Range(_after(_shifted(clock, -m, unit, dates)), _after(_shifted(clock, -n, unit, dates)))
        case Between(start, end):
            return Range(_bound(start, clock, dates), _bound(end, clock, dates))
        case Calendar(unit, shift):
            start, end = _calendar(clock, unit, shift), _calendar(clock, unit, shift + 1)
            return Range(_bound(start, clock, dates), _bound(end, clock, dates))


def edge_of(held: HeldSegment, clock: Clock) -> dt.datetime | None:
    """as_of − n·unit: at or before it a membership must have begun. None: before the calendar."""
    after = resolve(Last(held.n, held.unit), clock, Type.DATETIME).start
    if after is None or after < _FIRST_EDGE:
        return None
    return _EPOCH + dt.timedelta(microseconds=after - 1)


@lru_cache(maxsize=4096)
def window(period: Period, clock: Clock) -> Range:
    """The range of instants of activity that an aggregate counts: the period, never after `as_of`."""
    found = resolve(period, clock, Type.DATETIME)
    after_now = clock.now + 1
    return Range(found.start, after_now if found.end is None else min(found.end, after_now))


@lru_cache(maxsize=4096)
def wall_clock(date: dt.date, time: dt.time, zone: str) -> frozenset[int]:
    """The instants at which clocks in the zone show this, both of them where clocks go back."""
    every = (_instant(date, time, zone, fold=fold) for fold in (0, 1))
    return frozenset(found for found in every if found is not None)


def months_on(date: dt.date, n: int, unit: Unit) -> dt.date | None:
    """The date n months or years on, clamped; None beyond the calendar."""
    return _add_months(date, n * _MONTHS[unit])


def hours_of(n: int, unit: Unit) -> int | None:
    """The fixed length of n units in hours; None for months and years, which have none."""
    return n * _HOURS[unit] if unit in _HOURS else None


def calendar_start(clock: Clock, unit: CalendarUnit, shift: int) -> dt.date | None:
    """First day of the calendar unit `shift` units from the clock's."""
    return _calendar(clock, unit, shift)


def slices(period: Last, clock: Clock) -> list[Range]:
    """The n slices of `last n units`, latest first: instants of activity, never after `as_of`."""
    edges = [_after(_shifted(clock, -k, period.unit, False)) for k in range(period.n + 1)]
    return [Range(start, end) for end, start in pairwise(edges)]


def length_us(within: Within) -> int:
    """Microseconds of a fixed span."""
    return within.n * _HOURS[within.unit] * 3_600_000_000


def _after(edge: int | None) -> int | None:
    """An open lower edge (x > edge) as a closed one."""
    return None if edge is None else edge + 1


def _shifted(clock: Clock, n: int, unit: Unit, dates: bool) -> int | None:
    """`as_of` (or today) moved by n units; None beyond the calendar. For hours on dates, a date is its
    midnight: the bound is rounded so that comparing whole days gives the same answer."""
    if unit in _MONTHS:
        local = clock.as_of.astimezone(ZoneInfo(clock.zone))
        moved = _add_months(local.date(), n * _MONTHS[unit])
        if moved is None:
            return None
        return days(moved) if dates else _instant(moved, local.time(), clock.zone, fold=local.fold)
    hours = n * _HOURS[unit]
    if not dates:
        return clock.now + hours * 3_600_000_000
    return clock.today + (hours // 24 if hours < 0 else -(-hours // 24))


def _add_months(date: dt.date, months: int) -> dt.date | None:
    """The same day n months on, clamped to the month's last day; None outside the years 1 to 9999."""
    year, month0 = divmod(date.year * 12 + date.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    following = (
        dt.date(year + (month0 == 11), (month0 + 1) % 12 + 1, 1) if year < 9999 or month0 < 11 else None
    )
    last = 31 if following is None else (following - dt.timedelta(days=1)).day
    return dt.date(year, month0 + 1, min(date.day, last))


def _instant(date: dt.date, time: dt.time, zone: str, *, fold: int = 0) -> int | None:
    """A wall clock time in the zone; None where UTC leaves the calendar."""
    local = dt.datetime.combine(date, time.replace(tzinfo=None, fold=fold), tzinfo=ZoneInfo(zone))
    try:
        return microseconds(local.astimezone(dt.UTC))
    except OverflowError:
        return None


def _bound(bound: dt.date | dt.datetime | None, clock: Clock, dates: bool) -> int | None:
    """A written bound: a date is its midnight in the zone; for dates, an instant is the next midnight."""
    if bound is None:
        return None
    if isinstance(bound, dt.datetime):
        if not dates:
            return microseconds(bound)
        local = bound.astimezone(ZoneInfo(clock.zone))
        return days(local.date()) + (local.time() > dt.time())
    return days(bound) if dates else _instant(bound, dt.time(), clock.zone)


def _calendar(clock: Clock, unit: CalendarUnit, shift: int) -> dt.date | None:
    """First day of the calendar unit `shift` units from now; weeks start on Monday."""
    today = date_of(clock.today)
    if unit in _CALENDAR_MONTHS:
        step = _CALENDAR_MONTHS[unit]
        first = dt.date(today.year, (today.month - 1) // step * step + 1, 1)
        return _add_months(first, shift * step)
    first_day = clock.today - (today.weekday() if unit is CalendarUnit.WEEK else 0)
    ordinal = first_day + shift * (7 if unit is CalendarUnit.WEEK else 1) + _EPOCH_DAY
    return dt.date.fromordinal(ordinal) if 1 <= ordinal <= dt.date.max.toordinal() else None


# ── the business day of an instant, and yearly returns ──


def returning(period: Next | Last | Calendar, clock: Clock) -> frozenset[int]:
    """The days of a year (month × 100 + day) that return within the period. 29 February returns on
    28 February in years without one."""
    found = resolve(period, clock, Type.DATE)
    start = found.start if found.start is not None else clock.today - 366
    return _returning(start, min(found.end if found.end is not None else start + 366, start + 366))


@lru_cache(maxsize=1024)
def _returning(start: int, end: int) -> frozenset[int]:
    dates = [date_of(day) for day in range(start, end)]
    returns = {date.month * 100 + date.day for date in dates}
    short_years = any(d.month == 2 and d.day == 28 and not _is_leap(d.year) for d in dates)
    return frozenset(returns | {229}) if short_years else frozenset(returns)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def local_day(instant: int, zone: str) -> int:
    """The business day of an instant. Offsets before 1970 are those of 1970, after 2050 those of 2050."""
    probe = min(max(instant, microseconds(_FIRST_OFFSET)), microseconds(_LAST_OFFSET))
    offset = (_EPOCH + dt.timedelta(microseconds=probe)).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None  # noqa: S101 - an aware datetime in a ZoneInfo always has one
    return (instant + offset // dt.timedelta(microseconds=1)) // DAY_US


@lru_cache(maxsize=8)
def offsets(zone: str) -> tuple[tuple[int, int], ...]:
    """(from this instant on, microseconds ahead of UTC) for every change of the zone's offset between 1970
    and 2050, found by halving: engines then need no time zones of their own."""
    info, second = ZoneInfo(zone), dt.timedelta(seconds=1)

    def at(instant: dt.datetime) -> dt.timedelta:
        found = instant.astimezone(info).utcoffset()
        assert found is not None  # noqa: S101
        return found

    def change(instant: dt.datetime, offset: dt.timedelta) -> tuple[int, int]:
        return microseconds(instant), offset // dt.timedelta(microseconds=1)

    before, offset = _FIRST_OFFSET, at(_FIRST_OFFSET)
    changes = [change(before, offset)]
    while before < _LAST_OFFSET:
        after = before + dt.timedelta(days=1)
        if at(after) != offset:
            low, high = before, after
            while high - low > second:
                middle = low + (high - low) // 2 // second * second
                low, high = (middle, high) if at(middle) == offset else (low, middle)
            before, offset = high, at(high)
            changes.append(change(high, offset))
        else:
            before = after
    return tuple(changes)
