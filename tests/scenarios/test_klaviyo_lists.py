"""Lists on Klaviyo: what others did to them is seen, and names that are not unique do no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.base import Audience, AudienceKind
from connectors.errors import BadSource
from sync.run.workspace import Workspace
from tests.scenarios.company import command
from tests.scenarios.region import Region

HERE = "shop-mail"
NAME = "segsync: Germans"
RULES = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = [{ connection = "shop-mail", as = "list" }]
"""


def named(region: Region) -> list[str]:
    return [group.id for group in region.klaviyo.account.lists.values() if group.name == NAME]


def test_what_others_put_on_a_list_and_took_off_it_is_seen_by_the_next_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = Region(tmp_path, people=40, seed=4)
    monkeypatch.setattr("sync.run.workspace.SystemClock", lambda: region.clock)
    with region.served(RULES) as config:
        assert not region.run(config).failed
        (list_id,) = named(region)
        account = region.klaviyo.account
        group = account.lists[list_id]
        reads = region.klaviyo.traffic.operations["GET /api/lists/{id}/profiles"]
        assert not region.run(config).failed
        assert region.klaviyo.traffic.operations["GET /api/lists/{id}/profiles"] == reads  # nothing to see

        region.clock.advance(60)
        stranger = next(p for p in account.profiles.values() if p.id not in group.members)
        account.leave(group, next(iter(group.members)))
        account.join(group, stranger)
        plan = command("plan", "--format", "json", config=config).document
        (row,) = plan["audiences"]
        assert (row["foreign"], row["contested"], row["enter"], row["leave"]) == (1, 1, 0, 0)


def test_after_a_crash_between_making_and_recording_there_is_one_list(tmp_path: Path) -> None:
    region = Region(tmp_path, people=30, seed=4)
    with region.served(RULES) as config:
        with Workspace.open(config, clock=region.clock) as workspace:
            wanted = Audience("germans", NAME, AudienceKind.LIST)
            workspace.connector(HERE).ensure(wanted)  # and then the process dies
        for _ in range(2):
            assert not region.run(config).failed
        assert len(named(region)) == 1
        assert {str(a).lower() for a in region.klaviyo.on_list(NAME)} == region.expected("DE", HERE)


def test_two_lists_of_one_name_are_for_a_person_to_sort_out(tmp_path: Path) -> None:
    """Looking and making go by the same rule: neither takes one of them, and no third one is made."""
    region = Region(tmp_path, people=30, seed=4)
    with region.served(RULES) as config:
        account = region.klaviyo.account
        first = account.add_group(NAME, account.lists)
        region.clock.advance(1)
        second = account.add_group(NAME, account.lists)
        report = region.run(config)
        stopped = str(report.connections[HERE].stopped)
        assert f'2 lists are called "{NAME}" ({first.id}, {second.id}); rename all but one' in stopped
        with Workspace.open(config, clock=region.clock) as workspace, pytest.raises(BadSource) as raised:
            workspace.connector(HERE).ensure(Audience("germans", NAME, AudienceKind.LIST))
        assert str(raised.value) == stopped
        assert (named(region), first.members, second.members) == ([first.id, second.id], {}, {})

        second.name = "an older try"
        assert not region.run(config).failed
        assert named(region) == [first.id]
        assert {str(a).lower() for a in region.klaviyo.on_list(NAME)} == region.expected("DE", HERE)

        third = account.add_group(NAME, account.lists)
        assert not region.run(config).failed  # ours is known by its id
        assert third.members == {}
