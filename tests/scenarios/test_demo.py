"""`segsync demo` as a whole: what it prints, and what the simulated newsletter says about it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.mailchimp.simulated.audience import Member
from connectors.mailchimp.simulator import MailchimpSimulator
from sync.run.workspace import Workspace
from tests.scenarios.company import command

NEVER_SENT = {"status", "status_if_new", "marketing_permissions", "email_address", "timestamp_opt", "ip_opt"}


class Remembered(MailchimpSimulator):
    """Keeps itself, and how its members began, for whoever looks after the demo is over."""

    made: list[Remembered] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.began: dict[str, str] = {}
        Remembered.made.append(self)

    def add_member(self, address: str, **more: Any) -> Member:
        self.began[address] = str(more["status"])
        return super().add_member(address, **more)


@dataclass(frozen=True)
class Demo:
    """The printed document, the newsletter, and the folder that was kept."""

    document: dict[str, Any]
    newsletter: Remembered
    folder: Path

    @property
    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document["runs"]
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo") / "company"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connectors.mailchimp.simulator.MailchimpSimulator", Remembered)
        answer = command("demo", "--format", "json", "--folder", folder)
        assert answer.code == 0, answer.said
        patch.setenv("SEGSYNC_DEMO_KEY", "any")
        yield Demo(answer.document, Remembered.made.pop(), folder)


def test_the_document_has_the_documented_shape(demo: Demo) -> None:
    first, second = demo.runs
    for one in (first, second):
        assert one["people"] == 2_357
        assert all(isinstance(size, int) and 0 <= size <= 2_357 for size in one["segments"].values())
        assert set(one["connections"]) == {"shop", "newsletter"}
        for part in one["connections"].values():
            counts = {
                name: part[name] for name in ("changes", "calls", "minimum_calls", "refused", "unreachable")
            }
            assert all(isinstance(count, int) and count >= 0 for count in counts.values())
    assert len(first["segments"]) >= 15
    tiers = [size for name, size in first["segments"].items() if name.startswith("lifecycle/")]
    assert sum(tiers) == 2_357  # each person is in exactly one


def test_the_first_run_takes_the_fewest_calls(demo: Demo) -> None:
    part = demo.runs[0]["connections"]["newsletter"]
    assert part["calls"] == part["minimum_calls"] > 0
    assert part["changes"] > 5_000
    assert part["refused"] == part["held"] == 0
    operations = demo.newsletter.traffic.operations
    assert operations["POST /lists/{id}/segments/{id}"] == part["calls"]
    assert demo.newsletter.traffic.writes == part["calls"] + part["created"]


def test_the_second_run_has_nothing_to_do(demo: Demo) -> None:
    second = demo.runs[1]
    assert second["lake_rows_changed"] == 0
    for part in second["connections"].values():
        assert (part["read"], part["changes"], part["calls"]) == (0, 0, 0)
    assert second["segments"] == demo.runs[0]["segments"]
    began = dt.datetime.fromisoformat(second["as_of"]).timestamp()
    files = [f for f in (demo.folder / "lake").rglob("*.parquet") if f.stat().st_mtime > began]
    assert files == []


def test_no_consent_was_ever_written(demo: Demo) -> None:
    sent: set[str] = set()
    for logged in demo.newsletter.traffic.log:
        if logged.body:
            sent |= set(keys(json.loads(logged.body)))
    assert sent  # there was something to look at
    assert not sent & NEVER_SENT
    now = {m.address: m.status for m in demo.newsletter.audience.members.values()}
    assert now == demo.newsletter.began
    assert {"subscribed", "unsubscribed", "cleaned", "pending", "transactional"} <= set(now.values())


def keys(content: object) -> Iterator[str]:
    """Every key of a JSON document, at any depth."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield name
            yield from keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from keys(value)


def test_the_tags_hold_exactly_the_members_who_may_be_mailed(demo: Demo) -> None:
    """Computed here from the stored memberships and the newsletter's own consent states."""
    with Workspace.open(demo.folder / "config.toml") as workspace:
        segments = workspace.store.segments.latest()
        audiences = workspace.store.ledger.audiences()
        database = workspace.store.lake.connect()
        contacts, links = (workspace.store.lake.relation(name) for name in ("contacts", "links"))
        rows = database.sql(
            f"SELECT l.person, lower(c.address) FROM {contacts} c JOIN {links} l USING (contact)"
            " WHERE c.connection = 'newsletter'"
        ).fetchall()
        database.close()
    address_of = dict(rows)
    left = {a.lower() for a, status in demo.newsletter.began.items() if status in ("unsubscribed", "cleaned")}
    assert len(audiences) == 20
    for audience in audiences:
        everyone = {address_of[p] for p in segments[audience.segment].members if p in address_of}
        expected = everyone if audience.segment == "do-not-mail" else everyone - left
        found = {address.lower() for address in demo.newsletter.tagged(audience.name)}
        assert found == expected, audience.segment
        assert expected or not everyone
