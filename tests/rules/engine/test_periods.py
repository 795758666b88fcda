"""Periods as ranges of whole numbers, against slower ways to say the same."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine.periods import Clock, Range, date_of, days, microseconds, resolve, returning, window
from rules.ir import Ago, Between, Calendar, CalendarUnit, Ever, Last, Next, Unit
from rules.vocabulary import Type

BERLIN = ZoneInfo("Europe/Berlin")
AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
CLOCK = Clock(AS_OF, "Europe/Berlin")
INSTANTS = st.integers(5 * 365, 75 * 365 * 24).map(  # hours, of the years 1970 to 2044
    lambda hours: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours, minutes=hours % 60)
)


def local(year: int, month: int, day: int, hour: int = 0) -> int:
    return microseconds(dt.datetime(year, month, day, hour, tzinfo=BERLIN))


@pytest.mark.parametrize(
    ("unit", "shift", "start", "end"),
    [
        (CalendarUnit.DAY, 0, (2026, 3, 2), (2026, 3, 3)),
        (CalendarUnit.DAY, -1, (2026, 3, 1), (2026, 3, 2)),
        (CalendarUnit.WEEK, 0, (2026, 3, 2), (2026, 3, 9)),
        (CalendarUnit.WEEK, -1, (2026, 2, 23), (2026, 3, 2)),
        (CalendarUnit.MONTH, 1, (2026, 4, 1), (2026, 5, 1)),
        (CalendarUnit.QUARTER, -1, (2025, 10, 1), (2026, 1, 1)),
        (CalendarUnit.QUARTER, 0, (2026, 1, 1), (2026, 4, 1)),
        (CalendarUnit.YEAR, 0, (2026, 1, 1), (2027, 1, 1)),
    ],
)
def test_calendar_units(
    unit: CalendarUnit, shift: int, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    period = Calendar(unit, shift)
    assert resolve(period, CLOCK, Type.DATE) == Range(days(dt.date(*start)), days(dt.date(*end)))
    assert resolve(period, CLOCK, Type.DATETIME) == Range(local(*start), local(*end))


def test_a_day_of_the_change_to_summer_time_has_23_hours() -> None:
    clock = Clock(dt.datetime(2025, 3, 30, 12, tzinfo=dt.UTC), "Europe/Berlin")
    found = resolve(Calendar(CalendarUnit.DAY, 0), clock, Type.DATETIME)
    assert found.start is not None
    assert found.end is not None
    assert found.end - found.start == 23 * 3_600_000_000


def test_ago_excludes_the_far_edge_and_includes_the_near_one() -> None:
    found = resolve(Ago(3, 10, Unit.DAY), CLOCK, Type.DATETIME)
    assert microseconds(AS_OF - dt.timedelta(days=10)) not in found
    assert microseconds(AS_OF - dt.timedelta(days=3)) in found


def test_a_window_of_activity_ends_with_as_of() -> None:
    for period in (Ever(), Between(None, None), Calendar(CalendarUnit.YEAR, 0), Next(3, Unit.DAY)):
        assert window(period, CLOCK).end == CLOCK.now + 1
    assert CLOCK.now in window(Ever(), CLOCK)


def test_bounds_beyond_the_calendar_are_open() -> None:
    assert resolve(Last(3000, Unit.YEAR), CLOCK, Type.DATETIME).start is None
    assert resolve(Next(9000, Unit.YEAR), CLOCK, Type.DATE).end is None
    assert resolve(Last(10**9, Unit.DAY), CLOCK, Type.DATE).start == CLOCK.today - 10**9 + 1


def test_a_local_time_that_was_skipped_or_came_twice_still_has_its_instant() -> None:
    skipped = Clock(dt.datetime(2025, 4, 30, 0, 30, tzinfo=dt.UTC), "Europe/Berlin")  # half past two
    found = resolve(Last(1, Unit.MONTH), skipped, Type.DATETIME)
    assert found.start == microseconds(dt.datetime(2025, 3, 30, 1, 30, tzinfo=dt.UTC)) + 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(INSTANTS, st.integers(1, 500))
def test_rolling_days_on_dates_count_whole_days_up_to_today(as_of: dt.datetime, n: int) -> None:
    clock, today = Clock(as_of, "Europe/Berlin"), as_of.astimezone(BERLIN).date()
    found = resolve(Last(n, Unit.DAY), clock, Type.DATE)
    for ago in (0, 1, n - 1, n, n + 1, -1):
        assert (days(today - dt.timedelta(days=ago)) in found) == (0 <= ago < n)


@pytest.mark.means("`months` in a rolling window are calendar months clamped to the month's last day.")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(INSTANTS, st.integers(1, 40))
def test_rolling_months_start_at_the_same_wall_clock(as_of: dt.datetime, n: int) -> None:
    start = resolve(Last(n, Unit.MONTH), Clock(as_of, "Europe/Berlin"), Type.DATETIME).start
    assert start is not None
    now = as_of.astimezone(BERLIN)
    then = (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=start - 1)).astimezone(BERLIN)
    months = now.year * 12 + now.month - (then.year * 12 + then.month)
    assert months == n
    assert then.day == now.day or (then.day < now.day and (then + dt.timedelta(days=1)).day == 1)
    assert (now.replace(tzinfo=None) - then.replace(tzinfo=None)).seconds in (
        0,
        23 * 3600,
    )  # 23 h: a skipped hour


@pytest.mark.means("29 February has its anniversary on 28 February in other years.")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(INSTANTS, st.integers(1, 60), st.dates(dt.date(1930, 1, 1), dt.date(2020, 1, 1)))
def test_an_anniversary_is_the_date_itself_in_another_year(as_of: dt.datetime, n: int, born: dt.date) -> None:
    clock = Clock(as_of, "Europe/Berlin")
    today = date_of(clock.today)

    def in_year(year: int) -> dt.date:
        try:
            return born.replace(year=year)
        except ValueError:
            return dt.date(year, 2, 28)

    expected = any(0 <= (in_year(today.year + k) - today).days < n for k in (0, 1))
    assert (born.month * 100 + born.day in returning(Next(n, Unit.DAY), clock)) == expected
