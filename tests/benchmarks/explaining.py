"""`explain PERSON`: one person against a hundred segments, and against one, in an open workspace.

The whole of what the command does is measured, without starting a process and opening the store: the person
found by address, the rules and all they need, trees and values, the nearest changes and what time will do,
since when, links, sources and refusals. A first question warms what a workspace keeps. Beside it, in the same
rounds, only the person's rows are read by hand, with a query over the lake's Parquet files.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from sync.run.explaining import explain
from sync.run.workspace import Workspace
from tests.benchmarks import generator, shop
from tests.benchmarks.figures import Figure
from tests.benchmarks.generator import AS_OF, SHARES

T = TypeVar("T")
BOUND_MS = 100.0
PEOPLE = 15
ONE = "buyers-90"


def run(*, people: int = 1_000_000, events: int = 10_000_000, folder: Path | None = None) -> list[Figure]:
    """Generates the world, pulls it into a workspace (both in `folder`, or for the time being), measures."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        with generator.world(place / "world", people=people, events=events) as world:
            config = shop.workspace(world, place / "shop")
        with Workspace.open(config, clock=shop.clock(AS_OF)) as workspace:
            return _measured(workspace, people, f"{people} people, {events} events")


def _measured(workspace: Workspace, people: int, size: str) -> list[Figure]:
    spent: dict[str, list[tuple[float, float]]] = {}
    differ = 0
    for number in range(PEOPLE + 1):  # the first one opens what the others find open
        who = f"{(number * 7919 + 13) % people}@example.com"
        told = _timed(spent, "all" if number else "first", partial(explain, workspace, who, None))
        differ += sum(one.member is not one.member_at_last_run for one in told.segments)
        _timed(spent, "one", partial(explain, workspace, who, ONE))
        _timed(spent, "by hand", partial(_by_hand, workspace, told.person))
    cpu, wall = (
        {name: statistics.median(one[which] for one in times) * 1000 for name, times in spent.items()}
        for which in (0, 1)
    )
    label = f"{size}, {len(told.segments)} segments, {PEOPLE} people asked"
    ratio = cpu["all"] / cpu["by hand"]
    return [
        _bounded("explaining.ms", cpu["all"], "CPU ms a person", label),
        _bounded("explaining.wall", wall["all"], "wall ms a person", label),
        Figure("explaining.one_segment", round(cpu["one"], 1), "CPU ms a person", size, None, True),
        Figure("explaining.first", round(cpu["first"], 1), "CPU ms", "the first in a process", None, True),
        Figure("explaining.by_hand", round(cpu["by hand"], 1), "CPU ms a person", size, None, True),
        Figure("explaining.ratio", round(ratio, 3), "of its CPU", f"reading by hand, {size}", None, True),
        Figure("explaining.answers_that_differ", differ, "answers", "the last run", 0, not differ),
    ]


def _bounded(name: str, value: float, unit: str, against: str) -> Figure:
    return Figure(name, round(value, 1), unit, against, BOUND_MS, value <= BOUND_MS)


def _by_hand(workspace: Workspace, person: int) -> int:
    lake = workspace.store.lake
    with closing(lake.connect()) as database:
        relations = [lake.relation("people"), *(lake.relation("activity", kind) for kind in SHARES)]
        return sum(
            len(database.execute(f"SELECT * FROM {one} WHERE person = {person}").fetchall())
            for one in relations
        )


def _timed(spent: dict[str, list[tuple[float, float]]], name: str, what: Callable[[], T]) -> T:
    cpu, wall = time.process_time(), time.perf_counter()
    found = what()
    spent.setdefault(name, []).append((time.process_time() - cpu, time.perf_counter() - wall))
    return found
