"""How the evaluation of a hundred rules grows with the people, each size in a process of its own, and what it
does with less memory than it would take.

`python -m tests.benchmarks.evaluation.sizes FOLDER PEOPLE EVENTS [MEMORY_LIMIT]` measures one.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from tests.benchmarks import generator
from tests.benchmarks.evaluation.compared import HUNDRED
from tests.benchmarks.evaluation.ours import ours
from tests.benchmarks.evaluation.rules import rules
from tests.benchmarks.evaluation.stored import run_of_ours
from tests.benchmarks.figures import Figure

PEOPLE = (100_000, 1_000_000, 5_000_000)
EVENTS_EACH = 10
LIMITED = 5_000_000
LIMIT_MB = 1000
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """One evaluation, bitmaps stored. `spilled_mb`: the most that lay on disk at once."""

    people: int
    limit_mb: int | None
    cpu_s: float
    wall_s: float
    peak_mb: float
    spilled_mb: float
    digest: str  # of all members


def figures_of(found: list[Size]) -> list[Figure]:
    """The curve, and whether less memory was enough."""
    figures, whole = [], {size.people: size for size in found if size.limit_mb is None}
    for size in found:
        own = f"{EVENTS_EACH} events each, {HUNDRED * 50} rules"
        name = f"evaluation.{size.people}_people" + ("" if size.limit_mb is None else "_little_memory")
        figures += [
            Figure(f"{name}.cpu", round(size.cpu_s, 2), "CPU s", own, None, True),
            Figure(f"{name}.wall", round(size.wall_s, 2), "wall s", own, None, True),
            Figure(f"{name}.peak_memory", round(size.peak_mb), "MB", own, None, True),
        ]
        if size.limit_mb is not None:
            full, limit = whole[size.people], f"memory_limit of {size.limit_mb} MB"
            less = size.peak_mb < full.peak_mb
            figures += [
                Figure(f"{name}.spilled", round(size.spilled_mb), "MB", limit, 0, size.spilled_mb > 0),
                Figure(
                    f"{name}.less_memory",
                    round(size.peak_mb / full.peak_mb, 2),
                    "of the peak",
                    limit,
                    1,
                    less,
                ),
                Figure(
                    f"{name}.same_members",
                    int(size.digest == full.digest),
                    "of 1",
                    "no limit",
                    1,
                    size.digest == full.digest,
                ),
            ]
    return figures


def sizes(
    people: tuple[int, ...] = PEOPLE, *, limited: int = LIMITED, limit_mb: int = LIMIT_MB
) -> list[Size]:
    """Every size, the one with little memory last. Each world is there only while it is asked about."""
    found = []
    for count in people:
        with tempfile.TemporaryDirectory() as folder:
            found.append(_apart(Path(folder), count, None))
            if count == limited:
                found.append(_apart(Path(folder), count, limit_mb))
    return found


def _apart(folder: Path, people: int, limit_mb: int | None) -> Size:
    """In a process of its own; its world is made by another one, so that making it is in nobody's peak."""
    events = people * EVENTS_EACH
    made = "from tests.benchmarks.generator import world; import sys, pathlib\n"
    made += f"with world(pathlib.Path(sys.argv[1]), people={people}, events={events}): pass"
    subprocess.run([sys.executable, "-c", made, str(folder)], check=True)
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.evaluation.sizes",
        str(folder),
        str(people),
        str(events),
    ]
    if limit_mb is not None:
        command.append(f"{limit_mb}MB")
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Size(**json.loads(told), limit_mb=limit_mb)


def measured(folder: Path, people: int, events: int, limit: str | None) -> dict[str, object]:
    """One evaluation in this process."""
    asked = rules(HUNDRED)
    with (
        generator.world(folder, people=people, events=events) as world,
        tempfile.TemporaryDirectory() as place,
        run_of_ours(asked, HUNDRED) as keep,
        _Spilled(Path(place)) as spilled,
    ):
        connection = duckdb.connect(config={"temp_directory": place})
        if limit is not None:
            connection.execute(f"SET memory_limit = '{limit}'")
        started, used = time.perf_counter(), time.process_time()
        found = ours(connection, world, HUNDRED)
        keep(found)
        wall, cpu = time.perf_counter() - started, time.process_time() - used
        peak = _peak_mb()
    digest = hashlib.sha256()
    for segment, members in sorted(found.members.items()):
        digest.update(segment.encode() + bytes(members.serialize()))
    size = Size(people, None, cpu, wall, peak, spilled.most_mb, digest.hexdigest())
    return {name: value for name, value in asdict(size).items() if name != "limit_mb"}


class _Spilled:
    """Looks at how much lies in a folder, and keeps the most."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most_mb = folder, 0.0
        self._done = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Spilled:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._done.wait(_LOOK_S):
            total = 0
            for file in self.folder.rglob("*"):
                try:
                    total += file.stat().st_size
                except FileNotFoundError:
                    continue
            self.most_mb = max(self.most_mb, total / 2**20)


def _peak_mb() -> float:
    """The most memory this process ever had; `ru_maxrss` would tell the parent's if that was more."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell the peak of memory")


if __name__ == "__main__":
    where, count, happened, *rest = sys.argv[1:]
    sys.stdout.write(json.dumps(measured(Path(where), int(count), int(happened), rest[0] if rest else None)))
