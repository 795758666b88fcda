"""One demo company for all tests of the command line, after its first run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.demo.company import company
from tests.scenarios.company import Answer, command

Segsync = Callable[..., Answer]


@pytest.fixture(scope="session")
def demo_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The config of the demo's company; its newsletter answers as long as the tests run."""
    folder = tmp_path_factory.mktemp("demo")
    with company(folder, as_of=dt.datetime.now(dt.UTC)) as config:
        done = command("run", config=config)
        assert done.code == 0, done.said
        yield config


@pytest.fixture(scope="session")
def segsync(demo_config: Path) -> Segsync:
    """Runs `segsync …` on the demo's company."""
    return lambda *words: command(*words, config=demo_config)
