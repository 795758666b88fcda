"""The rule by which a trigger changes its state, for any sequence of judgements."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.alerts.levels import step
from sync.config.alerting import Level
from sync.store.alerts import AlertState

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
judgements = st.lists(st.sampled_from(list(Level)), max_size=40)


def walk(seen: list[Level], *, at_once: bool) -> list[AlertState]:
    """The state at the start and after each judgement."""
    states = [AlertState("drift:shop", Level.OK.value, NOW)]
    for number, level in enumerate(seen):
        now = NOW + dt.timedelta(minutes=number + 1)
        states.append(step(states[-1], level, evidence=number, at_once=at_once, now=now))
    return states


@settings(max_examples=200, deadline=None, derandomize=True)
@given(judgements, st.booleans())
def test_each_change_has_a_number_of_its_own_and_every_recovery_ends_a_trouble(
    seen: list[Level], at_once: bool
) -> None:
    changes = [(a, b) for a, b in pairwise(walk(seen, at_once=at_once)) if a.transition != b.transition]
    assert [b.transition for _, b in changes] == list(range(1, len(changes) + 1))
    assert all(a.level != b.level for a, b in changes)
    levels = [Level.OK, *(Level(b.level) for _, b in changes)]
    assert all(a is not b for a, b in pairwise(levels))  # so never two recoveries in a row


@settings(max_examples=200, deadline=None, derandomize=True)
@given(judgements, st.booleans())
def test_to_leave_a_state_two_judgements_in_a_row_agree(seen: list[Level], at_once: bool) -> None:
    for number, (a, b) in enumerate(pairwise(walk(seen, at_once=at_once))):
        if a.level == b.level:
            continue
        before, after, last = Level(a.level), Level(b.level), seen[number]
        if at_once and after.rank > before.rank:
            assert after is last
            continue
        earlier = seen[number - 1]
        side = 1 if after.rank > before.rank else -1
        assert number > 0
        assert (last.rank - before.rank) * side > 0
        assert (earlier.rank - before.rank) * side > 0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.sampled_from([Level.WARNING, Level.CRITICAL]), st.integers(1, 30))
def test_what_swings_each_time_is_told_once_at_most(bad: Level, times: int) -> None:
    swinging = [bad, Level.OK] * times
    assert walk(swinging, at_once=False)[-1].transition == 0
    assert walk(swinging, at_once=True)[-1].transition == 1


def test_a_state_is_left_by_two_that_do_not_agree_on_how_bad_it_is() -> None:
    last = walk([Level.WARNING, Level.CRITICAL], at_once=False)[-1]
    assert (last.level, last.doubt) == ("warning", "critical")
    assert walk([Level.WARNING, Level.CRITICAL, Level.CRITICAL], at_once=False)[-1].level == "critical"


def test_one_run_judged_twice_is_one_judgement() -> None:
    first = step(AlertState("drift:shop", "ok", NOW), Level.WARNING, evidence=7, at_once=False, now=NOW)
    assert step(first, Level.WARNING, evidence=7, at_once=False, now=NOW) is first
    assert step(first, Level.WARNING, evidence=8, at_once=False, now=NOW).level == "warning"
