"""DuckDB and the plain Python evaluator have one meaning: generated rules over generated people."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules import ir
from rules.engine.person import PersonFacts
from tests.rules.engine.agreement import by_duckdb, by_python
from tests.rules.engine.generated import Nodes
from tests.rules.engine.generated_people import AS_OF, ZONE
from tests.thorough import examples


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dt.datetime, dict[str, ir.Predicate], list[PersonFacts]]:
    as_of = draw(st.sampled_from(AS_OF))
    nodes = Nodes(draw, as_of)
    conditions: dict[str, ir.Predicate] = {}
    for depth in (0, 0, 1, 1, 2, 2):
        conditions[f"s{len(conditions)}"] = nodes.predicate(depth, tuple(conditions))
    return as_of, conditions, nodes.people()


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})


@pytest.mark.means("the same data, files and `as_of` give the same bitmaps on every engine.")
@settings(
    max_examples=examples(120), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(worlds())
def test_both_evaluators_agree_bit_for_bit(
    connection: duckdb.DuckDBPyConnection,
    world: tuple[dt.datetime, dict[str, ir.Predicate], list[PersonFacts]],
) -> None:
    as_of, conditions, everyone = world
    expected = by_python(conditions, everyone, as_of=as_of, zone=ZONE)
    found = by_duckdb(conditions, everyone, as_of=as_of, zone=ZONE, connection=connection)
    assert {id_: set(bitmap) for id_, bitmap in found.members.items()} == expected
    assert found.people == len(everyone)


@pytest.mark.means("So everyone is in `X` or in `not X`,")
@settings(max_examples=examples(25), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_everyone_is_in_a_rule_or_in_its_opposite(
    connection: duckdb.DuckDBPyConnection,
    world: tuple[dt.datetime, dict[str, ir.Predicate], list[PersonFacts]],
) -> None:
    as_of, conditions, people = world
    opposites = {f"not {id_}": ir.Not(condition) for id_, condition in conditions.items()}
    found = by_duckdb(conditions | opposites, people, as_of=as_of, zone=ZONE, connection=connection).members
    everyone = {one.person for one in people}
    for id_ in conditions:
        assert set(found[id_]) ^ set(found[f"not {id_}"]) == everyone
