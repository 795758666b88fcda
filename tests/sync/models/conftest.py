from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.store import Store
from tests.databases import postgres_url, sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url()
    with Store.open(url, tmp_path / "lake") as opened:
        yield opened


@pytest.fixture
def lake_store(tmp_path: Path) -> Iterator[Store]:
    """On SQLite, for what the database has no part in."""
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as opened:
        yield opened
