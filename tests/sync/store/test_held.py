"""Who was in a segment for how long, out of the stored runs, against a list of runs asked one by one."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from pyroaring import BitMap

from rules import ir
from rules.engine.periods import Clock
from rules.ruleset import Place, RuleSet, Segment
from sync.assign import held
from sync.store import PersonEvent, Run, RunState, SegmentVersion, Store
from tests.sync.store.conftest import NOW

DAY = dt.timedelta(days=1)
Seen = list[tuple[dt.datetime, set[int]]]


def save(store: Store, as_of: dt.datetime, members: set[int], version: str = "v1") -> None:
    """A run at an instant that found these members."""
    run = store.runs.claim("test", as_of=as_of, now=NOW)
    wording = SegmentVersion("vip", version, version, "VIP")
    store.segments.save(run.id, as_of=as_of, versions=[wording], members={"vip": BitMap(members)})
    store.runs.finish(run, RunState.DONE, now=NOW, stats={})


@pytest.fixture
def runs(store: Store, run: Run) -> Store:
    store.runs.finish(run, RunState.DONE, now=NOW, stats={})
    return store


def by_hand(seen: Seen, since: dt.datetime, before: dt.datetime) -> set[int]:
    """Straight from the definition."""
    earlier = [members for at, members in seen if at <= since and at < before]
    if not earlier:
        return set()
    later = [members for at, members in seen if since < at < before]
    return set.intersection(earlier[-1], *later)


@pytest.mark.means("`for 30 days` looks at history.")
def test_held_is_membership_at_the_edge_and_in_every_run_since(runs: Store) -> None:
    draw = random.Random(3)
    seen: Seen = []
    for day in range(24):
        members = (
            seen[-1][1] if seen and draw.random() < 0.4 else {p for p in range(9) if draw.random() < 0.8}
        )
        at = NOW + day * DAY
        save(runs, at, members, version=draw.choice(["v1", "v2"]))
        seen.append((at, members))
    shorter = 0
    for since in (NOW - DAY, *(NOW + n * DAY / 2 for n in range(48))):
        for before in (NOW + 24 * DAY, NOW + 11 * DAY):
            found = set(runs.segments.held("vip", since=since, before=before))
            assert found == by_hand(seen, since, before)
            for person in range(9):
                began = runs.segments.since("vip", person, before=before)
                if since < before and any(at <= since for at, _ in seen):
                    assert (began is not None and began <= since) == (person in found)
            shorter += 0 < len(found) < 9
    assert shorter > 10


@pytest.mark.means("`for 30 days` looks at history.")
def test_for_30_days_looks_back_from_as_of_and_the_edge_counts(runs: Store) -> None:
    save(runs, NOW, {1, 2})
    save(runs, NOW + 10 * DAY, {1, 3})
    when = ir.HeldSegment("vip", 30, ir.Unit.DAY)
    rules = RuleSet({"old": Segment("old", "old", ir.Not(when), "", Place("a", 1, 1))})

    def since_30_days(as_of: dt.datetime) -> set[int]:
        return set(held(runs, rules, Clock(as_of, "UTC"))[when])

    assert since_30_days(NOW + 30 * DAY - dt.timedelta(microseconds=1)) == set()
    assert since_30_days(NOW + 30 * DAY) == {1}
    assert since_30_days(NOW + 40 * DAY) == {1, 3}
    assert since_30_days(NOW + 10 * DAY) == set()


def test_who_merged_was_in_under_either_number(runs: Store) -> None:
    save(runs, NOW, {1, 2})
    save(runs, NOW + DAY, {2, 3})
    save(runs, NOW + 2 * DAY, {4})
    last = runs.runs.latest()[0].id
    runs.person_events.add(
        [PersonEvent(NOW, "merge", into, gone, "", last) for gone, into in ((1, 4), (3, 4))]
    )
    assert runs.segments.held("vip", since=NOW, before=NOW + 3 * DAY) == BitMap([4])
    assert runs.segments.since("vip", 4, before=NOW + 3 * DAY) == NOW
    earlier = runs.segments.held("vip", since=NOW, before=NOW + 2 * DAY, people_of=last - 1)
    assert earlier == BitMap([2])


def test_a_segment_without_runs_holds_nobody(runs: Store) -> None:
    assert runs.segments.held("vip", since=NOW, before=NOW + DAY) == BitMap()
    assert runs.segments.since("vip", 1, before=NOW + DAY) is None
