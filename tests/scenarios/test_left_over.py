"""A rule that is gone leaves its audience alone, and says so; it never empties a list by itself."""

from __future__ import annotations

from pathlib import Path

from connectors.simulation.server import serve
from sync.run.pipeline import run
from sync.run.workspace import Workspace
from tests.scenarios.town import RULES, Town


def test_a_deleted_rule_leaves_its_members_and_is_told(tmp_path: Path) -> None:
    town = Town(tmp_path / "town")
    with serve(town.simulator) as address:
        config = town.configure(address)
        with Workspace.open(config) as workspace:
            run(workspace)
        rest = "[[segment]]" + "[[segment]]".join(RULES.split("[[segment]]")[2:])
        (town.folder / "rules" / "town.toml").write_text(rest)
        with Workspace.open(config) as workspace:
            report = run(workspace)
        assert town.found() == town.expected()
        assert [notice for notice in report.notices if '"segsync: Germans"' in notice]
        assert sum(part.calls for part in report.connections.values()) == 0
