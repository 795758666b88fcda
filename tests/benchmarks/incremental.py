"""A hundred rules again, asking only people of whom something may have changed, against asking everybody.

After an hour and after a day, in which facts of some people changed as well, and after one person's change,
at once and five minutes after the evaluation before: with all activity that came and crossed edges meanwhile.
What the evaluation before went by is read from its files, and written again. The same files, the same
members, rounds interleaved; CPU seconds (user + system of this process, all threads), as medians. Finding
whose rows changed in the lake is no part of it. What is answered within milliseconds is held to an absolute
bound, and asked several times in a row: a worker that waits for single changes has asked before.
"""

from __future__ import annotations

import datetime as dt
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from pyroaring import BitMap

from rules.engine import Evaluation, Tables, evaluate
from rules.engine.incremental import Before, Changed, Renewed, renew
from rules.engine.standing import Memory
from rules.engine.walk import ranks
from rules.ruleset import RuleSet
from sync.store.recalled import File, Recalled
from tests.benchmarks import generator
from tests.benchmarks.evaluation.rules import rules as compiled
from tests.benchmarks.figures import Figure
from tests.benchmarks.generator import AS_OF, SHARES, ZONE, World

T = TypeVar("T")
SPANS = {
    "hour": dt.timedelta(hours=1),
    "day": dt.timedelta(days=1),
    "person": dt.timedelta(0),
    "person_later": dt.timedelta(minutes=5),
}
CHANGED = {"hour": 0.0005, "day": 0.01, "person": 0.0, "person_later": 0.0}
"""Which share of the people has other facts; one person at least."""
LIMITS = {"hour": 0.05, "day": 0.25}
"""At full size; of less, what does not depend on the size weighs more."""
LIMITS_MS = {"person": 50, "person_later": 50}
"""CPU milliseconds of one answer, the wall clock beside it."""
IN_A_ROW = 5


def run(
    *, people: int = 1_000_000, events: int = 10_000_000, rounds: int = 3, folder: Path | None = None
) -> list[Figure]:
    """Generates the world (in `folder`, or for the time being) and measures."""
    with (
        generator.world(folder, people=people, events=events) as world,
        tempfile.TemporaryDirectory() as place,
    ):
        return _compared(world, compiled(2), rounds, Path(place))


def _compared(world: World, rules: RuleSet, rounds: int, place: Path) -> list[Figure]:
    connection = duckdb.connect()
    tables = Tables(
        people=f"read_parquet('{world.people_file}')",
        activity={kind: f"read_parquet('{world.activity_file(kind)}')" for kind in SHARES},
        by_person=world.by_person(),
    )
    plain = partial(evaluate, connection, zone=ZONE)
    versions = {name: one.version for name, one in rules.segments.items()}
    compared = ranks(one.when for one in rules.segments.values())
    whole = partial(plain, rules, tables, as_of=AS_OF)

    def ask(rules: RuleSet, tables: Tables, **more: Any) -> Evaluation:
        return plain(rules, tables, as_of=AS_OF, **more)

    few: dict[str, Callable[[], Renewed]] = {}
    for name, span in SPANS.items():
        recalled, then = Recalled(place / name), plain(rules, tables, as_of=AS_OF - span)
        file = recalled.keep(then.order, compared, Memory(), recalled.read(None))
        every = round(1 / CHANGED[name]) if CHANGED[name] else world.people
        facts = BitMap(range(0, world.people, every))

        before, changed = Before(AS_OF - span, then.members, versions), Changed(facts, {})

        def again(before: Before, changed: Changed, recalled: Recalled, file: File | None) -> Renewed:
            recall = recalled.read(file)
            renewed = renew(
                connection,
                rules,
                tables,
                before=replace(before, order=recall.order),
                changed=changed,
                as_of=AS_OF,
                zone=ZONE,
                ask=ask,
            )
            recalled.keep(renewed.evaluation.order, compared, Memory(), recall)
            return renewed

        few[name] = partial(again, before, changed, recalled, file)
    everybody = whole().members
    cpu: dict[str, list[float]] = {name: [] for name in ("full", *SPANS)}
    wall: dict[str, list[float]] = {name: [] for name in cpu}
    found: dict[str, Renewed] = {}
    for _ in range(rounds):
        _timed(cpu["full"], wall["full"], whole)
        for name, step in few.items():
            for _ in range(IN_A_ROW if name in LIMITS_MS else 1):
                found[name] = _timed(cpu[name], wall[name], step)
    label = "incremental"
    size = f"{world.people} people, {world.events} events, {len(versions)} rules"
    full = statistics.median(cpu["full"])
    figures = [Figure(f"{label}.full.cpu", round(full, 3), "CPU s", size, None, True)]
    for name, told in found.items():
        used = statistics.median(cpu[name])
        wrong = sum(bitmap != told.evaluation.members[id_] for id_, bitmap in everybody.items())
        against = f"full, {size}; asked {told.asked}, everybody about {len(told.in_full)} rules"
        bound = LIMITS.get(name)
        holds = bound is None or used / full <= bound
        if name in LIMITS_MS:
            most, used_ms = LIMITS_MS[name], round(used * 1000, 1)
            waited_ms = round(statistics.median(wall[name]) * 1000, 1)
            figures += [
                Figure(f"{label}.{name}.cpu", used_ms, "CPU ms", size, most, used_ms <= most),
                Figure(f"{label}.{name}.wall", waited_ms, "wall ms", size, None, True),
            ]
        else:
            figures.append(Figure(f"{label}.{name}.cpu", round(used, 3), "CPU s", size, None, True))
        figures += [
            Figure(f"{label}.{name}.cpu_share", round(used / full, 4), "ratio", against, bound, holds),
            Figure(f"{label}.{name}.segments_that_differ", wrong, "segments", "full", 0, not wrong),
        ]
    return figures


def _timed(cpu: list[float], wall: list[float], side: Callable[[], T]) -> T:
    gc.collect()
    before, since = time.process_time(), time.perf_counter()
    found = side()
    cpu.append(time.process_time() - before)
    wall.append(time.perf_counter() - since)
    return found
