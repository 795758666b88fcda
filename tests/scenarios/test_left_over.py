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


def test_a_member_swapped_by_hand_is_seen_although_the_count_is_the_same(tmp_path: Path) -> None:
    town = Town(tmp_path / "town")
    with serve(town.simulator) as address:
        config = town.configure(address)
        with Workspace.open(config) as workspace:
            run(workspace)
        name = "segsync: Germans"
        home, tag = town.simulator.audience, town.simulator.add_tag(name)
        tagged = sorted(town.expected()[name])
        others = [c.email for c in town.customers if c.status == "subscribed" and c.email not in tagged]
        lost, foreign = home.find(tagged[0]), home.find(others[0])
        assert lost is not None
        assert foreign is not None
        tag.updated -= 60  # the tag was last written a while ago
        with Workspace.open(config) as workspace:
            run(workspace)
        home.untag(lost, tag)
        home.tag(foreign, tag)
        with Workspace.open(config) as workspace:
            run(workspace)
        assert town.simulator.tagged(name) == {*tagged, foreign.address}
