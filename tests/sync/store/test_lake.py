from __future__ import annotations

import datetime as dt
import os
import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable
from pyiceberg.table.metadata import TableMetadata

from sync.store import Store, StoreError
from sync.store.shapes import SHAPES
from sync.store.tidy import tidy
from sync.store.whole import amend, overwrite
from tests.sync.store.records import ORDERS, commit, read


def people(*numbers: int, **columns: list[object]) -> pa.Table:
    made: dict[str, object] = {"person": pa.array(numbers, pa.int32())}
    made["suppressed"] = pa.array([False] * len(numbers))
    return pa.table({**made, **{name: pa.array(values) for name, values in columns.items()}})


@pytest.mark.parametrize("table", list(SHAPES))
def test_a_table_without_data_reads_as_typed_nothing(store: Store, table: str) -> None:
    database = store.lake.connect()
    found = database.sql(f"SELECT * FROM {store.lake.relation(table)}").to_arrow_table()
    assert found.num_rows == 0
    assert dict(zip(found.column_names, found.schema.types, strict=True)) == dict(SHAPES[table])
    assert store.lake.snapshots() == {}


def test_a_whole_table_is_written_only_where_it_differs(store: Store) -> None:
    far = 1 << 18
    first = people(1, 2, far + 1, name=["a", "b", "c"], lists=[["x"], [], None])
    assert overwrite(store.lake, "people", first)
    files = {file.path for file in store.lake.files("people")}
    assert not overwrite(store.lake, "people", first.take([2, 0, 1]))
    assert not overwrite(store.lake, "people", first.append_column("new", pa.nulls(3, pa.string())))
    second = people(1, 2, far + 1, name=["a", "b", "C"], lists=[["x"], [], None])
    assert overwrite(store.lake, "people", second)
    now = {file.path for file in store.lake.files("people")}
    assert len(files & now) == 1  # the numbers below 2^18 stayed where they were
    assert [row["name"] for row in read(store, "people", order="person")] == ["a", "b", "C"]
    assert overwrite(store.lake, "people", people(1, name=["a"], lists=[["x"]]))
    assert store.lake.rows("people") == 1
    assert overwrite(store.lake, "people", people(1, name=["a"]))  # the lists are gone
    assert read(store, "people", order="person")[0]["lists"] is None
    assert overwrite(store.lake, "people", people())
    assert store.lake.rows("people") == 0


def test_a_relation_of_some_columns_has_those_of_the_whole_one(lake_store: Store) -> None:
    lake = lake_store.lake
    overwrite(lake, "people", people(*range(1, 9), name=[f"n{number}" for number in range(8)]))
    amend(lake, "people", people(2, 9, city=["Oslo", None]), gone=[5])  # newer rows, and rows that are gone
    assert lake.positions("people")
    database = lake.connect()
    for some in (["person"], ["city", "person"], ["in_lists", "name"]):
        query = f"SELECT {', '.join(some)} FROM"
        narrow = lake.relation("people", only=some)
        whole = database.sql(f"{query} {lake.relation('people')} ORDER BY ALL").to_arrow_table()
        assert database.sql(f"{query} {narrow} ORDER BY ALL").to_arrow_table() == whole
        assert {row[0] for row in database.execute(f"DESCRIBE FROM {narrow}").fetchall()} == set(some)


def test_an_old_snapshot_can_still_be_read(lake_store: Store) -> None:
    lake = lake_store.lake
    overwrite(lake, "people", people(1, name=["old"]))
    snapshot = lake.snapshots()["people"]
    overwrite(lake, "people", people(1, name=["new"]))
    database = lake.connect()
    query = "SELECT name FROM {}"
    assert database.sql(query.format(lake.relation("people", snapshot=snapshot))).fetchall() == [("old",)]
    assert database.sql(query.format(lake.relation("people"))).fetchall() == [("new",)]


def test_what_a_process_keeps_of_a_table_is_what_it_wrote(lake_store: Store) -> None:
    """Read anew from the file, by PyIceberg's own reader; and what was kept before stays as it was."""
    lake = lake_store.lake
    before: list[tuple[TableMetadata, str]] = []
    for number in range(4):
        overwrite(lake, "people", people(1, number + 2, **{f"name{number % 2}": ["a", f"b{number}"]}))
        kept = lake.table("people")
        assert kept is not None
        read_anew = StaticTable.from_metadata(kept.metadata_location)
        assert kept.metadata == read_anew.metadata
        assert len(kept.metadata.snapshots) == number + 1
        before.append((kept.metadata, kept.metadata.model_dump_json()))
    assert all(metadata.model_dump_json() == as_it_was for metadata, as_it_was in before)


