"""`kill -9` at any moment, then `run` again: the same end state as without the kill."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from connectors.simulation.kills import Kill, Point
from connectors.simulation.server import serve
from sync.push import CARRIER
from sync.run.pipeline import run
from sync.run.workspace import Workspace
from tests.databases import database_urls
from tests.patience import PATIENCE_S
from tests.scenarios.commits import AROUND
from tests.scenarios.lives import begin, nursery
from tests.scenarios.town import Town

SOME = (5, 22, 41)
"""Commits of a run at which the short sweep kills."""
CALLS = 12
"""The sweep kills at each of the first so many calls of a run, at each of three points."""


def check(town: Town, statuses: dict[str, str]) -> None:
    assert town.found() == town.expected()
    assert town.statuses() == statuses, "somebody's consent was changed"
    french = town.expected()["segsync: French spenders"]
    assert town.field_values() == dict.fromkeys(french, "french-spenders")


@pytest.mark.parametrize("point", list(Point))
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.long)])
def test_after_a_kill_at_any_call_the_next_run_ends_in_the_same_state(
    tmp_path: Path, point: Point, every: int
) -> None:
    """Quickly each of the calls at one of the points; `make test-long` at all of them."""
    calls = range(1 + list(Point).index(point) % every, CALLS + 1, every)
    town = Town(tmp_path / "town", seed=list(Point).index(point) + 1)
    context = nursery()
    statuses = town.statuses()
    killed = 0
    with serve(town.simulator) as address:
        config = town.configure(address)
        for number in calls:
            town.step()
            process = begin(context, config)
            town.simulator.kills.register(process.pid or 0)
            town.simulator.kills.arm(Kill(point, nth=number, writes=False))
            process.join(PATIENCE_S)
            if process.exitcode == -signal.SIGKILL:
                killed += 1
            else:  # a run with fewer calls lived to its end
                assert process.exitcode == 0
            town.simulator.kills.arm()
            with Workspace.open(config) as workspace:
                report = run(workspace)
            assert not report.failed
            assert report.held == 0
            check(town, statuses)
        with Workspace.open(config) as workspace:
            last = run(workspace)
            assert sum(part.calls for part in last.connections.values()) == 0
            assert last.lake_rows_changed == 0
            owned_is_what_we_added(workspace, town)
    assert killed >= len(calls) * 3 // 4


def owned_is_what_we_added(workspace: Workspace, town: Town) -> None:
    """A kill between an answer and its record must not make our members foreign: all are ours to remove."""
    for row in workspace.store.ledger.audiences():
        if row.segment != CARRIER:  # which stands for the field itself and has no members
            assert row.owned == row.actual, f"{row.segment} has members of ours that we take for others'"


def test_after_a_kill_at_a_commit_the_next_run_ends_in_the_same_state(tmp_path: Path) -> None:
    """A few of the commits; `test_kill_long.py` dies at each of them."""
    kills_at_commits(tmp_path, "sqlite", [f"{AROUND[n % 3]}:{commit}" for n, commit in enumerate(SOME)])


def kills_at_commits(folder: Path, kind: str, points: Iterable[str]) -> None:
    """A life for each point, and a run after it, which mends everything. Ends after the last commit."""
    town, context = Town(folder / "town", seed=4), nursery()
    statuses = town.statuses()
    with serve(town.simulator) as address:
        config = town.configure(address, database=database_urls(folder)[kind])
        for point in points:
            town.step()
            process = begin(context, config, commit=point)
            process.join(PATIENCE_S)
            with Workspace.open(config) as workspace:
                report = run(workspace)
            assert not report.failed, point
            check(town, statuses)
            if process.exitcode != -signal.SIGKILL:
                assert process.exitcode == 0
                return  # it had fewer commits than that
        with Workspace.open(config) as workspace:
            owned_is_what_we_added(workspace, town)


def test_after_kills_members_of_others_are_still_theirs(tmp_path: Path) -> None:
    town = Town(tmp_path / "town", seed=9)
    stranger = next(c for c in town.customers if c.status == "subscribed" and c.country != "DE")
    member = town.simulator.audience.find(stranger.email)
    assert member is not None
    tag = town.simulator.add_tag("segsync: Germans")
    town.simulator.audience.tag(member, tag)
    context = nursery()
    with serve(town.simulator) as address:
        config = town.configure(address)
        for number in (8, 10, 12):
            process = begin(context, config)
            town.simulator.kills.register(process.pid or 0)
            town.simulator.kills.arm(Kill(Point.APPLIED, nth=number, writes=False))
            process.join(PATIENCE_S)
            town.simulator.kills.arm()
            with Workspace.open(config) as workspace:
                run(workspace)
            expected = town.expected()["segsync: Germans"] | {stranger.email}
            assert town.found()["segsync: Germans"] == expected
            stranger.country = "FR"
            town.step()
