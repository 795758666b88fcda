"""`leave_when` and `stay`: who was in stays on, in both evaluators and by the definition, case by case."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from rules import ir
from rules.engine.explain import explain
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts
from rules.engine.standing import Standing
from rules.language import compile_expression, render
from tests.rules.engine.agreement import by_duckdb, by_python
from tests.rules.engine.generated import Nodes
from tests.rules.engine.generated_people import AS_OF, ZONE
from tests.rules.vocabulary import VOCABULARY

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
US = dt.timedelta(microseconds=1)


def compiled(text: str) -> ir.Predicate:
    found = compile_expression(text, VOCABULARY)
    assert not isinstance(found, tuple), found
    return found


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})


def standing_of(
    entered: dict[tuple[str, int], dt.datetime], stays: dict[str, int | None], as_of: dt.datetime
) -> dict[str, Standing]:
    """What a run would give the engine."""
    found = {segment: Standing(BitMap(), BitMap()) for segment in stays}
    for (segment, person), since in entered.items():
        found[segment].members.add(person)
        if since + HOUR * (stays[segment] or 0) > as_of:
            found[segment].held.add(person)
    return found


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_both_evaluators_and_the_definition_agree(
    connection: duckdb.DuckDBPyConnection, data: st.DataObject
) -> None:
    as_of = data.draw(st.sampled_from(AS_OF))
    nodes = Nodes(data.draw, as_of)
    people, stay = nodes.people(), data.draw(st.sampled_from([None, 1, 168]))
    when, leave_when = nodes.predicate(1), nodes.predicate(1) if nodes.chance(2) else None
    ages = st.sampled_from([HOUR - US, HOUR, 168 * HOUR, 168 * HOUR - US, 9000 * HOUR])
    entered = {("lasting", one.person): as_of - data.draw(ages) for one in people if nodes.chance(2)}
    conditions = {
        "when": when,
        "leave": leave_when or ir.Constant(False),
        "suppressed": ir.Suppressed(),
        "lasting": ir.Lasting("lasting", when, leave_when, stay),
        "user": ir.Not(ir.InSegment("lasting")),
    }
    found = by_python(conditions, people, as_of=as_of, zone=ZONE, entered=entered)
    standing = standing_of(entered, {"lasting": stay}, as_of)
    engine = by_duckdb(conditions, people, as_of=as_of, connection=connection, standing=standing)
    assert {id_: set(bitmap) for id_, bitmap in engine.members.items()} == found

    expected = set()
    for number in (one.person for one in people):
        since = None if number in found["suppressed"] else entered.get(("lasting", number))
        held = since is not None and stay is not None and as_of - since < stay * HOUR
        if leave_when is None:
            free = number in found["when"]
        else:
            free = number not in found["leave"] and (number in found["when"] or since is not None)
        if held or free:
            expected.add(number)
    assert found["lasting"] == expected
    assert set(engine.kept["lasting"]) == expected - found["when"]
    assert found["user"] == {one.person for one in people} - expected


def test_nobody_goes_in_and_out_by_turns(connection: duckdb.DuckDBPyConnection) -> None:
    """Run after run on the same data, wherever a person is: after one run nothing moves any more."""
    people = [PersonFacts(n, facts={"score": n * 1_000_000}) for n in range(20)]
    conditions = {"it": ir.Lasting("it", compiled("score >= 10"), compiled("score < 12"), None)}
    for before in ([], range(20), range(0, 20, 3)):
        standing = {"it": Standing(BitMap(before), BitMap())}
        first = by_duckdb(conditions, people, as_of=NOW, connection=connection, standing=standing).members[
            "it"
        ]
        assert set(first) == set(range(12, 20))
        again = {"it": Standing(BitMap(first), BitMap())}
        assert (
            by_duckdb(conditions, people, as_of=NOW, connection=connection, standing=again).members["it"]
            == first
        )


def test_between_the_two_thresholds_people_stay_where_they_are(connection: duckdb.DuckDBPyConnection) -> None:
    condition = {"it": ir.Lasting("it", compiled("score >= 10"), compiled("score < 5"), None)}
    standing: dict[str, Standing] = {}
    seen = []
    for score in (7, 10, 7, 5, 4, 7, 10):
        person = PersonFacts(1, facts={"score": score * 1_000_000})
        found = by_duckdb(condition, [person], as_of=NOW, connection=connection, standing=standing).members[
            "it"
        ]
        standing = {"it": Standing(found, BitMap())}
        seen.append(1 in found)
    assert seen == [False, True, True, True, False, False, True]


def test_who_is_gone_from_the_people_does_not_stay(connection: duckdb.DuckDBPyConnection) -> None:
    condition = {"it": ir.Lasting("it", compiled("vip"), compiled("score < 5"), 24)}
    standing = {"it": Standing(BitMap([1, 2]), BitMap([1, 2]))}
    found = by_duckdb(condition, [PersonFacts(1)], as_of=NOW, connection=connection, standing=standing)
    assert set(found.members["it"]) == {1}


@pytest.mark.parametrize(
    ("facts", "suppressed", "text"),
    [
        ({"score": 12_000_000}, False, "✓ is in because when is true"),
        ({"score": 7_000_000}, False, "✓ stays because it was in, until leave_when is true"),
        ({"score": 4_000_000}, False, "✗ is not in because leave_when is true"),
        (
            {"score": 7_000_000},
            True,
            "✗ is not in because when is not true; was in, but whoever is suppressed does not stay",
        ),
    ],
)
def test_explain_says_what_keeps_a_person(facts: dict[str, object], suppressed: bool, text: str) -> None:
    condition = ir.Lasting("it", compiled("score >= 10"), compiled("score < 5"), 48)
    person = PersonFacts(1, facts=facts, suppressed=suppressed)
    context = Context(Clock(NOW, ZONE), entered=lambda _: NOW - 48 * HOUR)
    lines = list(explain(condition, person, context, render=render).lines())
    assert lines[0] == f"{text}; a member since 2026-02-28 09:00 UTC"
    assert [line.strip()[2:].split(":")[0] for line in lines[1:]] == ["when", "leave_when"]


def test_explain_says_until_when_somebody_is_held() -> None:
    condition = ir.Lasting("it", compiled("score >= 10"), compiled("score < 5"), 168)
    context = Context(Clock(NOW, ZONE), entered=lambda _: NOW - HOUR)
    lines = list(explain(condition, PersonFacts(1), context, render=render).lines())
    assert lines[0] == (
        "✓ stays because it entered less than 7 days ago, until 2026-03-09 08:00 UTC"
        "; a member since 2026-03-02 08:00 UTC"
    )
