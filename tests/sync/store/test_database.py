"""The control database's engines: what they share, and what they must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event, func, select
from sqlalchemy.engine.interfaces import CacheStats

from sync.store.database import Database
from sync.store.tables import notes
from tests.databases import sqlite_url


def test_what_one_store_has_compiled_no_other_store_compiles_again(tmp_path: Path) -> None:
    query = select(notes.c.key, func.lower(notes.c.key).label("folded")).where(notes.c.key > "a")
    hits: list[object] = []
    for _ in range(2):
        database = Database(sqlite_url(tmp_path))

        @event.listens_for(database.reader, "after_cursor_execute")
        def _done(*told: Any) -> None:
            hits.append(told[4].cache_hit)

        with database.reading() as connection:
            assert connection.execute(query).all() == []
        database.close()
    assert hits == [CacheStats.CACHE_MISS, CacheStats.CACHE_HIT]


def test_each_store_writes_into_its_own_file(tmp_path: Path) -> None:
    databases = [Database(sqlite_url(tmp_path)) for _ in range(2)]
    for number, database in enumerate(databases):
        with database.writing() as connection:
            connection.execute(notes.insert().values(key="whose", value=number))
    for number, database in enumerate(databases):
        with database.reading() as connection:
            assert connection.execute(select(notes.c.value)).scalars().all() == [number]
        database.close()
