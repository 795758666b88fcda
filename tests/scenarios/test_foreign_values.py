"""Four owned fields that others work in, too: what they put there stays, what they take out stays out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from connectors.simulation import Chance, Kind, When
from rules.ruleset import Drift
from sync.run.pipeline import Pipeline, begin
from sync.run.workspace import Workspace
from tests.scenarios.region import NAMES, Human, Region

OWN_FIELD = {
    "hub": "segsync_segments",
    "crm": "Segments__c",
    "shop-mail": "segsync_segments",
    "newsletter": "SEGMENTS",
}
COUNTRIES = {"germans": "DE", "french": "FR"}
OURS = {*COUNTRIES, "europeans"}
TOKENS = ("by hand", "zebra club", "2019")


def rules(drift: Drift) -> str:
    to = ", ".join(f'{{ connection = "{name}", as = "field", drift = "{drift.value}" }}' for name in NAMES)
    segments = [("europeans", "not suppressed")]
    segments += [(id_, f'not suppressed and country = "{country}"') for id_, country in COUNTRIES.items()]
    return "\n".join(
        f'[[segment]]\nid = "{id_}"\nname = "{id_}"\nwhen = \'{when}\'\nto = [{to}]\n'
        for id_, when in segments
    )


class Others:
    """People and tools that work in the same accounts: they read and set the owned fields by hand."""

    def __init__(self, region: Region) -> None:
        self.region = region

    def held(self, name: str, human: Human) -> list[str]:
        region, address, own = self.region, human.address(name), OWN_FIELD[name]
        value: object = None
        match name:
            case "hub":
                record = region.hub.records.by_address(address)
                value = record.properties.get(own) if record is not None else None
            case "crm":
                value = region.crm.org.tables["Contact"][region.crm_ids[human.number]].get(own)
            case "shop-mail":
                profile = region.klaviyo.account.find("email", address)
                value = profile.properties.get(own) if profile is not None else None
            case "newsletter":
                member = region.mailchimp.audience.find(address)
                value = member.merge.get(own) if member is not None else None
        return value if isinstance(value, list) else [part for part in str(value or "").split(";") if part]

    def put(self, name: str, human: Human, names: Sequence[str]) -> None:
        region, address, own, text = self.region, human.address(name), OWN_FIELD[name], ";".join(names)
        match name:
            case "hub":
                options = region.hub.schema.find("contacts", own)["options"]
                there = {option["value"] for option in options}
                fresh = [one for one in names if one not in there]
                options += [{"label": o, "value": o, "displayOrder": -1, "hidden": False} for o in fresh]
                record = region.hub.records.by_address(address)
                assert record is not None
                region.hub.records.update(record, {own: text})
            case "crm":
                region.crm.org.change("Contact", region.crm_ids[human.number], **{own: text or None})
            case "shop-mail":
                profile = region.klaviyo.account.find("email", address)
                assert profile is not None
                profile.properties[own] = list(names)
                region.klaviyo.account.touch(profile)
            case "newsletter":
                member = region.mailchimp.audience.find(address)
                assert member is not None
                member.merge[own] = text
                region.mailchimp.audience.touch(member)


def wanted(human: Human) -> set[str]:
    """What a rule would put into every field of this person."""
    if not human.mailable:
        return set()
    return {"europeans", *(id_ for id_, country in COUNTRIES.items() if country == human.country)}


def planned(region: Region, config: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """(connection, segment) → foreign and contested, as the plan of a run counts them."""
    region.clock.advance(60)
    with Workspace.open(config, clock=region.clock) as workspace, begin(workspace, "plan") as pipeline:
        return {
            (one.source.connection, one.source.segment): (len(one.foreign), len(one.contested))
            for one in _plan(pipeline).audiences
        }


def _plan(pipeline: Pipeline):  # type: ignore[no-untyped-def]
    pipeline.pull()
    pipeline.identify()
    segments, members = pipeline.assign()
    return pipeline.plan(segments, members)


@pytest.mark.parametrize("drift", [Drift.RESPECT, pytest.param(Drift.READD, marks=pytest.mark.long)])
def test_foreign_values_stay_and_what_others_took_out_follows_the_policy(
    tmp_path: Path, drift: Drift
) -> None:
    region = Region(tmp_path, people=30, seed=7)
    others, choice = Others(region), random.Random(7)
    taken: Counter[tuple[str, int, str]] = Counter()  # how often: connection, person, ours
    ticked: set[tuple[str, int, str]] = set()
    foreign: dict[tuple[str, int], set[str]] = {}
    with region.served(rules(drift)) as config:
        first = region.run(config)
        assert not first.failed, first.document()
        for number in range(2):
            region.clock.advance(60)
            for name in NAMES:
                for human in choice.sample([h for h in region.humans if name in h.on], 6):
                    held, key = others.held(name, human), (name, human.number)
                    token = choice.choice(TOKENS)
                    foreign.setdefault(key, set()).add(token)
                    ours = [one for one in held if one in OURS]
                    out = {choice.choice(ours)} if ours and choice.random() < 0.5 else set()
                    taken.update({(*key, one) for one in out} - ticked)
                    ticked -= {(*key, one) for one in out}
                    others.put(name, human, sorted({*held, token} - out))
                human = choice.choice([h for h in region.humans if name in h.on and h.country == "IT"])
                others.put(name, human, sorted({*others.held(name, human), "germans"}))
                ticked.add((name, human.number, "germans"))
            mover = choice.choice([h for h in region.humans if h.mailable and len(h.on) > 1])
            region.opt_out(mover, sorted(mover.on)[0])
            for simulation in region.simulations.values():
                simulation.faults.clear(seed=number)
                for kind in (Kind.RATE_LIMITED, Kind.HTML_502, Kind.CUT):
                    simulation.faults.add(Chance(kind, 0.04, when=choice.choice(list(When))))
            region.run(config)
        for simulation in region.simulations.values():
            simulation.faults.clear(seed=0)
        for _ in range(2):  # what a fault left open
            report = region.run(config)
            assert not report.failed, report.document()
        check(region, others, drift, foreign=foreign, taken=taken, ticked=ticked)
        before = {name: simulation.traffic.writes for name, simulation in region.simulations.items()}
        again = region.run(config)
        assert again.changes == again.held == again.lake_rows_changed == 0, again.document()
        assert before == {name: s.traffic.writes for name, s in region.simulations.items()}
        counts = planned(region, config)
    humans = {human.number: human for human in region.humans}
    for (name, segment), (theirs, contested) in counts.items():
        held = {h.number for h in region.humans if name in h.on and segment in others.held(name, h)}
        desired = {h.number for h in region.humans if name in h.on and segment in wanted(h)}
        assert theirs == len({n for c, n, s in ticked if (c, s) == (name, segment)} & held), (name, segment)
        gone = {n for c, n, s in taken if (c, s) == (name, segment) and n in desired} - held
        assert contested == len(gone), (name, segment)
        assert all(humans[n].mailable for n in gone)


def check(
    region: Region,
    others: Others,
    drift: Drift,
    *,
    foreign: dict[tuple[str, int], set[str]],
    taken: Counter[tuple[str, int, str]],
    ticked: set[tuple[str, int, str]],
) -> None:
    """Computed from what others did and the humans themselves, not by segsync."""
    for name in NAMES:
        for human in (h for h in region.humans if name in h.on):
            held, key = set(others.held(name, human)), (name, human.number)
            assert held - OURS == foreign.get(key, set()), key
            theirs = {segment for *one, segment in ticked if tuple(one) == key}
            out = {segment for *one, segment in taken if tuple(one) == key}
            assert theirs <= held, key
            if drift is Drift.RESPECT:
                assert held & OURS == (wanted(human) - out) | theirs, key
            else:
                assert (held & OURS) - out == (wanted(human) - out) | theirs, key
                assert held & OURS <= wanted(human) | theirs, key
                again = {segment for segment in out if taken[(*key, segment)] == 1}
                assert again & wanted(human) <= held, key


def test_what_is_ticked_while_a_held_plan_waits_is_not_overwritten(tmp_path: Path) -> None:
    """Days may pass between looking and writing; values are read again right before they are written."""
    region = Region(tmp_path, people=30, seed=3)
    others = Others(region)
    with region.served(rules(Drift.RESPECT)) as config, ExitStack() as stack:
        region.run(config)
        leavers = [h for h in region.humans if h.mailable and len(h.on) == 4][:1]
        for human in leavers:
            region.opt_out(human, "newsletter")
        region.clock.advance(60)
        workspace = stack.enter_context(Workspace.open(config, clock=region.clock))
        pipeline = stack.enter_context(begin(workspace, "run"))
        _plan(pipeline)
        for human in leavers:
            for name in NAMES:
                others.put(name, human, [*others.held(name, human), "by hand"])
        assert pipeline.report.plan_id is not None
        pipeline.push(pipeline.report.plan_id)
        for human in leavers:
            assert {name: others.held(name, human) for name in NAMES} == {name: ["by hand"] for name in NAMES}
