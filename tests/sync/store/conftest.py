from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.store import Run, Store
from tests.databases import postgres_url, sqlite_url

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without any table, for tests of how they are made."""
    return sqlite_url(tmp_path, empty=True) if request.param == "sqlite" else postgres_url(empty=True)


@pytest.fixture
def another_empty_url(empty_url: str, tmp_path: Path) -> str:
    """A second one, of the same kind."""
    if empty_url.startswith("sqlite"):
        return sqlite_url(tmp_path, empty=True)
    return postgres_url(empty=True)


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    with Store.open(database_url, tmp_path / "lake") as opened:
        yield opened


@pytest.fixture
def run(store: Store) -> Run:
    return store.runs.claim("test", as_of=NOW, now=NOW)


@pytest.fixture
def lake_store(tmp_path: Path) -> Iterator[Store]:
    """A store on SQLite, for tests of the lake that the database has no part in."""
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as opened:
        yield opened
