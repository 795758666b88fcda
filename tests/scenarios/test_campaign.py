"""The fault campaign: whatever fails and whenever segsync dies, its promises hold. Short, or a night long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def campaign(tmp_path: Path, *, kills: int, seed: int, database: str, people: int) -> dict[str, Any]:
    """Run one in a process of its own, as its command does; its answer."""
    log = tmp_path / "lives.txt"
    command = [sys.executable, "-m", "tests.scenarios.campaign", "--format", "json", "--log", str(log)]
    command += ["--kills", str(kills), "--seed", str(seed), "--database", database, "--people", str(people)]
    ended = subprocess.run([*command, "--progress"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    found: dict[str, Any] = json.loads(ended.stdout)
    assert found["violations"] == [], f"lives.txt in {tmp_path} tells what they said"
    assert ended.returncode == 0
    assert found["kills"] >= kills
    assert found["calls"] <= found["bound"]
    return found


@pytest.mark.parametrize(
    ("seed", "database", "kills"), [(1, "sqlite", 24), (2, "postgresql", 12), (3, "sqlite", 24)]
)
def test_whatever_fails_every_platform_ends_as_the_rules_want_it(
    tmp_path: Path, seed: int, database: str, kills: int
) -> None:
    found = campaign(tmp_path, kills=kills, seed=seed, database=database, people=60)
    assert found["faults"].keys() >= {"429 without a time", "reset after the effect"}


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", [11, 12, 13, 14, 15])
def test_a_long_campaign_holds_every_promise(tmp_path: Path, seed: int, database: str) -> None:
    campaign(tmp_path, kills=105, seed=seed, database=database, people=250)
