"""Fifty rules again, asking only people of whom something may have changed, against asking everybody.

After an hour, after a day, and after one person's change; of all fifty rules, and of those that compare no
people with people (the others ask everybody each time). The same files, the same members, rounds interleaved;
CPU seconds (user + system of this process, all threads), as medians. Finding whose rows changed in the lake
is no part of it.
"""

from __future__ import annotations

import datetime as dt
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from pyroaring import BitMap

from rules.engine import Evaluation, Tables, evaluate
from rules.engine.incremental import Before, Changed, Renewed, renew
from rules.engine.walk import nodes, ranks
from rules.ir import InSegment
from rules.ruleset import RuleSet
from tests.benchmarks import generator
from tests.benchmarks.evaluation.rules import rules as compiled
from tests.benchmarks.figures import Figure
from tests.benchmarks.generator import AS_OF, SHARES, ZONE, World

T = TypeVar("T")
SPANS = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1), "person": dt.timedelta(0)}
LIMITS = {"hour": 0.4, "day": 0.6}
"""At full size (measured: 0.25, 0.42); of less, what does not depend on the size weighs more."""


def run(
    *, people: int = 1_000_000, events: int = 10_000_000, rounds: int = 3, folder: Path | None = None
) -> list[Figure]:
    """Generates the world (in `folder`, or for the time being) and measures."""
    with generator.world(folder, people=people, events=events) as world:
        return _measured(world, rounds)


def _measured(world: World, rounds: int) -> list[Figure]:
    rules = compiled(1)
    comparing: set[str] = set()
    for name, one in rules.segments.items():
        used = {node.segment for node in nodes([one.when]) if isinstance(node, InSegment)}
        if ranks([one.when]) or used & comparing:
            comparing.add(name)
    plain = {name: one for name, one in rules.segments.items() if name not in comparing}
    return [
        *_compared(world, RuleSet(plain), rounds, "incremental", bounds=LIMITS),
        *_compared(world, rules, rounds, "incremental.with_ranks", bounds={}),
    ]


def _compared(
    world: World, rules: RuleSet, rounds: int, label: str, *, bounds: Mapping[str, float]
) -> list[Figure]:
    connection = duckdb.connect()
    tables = Tables(
        people=f"read_parquet('{world.people_file}')",
        activity={kind: f"read_parquet('{world.activity_file(kind)}')" for kind in SHARES},
        by_person=world.by_person(),
    )
    plain = partial(evaluate, connection, zone=ZONE)
    versions = {name: one.version for name, one in rules.segments.items()}
    whole = partial(plain, rules, tables, as_of=AS_OF)

    def ask(rules: RuleSet, tables: Tables, **more: Any) -> Evaluation:
        return plain(rules, tables, as_of=AS_OF, **more)

    few: dict[str, Callable[[], Renewed]] = {}
    for name, span in SPANS.items():
        then = plain(rules, tables, as_of=AS_OF - span)
        few[name] = partial(
            renew,
            connection,
            rules,
            tables,
            before=Before(AS_OF - span, then.members, versions, then.order),
            changed=Changed(BitMap([world.people // 2]) if name == "person" else BitMap(), {}),
            as_of=AS_OF,
            zone=ZONE,
            ask=ask,
        )
    everybody = whole().members
    cpu: dict[str, list[float]] = {name: [] for name in ("full", *SPANS)}
    found: dict[str, Renewed] = {}
    for _ in range(rounds):
        _timed(cpu["full"], whole)
        for name, step in few.items():
            found[name] = _timed(cpu[name], step)
    size = f"{world.people} people, {world.events} events, {len(versions)} rules"
    full = statistics.median(cpu["full"])
    figures = [Figure(f"{label}.full.cpu", round(full, 3), "CPU s", size, None, True)]
    for name, told in found.items():
        used = statistics.median(cpu[name])
        wrong = sum(bitmap != told.evaluation.members[id_] for id_, bitmap in everybody.items())
        against = f"full, {size}; asked {told.asked}, everybody about {len(told.in_full)} rules"
        bound = bounds.get(name)
        holds = bound is None or used / full <= bound
        figures += [
            Figure(f"{label}.{name}.cpu", round(used, 3), "CPU s", size, None, True),
            Figure(f"{label}.{name}.cpu_share", round(used / full, 4), "ratio", against, bound, holds),
            Figure(f"{label}.{name}.segments_that_differ", wrong, "segments", "full", 0, not wrong),
        ]
    return figures


def _timed(cpu: list[float], side: Callable[[], T]) -> T:
    gc.collect()
    before = time.process_time()
    found = side()
    cpu.append(time.process_time() - before)
    return found
