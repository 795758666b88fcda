"""Opt-outs from elsewhere: only if turned on, only in one direction, and as often as one likes."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Action, Change, Outcome, OutcomeState, RecordsOptOuts
from connectors.errors import ConnectorError, Unauthorized, Unavailable
from connectors.klaviyo.simulated.account import Profile
from connectors.klaviyo.simulator import KlaviyoSimulator
from connectors.pacing import ManualClock
from connectors.simulation import Chance, Kind, Script, When
from tests.connectors.klaviyo.rig import OPT_OUT, KlaviyoRig, klaviyo_rig
from tests.connectors.klaviyo.test_consent import ranks


def connect(rig: KlaviyoRig, **more: object) -> RecordsOptOuts:
    connector = rig.connect(**{"record_opt_outs": True, **more})
    assert isinstance(connector, RecordsOptOuts)
    return connector


def changes(profiles: Sequence[Profile]) -> list[Change]:
    return [Change(Action.OPT_OUT, profile.id, profile.email or "") for profile in profiles]


def calls(rig: KlaviyoRig) -> int:
    return sum(logged.operation == OPT_OUT for logged in rig.simulation.traffic.log)


def subscribed(rig: KlaviyoRig) -> list[Profile]:
    return [p for p in rig.klaviyo.account.profiles.values() if p.consent.rank() == (True, True)]


def states(outcomes: Sequence[Outcome]) -> list[OutcomeState]:
    return [one.state for one in outcomes]


def test_off_by_default_and_then_not_one_call_is_made(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    assert isinstance(connector, RecordsOptOuts)
    assert connector.opt_outs_per_call == 0
    outcomes = connector.opt_out(changes(subscribed(rig)[:3]))
    assert {one.code for one in outcomes} == {"not_enabled"}
    assert len(outcomes) == 3
    assert not rig.simulation.traffic.log


def test_every_change_has_its_outcome_and_the_platform_says_so() -> None:
    with klaviyo_rig(people=330) as rig:
        connector = connect(rig)
        some = subscribed(rig)[:205]
        kept = [p for p in subscribed(rig) if p not in some]
        given_ = changes(some)
        outcomes = connector.opt_out(given_)
        assert [one.change for one in outcomes] == given_
        assert set(states(outcomes)) == {OutcomeState.DONE}
        assert {profile.consent.rank() for profile in some} == {(False, False)}
        assert {profile.consent.rank() for profile in kept} == {(True, True)}
        assert (connector.opt_outs_per_call, calls(rig)) == (100, 3)
        assert len(rig.klaviyo.account.profiles) == 330


def test_a_second_time_nothing_is_written(rig: KlaviyoRig) -> None:
    connector = connect(rig)
    some = changes(subscribed(rig)[:5])
    connector.opt_out(some)
    before = (calls(rig), [p.consent.at for p in rig.klaviyo.account.profiles.values()])
    rig.clock.advance(60)
    assert {one.code for one in connector.opt_out([*some, some[0]])} == {"already_opted_out"}
    assert (calls(rig), [p.consent.at for p in rig.klaviyo.account.profiles.values()]) == before


def test_nobody_is_made_where_a_profile_has_gone_or_has_another_address(rig: KlaviyoRig) -> None:
    connector = connect(rig)
    gone, moved, nameless, stays = subscribed(rig)[:4]
    given_ = [*changes([gone, moved, nameless, stays]), Change(Action.OPT_OUT, "no id", "x@example.com")]
    rig.klaviyo.account.vanish(gone)
    rig.klaviyo.account.identify(moved, {"email": "new@example.com"})
    rig.klaviyo.account.identify(nameless, {"email": None})
    there = set(rig.klaviyo.account.profiles)
    outcomes = connector.opt_out(given_)
    assert [one.code for one in outcomes] == ["not_found", None, "no_address", None, "invalid_id"]
    done, refused = OutcomeState.DONE, OutcomeState.REFUSED
    assert states(outcomes) == [done, done, refused, done, refused]
    assert not moved.consent.can_receive
    assert set(rig.klaviyo.account.profiles) == there


def test_whom_klaviyo_refuses_does_not_hold_up_the_others(rig: KlaviyoRig) -> None:
    connector = connect(rig)
    odd, fine, also = subscribed(rig)[:3]
    rig.klaviyo.account.identify(odd, {"email": "not an address"})
    outcomes = connector.opt_out(changes([fine, odd, also]))
    assert states(outcomes) == [OutcomeState.DONE, OutcomeState.REFUSED, OutcomeState.DONE]
    assert (outcomes[1].code, outcomes[1].reason) == ("invalid", "Invalid email address")
    assert odd.consent.can_receive
    assert calls(rig) == 2


def test_what_klaviyo_does_not_show_in_time_is_not_called_done(rig: KlaviyoRig) -> None:
    connector = connect(rig)
    profile = subscribed(rig)[0]
    rig.klaviyo.account.settle = lambda: None  # type: ignore[method-assign]
    outcomes = connector.opt_out(changes([profile]))
    assert [(one.state, one.code) for one in outcomes] == [(OutcomeState.UNKNOWN, "accepted")]
    del rig.klaviyo.account.settle
    assert states(connector.opt_out(changes([profile]))) == [OutcomeState.DONE]
    assert calls(rig) == 1


def test_a_lost_answer_is_asked_again_and_changes_nothing_more(rig: KlaviyoRig) -> None:
    connector = connect(rig)
    some = subscribed(rig)[:4]
    rig.simulation.faults.add(Script(Kind.CUT, OPT_OUT, when=When.AFTER, times=2))
    assert set(states(connector.opt_out(changes(some)))) == {OutcomeState.DONE}
    assert {p.consent.rank() for p in some} == {(False, False)}
    assert {len(p.consent.suppression) for p in some} == {1}


def test_a_key_without_the_scope_is_told_which_one(rig: KlaviyoRig) -> None:
    connector = connect(rig)
    every = {"profiles:read", "profiles:write", "lists:read", "lists:write", "events:read", "metrics:read"}
    rig.klaviyo.scopes = frozenset(every)
    with pytest.raises(Unauthorized, match="subscriptions:write"):
        connector.opt_out(changes(subscribed(rig)[:1]))


def test_a_platform_that_stays_away_raises_and_the_next_time_is_enough(rig: KlaviyoRig) -> None:
    connector = connect(rig)
    some = changes(subscribed(rig)[:2])
    rig.simulation.faults.add(Script(Kind.EMPTY_503, OPT_OUT, times=99))
    with pytest.raises(Unavailable):
        connector.opt_out(some)
    rig.simulation.faults.clear()
    assert set(states(connector.opt_out(some))) == {OutcomeState.DONE}


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), rounds=st.integers(1, 5))
def test_it_only_ever_tightens(seed: int, rounds: int) -> None:
    """Random people, repeats and faults: nobody may be sent more than before, and others are untouched."""
    choice = random.Random(seed)
    clock = ManualClock()
    simulator = KlaviyoSimulator(people=25, seed=seed, now=clock.utc_now)
    with klaviyo_rig(simulator) as rig:
        rig.clock = clock
        connector = connect(rig, connections=1)
        asked: set[str] = set()
        before = ranks(simulator)
        for kind in (Kind.EMPTY_503, Kind.CUT, Kind.RATE_LIMITED, Kind.HTML_502):
            for when in When:
                simulator.faults.add(Chance(kind, 0.06, when=when, retry_after_s=1))
        for _ in range(rounds):
            some = [simulator.account.profiles[id_] for id_ in choice.sample(sorted(before), 6)]
            asked |= {profile.id for profile in some}
            try:
                outcomes = connector.opt_out(changes(some))
            except ConnectorError:
                outcomes = []
            for outcome in outcomes:
                profile = simulator.account.profiles[outcome.change.external_id]
                assert outcome.state is not OutcomeState.DONE or not profile.consent.can_receive
            clock.advance(30)
            simulator.account.settle()
            now = ranks(simulator)
            assert now.keys() == before.keys()
            for id_, rank in now.items():
                assert rank <= before[id_]
                assert id_ in asked or rank == before[id_]
            before = now
