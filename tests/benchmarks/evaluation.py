"""Our whole evaluation of fifty rules against a query written by hand for them, in the same run.

Both read the same Parquet files and end in bitmaps, which must be equal. Rounds are interleaved; CPU seconds
(user + system of this process, all threads) are compared, as medians.
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
from pyroaring import BitMap

from rules.engine import Evaluation, Tables, evaluate
from tests.benchmarks import generator
from tests.benchmarks.fifty import fifty_rules
from tests.benchmarks.fifty_by_hand import by_hand
from tests.benchmarks.figures import Figure
from tests.benchmarks.generator import AS_OF, SHARES, ZONE, World

BOUND = 1.5


def ours(connection: duckdb.DuckDBPyConnection, world: World) -> Evaluation:
    """The engine, from rules to bitmaps."""
    tables = Tables(
        people=f"read_parquet('{world.people_file}')",
        activity={kind: f"read_parquet('{world.activity_file(kind)}')" for kind in SHARES},
    )
    return evaluate(connection, fifty_rules(), tables, as_of=AS_OF, zone=ZONE)


def run(
    *, people: int = 1_000_000, events: int = 10_000_000, rounds: int = 3, folder: Path | None = None
) -> list[Figure]:
    """Generates the world (in `folder`, or for the time being) and measures."""
    with generator.world(folder, people=people, events=events) as world:
        return _measured(world, rounds)


def _measured(world: World, rounds: int) -> list[Figure]:
    connection = duckdb.connect()
    sides: dict[str, Callable[[], Mapping[str, BitMap]]] = {
        "ours": lambda: ours(connection, world).members,
        "by hand": lambda: by_hand(connection, world),
    }
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    wall: dict[str, list[float]] = {name: [] for name in sides}
    members: dict[str, Mapping[str, BitMap]] = {}
    for number in range(rounds + 1):  # the first warms the file cache and does not count
        for name, side in sides.items():
            gc.collect()
            started, used = time.perf_counter(), time.process_time()
            members[name] = side()
            if number:
                wall[name].append(time.perf_counter() - started)
                cpu[name].append(time.process_time() - used)
    different = [id_ for id_, found in members["ours"].items() if found != members["by hand"][id_]]
    ratio = statistics.median(cpu["ours"]) / statistics.median(cpu["by hand"])
    size = f"{world.people} people, {world.events} events, {len(members['ours'])} rules"
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = [
        Figure(
            "evaluation.cpu_ratio", round(ratio, 3), "ratio", f"query by hand, {size}", BOUND, ratio <= BOUND
        ),
        Figure(
            "evaluation.segments_that_differ", len(different), "segments", "query by hand", 0, not different
        ),
        Figure(
            "evaluation.peak_memory", round(peak_mb), "MB", "both, with the process", 3072, peak_mb <= 3072
        ),
    ]
    for name in sides:
        label = name.replace(" ", "_")
        for unit, values in (("CPU s", cpu[name]), ("wall s", wall[name])):
            value = round(statistics.median(values), 3)
            figures.append(
                Figure(f"evaluation.{label}.{unit.split()[0].lower()}", value, unit, size, None, True)
            )
    return figures
