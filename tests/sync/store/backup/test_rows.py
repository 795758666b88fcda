"""Rows written down and read back, between both databases: every value of every type is the same."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest
from pyroaring import BitMap
from sqlalchemy import Connection, insert, select

from sync.store import tables
from sync.store.backup.rows import dump, load, number_on, stored_tables
from sync.store.database import Database
from sync.store.migrate import migrate
from tests.databases import postgres_url, sqlite_url

AT = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))


def open_new(kind: str, folder: Path) -> Database:
    database = Database(sqlite_url(folder) if kind == "sqlite" else postgres_url())
    migrate(database)
    return database


def fill(connection: Connection) -> None:
    run = {"trigger": "test", "as_of": AT, "started_at": AT, "state": "done", "owner": {"pid": 1}}
    connection.execute(insert(tables.runs).values(**run, lease_until=2**40, stats={"a": [1, None, "ü\x7f"]}))
    connection.execute(insert(tables.notes).values(key="nothing", value=None))
    audience = {"connection": "a", "segment": "b", "kind": "tag", "name": 'quo"te\n', "state": "active"}
    sets = {"owned": BitMap(range(0, 200_000, 3)), "actual": BitMap(), "readded": BitMap([2**32 - 1])}
    connection.execute(insert(tables.audiences).values(**audience, **sets, include_suppressed=True))
    connection.execute(
        insert(tables.memberships).values(
            segment="b", run_id=1, last_run=1, version="v", members=BitMap([7]), size=1, as_of=AT
        )
    )


def everything(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Read with the code's own types, as the program reads it."""
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
        for table in tables.metadata.sorted_tables
    }


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_rows_are_the_same_in_the_other_database(source: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    old, new = open_new(source, tmp_path), open_new(target, tmp_path / "b")
    with old.writing() as connection:
        fill(connection)
    written = {}
    with old.snapshot() as connection:
        before = everything(connection)
        for name, table in stored_tables(connection).items():
            written[name] = io.BytesIO()
            dump(connection, table, written[name])
    with new.writing() as connection:
        found = stored_tables(connection)
        for name, lines in written.items():
            load(connection, found[name], io.BytesIO(lines.getvalue()))
        number_on(connection, found.values())
    with new.reading() as connection:
        assert everything(connection) == before
    with new.writing() as connection:  # new rows are numbered after the old ones
        run = {"trigger": "next", "as_of": AT, "started_at": AT, "state": "done", "owner": {}}
        values = {**run, "lease_until": 0, "stats": {}}
        made = insert(tables.runs).values(values).returning(tables.runs.c.id)
        assert connection.execute(made).scalar() == 2
    old.close()
    new.close()
