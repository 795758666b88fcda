"""Explaining one person against a hundred segments, warm, against a query by hand for the same person.

Both are about the same rows in the same run; rounds are interleaved over the same people. Ours tells trees,
values, the nearest changes and what time will do, with the ranks that an evaluation before left, from the
lake's copies in order of persons; by hand only the person's rows are read, from its Parquet files.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path

import duckdb

from rules.engine.ahead import Ahead
from rules.engine.explain import Explaining
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator
from rules.engine.ranks import KnownRanks
from rules.engine.reading import read_person
from rules.language import render
from sync.run.outlook import outlook
from tests.benchmarks import generator
from tests.benchmarks.evaluation.ours import ours as evaluation
from tests.benchmarks.evaluation.ours import tables as tables_of
from tests.benchmarks.evaluation.rules import rules
from tests.benchmarks.figures import Figure
from tests.benchmarks.generator import AS_OF, ZONE, World

BOUND_MS = 100.0
PEOPLE = 15


def run(*, people: int = 1_000_000, events: int = 10_000_000, folder: Path | None = None) -> list[Figure]:
    """Generates the world (in `folder`, or for the time being) and measures."""
    with generator.world(folder, people=people, events=events) as world:
        return _measured(world)


def _measured(world: World) -> list[Figure]:
    connection = duckdb.connect()
    tables = tables_of(world)
    ranks = KnownRanks(evaluation(connection, world, variants=2).thresholds)
    tables = replace(tables, by_person=world.by_person())
    hundred = {name: one.when for name, one in rules(2).segments.items()}
    context = Context(Clock(AS_OF, ZONE), ranks)
    spent: dict[str, list[float]] = {"ours": [], "reading": [], "by hand": []}
    for number in range(PEOPLE + 1):  # the first warms the file cache and does not count
        person = (number * 7919 + 13) % world.people
        started = time.perf_counter()
        facts = read_person(connection, tables, person=person, conditions=[*hundred.values()])
        read = time.perf_counter()
        assert facts is not None
        ahead = Ahead(facts, context, hundred)
        trees = Explaining(Evaluator(facts, context, hundred), render, hundred)
        for condition in hundred.values():
            trees.tree(condition)
            outlook(condition, ahead, render=render)
        told = time.perf_counter()
        rows = connection.execute(f"SELECT * FROM {tables.people} WHERE person = {person}").fetchall()
        for relation in tables.activity.values():
            rows += connection.execute(f"SELECT * FROM {relation} WHERE person = {person}").fetchall()
        by_hand = time.perf_counter()
        if len(rows) != 1 + sum(map(len, facts.activity.values())):
            raise AssertionError("both read the same rows")
        if number:
            spent["reading"].append(read - started)
            spent["ours"].append(told - started)
            spent["by hand"].append(by_hand - told)
    middle = {name: statistics.median(values) * 1000 for name, values in spent.items()}
    size = f"{world.people} people, {world.events} events, {len(hundred)} segments, {PEOPLE} people asked"
    ratio = middle["ours"] / middle["by hand"]
    within = middle["ours"] <= BOUND_MS
    figures = [
        Figure("explaining.ratio", round(ratio, 3), "ratio", f"reading by hand, {size}", None, True),
        Figure("explaining.ms", round(middle["ours"], 1), "ms a person", size, BOUND_MS, within),
    ]
    for name in ("reading", "by hand"):
        label = f"explaining.{name.replace(' ', '_')}.ms"
        figures.append(Figure(label, round(middle[name], 1), "ms a person", size, None, True))
    return figures