def test_tidy_keeps_what_is_current_and_drops_what_a_crash_left(lake_store: Store) -> None:
    lake = lake_store.lake
    for name in ("a", "b", "c"):
        overwrite(lake, "people", people(1, name=[name]))
    data = lake.folder / "lake" / "people" / "data"
    (data / "crashed.parquet").write_bytes(b"x")
    for path in [*data.iterdir(), *(data.parent / "metadata").iterdir()]:
        os.utime(path, (1_600_000_000,) * 2)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    assert tidy(lake, now=dt.datetime.now(dt.UTC), keep_days=7) >= 1
    assert len(list(data.iterdir())) == 3  # all three snapshots are young
    tidy(lake, now=later, keep_days=7)
    assert len(list(data.iterdir())) == 1
    assert read(lake_store, "people", order="person")[0]["name"] == "c"
    overwrite(lake, "people", people(1, name=["d"]))
    assert read(lake_store, "people", order="person")[0]["name"] == "d"


def test_any_iceberg_reader_sees_the_same_rows(lake_store: Store) -> None:
    """PyIceberg's own reader resolves columns by id; ours by name. Both must agree."""
    commit(lake_store, ORDERS, [{"event_id": str(n), "product": f"p{n}"} for n in range(5)])
    from sync.store.activity import absorb_activity

    absorb_activity(lake_store, "mc", ORDERS)
    overwrite(lake_store.lake, "people", people(1, 2, lists=[["x", "y"], None]))
    for name, key in (("activity", "event_id"), ("people", "person")):
        table = lake_store.lake.table(name)
        assert table is not None
        theirs = table.scan().to_arrow().sort_by(key)
        ours = read(lake_store, name, order=key)
        assert theirs.select(sorted(theirs.column_names)).to_pylist() == [
            {column: row[column] for column in sorted(row)} for row in ours
        ]


def test_names_with_dots_quotes_and_spaces_are_columns_like_others(lake_store: Store) -> None:
    odd = """it's "a.b" c"""
    rows = people(1).append_column(odd, pa.array(["x"]))
    overwrite(lake_store.lake, "people", rows)
    assert read(lake_store, "people", order="person")[0][odd] == "x"
    assert not overwrite(lake_store.lake, "people", rows)


def test_a_column_never_changes_its_type(lake_store: Store) -> None:
    overwrite(lake_store.lake, "people", people(1, age=[5]))
    with pytest.raises(StoreError, match="holds int64 and cannot take string"):
        overwrite(lake_store.lake, "people", people(1, age=["five"]))
    with pytest.raises(StoreError, match="holds no values of type double"):
        overwrite(lake_store.lake, "people", people(1, share=[0.5]))


def test_duckdb_fetches_no_extension_and_reads_in_utc(lake_store: Store) -> None:
    database = lake_store.lake.connect(memory_limit="700MB")
    settings = dict(
        database.sql(
            "SELECT name, value FROM duckdb_settings() WHERE name IN"
            " ('TimeZone', 'autoinstall_known_extensions', 'autoload_known_extensions')"
        ).fetchall()
    )
    assert settings == {
        "TimeZone": "UTC",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with pytest.raises(duckdb.Error):
        database.execute("SELECT * FROM 'https://example.com/x.parquet'")


def test_two_lakes_writing_at_once_lose_nothing(lake_store: Store, tmp_path: Path) -> None:
    lake = lake_store.lake
    overwrite(lake, "people", people(1))
    with Store.open(lake_store.database.url.render_as_string(), tmp_path / "lake") as other:
        overwrite(other.lake, "people", people(1, 2))
        assert lake.rows("people") == 2  # seen without reopening
        overwrite(lake, "people", people(1, 2, 3))
        assert other.lake.rows("people") == 3


def test_a_folder_that_duckdb_would_take_for_a_pattern_is_refused(tmp_path: Path) -> None:
    with (
        Store.open(f"sqlite:///{tmp_path}/x.db", tmp_path / "la[k]e") as store,
        pytest.raises(StoreError, match="must not have"),
    ):
        store.lake.snapshots()


def test_random_tables_come_back_as_given(lake_store: Store) -> None:
    dice = random.Random(3)
    for _ in range(6):
        numbers = dice.sample(range(1, 4), dice.randint(0, 3))
        names = [dice.choice([None, "a", "ä"]) for _ in numbers]
        overwrite(
            lake_store.lake, "people", people(*numbers).append_column("name", pa.array(names, pa.string()))
        )
        found = [(row["person"], row["name"]) for row in read(lake_store, "people", order="person")]
        assert found == sorted(zip(numbers, names, strict=True))
