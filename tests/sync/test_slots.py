"""Slots: both days of the summer time, steps, jitter, blackout hours; each instant once and in order."""

from __future__ import annotations

import datetime as dt
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.config import Blackout, ScheduleSettings
from sync.slots import blackout_end, due_at, next_due, passed, slots

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = dt.date(2026, 3, 29), dt.date(2026, 10, 25)


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


def of_day(schedule: ScheduleSettings, day: dt.date) -> list[dt.datetime]:
    """The day's slots, by the clock of the schedule's zone."""
    zone = ZoneInfo(schedule.zone)
    start = dt.datetime.combine(day, dt.time(), tzinfo=zone).astimezone(dt.UTC)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=zone).astimezone(dt.UTC)
    found = islice(slots(schedule, after=start - dt.timedelta(seconds=1)), 200)
    return [slot.astimezone(zone) for slot in found if slot < end]


def cron(text: str, **more: object) -> ScheduleSettings:
    return ScheduleSettings("s", cron=text, zone=BERLIN, **more)  # type: ignore[arg-type]


def test_a_daily_time_in_the_gap_comes_once_right_after_it() -> None:
    assert [f"{slot:%H:%M}" for slot in of_day(cron("30 2 * * *"), SPRING)] == ["03:00"]


def test_a_daily_time_that_exists_twice_comes_once() -> None:
    (slot,) = of_day(cron("30 2 * * *"), AUTUMN)
    assert slot.astimezone(dt.UTC) == utc(2026, 10, 25, 0, 30)
    assert next_due(cron("30 2 * * *"), after=utc(2026, 10, 25, 1, 10)).slot == utc(2026, 10, 26, 1, 30)  # type: ignore[union-attr]


@pytest.mark.parametrize(("day", "count"), [(SPRING, 46), (AUTUMN, 50), (dt.date(2026, 6, 1), 48)])
def test_half_hours_go_on_through_both_days(day: dt.date, count: int) -> None:
    found = of_day(cron("*/30 * * * *"), day)
    assert len(found) == count
    gaps = {(b.astimezone(dt.UTC) - a.astimezone(dt.UTC)).seconds for a, b in pairwise(found)}
    assert gaps == {1800}


def test_every_counts_from_midnight_utc_whatever_the_zone() -> None:
    six_hours = ScheduleSettings("s", every_s=6 * 3600, zone=BERLIN)
    assert [slot.hour for slot in islice(slots(six_hours, after=utc(2026, 10, 24, 23)), 5)] == [
        0,
        6,
        12,
        18,
        0,
    ]
    assert next_due(six_hours, after=utc(2026, 1, 1, 6)).slot == utc(2026, 1, 1, 12)  # type: ignore[union-attr]


def test_slots_in_blackout_hours_move_to_their_end_and_become_one() -> None:
    quiet = ScheduleSettings("s", every_s=3600, zone=BERLIN, blackout=(Blackout(22 * 60, 6 * 60 + 30),))
    shown = [f"{slot:%d %H:%M}" for slot in of_day(quiet, dt.date(2026, 6, 1))]
    assert shown[0] == "01 06:30"
    assert shown[1:] == [f"01 {hour:02d}:00" for hour in range(7, 22)]


def test_blackout_hours_that_touch_are_one() -> None:
    quiet = cron("0 23 * * *", blackout=(Blackout(22 * 60, 60), Blackout(60, 120)))
    assert blackout_end(quiet, utc(2026, 6, 1, 21)) == utc(2026, 6, 2, 0)
    assert [f"{slot:%H:%M}" for slot in of_day(quiet, dt.date(2026, 6, 2))] == ["02:00"]


def test_jitter_is_the_same_for_everybody_and_spreads() -> None:
    one = ScheduleSettings("s", every_s=60, jitter_s=600)
    starts = list(islice(slots(one, after=utc(2026, 1, 1)), 300))
    waits = [(due_at(one, slot).at - slot).total_seconds() for slot in starts]
    assert waits == [(due_at(one, slot).at - slot).total_seconds() for slot in starts]
    assert 0 <= min(waits) < 60
    assert 540 < max(waits) <= 600
    assert 250 < sum(waits) / len(waits) < 350
    other = ScheduleSettings("t", every_s=60, jitter_s=600)
    assert waits != [(due_at(other, slot).at - slot).total_seconds() for slot in starts]


def test_jitter_never_leads_into_blackout_hours() -> None:
    one = ScheduleSettings("s", every_s=60, jitter_s=3600, blackout=(Blackout(22 * 60, 6 * 60),))
    for slot in islice(slots(one, after=utc(2026, 1, 1, 20)), 200):
        at = due_at(one, slot).at
        assert blackout_end(one, at) == at


def test_passed_slots_are_counted_up_to_now() -> None:
    quarter = ScheduleSettings("s", every_s=900)
    found = passed(quarter, first=utc(2026, 1, 1, 0), now=utc(2026, 1, 1, 3, 7))
    assert (found.count, found.last) == (13, utc(2026, 1, 1, 3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    text=st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 */3 * * *", "15,45 1-3 * * *", "0 0 * * SUN"]),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"]),
    minutes=st.integers(0, 500_000),
    hours=st.tuples(st.integers(0, 1439), st.integers(0, 1439)),
)
def test_slots_grow_lie_outside_blackout_hours_and_depend_on_no_starting_point(
    text: str, zone: str, minutes: int, hours: tuple[int, int]
) -> None:
    """Whoever begins to count later finds the same slots: processes need not agree on when they started."""
    blackout = (Blackout(*hours),) if hours[0] != hours[1] else ()
    one = ScheduleSettings("s", cron=text, zone=zone, blackout=blackout)
    begin = utc(2026, 1, 1) + dt.timedelta(minutes=minutes)
    found = list(islice(slots(one, after=begin), 12))
    assert all(a < b for a, b in zip([begin, *found], found, strict=False))
    assert all(blackout_end(one, slot) == slot for slot in found)
    for number, slot in enumerate(found[:4]):
        assert list(islice(slots(one, after=slot), 4)) == found[number + 1 : number + 5]
