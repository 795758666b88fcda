"""Few changed rows beside many that stay: what is written, what is read, and by whom."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.store import Store
from sync.store.backup import back_up, restore
from sync.store.checkup import lake_health
from sync.store.files import GONE, NEWER
from sync.store.tidy import tidy
from sync.store.whole import amend, overwrite
from tests.databases import sqlite_url
from tests.sync.store.records import read

MANY = 20_000


def everybody(count: int = MANY, name: str = "old") -> pa.Table:
    numbers = pa.array(range(1, count + 1), pa.int32())
    return pa.table({"person": numbers, "name": pa.array([name] * count), "lists": pa.array([["x"]] * count)})


def some(*numbers: int, name: str) -> pa.Table:
    return pa.table({"person": pa.array(numbers, pa.int32()), "name": pa.array([name] * len(numbers))})


def names(store: Store) -> dict[int, str]:
    return {row["person"]: row["name"] for row in read(store, "people", order="person")}  # type: ignore[misc]


def by_others(store: Store) -> dict[int, str]:
    """As PyIceberg's own reader has them, which knows nothing of how ours works."""
    table = store.lake.table("people")
    assert table is not None
    found = table.scan(selected_fields=("person", "name")).to_arrow().to_pydict()
    assert len(found["person"]) == len(set(found["person"]))
    return dict(zip(found["person"], found["name"], strict=True))


def sizes(store: Store) -> dict[str, int]:
    """Beginning of the name → bytes of the table's files."""
    found = {"main": 0, NEWER: 0, GONE: 0}
    for file in (*store.lake.files("people"), *store.lake.positions("people")):
        name = Path(file.path).name
        kind = next((k for k in (NEWER, GONE) if name.startswith(k)), "main")
        found[kind] += Path(file.path).stat().st_size
    return found


def test_a_change_of_few_rows_writes_few_rows_and_every_reader_sees_it(lake_store: Store) -> None:
    overwrite(lake_store.lake, "people", everybody())
    before = sizes(lake_store)
    assert amend(lake_store.lake, "people", some(7, MANY + 1, name="new"), gone=[3])
    after = sizes(lake_store)
    assert after["main"] == before["main"]  # not touched
    assert 0 < after[NEWER] + after[GONE] < before["main"]
    expected = dict.fromkeys(range(1, MANY + 1), "old") | {7: "new", MANY + 1: "new"}
    del expected[3]
    assert names(lake_store) == by_others(lake_store) == expected
    assert lake_store.lake.rows("people") == len(expected)
    row = next(row for row in read(lake_store, "people", order="person") if row["person"] == 7)
    assert row["lists"] is None  # columns that the new row lacks read as missing


def test_the_same_rows_again_commit_nothing(lake_store: Store) -> None:
    overwrite(lake_store.lake, "people", everybody())
    amend(lake_store.lake, "people", some(7, name="new"))
    snapshot = lake_store.lake.snapshots()
    assert not amend(lake_store.lake, "people", some(7, 8, name="new").slice(0, 1), gone=[MANY + 5])
    assert lake_store.lake.snapshots() == snapshot


def test_many_changes_are_written_into_the_main_files(lake_store: Store) -> None:
    overwrite(lake_store.lake, "people", everybody())
    amend(lake_store.lake, "people", some(7, name="new"), gone=[8])
    amend(lake_store.lake, "people", some(*range(100, 5_100), name="newer"))
    assert sizes(lake_store)[NEWER] == sizes(lake_store)[GONE] == 0
    expected = (
        dict.fromkeys(range(1, MANY + 1), "old") | {7: "new"} | dict.fromkeys(range(100, 5_100), "newer")
    )
    del expected[8]
    assert names(lake_store) == by_others(lake_store) == expected


def test_overwriting_a_table_with_newer_rows_leaves_just_the_given_ones(lake_store: Store) -> None:
    overwrite(lake_store.lake, "people", everybody())
    amend(lake_store.lake, "people", some(7, name="new"), gone=[8])
    assert overwrite(lake_store.lake, "people", everybody(name="old").slice(1))
    assert names(lake_store) == by_others(lake_store) == dict.fromkeys(range(2, MANY + 1), "old")
    assert not overwrite(lake_store.lake, "people", everybody(name="old").slice(1))


