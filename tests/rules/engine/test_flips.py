"""The nearest change that turns a condition really does: by the evaluator, and by the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings

from rules import ir
from rules.engine.edits import Fewer, More, SetFact, applied
from rules.engine.flips import Flip, after, nearest
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts
from rules.engine.ranks import KnownRanks, Threshold
from tests.rules.engine.agreement import by_duckdb
from tests.rules.engine.generated import ZONE
from tests.rules.engine.test_ahead import NOW, compiled, true, worlds
from tests.thorough import examples

FOUND = {"all": 0, "some": 0}


def flipped(text: str, person: PersonFacts, conditions: Mapping[str, ir.Predicate] | None = None) -> Flip | None:
    return nearest(compiled(text), person, Context(Clock(NOW, ZONE)), conditions or {})


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})


@settings(
    max_examples=examples(120), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(worlds())
def test_applying_the_nearest_change_turns_the_condition(
    connection: duckdb.DuckDBPyConnection,
    world: tuple[dt.datetime, dict[str, ir.Predicate], PersonFacts],
) -> None:
    as_of, conditions, person = world
    for name, condition in conditions.items():
        flip = nearest(condition, person, Context(Clock(as_of, ZONE)), conditions)
        FOUND["all"] += 1
        if flip is None:
            continue
        FOUND["some"] += 1
        changed, before = after(person, flip), true(name, person, conditions, as_of)
        assert true(name, changed, conditions, as_of) is not before, flip
        found = by_duckdb(conditions, [changed], as_of=as_of, zone=ZONE, connection=connection)
        assert (3 in found.members[name]) is not before
        for edit in flip.edits:
            others = tuple(one for one in flip.edits if one is not edit)
            assert true(name, applied(person, others), conditions, as_of) is before, "could be left out"
