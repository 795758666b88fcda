"""Hours of people's own days, against `datetime` instant by instant."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from rules.models.local_hours import local_hours, zone_of

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "UTC",
]


def test_hours_are_those_of_the_zone_and_change_at_the_very_second() -> None:
    draw = np.random.default_rng(5)
    begin, end = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) for year in (2024, 2027))
    change = int(dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC).timestamp())  # Europe's summer begins
    at = np.concatenate([draw.integers(begin, end, 3000), np.arange(change - 3, change + 3), [begin, end]])
    zone = draw.integers(0, len(ZONES), len(at))
    zone[3000:3006] = 0
    expected = [
        dt.datetime.fromtimestamp(second, ZoneInfo(ZONES[code])).hour
        for second, code in zip(at.tolist(), zone.tolist(), strict=True)
    ]
    assert local_hours(at, zone, ZONES).tolist() == expected
    assert local_hours(at[3000:3006], zone[3000:3006], ZONES).tolist() == [1, 1, 1, 3, 3, 3]
    assert local_hours(at[:0], zone[:0], []).tolist() == []


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "Europe/Berlin"])
def test_a_date_that_was_not_set_has_an_hour_and_changes_no_others(zone: str) -> None:
    """The year 1, as some systems write it, in zones behind and ahead of UTC."""
    unset, now = (int(dt.datetime(*day, 2, tzinfo=dt.UTC).timestamp()) for day in ((1, 1, 1), (2026, 7, 1)))
    found = local_hours(np.array([unset, now]), np.array([0, 0]), [zone])
    assert 0 <= found[0] < 24
    assert found[1] == dt.datetime.fromtimestamp(now, ZoneInfo(zone)).hour


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (" america/new york ", "America/New_York"),
        ("us_slash_eastern", "US/Eastern"),  # as HubSpot writes it
        ("CEST somewhere", None),
        ("", None),
        (None, None),
    ],
)
def test_zones_are_known_as_platforms_write_them(written: str | None, zone: str | None) -> None:
    assert zone_of(written) == zone
