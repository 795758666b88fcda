"""Writes what a benchmark measured into the README of this folder, between its two marks and nowhere else."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import duckdb

from tests.benchmarks.figures import Figure

README = Path(__file__).with_name("README.md")
_END = "<!-- end of what {name} measured -->"
_BEGIN = "<!-- what {name} measured: written by `make bench`, not by hand -->"


def report(name: str, figures: Sequence[Figure], *, day: dt.date, readme: Path = README) -> None:
    """Replaces the table of a benchmark. ValueError if the README has no place for it."""
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    before, found, rest = readme.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{readme} has no place for what {name} measured: put {begin} and {end} into it")
    readme.write_text(f"{before}{begin}\n\n{_table(figures, day)}\n\n{end}{after}", encoding="utf-8")


def _table(figures: Sequence[Figure], day: dt.date) -> str:
    rows = [
        f"{day.isoformat()}, {machine()}:",
        "",
        "| figure | measured | bound | compared with |",
        "|---|---|---|---|",
    ]
    for figure in figures:
        bound = (
            "" if figure.bound is None else f"{figure.bound:g}{'' if figure.holds else ', **does not hold**'}"
        )
        rows.append(f"| `{figure.name}` | {figure.value:g} {figure.unit} | {bound} | {figure.against} |")
    return "\n".join(rows)


def machine() -> str:
    """What it was measured on; no names."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    return f"{cores} cores ({platform.machine()}), {memory:.0f} GiB, {versions}"
