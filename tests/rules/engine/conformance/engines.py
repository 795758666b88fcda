"""Conditions over people given as values on Spark, which is asked the way a run asks it: over files."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from rules import ir
from rules.engine import Evaluation, Tables
from rules.engine.person import PersonFacts
from rules.engine.relations import activity_table, people_table
from rules.engine.spark.session import SparkEvaluation
from tests.rules.engine.agreement import evaluated
from tests.rules.vocabulary import VOCABULARY
from tests.spark import spark


@contextmanager
def spark_session(
    people: Sequence[PersonFacts], *, most_sorted: int
) -> Iterator[tuple[SparkEvaluation, Tables]]:
    """A session of the tests' Spark, and the people as Parquet files that DuckDB wrote, as the lake's are."""
    session = SparkEvaluation(spark(), most_sorted=most_sorted)
    with tempfile.TemporaryDirectory() as folder:

        def relation(name: str, table: pa.Table) -> str:
            path = str(Path(folder) / f"{name}.parquet")
            duckdb.from_arrow(table).write_parquet(path)
            return session.parquet(name, [path], {field.name: field.type for field in table.schema})

        kinds = [kind for kind in VOCABULARY.kinds if any(one.activity.get(kind) for one in people)]
        everybody = relation("everybody", people_table(people, VOCABULARY))
        activity = {
            kind: relation(f"of_{kind}", activity_table(people, VOCABULARY, kind=kind)) for kind in kinds
        }
        yield session, Tables(everybody, activity)


def by_spark(
    conditions: Mapping[str, ir.Predicate],
    people: Sequence[PersonFacts],
    *,
    as_of: dt.datetime,
    zone: str = "Europe/Berlin",
    most_sorted: int = 100_000,
    settings: Mapping[str, str] | None = None,
) -> Evaluation:
    """Spark's evaluation of conditions over people given as values, under more settings of Spark's own."""
    with spark_session(people, most_sorted=most_sorted) as (session, tables):
        for name, value in (settings or {}).items():
            session.spark.conf.set(name, value)
        return evaluated(session, conditions, tables, people, as_of=as_of, zone=zone)
