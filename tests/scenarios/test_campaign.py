"""The fault campaign: whatever fails and whenever segsync dies, its promises hold. Short, or a night long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.campaign.bugs import BUG, BUGS
from tests.scenarios.campaign.driving import say
from tests.scenarios.campaign.telling import table, total

ROOT = Path(__file__).resolve().parents[2]


def command(
    tmp_path: Path, *, kills: int, seed: int, database: str, people: int, bug: str = "", more: bool = False
) -> Any:
    """A campaign in a process of its own, as its command does it; what it tells at its end."""
    command = [sys.executable, "-m", "tests.scenarios.campaign", "--format", "json", "--progress"]
    command += ["--kills", str(kills), "--seed", str(seed), "--database", database, "--people", str(people)]
    command += ["--log", str(tmp_path / "lives.txt")]
    command += ["--more"] if more else []
    environment = {**os.environ, BUG: bug}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    found = json.loads(ended.stdout)
    assert ended.returncode == bool(found["violations"])
    return found


def held(found: dict[str, Any], tmp_path: Path, *, kills: int) -> None:
    assert found["violations"] == [], f"lives.txt in {tmp_path} tells what they said"
    assert found["kills"] >= kills
    assert found["calls"] <= found["bound"]


@pytest.mark.parametrize(
    ("seed", "database", "kills"), [(1, "sqlite", 24), (2, "postgresql", 12), (3, "sqlite", 24)]
)
def test_whatever_fails_every_platform_ends_as_the_rules_want_it(
    tmp_path: Path, seed: int, database: str, kills: int
) -> None:
    found = command(tmp_path, kills=kills, seed=seed, database=database, people=60)
    held(found, tmp_path, kills=kills)
    assert found["faults"].keys() >= {"429 without a time", "reset after the effect"}


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS)
def test_the_campaign_is_not_blind_to_a_bug(tmp_path: Path, bug: str) -> None:
    """Each bug is put into all lives; the check for it must tell, and nothing else is at fault."""
    found = command(tmp_path, kills=0, seed=1, database="sqlite", people=60, bug=bug)
    assert any(BUGS[bug][1] in text for text in found["violations"]), found["violations"]


@pytest.fixture(scope="module")
def campaigns() -> Iterator[list[dict[str, Any]]]:
    """What the long campaigns told; a table of all together comes at the end."""
    made: list[dict[str, Any]] = []
    yield made
    say(f"\n{total(made)}\n")


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", [11, 12, 13, 14, 15])
def test_a_long_campaign_holds_every_promise(
    tmp_path: Path, campaigns: list[dict[str, Any]], seed: int, database: str
) -> None:
    found = command(tmp_path, kills=105, seed=seed, database=database, people=250, more=True)
    campaigns.append(found)
    say(f"\n{table(found)}\n")
    held(found, tmp_path, kills=105)
    assert "by hand: erase" in found["faults"]
