"""An undo puts back exactly what a run changed, on every platform, and the rules wait for a person."""

from __future__ import annotations

from pathlib import Path

from connectors.owned_field import names_in
from connectors.pacing import ManualClock
from sync.run.freezing import resume
from sync.run.undoing import Undone, undo
from sync.run.workspace import Workspace
from tests.scenarios.company import Company, emails, join, part, people, segment
from tests.scenarios.region import Region

RULES = """
[[segment]]
id = "home"
name = "Home"
when = 'country = "HERE"'
to = ["newsletter", { connection = "hub", as = "list" }, { connection = "shop-mail", as = "list" },
      { connection = "crm", as = "campaign" }]

[[segment]]
id = "there"
name = "There"
when = 'country = "HERE"'
to = [{ connection = "hub", as = "field" }, { connection = "crm", as = "field" },
      { connection = "shop-mail", as = "field" }, { connection = "newsletter", as = "field" }]
"""
HOME = "segsync: Home"


def state(region: Region) -> dict[str, object]:
    """Every member of the audience and every value of the owned field, on all four platforms."""
    crm = region.crm.org.tables
    campaigns = [key for key, one in crm["Campaign"].items() if one["Name"] == HOME]
    profiles = region.klaviyo.account.profiles.values()
    return {
        "hub": region.hub.listed(HOME),
        "shop-mail": region.klaviyo.on_list(HOME),
        "newsletter": region.mailchimp.tagged(HOME),
        "crm": {str(member) for key in campaigns for member in region.crm.members(key)},
        "hub field": {
            key: frozenset(names_in(one.properties.get("segsync_segments")))
            for key, one in region.hub.records.live("contacts").items()
        },
        "crm field": {key: frozenset(names_in(row["Segments__c"])) for key, row in crm["Contact"].items()},
        "shop-mail field": {
            one.email: frozenset(map(str, one.properties.get("segsync_segments") or ()))  # type: ignore[call-overload]
            for one in profiles
        },
        "newsletter field": {
            one.address: frozenset(names_in(str(one.merge.get("SEGMENTS") or "")))
            for one in region.mailchimp.audience.members.values()
        },
    }


def put_back(region: Region, config: Path, run_id: int) -> Undone:
    region.clock.advance(60)
    with Workspace.open(config, clock=region.clock) as workspace:
        return undo(workspace, run_id, by="ann")


def foreign_hands(region: Region) -> None:
    """Colleagues put an Italian, who is in no segment yet, into three of the audiences."""
    name, platforms = "IT", {"hub", "shop-mail", "newsletter"}
    human = next(h for h in region.humans if h.country == name and h.mailable and platforms <= h.on)
    listed = region.hub.lists.named(HOME)
    assert listed is not None
    contact = region.hub.records.by_address(human.address("hub"))
    assert contact is not None
    region.hub.lists.change(listed, add=[contact.id], remove=[])
    group = next(one for one in region.klaviyo.account.lists.values() if one.name == HOME)
    profile = region.klaviyo.account.find("email", human.address("shop-mail"))
    assert profile is not None
    region.klaviyo.account.join(group, profile)
    home, member = region.mailchimp.audience, region.mailchimp.audience.find(human.address("newsletter"))
    tag = home.segment_named(HOME)
    assert tag is not None
    assert member is not None
    if home.tag(member, tag):
        home.touch(member)


