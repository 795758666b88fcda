"""`make bench`: every figure as one JSON line; ends with 1 if a bound does not hold.

Each benchmark has a process of its own, so that its peak memory is its own, and its table in README.md is
written when it is done. Names may be given;
`scale --people N` tells more of whole runs (see scale.py).
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import subprocess
import sys

from tests.benchmarks import scale
from tests.benchmarks.figures import Figure
from tests.benchmarks.report import report

BENCHMARKS = (
    "checking",
    "evaluation",
    "incremental",
    "loading",
    "pushing",
    "scale",
    "budgets",
    "explaining",
    "clustering",
    "mailbox",
)


def main(wanted: list[str]) -> int:
    """Run the named benchmarks (default: all)."""
    if wanted[:1] == ["scale"] and len(wanted) > 1 and wanted[1].startswith("-"):
        return scale.main(wanted[1:])
    unknown = set(wanted) - set(BENCHMARKS)
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    failed = 0
    for name in wanted or BENCHMARKS:
        sys.stderr.write(f"{name} …\n")
        failed |= apart(name)
    return failed


def apart(name: str) -> int:
    """Run one benchmark in a process of its own, hand on its figures, and write them down once all are in."""
    figures = []
    command = [sys.executable, "-m", "tests.benchmarks", f"={name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            figures.append(Figure(**json.loads(line)))
    if process.returncode in (0, 1) and figures:
        report(name, figures, day=dt.datetime.now(dt.UTC).date())
    return process.returncode


def one(name: str) -> int:
    """Run one benchmark in this process and print its figures."""
    figures = importlib.import_module(f"tests.benchmarks.{name}").run()
    for figure in figures:
        sys.stdout.write(figure.to_json() + "\n")
        sys.stdout.flush()
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(one(given[0][1:]) if given and given[0].startswith("=") else main(given))
