"""The engine's side: from compiled rules to bitmaps."""

from __future__ import annotations

import duckdb

from rules.engine import Evaluation, Tables, evaluate
from tests.benchmarks.evaluation.rules import rules
from tests.benchmarks.generator import AS_OF, SHARES, ZONE, World


def tables(world: World) -> Tables:
    """The relations of a world."""
    return Tables(
        people=f"read_parquet('{world.people_file}')",
        activity={kind: f"read_parquet('{world.activity_file(kind)}')" for kind in SHARES},
    )


def ours(connection: duckdb.DuckDBPyConnection, world: World, variants: int = 1) -> Evaluation:
    """The evaluation of 50 × `variants` rules."""
    return evaluate(connection, rules(variants), tables(world), as_of=AS_OF, zone=ZONE)