def test_an_undo_restores_four_platforms_exactly_and_can_be_undone(
    tmp_path: Path,
) -> None:
    region = Region(tmp_path, people=24, seed=5, clock=ManualClock())
    rules = tmp_path / "rules" / "region.toml"
    with region.served(RULES.replace("HERE", "DE")) as config:
        region.run(config)
        foreign_hands(region)
        before, consents = state(region), region.consents()
        rules.write_text(RULES.replace("HERE", "IT"))
        changed = region.run(config)
        assert not changed.held, changed.document()
        after = state(region)
        assert all(before[name] != after[name] for name in before), "the run changed something everywhere"

        back = put_back(region, config, changed.run_id)
        assert not back.report.failed, back.document()
        assert state(region) == before
        assert back.skipped == []

        paused = region.run(config)
        assert (paused.changes, paused.held > 0) == (0, True)
        assert "segsync resume home" in " ".join(paused.brakes)
        assert state(region) == before, "the rules took it back at once"

        again = put_back(region, config, back.report.run_id)
        assert not again.report.failed, again.document()
        assert state(region) == after
        assert region.run(config).changes == 0
        assert region.consents() == consents


def start(firm: Company) -> int:
    """Ten Germans; then five of them move away and five people come: the run that is to be undone."""
    firm.customers(people(range(1, 11)))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    join(firm.newsletter, range(1, 16))
    firm.run()
    firm.later(minutes=10)
    firm.customers(people(range(6, 16)) + people(range(1, 6), country="FR"))
    report = firm.run()
    assert (part(report)["adds"], part(report)["removes"]) == (5, 5)
    firm.later(minutes=10)
    return int(report["run"])


def test_what_cannot_be_undone_is_listed_with_its_reason(firm: Company) -> None:
    run = start(firm)
    home = firm.newsletter.audience
    tag = home.segment_named("segsync: germans")
    members = {n: home.find(f"person{n}@example.com") for n in range(1, 16)}
    assert tag is not None
    for number, move in ((1, home.tag), (11, home.untag)):  # others' hands
        member = members[number]
        assert member is not None
        assert move(member, tag)
        home.touch(member)
    left = members[2]
    assert left is not None
    left.status, left.left_by = "unsubscribed", "contact"
    home.touch(left)
    firm.later(minutes=10)
    assert firm.segsync("pull").code == 0
    writes = firm.newsletter.traffic.writes
    shown = firm.segsync("undo", str(run), "--dry-run", "--format", "json")
    assert shown.code == 0, shown.said
    assert firm.newsletter.traffic.writes == writes
    done = firm.segsync("undo", str(run), "--by", "ann", "--format", "json").document
    assert {(one["reason"], one["people"]) for one in done["skipped"]} == {
        ("others took them out since", 1),
        ("others put them in since", 1),
        ("they must not be marketed to", 1),
    }
    assert done["skipped"] == shown.document["skipped"]
    assert firm.tagged("germans") == emails([1, 3, 4, 5, *range(6, 11)])
    with firm.open() as workspace:
        assert resume(workspace, "germans", connection=None, by="ann") == 1
    firm.run()
    assert firm.tagged("germans") == emails([1, *range(6, 11), *range(12, 16)])
    late = firm.segsync("undo", str(run), "--dry-run", "--format", "json").document
    assert {one["reason"].split()[0] for one in late["skipped"]} >= {"run"}, "later runs changed them"


def test_an_undo_is_held_by_the_same_brakes_and_goes_on_when_the_rule_is_edited(firm: Company) -> None:
    firm.customers(people(range(1, 61)))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    join(firm.newsletter, range(1, 61))
    run = firm.run()["run"]
    firm.later(minutes=10)
    undone = firm.segsync("undo", str(run), "--format", "json")
    assert undone.code == 3, undone.said
    assert undone.document["audiences"][0]["held"] == 60
    assert firm.tagged("germans") == emails(range(1, 61))
    firm.run()  # an ordinary run changes nothing there and leaves the undo waiting
    approved = firm.segsync("approve", str(undone.document["plan"]), "--by", "ann")
    assert approved.code == 0, approved.said
    assert firm.tagged("germans") == set()
    firm.later(minutes=10)
    assert firm.run(code=3)["held"] == 60
    firm.rules(segment("germans", 'country = "DE" and email is known'))
    firm.run()
    assert firm.tagged("germans") == emails(range(1, 61))
