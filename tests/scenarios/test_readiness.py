"""`connections check` and `list` over four platforms: what people read, what scripts get, the exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.pacing import ManualClock
from tests.scenarios.company import command, segment
from tests.scenarios.region import Region

RULES = segment(
    "germans", 'country = "DE"', to='["hub", "crm", "shop-mail", { connection = "newsletter", as = "tag" }]'
)


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Region:
    made = Region(tmp_path, people=24)
    clock: ManualClock = made.clock
    monkeypatch.setattr("sync.run.workspace.SystemClock", lambda: clock)
    return made


def test_four_healthy_accounts_are_ready_and_say_what_would_be_made(region: Region) -> None:
    with region.served(RULES) as config:
        text = command("connections", "check", config=config)
        told = command("connections", "check", "--format", "json", config=config)
    assert (text.code, told.code) == (0, 0)
    assert "Every connection is ready." in text.out
    assert 'campaign "segsync: germans"' in text.out
    rows = {row["connection"]: row for row in told.document["connections"]}
    assert [row["ok"] for row in rows.values()] == [True] * 4
    assert all(row["account"] and row["quota"] and row["read"] for row in rows.values())
    assert rows["newsletter"]["segments"] == [{"name": "segsync: germans", "as": "tag"}]
    assert {(n, c["kind"], c["name"]) for n, row in rows.items() for c in row["creates"]} == {
        ("hub", "list folder", "segsync"),
        ("hub", "list", "segsync: germans"),
        ("crm", "campaign", "segsync: germans"),
        ("shop-mail", "custom property", "segsync_segments"),
        ("newsletter", "tag", "segsync: germans"),
    }


def test_after_a_run_nothing_would_be_made(region: Region) -> None:
    with region.served(RULES) as config:
        report = region.run(config)
        assert report.exit_code == 0, report.document()
        told = command("connections", "check", "--format", "json", config=config)
    assert [row["creates"] for row in told.document["connections"]] == [[]] * 4


def test_one_account_that_lacks_a_right_is_named_with_the_mend(region: Region) -> None:
    region.hub.missing_scopes = {"crm.lists.write", "crm.objects.contacts.write"}
    with region.served(RULES) as config:
        text = command("connections", "check", config=config)
        told = command("connections", "check", "--format", "json", config=config)
    assert (text.code, told.code) == (4, 4)
    assert "hub (hubspot): not ready" in text.out
    assert "crm.lists.write: without it, no list of ours can be made" in text.out
    assert "In HubSpot, open Development" in text.out
    assert "3 of 4 connections are ready." in text.out
    (hub,) = [row for row in told.document["connections"] if not row["ok"]]
    # Nobody sends a segment into the property, so the right to write it is not missed.
    assert [lack["scope"] for lack in hub["missing"]] == ["crm.lists.write"]


def test_a_secret_that_is_not_there_is_a_problem_of_the_config(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    with region.served(RULES) as config:
        monkeypatch.delenv("SEGSYNC_REGION_HUB_ACCESS_TOKEN")
        answer = command("connections", "check", config=config)
    assert answer.code == 1
    assert "SEGSYNC_REGION_HUB_ACCESS_TOKEN" in answer.out
    assert "crm (salesforce): ready" in answer.out


def test_rules_that_cannot_be_read_leave_the_accounts_checked(region: Region) -> None:
    with region.served("[[segment") as config:
        answer = command("connections", "check", config=config)
    assert answer.code == 0
    assert "Some rule files cannot be read" in answer.out


def test_the_list_asks_no_platform(region: Region) -> None:
    with region.served(RULES) as config:
        before = [one.traffic.reads for one in region.simulations.values()]
        told = command("connections", "list", "--format", "json", config=config)
        assert [one.traffic.reads for one in region.simulations.values()] == before
        text = command("connections", "list", config=config)
    assert (told.code, text.code) == (0, 0)
    assert [(row["connection"], row["segments"]) for row in told.document["connections"]] == [
        ("hub", 1),
        ("crm", 1),
        ("shop-mail", 1),
        ("newsletter", 1),
    ]
    assert "shop-mail" in text.out
