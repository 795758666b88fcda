"""Random kills, several in a row, on both databases: longer than the sweep, with the same end."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from connectors.simulation.kills import Kill, Point
from connectors.simulation.server import serve
from sync.run.pipeline import run
from sync.run.workspace import Workspace
from tests.databases import database_urls
from tests.patience import PATIENCE_S
from tests.scenarios.commits import AROUND
from tests.scenarios.lives import begin, nursery
from tests.scenarios.test_kill import kills_at_commits
from tests.scenarios.town import Town

ROUNDS = 20


@pytest.mark.long
@pytest.mark.parametrize("first", range(3))
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_kill_at_every_commit_ends_in_the_same_state(tmp_path: Path, kind: str, first: int) -> None:
    """Before, inside and after in turn; over the three `first` each commit sees all of them."""
    kills_at_commits(tmp_path, kind, (f"{AROUND[(first + n) % 3]}:{n}" for n in range(1, 10_000)))


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_random_kills_in_a_row_end_in_the_same_state(tmp_path: Path, kind: str, seed: int) -> None:
    choice = random.Random(seed)
    town = Town(tmp_path / "town", seed=seed)
    statuses = town.statuses()
    context = nursery()
    kills = 0
    with serve(town.simulator) as address:
        config = town.configure(address, database=database_urls(tmp_path)[kind])
        for _ in range(ROUNDS):
            town.step()
            for _ in range(choice.randrange(1, 4)):
                process = begin(context, config)
                town.simulator.kills.register(process.pid or 0)
                kill = Kill(choice.choice(list(Point)), nth=choice.randrange(1, 14), writes=False)
                town.simulator.kills.arm(kill)
                process.join(PATIENCE_S)
                kills += process.exitcode == -signal.SIGKILL
            town.simulator.kills.arm()
            with Workspace.open(config) as workspace:
                report = run(workspace)
            assert not report.failed
            assert town.found() == town.expected()
            assert town.statuses() == statuses
    assert kills >= ROUNDS
