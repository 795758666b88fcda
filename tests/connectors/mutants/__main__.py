"""`python -m tests.connectors.mutants [--platform P]`: try every mutant, print what became of each.

Ends with 1 if a test did not fail with its mutant, or a mutant does not fit the code any more.
"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.connectors.mutants.catalog import PLATFORMS, Mutant, mutants
from tests.connectors.mutants.running import RED, Copy


def main(words: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.connectors.mutants", description=__doc__)
    parser.add_argument("--platform", choices=PLATFORMS, help="only this platform's mutants")
    parser.add_argument("--only", default="", help="only mutants whose name holds this text")
    parser.add_argument("--jobs", type=int, default=2, help="how many at the same time")
    given = parser.parse_args(words)
    platforms = [given.platform] if given.platform else PLATFORMS
    chosen = [one for name in platforms for one in mutants(name) if given.only in one.name]
    return report(tried(chosen, jobs=given.jobs))


def tried(chosen: Sequence[Mutant], *, jobs: int) -> list[tuple[Mutant, dict[str, str]]]:
    """Each mutant with its tests' verdicts, printed as they come."""
    copies: queue.Queue[Copy] = queue.Queue()

    def one(mutant: Mutant) -> tuple[Mutant, dict[str, str]]:
        copy = copies.get()
        try:
            verdicts = copy.try_(mutant)
        finally:
            copies.put(copy)
        for test, verdict in verdicts.items():
            sys.stdout.write(f"{mutant.platform:<11}{verdict:<15}{test}: {mutant.name}\n")
        sys.stdout.flush()
        return mutant, verdicts

    with tempfile.TemporaryDirectory(prefix="segsync-mutants-") as folder:
        for number in range(jobs):
            copies.put(Copy(_made(Path(folder) / str(number))))
        for platform in dict.fromkeys(mutant.platform for mutant in chosen):
            tests = {test for mutant in chosen if mutant.platform == platform for test in mutant.tests}
            failing = Copy(_made(Path(folder) / platform)).failing(platform, sorted(tests))
            if failing:
                sys.exit(f"{platform}: fails without any mutant: {', '.join(sorted(failing))}")
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            return list(pool.map(one, chosen))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def report(results: Sequence[tuple[Mutant, dict[str, str]]]) -> int:
    """The sum per platform; 1 unless everything is red."""
    sums: dict[str, Counter[str]] = {}
    for mutant, verdicts in results:
        sums.setdefault(mutant.platform, Counter()).update(verdicts.values())
    for platform, counts in sums.items():
        shown = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        sys.stdout.write(f"{platform}: {shown}\n")
    return 0 if all(set(counts) == {RED} for counts in sums.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
