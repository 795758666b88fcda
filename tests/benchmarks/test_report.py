"""The README of the benchmarks has a place for each of them, and reports write nowhere else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.figures import Figure
from tests.benchmarks.report import README, report

DAY = dt.date(2026, 3, 2)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_a_benchmark_measures_is_written_at_its_place_and_nowhere_else(
    name: str, tmp_path: Path
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README.read_text())
    for value in (1.5, 2.5):
        report(name, [Figure("a.figure", value, "s", "another", 2.0, value <= 2)], day=DAY, readme=readme)
    lines = set(readme.read_text().splitlines())
    assert "| `a.figure` | 2.5 s | 2, **does not hold** | another |" in lines
    assert not any("1.5 s" in line for line in lines)
    kept = [line for line in README.read_text().splitlines() if not line.startswith(("|", "20"))]
    assert lines >= set(kept)


def test_a_readme_without_the_place_is_an_error_that_says_what_to_put_there(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Benchmarks\n")
    with pytest.raises(ValueError, match="<!-- what loading measured: written by `make bench`"):
        report("loading", [], day=DAY, readme=readme)
