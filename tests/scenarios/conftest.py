"""Fixtures of the scenario tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import database_urls
from tests.scenarios.clustered import Stages, small_effort, stages
from tests.scenarios.company import Company, company
from tests.scenarios.planted import Planted
from tests.scenarios.serving import schedule
from tests.scenarios.works import Works

__all__ = ["small_effort", "stages"]


@pytest.fixture
def proposed(stages: Stages) -> Planted:
    """A shop whose clusters were found, and wait for a decision."""
    return stages.back("proposed")


@pytest.fixture
def accepted(stages: Stages) -> Planted:
    """The same after all of them were accepted, before the next run."""
    return stages.back("accepted")


@pytest.fixture
def running(stages: Stages) -> Planted:
    """And after that run: people have the fact."""
    return stages.back("running")


@pytest.fixture
def firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """An empty company with one newsletter."""
    with company(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path / "works", people=12)
    with made.served():
        schedule(made)
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path / "works", database_urls(tmp_path)[request.param], people=12)
    with made.served():
        schedule(made)
        yield made
