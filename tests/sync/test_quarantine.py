"""When refused people are tried again, and that they take no call of their own."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from connectors.base import AudienceKind, BatchShape
from sync.audience import Changes
from sync.brakes import BrakeLimits
from sync.plan import make
from sync.quarantine import Standing, standing
from sync.store import KeptRefusal
from sync.store.refused import NOT_ARRIVED, NOT_REMOVED
from tests.sync.test_plan import audience

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
NOBODY = Changes(BitMap(), BitMap())
some = st.sets(st.integers(0, 60), max_size=40).map(BitMap)


@pytest.mark.parametrize(
    ("code", "tries", "days", "is_"),
    [
        ("not_found", 1, 0, Standing.RETRY),
        ("not_found", 9, 13.9, Standing.RETRY),
        ("not_found", 10, 1, Standing.GIVEN_UP),
        ("not_found", 2, 14, Standing.GIVEN_UP),
        ("Invalid Resource", 1, 0, Standing.QUARANTINED),
        ("Invalid Resource", 50, 27.9, Standing.QUARANTINED),
        ("Invalid Resource", 2, 28.1, Standing.GIVEN_UP),
        (NOT_ARRIVED, 1, 90, Standing.RETRY),
        (NOT_ARRIVED, 2, 1, Standing.GIVEN_UP),
        (NOT_REMOVED, 1, 1, Standing.GIVEN_UP),
    ],
)
def test_ten_tries_or_fourteen_days_and_four_weeks_of_probes_then_it_is_given_up(
    code: str, tries: int, days: float, is_: Standing
) -> None:
    one = KeptRefusal(1, 7, "add", code, "no", tries, NOW - dt.timedelta(days=days), NOW)
    assert standing(one, at=NOW) is is_


@settings(derandomize=True, deadline=None, max_examples=200)
@given(desired=some, actual=some, resting=some, riding=some, together=st.booleans(), field=st.booleans())
def test_who_rides_along_costs_no_call_and_nobody_is_lost(
    desired: BitMap, actual: BitMap, resting: BitMap, riding: BitMap, together: bool, field: bool
) -> None:
    riding = riding - resting
    shape = BatchShape(adds=5, removes=5, together=together)
    kind = {"kind": AudienceKind.FIELD, "carrier": 9} if field else {}
    given_values = {"desired": desired, "actual": actual, "owned": actual, "shape": shape, **kind}

    def planned(rest: BitMap, ride: BitMap):  # type: ignore[no-untyped-def]
        limits = BrakeLimits(removals_share=1, moved_share=1)
        one = audience(resting=Changes(rest, rest), riding=Changes(ride, ride), **given_values)
        return make([one], limits=limits)

    without, plan = planned(resting | riding, BitMap()), planned(resting, riding)
    calls = [sum(batch.calls for batch in each.batches) for each in (without, plan)]
    assert calls[0] == calls[1], "those who ride along take a call of their own"
    if not without.changes:
        assert not plan.changes, "a plan of nobody but refused people"
    (part,) = plan.audiences
    tried = part.adds | part.removes | part.held_adds | part.held_removes
    due = (desired - actual) | (actual - desired)
    assert tried | part.refused == due
    assert not tried & part.refused
    assert not tried & resting
    assert {*without.audiences[0].adds} <= {*part.adds}


def test_nobody_rides_along_with_what_a_brake_holds() -> None:
    one = audience(
        desired=BitMap([1, 2, 3]),
        owned=BitMap(range(100, 300)),
        actual=BitMap(range(100, 300)),
        riding=Changes(BitMap([3]), BitMap([100])),
    )
    (part,) = make([one], limits=BrakeLimits(hold_additions=True)).audiences
    assert (part.adds, part.removes) == (BitMap(), BitMap())
    assert part.refused == BitMap([3, 100])
