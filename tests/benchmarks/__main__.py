"""`make bench`: every figure as one JSON line; ends with 1 if a bound does not hold.

Each benchmark has a process of its own, so that its peak memory is its own. Names may be given;
`scale --people N` tells more of whole runs (see scale.py).
"""

from __future__ import annotations

import importlib
import subprocess
import sys

from tests.benchmarks import scale

BENCHMARKS = ("checking", "evaluation", "loading", "pushing", "scale", "budgets", "explaining")


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
        failed |= subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", f"={name}"], check=False
        ).returncode
    return failed


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
