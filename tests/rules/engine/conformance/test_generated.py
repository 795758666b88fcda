"""Spark and DuckDB have one meaning: generated rules over generated people, many rules at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as settings_
from hypothesis import strategies as st

from rules import ir
from rules.engine.person import PersonFacts
from tests.rules.engine.agreement import by_duckdb
from tests.rules.engine.conformance.engines import by_spark
from tests.rules.engine.generated import Nodes
from tests.rules.engine.generated_people import AS_OF, ZONE
from tests.spark import on_spark, require_spark

pytestmark = on_spark
COMPILED = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "true",
}
"""As Spark comes: plans are compiled, and changed while they run."""
World = tuple[dt.datetime, dict[str, ir.Predicate], list[PersonFacts]]


@st.composite
def worlds(draw: st.DrawFn, rules: int = 7, people: int = 10) -> World:
    as_of = draw(st.sampled_from(AS_OF))
    nodes = Nodes(draw, as_of)
    conditions: dict[str, ir.Predicate] = {}
    for number in range(rules):
        conditions[f"s{number}"] = nodes.predicate(number % 3, tuple(conditions))
    return as_of, conditions, [nodes.person(number * 3) for number in range(people)]


def agree(world: World, most_sorted: int, settings: Mapping[str, str] | None = None) -> None:
    as_of, conditions, everyone = world
    expected = by_duckdb(conditions, everyone, as_of=as_of, zone=ZONE)
    found = by_spark(conditions, everyone, as_of=as_of, zone=ZONE, most_sorted=most_sorted, settings=settings)
    assert {name: set(bitmap) for name, bitmap in found.members.items()} == {
        name: set(bitmap) for name, bitmap in expected.members.items()
    }
    assert found.people == len(everyone)


@pytest.mark.means("the same data, files and `as_of` give the same bitmaps on every engine.")
def test_spark_agrees_with_duckdb_bit_for_bit() -> None:
    require_spark()

    @settings_(
        max_examples=2,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(worlds())
    def sampled(world: World) -> None:
        agree(world, most_sorted=2)

    sampled()


@pytest.mark.long
@settings_(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(worlds(rules=16, people=20), st.sampled_from([2, 100_000]), st.booleans())
def test_spark_agrees_with_duckdb_bit_for_bit_at_length(
    world: World, most_sorted: int, compiled: bool
) -> None:
    agree(world, most_sorted, COMPILED if compiled else None)
