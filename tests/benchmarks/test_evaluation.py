"""The sides of the evaluation's benchmark find the same people, so that their costs may be compared."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from pyroaring import BitMap

from tests.benchmarks.evaluation import banded, frames, per_row, single
from tests.benchmarks.evaluation.ours import ours
from tests.benchmarks.generator import World, lake

VARIANTS = 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return lake(tmp_path_factory.mktemp("lake"), people=2_000, events=60_000, seed=5)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def members(connection: duckdb.DuckDBPyConnection, world: World) -> dict[str, BitMap]:
    found = dict(ours(connection, world, VARIANTS).members)
    assert len(found) == 50 * VARIANTS
    few = [segment for segment, people in found.items() if not 0 < len(people) < world.people]
    assert len(few) < 5, f"says little of {few}"
    return found


def test_a_banded_query_finds_the_same_people(
    connection: duckdb.DuckDBPyConnection, world: World, members: dict[str, BitMap]
) -> None:
    assert banded.by_hand(connection, world, VARIANTS) == members


def test_a_query_per_rule_finds_the_same_people(
    connection: duckdb.DuckDBPyConnection, world: World, members: dict[str, BitMap]
) -> None:
    assert single.one_by_one(connection, world, VARIANTS) == members


def test_pandas_finds_the_same_people(world: World, members: dict[str, BitMap]) -> None:
    assert frames.in_frames(world, VARIANTS) == members


@pytest.mark.parametrize(
    ("library", "asking"), [("rule_engine", per_row.by_rule_engine), ("json_logic", per_row.by_json_logic)]
)
def test_libraries_that_ask_one_person_at_a_time_find_the_same_people(
    library: str,
    asking: per_row.Asking,
    connection: duckdb.DuckDBPyConnection,
    world: World,
    members: dict[str, BitMap],
) -> None:
    pytest.importorskip(library, reason="only the benchmark needs it: `make bench` installs it")
    given = per_row.sample(connection, world, 200, VARIANTS)
    found, _ = asking(given, VARIANTS)
    assert found == {segment: people & BitMap(range(200)) for segment, people in members.items()}