def test_many_commits_leave_few_manifests_to_read_and_no_row_is_lost(lake_store: Store) -> None:
    """Otherwise each run would take longer than the one before."""
    lake, expected = lake_store.lake, dict.fromkeys(range(1, 5_001), "old")
    overwrite(lake, "people", everybody(5_000))
    for number in range(20):
        amend(lake, "people", some(number + 1, 9_000 + number, name="new"), gone=[100 + number])
        expected |= {number + 1: "new", 9_000 + number: "new"}
        del expected[100 + number]
    table = lake.table("people")
    snapshot = table.current_snapshot() if table is not None else None
    assert table is not None
    assert snapshot is not None
    assert len(table.metadata.snapshots) == 21
    assert len(snapshot.manifests(table.io)) <= 7
    assert names(lake_store) == by_others(lake_store) == expected


def test_old_snapshots_keep_their_rows_and_tidy_keeps_positions(lake_store: Store) -> None:
    lake = lake_store.lake
    overwrite(lake, "people", everybody(5_000))
    first = lake.snapshots()["people"]
    amend(lake, "people", some(7, name="new"), gone=[8])
    second = lake.snapshots()["people"]
    amend(lake, "people", some(9, name="newer"))
    database = lake.connect()
    query = "SELECT count(*), count(*) FILTER (name <> 'old') FROM {}"
    found = [
        database.sql(query.format(lake.relation("people", snapshot=one))).fetchall()[0]
        for one in (first, second, None)
    ]
    assert found == [(5_000, 0), (4_999, 1), (4_999, 2)]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    tidy(lake, now=later, keep_days=7)
    assert names(lake_store)[9] == "newer"
    assert 8 not in names(lake_store)
    health = lake_health(lake, now=later)
    assert (health.broken, health.rows) == ((), 4_999)
    Path(lake.positions("people")[0].path).unlink()
    assert lake_health(lake, now=later).broken


STEPS = st.lists(
    st.tuples(
        st.sets(st.integers(1, 60), max_size=12),
        st.sets(st.integers(1, 60), max_size=4),
        st.sampled_from(["a", "b"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_any_changes_leave_what_a_dictionary_would_hold(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[set[int], set[int], str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    with Store.open(f"sqlite:///{folder}/store.db", folder / "lake") as store:
        bucket = (1 << 18) - 30  # so that the numbers lie on both sides of an edge of two files
        start = everybody(3_000).set_column(
            0, "person", pa.array([*range(bucket, bucket + 60), *range(1, 2_941)], pa.int32())
        )
        overwrite(store.lake, "people", start)
        held = dict.fromkeys(start.column("person").to_pylist(), "old")
        for changed, gone, name, whole in steps:
            numbers = sorted(bucket + n - 1 for n in changed - gone)
            amend(store.lake, "people", some(*numbers, name=name), gone=[bucket + n - 1 for n in gone])
            held |= dict.fromkeys(numbers, name)
            held = {n: name for n, name in held.items() if n - bucket + 1 not in gone}
            if whole:
                table = pd.DataFrame(held.items(), columns=["person", "name"]).astype({"person": "int32"})
                overwrite(store.lake, "people", pa.Table.from_pandas(table, preserve_index=False))
            assert store.lake.rows("people") == len(held)
        assert names(store) == by_others(store) == held


def test_a_backup_carries_newer_rows_and_positions_into_another_folder(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    with Store.open(url, tmp_path / "lake") as lake_store:
        _back_up_and_restore(lake_store, url, tmp_path)


def _back_up_and_restore(lake_store: Store, url: str, tmp_path: Path) -> None:
    overwrite(lake_store.lake, "people", everybody(3_000))
    amend(lake_store.lake, "people", some(7, name="new"), gone=[8])
    expected = names(lake_store)
    now = dt.datetime.now(dt.UTC)
    file, manifest = back_up(url, lake_store.lake.folder, tmp_path / "backup.tar", now=now, version="1")
    assert manifest.lake["people"].rows == 2_999
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    restore(file, f"sqlite:///{elsewhere}/segsync.db", elsewhere / "lake")
    lake_store.lake.folder.rename(tmp_path / "gone")  # nothing may lead back to the old folder
    with Store.open(f"sqlite:///{elsewhere}/segsync.db", elsewhere / "lake") as restored:
        assert names(restored) == by_others(restored) == expected
        assert lake_health(restored.lake, now=now).broken == ()
        amend(restored.lake, "people", some(9, name="newer"))
        assert names(restored) == by_others(restored) == expected | {9: "newer"}
