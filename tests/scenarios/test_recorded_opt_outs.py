"""Opt-outs from elsewhere are recorded on Klaviyo: only if turned on, planned first, never the other way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.klaviyo.simulated.account import Profile
from connectors.simulation import Chance, Kind, Script, When
from sync.run.workspace import Workspace
from sync.store.optouts import OptOutState, StoredOptOut
from tests.scenarios.company import Answer, command
from tests.scenarios.region import Human, Region

OPERATION = "POST /api/profile-subscription-bulk-delete-jobs"
HERE = "shop-mail"
RULES = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = [{ connection = "shop-mail", as = "list" }]
"""
ON = 'platform = "klaviyo"\nrecord_opt_outs = true'


class Place:
    """A region whose command line shares its clock."""

    def __init__(self, region: Region, config: Path, patch: pytest.MonkeyPatch) -> None:
        self.region, self.config = region, config
        patch.setattr("sync.run.workspace.SystemClock", lambda: region.clock)

    def settings(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def segsync(self, *words: str) -> Answer:
        self.region.clock.advance(60)
        return command(*words, config=self.config)

    def calls(self) -> int:
        return self.region.klaviyo.traffic.operations[OPERATION]

    def profile(self, human: Human) -> Profile:
        found = self.region.klaviyo.account.find("email", human.address(HERE))
        assert found is not None
        return found

    def due(self) -> set[str]:
        """Ids of profiles that can be mailed though their person opted out; by the region's truth."""
        humans = [h for h in self.region.humans if h.out and HERE in h.on]
        profiles = [self.profile(h) for h in humans]
        return {p.id for p in profiles if p.consent.can_receive}

    def marketable(self) -> set[str]:
        return {p.id for p in self.region.klaviyo.account.profiles.values() if p.consent.can_receive}

    def log(self) -> list[StoredOptOut]:
        with Workspace.open(self.config, clock=self.region.clock) as workspace:
            return workspace.store.opt_outs.log()


@contextmanager
def place(
    folder: Path, patch: pytest.MonkeyPatch, *, on: bool = True, people: int = 60, seed: int = 1
) -> Iterator[Place]:
    region = Region(folder, people=people, seed=seed)
    with region.served(RULES) as config:
        made = Place(region, config, patch)
        if on:
            made.settings('platform = "klaviyo"', ON)
        yield made


def test_off_by_default_nothing_is_planned_and_not_one_call_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path, monkeypatch, on=False) as here:
        assert here.due()
        marketable = here.marketable()
        answer = here.segsync("run", "--format", "json")
        assert answer.code == 0, answer.said
        assert answer.document["connections"][HERE]["opt_outs"] == 0
        assert "opt-outs" not in here.segsync("plan").said
        assert (here.calls(), here.marketable(), here.log()) == (0, marketable, [])


def test_plan_shows_them_apply_records_exactly_them_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path, monkeypatch) as here:
        due, marketable = here.due(), here.marketable()
        assert here.segsync("pull").code == 0
        text = here.segsync("plan")
        assert f"{HERE}: opt-outs to record: {len(due)}\n" in text.out
        shown = here.segsync("plan", "--format", "json").document
        part = shown["connections"][HERE]
        assert part["opt_outs"] == len(due)
        assert here.segsync("plan", "--exit-code").code == 5
        assert here.calls() == 0

        began = here.region.clock.utc_now() + timedelta(seconds=60)
        applied = here.segsync("apply", "--format", "json")
        assert applied.code == 0, applied.said
        done = applied.document["connections"][HERE]
        assert done["opt_outs_recorded"] == len(due)
        assert here.calls() == 1
        assert done["calls"] == done["minimum_calls"] == part["minimum_calls"]
        assert here.marketable() == marketable - due

        log = here.log()
        assert len({one.contact for one in log}) == len(due)
        assert {one.state for one in log} == {OptOutState.DONE}
        sources = {name for h in here.region.humans if self_due(here, h, due) for name in h.out}
        assert {one.source for one in log} == sources - {HERE}
        assert {one.at for one in log} == {began}
        told = here.segsync("explain", str(log[0].person))
        assert f"opt-out on {HERE}: done, {began:%Y-%m-%d %H:%M} UTC, because of {log[0].source}" in told.out

        again = here.segsync("run", "--format", "json").document
        assert (again["changes"], again["lake_rows_changed"]) == (0, len(due))  # Klaviyo tells it, once
        last = here.segsync("run", "--format", "json").document
        assert (last["changes"], last["lake_rows_changed"], here.calls()) == (0, 0, 1)


def self_due(here: Place, human: Human, due: set[str]) -> bool:
    return HERE in human.on and here.profile(human).id in due


