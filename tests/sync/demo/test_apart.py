"""The demo's accounts in another process: there while they are wanted, and gone with whoever wanted them."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.pacing import SystemClock
from connectors.registry import platform
from sync.config import load
from sync.demo.apart import company_apart
from sync.errors import UserError

AS_OF = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


class Watched:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.units = 0

    def step(self, name: str, total: int | None = None) -> None:
        self.steps.append(name)

    def advance(self, units: int = 1) -> None:
        self.units += units


def test_accounts_answer_while_the_block_runs_and_secrets_are_taken_back(tmp_path: Path) -> None:
    before, watched = dict(os.environ), Watched()
    folder = tmp_path / "firm"
    folder.mkdir()
    with company_apart(
        folder, as_of=AS_OF, people="40", accounts=("newsletter", "crm"), progress=watched
    ) as config:
        settings = load(config)
        for name in ("newsletter", "crm"):
            connection = settings.connections[name]
            connector = platform(connection.platform).open(connection.revealed(), SystemClock())
            assert connector.check().ok
            connector.close()
    assert dict(os.environ) == before
    assert watched.steps[0] == "make people and orders"
    assert watched.units == 40


def test_mistakes_of_the_child_are_told(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="people"),
        company_apart(tmp_path / "firm", as_of=AS_OF, people="none", accounts=("newsletter",)),
    ):
        raise AssertionError("there is no such number of people")


def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import datetime as dt, sys, threading\n"
        "from pathlib import Path\n"
        "from sync.demo.apart import company_apart\n"
        "at = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)\n"
        "with company_apart(Path(sys.argv[1]), as_of=at, people='20', accounts=('newsletter',)) as config:\n"
        "    print(config, flush=True)\n"
        "    threading.Event().wait()\n"
    )
    (tmp_path / "firm").mkdir()
    reading, writing = os.pipe()  # held open by the child too: its end is the end of the pipe
    os.set_inheritable(writing, True)
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "firm")],
        stdout=subprocess.PIPE,
        stderr=writing,
    )
    os.close(writing)
    assert parent.stdout is not None
    assert parent.stdout.readline().strip().endswith(b"config.toml")
    parent.kill()
    parent.wait()
    with os.fdopen(reading, "rb") as errors:
        assert errors.read() == b""  # returns only when nobody holds the other end any more
    parent.stdout.close()
