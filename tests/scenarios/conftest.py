"""Fixtures of the scenario tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.company import Company, company


@pytest.fixture
def firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """An empty company with one newsletter."""
    with company(tmp_path, monkeypatch) as made:
        yield made
