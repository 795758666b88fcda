"""What values are for everybody: as the plain evaluator finds them for each person by itself."""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules import ir
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts, observed
from rules.engine.relations import relations
from rules.engine.values import values
from rules.language.checks.expression import Expressions
from rules.text import fold
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type
from tests.rules.engine.agreement import by_python
from tests.rules.engine.generated import Nodes
from tests.rules.engine.generated_people import AS_OF, ZONE
from tests.rules.vocabulary import VOCABULARY
from tests.thorough import examples

ASKED = (
    "count(purchase, last 365 days)",
    "sum(purchase.amount)",
    "avg(purchase.amount)",
    "sum(purchase.amount) / count(purchase)",
    "days since last purchase",
    "latest(purchase.sku)",
    'count(deal where stage = "open")',
    "score",
    "ltv",
    "vip",
    "country",
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dt.datetime, list[PersonFacts]]:
    as_of = draw(st.sampled_from(AS_OF))
    return as_of, Nodes(draw, as_of).people()


@pytest.fixture(scope="module")
def asked() -> dict[str, ir.Value]:
    expressions = Expressions(VOCABULARY)
    found = {text: expressions.feature(text) for text in ASKED}
    assert [text for text, (_, findings) in found.items() if findings] == []
    return {text: value for text, (value, _) in found.items() if value is not None}


def in_major_units(value: ir.Value, person: PersonFacts, clock: Clock) -> object:
    """What a person who counts would write down."""
    known = observed(value, person, Context(clock))
    if known is None:
        return None
    if isinstance(known, str):
        return fold(known)
    if isinstance(known, bool):
        return float(known)
    if isinstance(value, ir.Arithmetic):
        return known
    kind = Type.NUMBER if isinstance(value, ir.DaysSince) else value.type
    return float(Fraction(known) / (NUMBER_SCALE if kind is Type.NUMBER else MONEY_SCALE))  # type: ignore[arg-type]


@settings(max_examples=examples(40), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_everybodys_values_are_those_of_each_person_in_order_of_persons(
    asked: dict[str, ir.Value], world: tuple[dt.datetime, list[PersonFacts]]
) -> None:
    as_of, everyone = world
    when = ir.Not(ir.IsTrue(ir.Fact("vip", Type.BOOLEAN)))
    connection, clock = duckdb.connect(config={"threads": "1"}), Clock(as_of, ZONE)
    with relations(connection, everyone, VOCABULARY) as tables:
        table = values(connection, asked, tables, when=when, as_of=as_of, zone=ZONE)
    inside = by_python({"x": when}, everyone, as_of=as_of, zone=ZONE)["x"]
    assert table["person"].to_pylist() == sorted(inside)
    persons = {one.person: one for one in everyone}
    for text, value in asked.items():
        for number, found in zip(table["person"].to_pylist(), table[text].to_pylist(), strict=True):
            expected = in_major_units(value, persons[number], clock)
            if isinstance(expected, float):
                assert math.isclose(found, expected, rel_tol=1e-12), text
            else:
                assert found == expected, text
    assert duckdb_is_clean(connection)


def duckdb_is_clean(connection: duckdb.DuckDBPyConnection) -> bool:
    """Nothing that was made on the way is left."""
    names = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
    return not [name for name in names if name.startswith("segsync_")]
