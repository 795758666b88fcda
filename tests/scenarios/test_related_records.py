"""Deals of HubSpot as related records: who has won or open ones, run after run, and after an upgrade."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sync.run.workspace import Workspace
from tests.scenarios.company import segment
from tests.scenarios.region import Region

STAGES = {"won": "closedwon", "open": "appointmentscheduled", "lost": "closedlost"}
RULES = segment("won", 'any(deal where stage = "won")', to='["hub"]') + segment(
    "busy", 'count(deal where stage = "open") >= 2', to="[]"
)


@dataclass
class Sales:
    """Deals of people of a region, kept beside HubSpot: (person, stage) of each, by the deal's number."""

    region: Region
    deals: dict[int, tuple[int, str]] = field(default_factory=dict)
    records: dict[int, Any] = field(default_factory=dict)

    def deal(self, person: int, stage: str) -> int:
        hub, number, now = self.region.hub, len(self.deals), self.region.clock.utc_now()
        made = hub.add_object("deals", changed_at=now, amount="10", dealstage=STAGES[stage])
        address = self.region.humans[person].address("hub")
        contact = hub.records.by_address(address)
        assert contact is not None
        hub.records.link(made, contact)
        self.deals[number], self.records[number] = (person, stage), made
        return number

    def address(self, person: int) -> str:
        return self.region.humans[person].address("hub").lower()

    def move(self, number: int, stage: str) -> None:
        self.region.hub.records.update(self.records[number], {"dealstage": STAGES[stage]})
        self.deals[number] = self.deals[number][0], stage

    def expected(self) -> dict[str, set[str]]:
        def those(stage: str, at_least: int) -> set[str]:
            people = [person for person, now in self.deals.values() if now == stage]
            return {self.address(person) for person in people if people.count(person) >= at_least}

        return {"won": those("won", 1), "busy": those("open", 2)}


def found(workspace: Workspace) -> dict[str, set[str]]:
    """The segments' members by their addresses."""
    with workspace.store.lake.connect() as database:
        links = workspace.store.lake.relation("links")
        rows = database.sql(f"SELECT person, unnest(keys) FROM {links}").fetchall()
    address = {person: key.removeprefix("email:") for person, key in rows if key.startswith("email:")}
    latest = workspace.store.segments.latest()
    return {name: {address[person] for person in latest[name].members} for name in ("won", "busy")}


@pytest.fixture
def sales(tmp_path: Path) -> Iterator[tuple[Sales, Path]]:
    region = Region(tmp_path, people=12, on_share=1, out_share=0)
    region.simulations = {"hub": region.hub}
    sales = Sales(region)
    for person, stages in enumerate((["won"], ["open", "open"], ["open", "lost"], ["won", "won"], ["lost"])):
        for stage in stages:
            sales.deal(person, stage)
    with region.served(RULES) as config:
        yield sales, config


def run(sales: Sales, config: Path) -> dict[str, set[str]]:
    """Who is in after a run, in a workspace of its own."""
    assert sales.region.run(config).exit_code == 0
    with Workspace.open(config, clock=sales.region.clock) as workspace:
        return found(workspace)


def test_deals_that_move_move_people_on_the_next_run(sales: tuple[Sales, Path]) -> None:
    sold, config = sales
    assert run(*sales) == sold.expected()
    assert {len(people) for people in sold.expected().values()} == {2, 1}
    sold.move(1, "won")
    sold.deal(2, "open")
    sold.move(0, "lost")
    assert run(*sales) == sold.expected()
    assert sold.address(1) in sold.expected()["won"]
    words = [sys.executable, "-c", "from sync.cli import main; main()", "--config", str(config), "check"]
    answer = subprocess.run(words, capture_output=True, text=True)
    assert answer.returncode == 0, f"another process knows the records: {answer.stdout}{answer.stderr}"


def test_deals_read_by_an_earlier_segsync_are_read_again(sales: tuple[Sales, Path]) -> None:
    """It kept HubSpot's own name of the stage, and no word of records."""
    sold, config = sales
    run(*sales)
    with Workspace.open(config, clock=sold.region.clock) as workspace:
        store, deals = workspace.store, workspace.connector("hub").features.streams[1]
        (page,) = workspace.connector("hub").read(deals, None)
        column = page.rows.schema.get_field_index("stage")
        rows = page.rows.set_column(column, "stage", page.rows["stage_name"])
        store.inbox.commit_page("hub", "deals", rows, page.cursor)
        store.notes.set("reading:hub/deals", None)
        noted: Any = store.notes.get("features:hub")
        for stream in noted["streams"]:
            del stream["record"], stream["reading"]
        store.notes.set("features:hub", noted)
    assert run(*sales) == sold.expected()
    with Workspace.open(config, clock=sold.region.clock) as workspace:
        assert workspace.known("hub")[0][1].record == deals.record
    report = sold.region.run(config)
    assert report.connections["hub"].read == 0, "once is enough"
