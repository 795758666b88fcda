"""Requirements of the brakes: each limit crossed by one and by one less; what was learned only tightens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from rules.ruleset import Expect
from sync.brakes import LEARN_FLOOR, BrakeKind, BrakeLimits, usual
from sync.plan import make
from tests.sync.test_plan import audience

STEADY = usual([(1000, 30)] * 10)
"""A segment that loses 3 % whenever it changes."""


def kinds(plan_brakes: object) -> list[BrakeKind]:
    return [brake.kind for brake in plan_brakes]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("moving", "held"), [(300, False), (301, True)])
def test_people_changing_segment_are_held_above_thirty_percent_of_all(moving: int, held: bool) -> None:
    """Half of them leave one audience and enter another: each counts once."""
    everyone = BitMap(range(1000))
    gone = BitMap(range(moving))
    old = audience(desired=everyone - gone, owned=everyone, actual=everyone)
    new = audience(audience=2, segment="new", desired=gone)
    plan = make([old, new], limits=BrakeLimits(removals_share=1.0))
    assert (BrakeKind.MOVED in kinds(plan.brakes)) is held
    assert len(plan.audiences[0].held_removes) == (moving if held else 0)
    assert len(plan.audiences[1].adds) == moving, "additions may go"


def test_a_new_audience_moves_nobody() -> None:
    """900 enter it; beside that one person leaves an audience that was written to before."""
    new = audience(desired=BitMap(range(900)), first=True)
    old = audience(
        audience=2, segment="old", desired=BitMap([1]), owned=BitMap([1, 2]), actual=BitMap([1, 2])
    )
    plan = make([new, old])
    assert plan.brakes == ()
    assert plan.changes == 901
    assert kinds(make([replace(new, first=False), old]).brakes) == [BrakeKind.MOVED]


def test_additions_wait_too_if_the_config_says_so() -> None:
    people = BitMap(range(200))
    one = audience(desired=people - BitMap(range(60)) | BitMap([500]), owned=people, actual=people)
    assert make([one]).changes == 1
    assert make([one], limits=BrakeLimits(hold_additions=True)).changes == 0


def test_a_first_write_only_adds() -> None:
    one = audience(desired=BitMap([1, 2]), owned=BitMap([2, 3]), actual=BitMap([2, 3]), first=True)
    plan = make([one])
    assert kinds(plan.brakes) == [BrakeKind.FIRST_WRITE]
    assert (set(plan.audiences[0].adds), set(plan.audiences[0].held_removes)) == ({1}, {3})
    assert make([replace(one, first=False)]).brakes == ()


@pytest.mark.parametrize(("left", "held"), [(8, False), (7, True)])
def test_calls_above_half_of_what_the_day_has_left_are_held(left: int, held: bool) -> None:
    """20 people in batches of 5 are four calls: half of eight."""
    one = audience(desired=BitMap(range(20)), first=True)
    other = audience(audience=2, connection="elsewhere", desired=BitMap(range(20)), first=True)
    plan = make([one, other], quotas={"newsletter": left})
    assert kinds(plan.brakes) == ([BrakeKind.COST] if held else [])
    assert len(plan.audiences[0].held_adds) == (20 if held else 0)
    assert len(plan.audiences[1].adds) == 20, "the other connection goes on"


def test_who_must_not_be_marketed_to_is_left_out_and_counted() -> None:
    one = audience(desired=BitMap(range(10)), not_mailable=BitMap(range(4)), actual=BitMap([0]))
    plan = make([one])
    assert kinds(plan.brakes) == [BrakeKind.CONSENT]
    assert "3 people belong to it but must not be marketed to" in plan.brakes[0].message
    assert (plan.changes, plan.held) == (6, 0)
    suppression_list = replace(one, include_suppressed=True)
    assert make([suppression_list]).brakes == ()


@pytest.mark.parametrize(("leaving", "held"), [(60, False), (61, True)])
def test_a_segment_that_usually_loses_three_percent_is_held_at_twice_that(leaving: int, held: bool) -> None:
    """Six percent are below the limit of the config; the message says where the limit comes from."""
    members = BitMap(range(1000))
    one = audience(
        desired=members - BitMap(range(leaving)), owned=members, actual=members, usual=STEADY, people=5000
    )
    plan = make([one])
    assert kinds(plan.brakes) == ([BrakeKind.REMOVALS] if held else [])
    if held:
        assert "by its last 10 changes it usually loses 3.0%, so the limit is 6.0%" in plan.brakes[0].message
    assert make([one], limits=BrakeLimits(learn=False)).brakes == ()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    history=st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000)), max_size=25),
    leaving=st.integers(1, 999),
)
def test_what_was_learned_never_loosens_a_limit(history: list[tuple[int, int]], leaving: int) -> None:
    members = BitMap(range(1000))
    one = audience(desired=members - BitMap(range(leaving)), owned=members, actual=members, people=9000)
    learned = make([replace(one, usual=usual([(size, min(size, left)) for size, left in history]))])
    assert make([one]).held <= learned.held


def test_too_few_changes_teach_nothing_and_one_accident_moves_no_limit() -> None:
    assert usual([(1000, 30)] * 7) is None
    assert STEADY is not None
    accident = usual([*[(1000, 30)] * 9, (1000, 990)])
    assert accident is not None
    assert accident.limit == pytest.approx(STEADY.limit)
    still = usual([(1000, 0)] * 8)
    assert still is not None
    assert still.limit == LEARN_FLOOR


def test_a_rule_may_set_a_limit_of_its_own() -> None:
    members = BitMap(range(1000))
    one = audience(desired=members - BitMap(range(200)), owned=members, actual=members, people=9000)
    assert make([replace(one, expect=Expect(removals_share=0.2), usual=STEADY)]).brakes == ()
    assert kinds(make([replace(one, expect=Expect(removals_share=0.19))]).brakes) == [BrakeKind.REMOVALS]


def test_a_paused_audience_changes_nothing_and_says_what_is_due() -> None:
    one = audience(desired=BitMap([1, 2]), owned=BitMap([3]), actual=BitMap([3]), paused="paused by hand")
    plan = make([one])
    assert (plan.changes, plan.held) == (0, 3)
    assert kinds(plan.brakes) == [BrakeKind.PAUSED]
    assert make([replace(one, desired=BitMap([3]))]).brakes == (), "nothing is due, nothing is said"
