"""Aggregates, ranks and windows against numbers worked out with pandas from the same files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from rules.engine import Evaluation
from tests.benchmarks.evaluation.ours import ours
from tests.benchmarks.generator import AS_OF, World, lake


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return lake(tmp_path_factory.mktemp("lake"), people=3_000, events=60_000, seed=7)


@pytest.fixture(scope="module")
def evaluation(world: World) -> Evaluation:
    return ours(duckdb.connect(), world)


def _rows(world: World, kind: str, days: int | None = None) -> pd.DataFrame:
    rows = pd.read_parquet(world.activity_file(kind)).dropna(subset=["person"])
    rows = rows[rows["at"] <= AS_OF]
    return rows if days is None else rows[rows["at"] > AS_OF - dt.timedelta(days=days)]


def test_aggregates_are_those_of_pandas(world: World, evaluation: Evaluation) -> None:
    year = _rows(world, "purchase", 365).groupby("person")
    last = _rows(world, "purchase").groupby("person")["at"].max()
    total, mean = year["amount"].sum(), year["amount"].mean()
    latest = _rows(world, "purchase").dropna(subset=["store"]).sort_values("at").groupby("person").tail(1)
    paid = _rows(world, "purchase").groupby("person")["amount"].sum()
    ever = paid[paid >= 20_00].index
    people = pd.read_parquet(world.people_file)
    worth = people[people["ltv"] >= 10_00]["person"]
    quiet = last[(AS_OF - last) > dt.timedelta(days=60)].index
    expected = {
        "loyal": year.size()[lambda sizes: sizes >= 4].index,
        "big-365": total[total >= 200_00].index,
        "average": mean[mean > 39_99].index,
        "varied": year["category__ci"].nunique()[lambda kinds: kinds >= 3].index.intersection(ever),
        "lapsed-vip": total[total >= 150_00].index.intersection(quiet),
        "store": pd.Index(latest[latest["store"] == "Munich"]["person"]).intersection(worth),
        "dearest": year["amount"].max()[lambda most: most >= 100_00].index,
    }
    for segment, index in expected.items():
        found = set(evaluation.members[segment])
        assert found == {int(person) for person in index}, segment
        assert found, segment


@pytest.mark.means(
    "`in top p%`: the number of people with a strictly greater value is less than `p/100 × N`,"
)
def test_ranks_are_those_of_pandas(world: World, evaluation: Evaluation) -> None:
    people = pd.read_parquet(world.people_file).set_index("person")
    total = _rows(world, "purchase", 365).groupby("person")["amount"].sum()
    spend = people["suppressed"].astype("int64").mul(0).add(total, fill_value=0)
    above = spend.rank(method="min", ascending=False) - 1
    assert set(evaluation.members["top-10"]) == {int(p) for p in spend.index[above * 10 < len(spend)]}
    ltv = people.dropna(subset=["country__ci"])
    inside = ltv.groupby("country__ci")["ltv"].rank(method="min", ascending=False) - 1
    sizes = ltv.groupby("country__ci")["ltv"].transform("size")
    assert set(evaluation.members["country-top"]) == {int(p) for p in ltv.index[inside * 10 < sizes]}


@pytest.mark.means("and the result does not depend on row order or engine.")
@pytest.mark.means("the order of rows never changes a result.")
def test_shuffled_rows_give_the_same_bitmaps(world: World, evaluation: Evaluation, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    shuffled = World(tmp_path, world.people, world.events)
    for source in world.folder.glob("*.parquet"):
        frame = duckdb.read_parquet(str(source)).to_arrow_table()
        duckdb.from_arrow(frame.take(random.permutation(frame.num_rows))).write_parquet(
            str(tmp_path / source.name)
        )
    found = ours(duckdb.connect(), shuffled)
    assert dict(found.members) == dict(evaluation.members)
    assert {id_: bitmap.serialize() for id_, bitmap in found.members.items()} == {
        id_: bitmap.serialize() for id_, bitmap in evaluation.members.items()
    }
