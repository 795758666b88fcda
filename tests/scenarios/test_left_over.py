"""A rule that is gone leaves its audience alone, and says so; it never empties a list by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.simulation.server import serve
from sync.errors import UserError
from sync.run.leaving import Leaving, leave
from sync.run.pipeline import run
from sync.run.workspace import Workspace
from tests.scenarios.town import RULES, Town

NAME = "segsync: Germans"


@contextmanager
def town_without_a_rule(folder: Path) -> Iterator[tuple[Town, Path]]:
    """A town whose Germans were tagged once and whose rule for them is gone."""
    town = Town(folder / "town")
    with serve(town.simulator) as address:
        config = town.configure(address)
        with Workspace.open(config) as workspace:
            run(workspace)
        rest = "[[segment]]" + "[[segment]]".join(RULES.split("[[segment]]")[2:])
        (town.folder / "rules" / "town.toml").write_text(rest)
        yield town, config


def add_a_stranger(town: Town) -> str:
    tagged = town.simulator.tagged(NAME)
    other = next(c.email for c in town.customers if c.status == "subscribed" and c.email not in tagged)
    member = town.simulator.audience.find(other)
    assert member is not None
    town.simulator.audience.tag(member, town.simulator.add_tag(NAME))
    return other


def test_an_audience_that_is_emptied_keeps_the_members_of_others(tmp_path: Path) -> None:
    with town_without_a_rule(tmp_path) as (town, config):
        stranger = add_a_stranger(town)
        with Workspace.open(config) as workspace:
            report = leave(workspace, "germans", connection="newsletter", how=Leaving.EMPTY)
            assert report.connections["newsletter"].removes == len(town.expected()[NAME])
            assert town.simulator.tagged(NAME) == {stranger}
            assert not [notice for notice in run(workspace).notices if NAME in notice]


def test_an_audience_that_others_use_is_never_deleted(tmp_path: Path) -> None:
    with town_without_a_rule(tmp_path) as (town, config), Workspace.open(config) as workspace:
        stranger = add_a_stranger(town)
        with pytest.raises(UserError, match="1 members that segsync did not add"):
            leave(workspace, "germans", connection="newsletter", how=Leaving.DELETE)
        assert stranger in town.simulator.tagged(NAME)
        member = town.simulator.audience.find(stranger)
        assert member is not None
        town.simulator.audience.untag(member, town.simulator.add_tag(NAME))
        leave(workspace, "germans", connection="newsletter", how=Leaving.DELETE)
        assert town.simulator.audience.segment_named(NAME) is None


def test_members_that_are_kept_are_no_longer_ours(tmp_path: Path) -> None:
    with town_without_a_rule(tmp_path) as (town, config), Workspace.open(config) as workspace:
        leave(workspace, "germans", connection="newsletter", how=Leaving.KEEP)
        assert town.simulator.tagged(NAME) == town.expected()[NAME]
        (town.folder / "rules" / "town.toml").write_text(RULES.replace('country = "DE"', 'country = "XX"'))
        report = run(workspace)
        assert report.held == 0
        assert town.simulator.tagged(NAME) == town.expected()[NAME], "kept members were removed"


def test_only_left_over_audiences_can_be_decided_on(tmp_path: Path) -> None:
    with (
        town_without_a_rule(tmp_path) as (_, config),
        Workspace.open(config) as workspace,
        pytest.raises(UserError, match="no audience of spenders is left over"),
    ):
        leave(workspace, "spenders", connection="newsletter", how=Leaving.EMPTY)


def test_renaming_a_segment_renames_its_audience_and_moves_nobody(tmp_path: Path) -> None:
    town = Town(tmp_path / "town")
    with serve(town.simulator) as address:
        config = town.configure(address)
        with Workspace.open(config) as workspace:
            run(workspace)
            tag = town.simulator.add_tag(NAME)
            rules = town.folder / "rules" / "town.toml"
            rules.write_text(RULES.replace('name = "Germans"', 'name = "People in Germany"'))
            report = run(workspace)
            assert (tag.name, town.simulator.audience.segment_named(NAME)) == (
                "segsync: People in Germany",
                None,
            )
            assert town.simulator.tagged(tag.name) == town.expected()[NAME]
            part = report.connections["newsletter"]
            assert (part.renamed, part.changes, part.created, part.calls) == (1, 0, 0, 0)
            assert run(workspace).connections["newsletter"].renamed == 0


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


def swapped_by_hand(folder: Path, drift: str) -> tuple[set[str], set[str], str, str]:
    """(tagged after two runs, expected, whom others took out, whom others put in) under a policy.

    The count of members stays the same, so only the platform's own time stamp tells.
    """
    town = Town(folder / "town")
    target = f'{{ connection = "newsletter", drift = "{drift}" }}'
    rules = RULES.replace('to = ["newsletter"]', f"to = [{target}]", 1)
    (town.folder / "rules" / "town.toml").write_text(rules)
    with serve(town.simulator) as address:
        config = town.configure(address)
        with Workspace.open(config) as workspace:
            run(workspace)
        home, tag = town.simulator.audience, town.simulator.add_tag(NAME)
        expected = town.expected()[NAME]
        others = [c.email for c in town.customers if c.status == "subscribed" and c.email not in expected]
        lost, foreign = home.find(min(expected)), home.find(others[0])
        assert lost is not None
        assert foreign is not None
        history = []
        for _ in range(2):  # the second time is what "once" is about
            tag.updated -= 60  # the tag was last written a while ago
            with Workspace.open(config) as workspace:
                run(workspace)
            home.untag(lost, tag)
            home.tag(foreign, tag)
            with Workspace.open(config) as workspace:
                run(workspace)
            history.append(lost.address in town.simulator.tagged(NAME))
        assert history == ([True, False] if drift == "re-add once" else [False, False])
        with Workspace.open(config) as workspace:
            assert run(workspace).changes == 0
        return town.simulator.tagged(NAME), set(expected), lost.address, foreign.address


def test_whom_others_took_out_stays_out_and_whom_they_put_in_stays_in(tmp_path: Path) -> None:
    tagged, expected, lost, foreign = swapped_by_hand(tmp_path, "respect")
    assert tagged == expected - {lost} | {foreign}


def test_adopted_members_are_removed_like_ours(tmp_path: Path) -> None:
    tagged, expected, lost, _ = swapped_by_hand(tmp_path, "adopt")
    assert tagged == expected - {lost}


def test_whom_others_took_out_is_added_once_more_and_then_respected(tmp_path: Path) -> None:
    tagged, expected, lost, foreign = swapped_by_hand(tmp_path, "re-add once")
    assert tagged == expected - {lost} | {foreign}


def test_a_rule_may_use_what_nobody_has_done_yet(tmp_path: Path) -> None:
    town = Town(tmp_path / "town", people=5)
    town.orders = []
    town.write()
    with serve(town.simulator) as address, Workspace.open(town.configure(address)) as workspace:
        report = run(workspace)
        assert report.segments["spenders"] == 0
        assert report.segments["germans"] == sum(c.country == "DE" for c in town.customers)