def test_only_an_opt_out_is_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that bounces, somebody never asked, an unconfirmed sign-up: none of them opted out."""
    with place(tmp_path, monkeypatch, people=30, seed=2) as here:
        mailable = [h for h in here.region.humans if h.mailable and {HERE, "newsletter"} <= h.on]
        for human, status in zip(mailable, ["cleaned", "pending", "transactional"], strict=False):
            member = here.region.mailchimp.audience.find(human.address("newsletter"))
            assert member is not None
            member.status = status
            here.region.mailchimp.audience.touch(member)
        expected = here.marketable() - here.due()
        answer = here.segsync("run", "--format", "json")
        assert answer.code == 0, answer.said
        assert here.marketable() == expected
        assert {here.profile(human).id for human in mailable[:3]} <= expected


def test_who_signs_up_again_is_left_alone_until_they_opt_out_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path, monkeypatch, people=30, seed=2) as here:
        human = next(h for h in here.region.humans if h.mailable and {HERE, "newsletter"} <= h.on)
        here.segsync("run")
        here.region.opt_out(human, "newsletter")
        here.segsync("run")
        profile = here.profile(human)
        calls = here.calls()
        assert not profile.consent.can_receive

        here.region.clock.advance(60)
        here.region.klaviyo.account.subscribe(profile)  # by the person, on a form of Klaviyo's
        for _ in range(2):
            assert here.segsync("run").code == 0
        assert (profile.consent.can_receive, here.calls()) == (True, calls)

        member = here.region.mailchimp.audience.find(human.address("newsletter"))
        assert member is not None
        for status in ("subscribed", "unsubscribed"):
            here.region.clock.advance(60)
            member.status, member.left_by = status, "contact"
            here.region.mailchimp.audience.touch(member)
            assert here.segsync("run").code == 0
        assert (profile.consent.can_receive, here.calls()) == (False, calls + 1)
        states = [one.state for one in here.log() if one.source == "newsletter"]
        assert states.count(OptOutState.PAST) == 1


def test_too_many_at_once_wait_for_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place(tmp_path, monkeypatch) as here:
        here.settings("[store]", "[brakes]\nremovals_min = 1\nremovals_share = 0.01\n[store]")
        due, marketable = here.due(), here.marketable()
        first = here.segsync("run", "--format", "json")
        assert first.code == 3, first.said
        assert first.document["connections"][HERE]["opt_outs_held"] == first.document["held"] == len(due)
        assert "segsync cannot undo this" in " ".join(first.document["brakes"])
        assert (here.calls(), here.marketable()) == (0, marketable)
        waiting = here.segsync("status", "--format", "json").document["waiting"]
        assert waiting["held"] == len(due)

        assert here.segsync("apply").code == 3
        assert here.calls() == 0
        plan = here.segsync("status", "--format", "json").document["waiting"]["plan"]
        approved = here.segsync("approve", str(plan), "--format", "json")
        assert approved.code == 0, approved.said
        assert approved.document["connections"][HERE]["opt_outs_recorded"] == len(due)
        assert here.marketable() == marketable - due
        assert here.segsync("status", "--format", "json").document["waiting"] is None


def test_apply_takes_up_nobody_who_was_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place(tmp_path, monkeypatch, people=30, seed=2) as here:
        here.segsync("pull")
        shown = here.due()
        before = here.marketable()
        here.segsync("plan")
        human = next(h for h in here.region.humans if h.mailable and {HERE, "newsletter"} <= h.on)
        here.region.opt_out(human, "newsletter")
        here.segsync("pull")
        assert here.segsync("apply").code == 0
        assert here.marketable() == before - shown
        assert here.segsync("run").code == 0
        assert here.marketable() == before - shown - {here.profile(human).id}


def test_a_failure_is_told_stops_nothing_else_and_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path, monkeypatch) as here:
        due, marketable = here.due(), here.marketable()
        region = here.region
        region.klaviyo.faults.add(Script(Kind.EMPTY_503, OPERATION, times=99))
        failed = here.segsync("run", "--format", "json")
        assert failed.code == 4, failed.said
        assert failed.document["connections"][HERE]["stopped"]
        lists = {str(a).lower() for a in region.klaviyo.on_list("segsync: Germans")}
        assert lists == region.expected("DE", HERE)
        assert {one.state for one in here.log()} == {OptOutState.SENT}

        region.klaviyo.faults.clear()
        region.klaviyo.faults.add(Script(Kind.CUT, OPERATION, when=When.AFTER, times=1))
        made_good = here.segsync("run", "--format", "json")
        assert made_good.code == 0, made_good.said
        assert here.marketable() == marketable - due


def test_a_call_that_took_effect_before_a_crash_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was marked before the call, and the platform tells the rest at the next pull."""
    with place(tmp_path, monkeypatch) as here:
        due = here.due()
        here.region.klaviyo.faults.add(Script(Kind.CUT, OPERATION, when=When.AFTER, times=99))
        assert here.segsync("run").code == 4
        here.region.klaviyo.faults.clear()
        calls = here.calls()
        assert here.segsync("run").code == 0
        assert here.calls() == calls
        log = [one for one in here.log() if one.state is OptOutState.DONE]
        assert len({one.contact for one in log}) == len(due)


def test_the_missing_scope_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place(tmp_path, monkeypatch) as here:
        names = ["profiles", "lists", "events", "metrics", "segments", "accounts"]
        here.region.klaviyo.scopes = frozenset(f"{n}:{right}" for n in names for right in ("read", "write"))
        marketable = here.marketable()
        answer = here.segsync("run", "--format", "json")
        assert answer.code == 4
        assert "subscriptions:write" in answer.document["connections"][HERE]["stopped"]
        assert here.marketable() == marketable


@pytest.mark.parametrize("seed", [1])
def test_random_histories_only_ever_tighten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Nobody may be mailed who could not before, and nobody is opted out who did not opt out somewhere."""
    with place(tmp_path, monkeypatch, people=30, seed=seed) as here:
        choice, region = random.Random(seed), here.region
        for number in range(4):
            region.klaviyo.faults.clear(seed=seed * 100 + number)
            if number < 3:
                for kind in (Kind.RATE_LIMITED, Kind.HTML_502, Kind.CUT):
                    region.klaviyo.faults.add(Chance(kind, 0.1, when=choice.choice(list(When))))
            human = choice.choice([h for h in region.humans if h.mailable])
            region.opt_out(human, choice.choice(sorted(human.on)))
            before = here.marketable()
            allowed = here.due()
            here.segsync("run")
            gone = before - here.marketable()
            assert here.marketable() <= before
            assert gone <= allowed, f"round {number}"
        assert here.due() == set()
