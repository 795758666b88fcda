"""Requirements of deadlines: the right instant in the business's zone, the soonest first, lateness told."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from connectors.base import AudienceKind
from sync.due import late, next_at
from sync.plan import make
from tests.sync.test_plan import audience

UTC = dt.UTC
MORNING = dt.time(7, 30)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-07-01T05:00:00", "2026-07-01T05:30:00"),  # summer: Berlin is two hours ahead
        ("2026-07-01T05:30:00", "2026-07-01T05:30:00"),
        ("2026-07-01T05:30:01", "2026-07-02T05:30:00"),
        ("2026-10-24T06:00:00", "2026-10-25T06:30:00"),  # the clocks go back in the night between
        ("2026-03-28T07:00:00", "2026-03-29T05:30:00"),  # … and forward
    ],
)
def test_a_time_of_day_is_meant_in_the_zone_of_the_business(after: str, expected: str) -> None:
    start = dt.datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert next_at(MORNING, zone="Europe/Berlin", after=start).isoformat() == f"{expected}+00:00"


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.times().map(lambda t: t.replace(second=0, microsecond=0)), st.integers(0, 366 * 24 * 60))
def test_a_deadline_is_never_past_and_never_more_than_a_day_and_an_hour_away(
    by: dt.time, minute: int
) -> None:
    start = dt.datetime(2026, 1, 1, tzinfo=UTC) + dt.timedelta(minutes=minute)
    wait = next_at(by, zone="America/New_York", after=start) - start
    assert dt.timedelta() <= wait <= dt.timedelta(hours=25)


def at(hour: int) -> dt.datetime:
    return dt.datetime(2026, 7, 1, hour, tzinfo=UTC)


def test_what_is_wanted_soonest_is_sent_first_and_owned_fields_with_their_first_segment() -> None:
    some = BitMap(range(12))
    plan = make(
        [
            audience(audience=1, desired=some),
            audience(audience=2, desired=some, due=at(9)),
            audience(audience=3, desired=some, due=at(7)),
            audience(audience=4, desired=some, kind=AudienceKind.FIELD, carrier=9),
            audience(audience=5, desired=some, kind=AudienceKind.FIELD, carrier=9, due=at(8)),
        ]
    )
    first = list(dict.fromkeys(batch.audience for batch in plan.batches))
    assert [one for one in first if one not in (4, 5)] == [3, 9, 2, 1]
    again = make([one.source for one in plan.audiences])
    assert [b.audience for b in again.batches] == [b.audience for b in plan.batches]


def test_who_is_not_wanted_by_a_time_keeps_the_order_of_the_rules() -> None:
    plan = make([audience(audience=n, desired=BitMap([n])) for n in (3, 1, 2)])
    assert [batch.audience for batch in plan.batches] == [3, 1, 2]
    assert all(a.audience != b.audience for a, b in pairwise(plan.batches))


def test_what_will_be_late_is_told_and_what_is_in_time_is_not() -> None:
    slow, quick = audience(audience=1, due=at(7)), audience(audience=2, segment="new", due=at(8))
    found = list(late([slow, quick], {1: 3601.0, 2: 3600.0}, start=at(6), zone="Europe/Berlin"))
    assert len(found) == 1
    assert found[0].startswith("vip → newsletter is wanted by 09:00 and will be done about 09:00:01 ")
    in_field = audience(audience=3, carrier=9, due=at(7))
    assert list(late([in_field], {9: 7200.0}, start=at(6), zone="Europe/Berlin"))
    assert not list(late([audience(audience=1)], {1: 1e6}, start=at(6), zone="Europe/Berlin"))
    assert not list(late([slow], {}, start=at(6), zone="Europe/Berlin")), (
        "nothing is sent, so nothing is late"
    )
