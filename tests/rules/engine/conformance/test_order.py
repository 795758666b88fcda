"""Order statistics on Spark: exact, whatever the sketch guesses, and nowhere all rows in one place."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa

from rules import ir
from rules.engine import ranks
from rules.engine.order import values_of
from rules.engine.person import PersonFacts
from rules.engine.session import Ranked
from rules.engine.spark.order import thresholds
from rules.engine.spark.session import SparkEvaluation
from rules.engine.walk import Rank
from rules.vocabulary import Type
from tests.rules.engine.agreement import by_duckdb, evaluated
from tests.rules.engine.conformance.engines import spark_session
from tests.rules.engine.conformance.traps import AS_OF
from tests.spark import on_spark, spark

pytestmark = on_spark
PEOPLE, MOST_SORTED = 400, 30


def asked(name: str, by: ir.Fact | None) -> tuple[Rank, ...]:
    value = ir.Fact(name, Type.NUMBER)
    shares = [ir.RankShare(side, ppm, value, by) for side in ir.Side for ppm in (1, 333_333, 1_000_000)]
    return (*shares, ir.RankCount(ir.Side.TOP, 7, value, by), *(ir.Quintile(q, value, by) for q in (1, 3, 5)))


def test_thresholds_are_those_of_sorting_everybody() -> None:
    chance = random.Random(5)
    columns = {
        "w": pa.array([chance.choice([None, *range(200)]) for _ in range(PEOPLE)], pa.int64()),
        "far": pa.array([chance.choice([2**63 - 1, -(2**63), n]) for n in range(PEOPLE)], pa.int64()),
        "d": pa.array([chance.choice([None, -0.0, 0.0, n / 7]) for n in range(PEOPLE)], pa.float64()),
        "g": pa.array([chance.choice([None, "a", "b", "b", "b", "b"]) for _ in range(PEOPLE)]),
    }
    session = SparkEvaluation(spark())
    session.keep("ranked_people", pa.table(columns), {})
    country = ir.Fact("country", Type.TEXT)
    wanted = [
        Ranked(asked("w", None), "w", None, double=False),
        Ranked(asked("far", country), "far", "g", double=False),
        Ranked(asked("d", None), "d", None, double=True),
        Ranked(asked("d", country), "d", "g", double=True),
    ]
    found = thresholds(session.spark, wanted, "ranked_people", most_sorted=MOST_SORTED)
    table, expected = pa.table(columns), dict[Rank, Any]()
    for one in wanted:
        everybody = pa.chunked_array([pa.array(range(PEOPLE), pa.int32())])
        values = values_of(everybody, table[one.value], table[one.group] if one.group else None)
        expected |= ranks.thresholds(one.ranks, values)
    assert found == expected


def test_no_step_of_an_evaluation_brings_all_rows_to_one_place() -> None:
    everybody = [
        PersonFacts(n, {"score": n % 97, "country": "DE"}, {"purchase": [{"at": AS_OF, "amount": n}]})
        for n in range(300)
    ]
    spent = ir.Aggregate(ir.AggregateFunction.SUM, "purchase", "amount", None, ir.Ever(), Type.MONEY)
    conditions: dict[str, ir.Predicate] = {
        "best": ir.RankShare(ir.Side.TOP, 100_000, spent, None),
        "of-country": ir.Quintile(5, ir.Fact("score", Type.NUMBER), ir.Fact("country", Type.TEXT)),
    }
    with spark_session(everybody, most_sorted=MOST_SORTED) as (session, tables):
        asked, frames = session.spark.sql, []

        def sql(*texts: Any) -> Any:
            frames.append(asked(*texts))
            return frames[-1]

        session.spark.sql = sql
        found = evaluated(session, conditions, tables, everybody, as_of=AS_OF, zone="UTC")
        plans = [frame._jdf.queryExecution().executedPlan().toString() for frame in frames]
        assert any("Window" in plan for plan in plans)
        assert not [plan for plan in plans if "SinglePartition" in plan]
        naive = f"SELECT rank() OVER (ORDER BY score) FROM {tables.people} DISTRIBUTE BY score"
        assert "SinglePartition" in asked(naive)._jdf.queryExecution().executedPlan().toString()
    expected = by_duckdb(conditions, everybody, as_of=AS_OF, zone="UTC")
    assert dict(found.members) == dict(expected.members)
