"""A whole run with PostgreSQL as control database: the same end as on SQLite, and nothing left to do."""

from __future__ import annotations

from pathlib import Path

from connectors.simulation.server import serve
from sync.run.pipeline import run
from sync.run.workspace import Workspace
from tests.databases import postgres_url
from tests.scenarios.town import Town


def test_a_run_on_postgresql_ends_as_the_town_expects_and_the_next_has_nothing_to_do(tmp_path: Path) -> None:
    town = Town(tmp_path / "town", seed=5)
    with serve(town.simulator) as address:
        config = town.configure(address, database=postgres_url())
        for _ in range(2):
            town.step()
            with Workspace.open(config) as workspace:
                report = run(workspace)
            assert not report.failed
            assert town.found() == town.expected()
        with Workspace.open(config) as workspace:
            again = run(workspace)
        assert again.changes == again.held == again.lake_rows_changed == 0
        assert sum(part.calls for part in again.connections.values()) == 0
