"""How cost grows with the number of people: whole runs over four simulated platforms without delay.

`python -m tests.benchmarks scale --people N [--views V] [--format json]` prints for a first run, the next one
(it reads what the first one wrote), one after one person in a hundred changed, and one with nothing new:
seconds per step, CPU seconds and peak memory of our process, and the calls the platforms saw. V: views of
pages in a file, beside the 3.6 events per person of the platforms and the shop. The platforms have a process
of their own, and so has each run.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.benchmarks.figures import Figure

STEPS = ("pull", "identify", "assign", "plan", "push")
RUNS = ("first", "echo", "1 % changed", "nothing new")
"""The second reads back what the first one wrote, for our own writes move the platforms' times of change."""
MEMORY_BOUND_MIB = 4096
SHARE_BOUND = 0.05
SHARE_FROM_PEOPLE = 100_000
"""With fewer people the cost of starting is more than the share allows."""
PEOPLE = 10_000

Document = dict[str, Any]


class Platforms:
    """The process with the accounts."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.secrets: dict[str, str] = self._heard()

    def ask(self, command: str) -> Document:
        """One command, one answer."""
        into = self._process.stdin
        assert into is not None
        into.write(f"{command}\n")
        into.flush()
        return self._heard()

    def _heard(self) -> Document:
        out: IO[str] | None = self._process.stdout
        line = out.readline() if out is not None else ""
        if not line:
            raise RuntimeError("the platforms' process has ended")
        found: Document = json.loads(line)
        return found


@contextmanager
def _platforms(folder: Path, people: int, as_of: dt.datetime, views: int) -> Iterator[Platforms]:
    command = [sys.executable, "-m", "tests.benchmarks.scale_platforms", str(folder), str(people)]
    process = subprocess.Popen(
        [*command, as_of.isoformat(), str(views)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Platforms(process)
    finally:
        process.terminate()
        process.wait()


def measure(people: int, views: int = 0) -> list[Document]:
    """One document per run of RUNS."""
    as_of = dt.datetime.now(dt.UTC)
    found: list[Document] = []
    with tempfile.TemporaryDirectory(prefix="segsync-scale-") as place:
        folder = Path(place) / "company"
        folder.mkdir()
        with _platforms(folder, people, as_of, views) as platforms:
            for name in RUNS:
                if name == RUNS[2]:  # before time passes: HubSpot's index does not have the last minute yet
                    platforms.ask("change")
                hours = platforms.ask("later")["hours"]
                document = _run(folder / "config.toml", as_of, hours, platforms.secrets)
                found.append({"run": name, **document, "calls": platforms.ask("counts")})
                sys.stderr.write(
                    f"{json.dumps(found[-1])}\n"
                )  # a million people take long: what is known is told
                sys.stderr.flush()
    return found


def _run(config: Path, as_of: dt.datetime, hours: float, secrets: dict[str, str]) -> Document:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.scale_run", str(config), as_of.isoformat(), str(hours)],
        env={**os.environ, **secrets},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Document = json.loads(done.stdout.splitlines()[-1])
    return found


def run(*, people: int = PEOPLE) -> list[Figure]:
    """The figures of `make bench`."""
    return _figures(people, measure(people))


def _figures(people: int, documents: list[Document]) -> list[Figure]:
    first, _, changed, idle = documents
    share = changed["cpu_s"] / first["cpu_s"]
    large = people >= SHARE_FROM_PEOPLE
    against = f"bound from {SHARE_FROM_PEOPLE:,} people on"
    peak = max(document["peak_mib"] for document in documents)
    name = f"scale_{people}"
    return [
        Figure(f"{name}_first", first["cpu_s"], "CPU s", "none", None, True),
        Figure(f"{name}_1_percent_changed", changed["cpu_s"], "CPU s", "none", None, True),
        Figure(f"{name}_nothing_new", idle["cpu_s"], "CPU s", "none", None, True),
        Figure(
            f"{name}_1_percent_share_of_cpu",
            round(share, 4),
            "of the first run",
            against,
            SHARE_BOUND if large else None,
            not large or share <= SHARE_BOUND,
        ),
        Figure(f"{name}_peak_memory", peak, "MiB", "bound", MEMORY_BOUND_MIB, peak <= MEMORY_BOUND_MIB),
    ]


def _table(documents: list[Document]) -> str:
    heads = ["", *(document["run"] for document in documents)]
    rows = [
        *([step, *(_cell(d, "seconds", step) for d in documents)] for step in STEPS),
        ["all, seconds", *(f"{d['wall_s']:.1f}" for d in documents)],
        ["CPU, seconds", *(f"{d['cpu_s']:.1f}" for d in documents)],
        ["… of it to start", *(f"{d['start_cpu_s']:.1f}" for d in documents)],
        ["peak, MiB", *(f"{d['peak_mib']:,}" for d in documents)],
        ["activity", *(f"{d['activity']:,}" for d in documents)],
        ["rows read", *(f"{d['rows_read']:,}" for d in documents)],
        ["changes", *(f"{d['changes']:,}" for d in documents)],
        ["pace, seconds", *(f"{d['pace_s']:.0f}" for d in documents)],
    ]
    for name in documents[0]["calls"]:
        if name != "simulators":
            parts = [d["calls"][name] for d in documents]
            rows.append([f"calls {name}", *(f"{p['reads']:,} + {p['writes']:,}" for p in parts)])
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in [heads, *rows]
    ]  # fmt: skip
    return "\n".join(lines)


def _cell(document: Document, key: str, step: str) -> str:
    return f"{document[key].get(step, 0.0):.1f}"


def main(given: list[str]) -> int:
    """`scale` of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks scale", description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--views", type=int, default=0)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    asked = parser.parse_args(given)
    documents = measure(asked.people, asked.views)
    if asked.format == "json":
        sys.stdout.write(json.dumps({"people": asked.people, "views": asked.views, "runs": documents}) + "\n")
    else:
        sys.stdout.write(_table(documents) + "\n\n")
        for document in documents:
            sys.stdout.write(json.dumps(document) + "\n")
    return 0 if all(figure.holds for figure in _figures(asked.people, documents)) else 1
