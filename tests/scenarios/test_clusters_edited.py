"""Edited rules that ask for clusters: check, diff and replay tell what a run with them would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.pacing import ManualClock
from rules.text import fold
from sync.assign import read_rules
from sync.run.replaying import Replayed, replay
from sync.run.workspace import Workspace
from tests.scenarios.clustered import DAY, HUNTERS
from tests.scenarios.planted import NOW, Planted

pytestmark = [pytest.mark.usefixtures("small_effort"), pytest.mark.xdist_group("clusters")]
OTHER_SETTINGS = HUNTERS.replace('when = "count(purchase) > 0"', 'when = "count(purchase) > 1"')
OTHER_ID = HUNTERS.replace('id = "value"', 'id = "kinds"')
HELD = 3
"""`diff` ends with it where a brake would hold what the edit does: a segment becomes empty."""
ALONE = HUNTERS[HUNTERS.index("[[segment]]") :]
LAPSED = '[[segment]]\nid = "quiet"\nwhen = \'in cluster "lapsed"\'\nto = ["shop"]\n'


def differing(shop: Planted, folder: Path, segment: str = "hunters", *, code: int = 0) -> dict[str, Any]:
    """What `diff` tells of a segment, and its warnings."""
    found = shop.asked(f"diff --rules {folder}", code=code)
    (one,) = (each for each in found["segments"] if each["segment"] == segment)
    return {**one, "warnings": [each["message"] for each in found["warnings"]]}


def replayed(shop: Planted, folder: Path) -> Replayed:
    """The hunters on the day of the first run and on the next."""
    with Workspace.open(shop.config, clock=ManualClock(NOW + DAY)) as workspace:
        vocabulary, _ = workspace.vocabulary(folder)
        rules = read_rules(folder, vocabulary).ruleset
        assert rules is not None
        (found,) = replay(workspace, rules, vocabulary, segment="hunters", days=1)
        return found


def test_edited_rules_know_the_clusterings_of_their_own_folder(running: Planted) -> None:
    told = running.told(f"check {running.edited(OTHER_ID)}")
    assert "rules.toml:12:9: warning: cluster is missing for everybody: clustering kinds has no" in told
    assert (
        "it was never fitted; the first run with these rules does it, and rules see the clusters that" in told
    )
    assert "there is no clustering yet" in running.told(f"check {running.edited(ALONE, 'none')}", code=1)
    two = running.edited(OTHER_ID + HUNTERS[: HUNTERS.index("[[segment]]")], "two")
    several = running.told(f"check {two}", code=1)
    assert 'write cluster.kinds = "bargain hunters" or cluster.value = "bargain hunters"' in several
    assert "warning" not in running.told(f"check {running.edited(HUNTERS, 'same')}")


def test_a_file_without_a_clustering_is_read_beside_those_in_force(running: Planted) -> None:
    file = running.edited(ALONE) / "rules.toml"
    assert "1 segment, no errors" in running.told(f"check {file}")
    (running.folder / "rules" / "more.toml").write_text(LAPSED)
    assert "no errors" in running.told(f"check {running.folder / 'rules' / 'more.toml'}")


def test_a_file_alone_is_told_of_clusters_that_are_not_there(running: Planted) -> None:
    """As it is told beside the others: both files that lie in the rules folder, and edited ones elsewhere."""
    wrong = ALONE.replace("bargain hunters", "whales")
    mine = running.folder / "rules" / "more.toml"
    mine.write_text(wrong.replace('"hunters"', '"whales"'))
    elsewhere = running.edited(wrong) / "rules.toml"
    for file in (mine, elsewhere, ""):
        told = running.told(f"check {file}")
        assert 'warning: no accepted cluster of value is called "whales"; there are ' in told, file
    running.told("clusters reject value --cluster 1 --cluster 2 --cluster 3")
    assert "no cluster of value was accepted; `segsync clusters show" in running.told(f"check {elsewhere}")


def test_another_clustering_gives_nobody_the_clusters_of_the_one_in_force(running: Planted) -> None:
    found = differing(running, running.edited(OTHER_ID), code=HELD)
    assert (found["before"], found["after"], found["leave"]) == (30, 0, 30)
    assert found["because"] == ["clustering kinds"]
    assert "clustering kinds has no clusters: it was never fitted" in found["warnings"][0]


def test_an_edited_clustering_empties_its_segments_as_the_run_with_it_does(running: Planted) -> None:
    folder = running.edited(OTHER_SETTINGS)
    found = differing(running, folder, code=HELD)
    assert (found["before"], found["after"], found["leave"]) == (30, 0, 30)
    assert (
        "its settings were changed; the first run with these rules finds clusters anew"
        in found["warnings"][0]
    )
    assert [one["people"] for one in running.asked(f"check --data {folder}")["sizes"]] == [0]
    running.ruled(OTHER_SETTINGS)
    assert running.run(NOW + 2 * DAY).segments["hunters"] == 0


def test_what_was_accepted_since_the_last_run_counts_as_in_the_next(accepted: Planted) -> None:
    found = differing(accepted, accepted.edited(HUNTERS + LAPSED), "quiet")
    assert (found["after"], found["enter"], found["warnings"]) == (30, 30, [])
    assert set(accepted.facts("cluster").values()) == {None}
    accepted.ruled(HUNTERS + LAPSED)
    report = accepted.run(NOW + DAY)
    assert report.segments == {"hunters": 30, "quiet": 30}
    assert accepted.written() == {"hunters": accepted.of("hunters"), "quiet": accepted.of("lapsed")}


def test_what_was_not_accepted_is_told_with_what_to_do(proposed: Planted) -> None:
    found = differing(proposed, proposed.edited(HUNTERS.replace('"hunters"', '"new"')), "new")
    assert found["after"] == 0
    assert "no cluster of value was accepted; `segsync clusters show value`" in found["warnings"][0]


def test_replay_asks_for_the_clusters_of_each_day_under_the_names_of_today(running: Planted) -> None:
    days = replayed(running, running.edited(HUNTERS.replace("bargain hunters", "Bargain Hunters")))
    assert [(day.size, day.missing) for day in days.days] == [(30, None), (30, None)]
    days = replayed(running, running.edited(OTHER_SETTINGS, "other"))
    why = "clustering value had not found clusters by these settings yet"
    assert [(day.size, day.missing) for day in days.days] == [(None, why)] * 2
    assert fold("Bargain Hunters") in set(running.facts("cluster__ci").values())
