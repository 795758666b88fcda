"""`segsync evaluate` on the demo's company: its numbers are those that pandas finds in the lake."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sync.run.workspace import Workspace
from tests.sync.cli.conftest import Segsync


def test_sizes_revenue_and_overlaps_are_those_of_pandas(segsync: Segsync, demo_config: Path) -> None:
    found = segsync("evaluate", "--format", "json").document
    with Workspace.open(demo_config) as workspace:
        lake = workspace.store.lake
        database = lake.connect()
        query = f'SELECT person, "at", amount FROM {lake.relation("activity", "purchase")}'
        orders = database.sql(query).to_arrow_table().to_pandas()
        database.close()
        members = {name: set(one.members) for name, one in workspace.store.segments.latest().items()}
    as_of = pd.Timestamp(found["as_of"])
    days = (as_of.floor("D") - orders["at"].dt.floor("D")).dt.days
    recent = orders[(days < found["revenue_days"]) & (orders["at"] <= as_of) & (orders["amount"] > 0)]
    by_person = recent.groupby("person")["amount"].sum()
    segments = {one["segment"]: one for one in found["segments"]}
    assert segments.keys() == members.keys()
    for name, some in members.items():
        theirs = by_person[by_person.index.isin(some)]
        assert segments[name]["size"] == len(some)
        assert segments[name]["revenue"] == theirs.sum()
        assert segments[name]["revenue_share"] == pytest.approx(theirs.sum() / by_person.sum())
        assert segments[name]["buyers"]["value"] == pytest.approx(len(theirs) / len(some))
    for pair in found["overlaps"]:
        a, b = members[pair["smaller"]], members[pair["larger"]]
        assert pair["jaccard"] == len(a & b) / len(a | b)
        assert pair["containment"] == len(a & b) / min(len(a), len(b))
    giants = {one["evidence"]["segment"] for one in found["warnings"] if one["code"] == "seg.giant"}
    assert giants == {name for name, some in members.items() if len(some) / found["people"] > 0.5}


def test_what_is_not_measured_is_told_with_what_turns_it_on(segsync: Segsync) -> None:
    found = segsync("evaluate", "--format", "json").document
    assert set(found["unmeasured"]) == {"margin", "clv", "engagement", "satisfaction", "roi"}
    assert "[models.clv]" in found["unmeasured"]["clv"]
    assert "[models.offers.table]" in found["unmeasured"]["margin"]
    assert {one["clv"] for one in found["segments"]} == {one["roi"] for one in found["segments"]} == {None}
    assert "clv" not in found["attractiveness"]["weights"]
    heads = next(line for line in segsync("evaluate").out.splitlines() if line.startswith("  segment "))
    assert not {"CLV", "engaged", "ROI", "margin"} & set(heads.split())
    assert "eval.unmeasured_roi" in {one["code"] for one in found["warnings"]}


def test_weights_are_shown_and_change_the_ranking(segsync: Segsync) -> None:
    usual = segsync("evaluate", "--format", "json").document["attractiveness"]
    assert sum(usual["weights"].values()) == pytest.approx(1)
    words = [f"--weight={name}=0" for name in usual["weights"] if name != "size"]
    found = segsync("evaluate", *words, "--format", "json").document
    sizes = {one["segment"]: one["size"] for one in found["segments"]}
    alone = found["attractiveness"]
    assert alone["weights"] == {"size": 1.0}
    ranked = [one["segment"] for one in alone["ranking"]]
    assert ranked == sorted(ranked, key=lambda name: -sizes[name])
    assert all(one["best"] == one["rank"] == one["worst"] for one in alone["ranking"])
    assert set(alone["knocked_out"]).isdisjoint(ranked)
    assert sizes["lifecycle/prospect"] < 100
    assert {"lifecycle/prospect", "do-not-mail"} <= set(alone["knocked_out"])


def test_of_twins_one_is_ranked_and_the_others_name_it(segsync: Segsync) -> None:
    found = segsync("evaluate", "--format", "json").document
    ranked = {one["segment"] for one in found["attractiveness"]["ranking"]}
    twins = [{one["smaller"], one["larger"]} for one in found["overlaps"] if one["jaccard"] >= 0.8]
    assert {"win-back", "lifecycle/lapsing"} in twins
    assert [pair for pair in twins if pair <= ranked] == []
    begins = "not differentiable: a twin of "
    out = {
        name: why.removeprefix(begins)
        for name, reasons in found["attractiveness"]["knocked_out"].items()
        for why in reasons
        if why.startswith(begins)
    }
    assert out["win-back"] == "lifecycle/lapsing"
    assert all({name, other} in twins and other in ranked for name, other in out.items())


def test_the_text_tells_the_same_twice_and_no_address(segsync: Segsync) -> None:
    said = segsync("evaluate")
    assert (said.code, said.err) == (0, "")
    assert said.out == segsync("evaluate").out
    assert "@" not in said.out
    for words in (
        "Attractiveness",
        "Weights: revenue_per_person",
        "warning seg.giant",
        "not ranked: do-not-mail",
    ):
        assert words in said.out


def test_words_that_make_no_sense_are_told_with_what_would(segsync: Segsync) -> None:
    for words, told in (
        (("--weight", "sise=1"), 'did you mean "size"?'),
        (("--weight", "size"), "NAME=NUMBER"),
        (("--weight", "size=-1"), "--weight size=-1: give a number of 0 or more"),
        (("--weight", "size=inf"), "--weight size=inf: give a number of 0 or more"),
        (("--weight", "size=nan"), "--weight size=nan: give a number of 0 or more"),
        (("--nps", "contry"), 'did you mean "country"?'),
        (("--csat", "country"), "from 1 to 5"),
    ):
        answer = segsync("evaluate", *words)
        assert (answer.code, told in answer.err) == (1, True), answer.said
    for days in ("0", "99999999999"):
        assert segsync("evaluate", "--days", days).code == 2
