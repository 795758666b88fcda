"""A hundred rules, compared in the same run with four other ways to get the same members.

All read the same Parquet files and end in stored bitmaps, which must be equal. Rounds are interleaved; CPU
seconds (user + system of this process, all threads) are compared, as medians.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import duckdb
from pyroaring import BitMap

from tests.benchmarks.evaluation import banded, frames, per_row, single
from tests.benchmarks.evaluation.ours import ours
from tests.benchmarks.evaluation.rules import rules
from tests.benchmarks.evaluation.stored import plain_table, run_of_ours
from tests.benchmarks.figures import Figure
from tests.benchmarks.generator import World

Members = Mapping[str, BitMap]
BOUNDS = {"by_hand": 1.2, "query_per_rule": 0.5, "pandas": 0.9}
"""Of ours to theirs."""
MORE_RULES_BOUND = 2.0
TIMES_FASTER = 50.0
HUNDRED, FIVE_HUNDRED = 2, 10


@dataclass(slots=True)
class Spent:
    """What the rounds of a side took, and what it found."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    members: Members = field(default_factory=dict)

    @property
    def median(self) -> float:
        """CPU seconds."""
        return statistics.median(self.cpu)


@dataclass(frozen=True, slots=True)
class Side:
    """`find` finds the members and hands them to what `keeping` gives; making the place is not timed."""

    find: Callable[[], Any]
    keeping: Callable[[], AbstractContextManager[Callable[[Any], None]]]


def sides(connection: duckdb.DuckDBPyConnection, world: World) -> dict[str, Side]:
    """Everybody who is asked for all the people."""

    def engine(variants: int) -> Side:
        asked = rules(variants)
        return Side(partial(ours, connection, world, variants), partial(run_of_ours, asked, variants))

    def by_hand(find: Callable[..., Members], *given: object) -> Side:
        return Side(partial(find, *given, world, HUNDRED), plain_table)

    return {
        "ours": engine(HUNDRED),
        "by_hand": by_hand(banded.by_hand, connection),
        "query_per_rule": by_hand(single.one_by_one, connection),
        "pandas": by_hand(frames.in_frames),
        "ours_500": engine(FIVE_HUNDRED),
    }


def timed(side: Side, into: Spent, *, counts: bool = True) -> None:
    """One round of a side."""
    with side.keeping() as keep:
        gc.collect()
        started, used = time.perf_counter(), time.process_time()
        found = side.find()
        keep(found)
        spent = time.perf_counter() - started, time.process_time() - used
    into.members = getattr(found, "members", found)
    if counts:
        into.wall.append(spent[0])
        into.cpu.append(spent[1])


def compared(world: World, rounds: int) -> list[Figure]:
    """The figures of those that are asked for everybody, and of the per-row libraries."""
    connection = duckdb.connect()
    asked = sides(connection, world)
    spent = {name: Spent() for name in asked}
    for number in range(rounds + 1):  # the first warms the file cache and does not count
        for name, side in asked.items():
            timed(side, spent[name], counts=number > 0)
            sys.stderr.write(f"  round {number}, {name}\n")
    size = f"{world.people} people, {world.events} events"
    figures = [*_against(spent, size), *_more_rules(spent, size)]
    for name, one in spent.items():
        ruled = f"{len(one.members)} rules, {size}"
        for unit, values in (("CPU s", one.cpu), ("wall s", one.wall)):
            value = round(statistics.median(values), 3)
            figures.append(
                Figure(f"evaluation.{name}.{unit.split()[0].lower()}", value, unit, ruled, None, True)
            )
    return figures + libraries(connection, world, spent["ours"])


def _against(spent: Mapping[str, Spent], size: str) -> list[Figure]:
    figures, mine = [], spent["ours"]
    for name, bound in BOUNDS.items():
        ratio = mine.median / spent[name].median
        what = f"{name.replace('_', ' ')}, {len(mine.members)} rules, {size}"
        figures.append(
            Figure(f"evaluation.to_{name}", round(ratio, 3), "of its CPU", what, bound, ratio <= bound)
        )
        figures.append(differing(f"evaluation.{name}", mine.members, spent[name].members))
    return figures


def differing(name: str, mine: Members, other: Members) -> Figure:
    """How many segments have other members; all must be there."""
    wrong = sum(other.get(segment) != members for segment, members in mine.items())
    return Figure(f"{name}.segments_that_differ", wrong, "segments", "ours", 0, not wrong)


def _more_rules(spent: Mapping[str, Spent], size: str) -> list[Figure]:
    few, many = spent["ours"], spent["ours_500"]
    ratio = many.median / few.median
    what = f"{len(few.members)} rules over the same features, {size}"
    name = f"evaluation.{len(many.members)}_rules"
    grown = Figure(name, round(ratio, 3), "times the CPU", what, MORE_RULES_BOUND, ratio <= MORE_RULES_BOUND)
    same = {segment: many.members[segment] for segment in few.members}
    return [grown, differing(name, few.members, same)]


def libraries(
    connection: duckdb.DuckDBPyConnection, world: World, mine: Spent, people: int = 20_000
) -> list[Figure]:
    """Per person and rule: our whole evaluation against the libraries' last step alone, on a sample."""
    given = per_row.sample(connection, world, people, HUNDRED)
    among = BitMap(row["person"] for row in given.rows)
    expected = {segment: members & among for segment, members in mine.members.items()}
    own = mine.median / world.people
    figures = []
    for name, library in (("rule_engine", per_row.by_rule_engine), ("json_logic", per_row.by_json_logic)):
        found, used = library(given, HUNDRED)
        theirs = used / len(given.rows)
        times, each = theirs / own, theirs / len(found) * 1e6
        what = f"features given to it, ours found; {len(given.rows)} people, {len(found)} rules"
        figures += [
            Figure(
                f"evaluation.faster_than_{name}",
                round(times, 1),
                "times",
                what,
                TIMES_FASTER,
                times >= TIMES_FASTER,
            ),
            Figure(f"evaluation.{name}.per_person_and_rule", round(each, 2), "CPU µs", what, None, True),
            differing(f"evaluation.{name}", expected, found),
        ]
    return figures
