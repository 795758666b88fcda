"""Places where engines were seen to differ or to fail: what we emit must not depend on any of them."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from rules import ir
from rules.engine import Tables, evaluate
from rules.engine.periods import Clock, days, local_day, microseconds, offsets
from rules.engine.person import Context, PersonFacts, observed
from rules.text import fold
from rules.vocabulary import Type
from tests.rules.engine.agreement import by_duckdb, members, rule_set
from tests.rules.engine.test_meaning import (
    AS_OF,
    COUNTRY,
    LTV,
    SCORE,
    C,
    F,
    aggregate,
    buyers,
    minor,
    number,
    people,
)

HUGE = 2**63 - 1


def test_sums_beyond_64_bits_are_exact() -> None:
    world = buyers([(AS_OF, HUGE)] * 3, [(AS_OF, -HUGE - 1)] * 3, [(AS_OF, HUGE), (AS_OF, -HUGE)])
    total = aggregate(F.SUM)
    assert members(ir.Compare(C.EQ, total, minor(3 * HUGE)), world, as_of=AS_OF) == {0}
    assert members(ir.Compare(C.LT, total, minor(-3 * HUGE)), world, as_of=AS_OF) == {1}
    assert members(ir.Compare(C.EQ, total, minor(0)), world, as_of=AS_OF) == {2}
    assert members(ir.RankCount(ir.Side.TOP, 1, total, None), world, as_of=AS_OF) == {0}


def test_whole_numbers_become_the_nearest_double_also_where_the_engine_s_own_cast_is_not_the_nearest() -> (
    None
):
    odd = -(2**53) - 2  # DuckDB 2.0 makes −2**53 of this as a 128-bit integer
    world = buyers([(AS_OF, odd)])
    shifted = ir.Arithmetic(ir.Operator.ADD, aggregate(F.SUM), minor(0), Type.MONEY)
    assert observed(shifted, world[0], Context(Clock(AS_OF, "UTC"))) == odd / 100
    assert members(ir.Compare(C.EQ, shifted, minor(odd)), world, as_of=AS_OF) == {0}


def test_division_by_zero_and_results_that_are_no_numbers_are_missing() -> None:
    world = people("score", 0, 1_000_000, -1, None)
    ratio = ir.Arithmetic(ir.Operator.DIVIDE, number(1), SCORE, Type.NUMBER)
    assert members(ir.IsKnown(ratio), world, as_of=AS_OF) == {1, 2}
    large: ir.Value = number(10.0**12)
    for _ in range(5):
        large = ir.Arithmetic(ir.Operator.MULTIPLY, large, large, Type.NUMBER)
    infinite = ir.Arithmetic(ir.Operator.MULTIPLY, large, SCORE, Type.NUMBER)
    assert members(ir.Not(ir.IsKnown(infinite)), world, as_of=AS_OF) == {0, 1, 2, 3}
    hidden = ir.Arithmetic(ir.Operator.DIVIDE, SCORE, infinite, Type.NUMBER)
    assert members(ir.IsKnown(hidden), world, as_of=AS_OF) == set()


def test_the_edge_of_days_is_worked_out_in_whole_microseconds() -> None:
    signed_up = ir.Fact("signed_up", Type.DATETIME)
    before, after = (AS_OF - dt.timedelta(days=1, microseconds=n) for n in (0, -1))
    world = people("signed_up", before, after)
    for operator, expected in ((C.GE, {0}), (C.GT, set()), (C.EQ, {0}), (C.LT, {1}), (C.LE, {0, 1})):
        assert (
            members(ir.Compare(operator, ir.DaysSince(signed_up), number(1)), world, as_of=AS_OF) == expected
        )


def test_text_with_quotes_and_odd_signs_is_only_text() -> None:
    odd = 'it\'s "a"; DROP TABLE x --%_\\ \0'
    world = people("country", odd, "x")
    same = ir.Compare(C.EQ, COUNTRY, ir.Literal(fold(odd), Type.TEXT))
    assert members(same, world, as_of=AS_OF) == {0}
    assert members(ir.TextTest(ir.TextTestKind.CONTAINS, COUNTRY, "%_\\ "), world, as_of=AS_OF) == {0}


def test_a_list_of_texts_that_is_missing_contains_nothing() -> None:
    interests = ir.Fact("interests", Type.TEXTS)
    world = people("interests", ["Shoes", "Hats"], [], None)
    for kind in ir.ListTestKind:
        has = ir.ListTest(kind, interests, ("shoes", "hats"))
        assert members(has, world, as_of=AS_OF) == {0}
        assert members(ir.Not(has), world, as_of=AS_OF) == {1, 2}
    assert members(ir.IsKnown(interests), world, as_of=AS_OF) == {0}


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
)
def test_our_table_of_offsets_is_the_zone_s(zone: str) -> None:
    changes = offsets(zone)
    for instant, offset in changes:
        for probe in (instant - 1_000_000, instant, instant + 86_400_000_000):
            in_force = [ahead for start, ahead in changes if start <= probe] or [changes[0][1]]
            assert local_day(probe, zone) == (probe + in_force[-1]) // 86_400_000_000, (zone, offset)


def test_a_row_without_a_person_and_a_kind_without_rows_do_not_matter() -> None:
    connection = duckdb.connect()
    connection.execute(
        """CREATE TABLE p AS SELECT n::INT AS person, false AS suppressed, true AS consented_email,
            []::VARCHAR[] AS in_lists FROM range(3) t(n)"""
    )
    connection.execute(
        "CREATE TABLE a AS SELECT NULL::INT AS person, make_timestamptz(0) AS at, 'x' AS event_id"
    )
    bought, clicked = (
        ir.Aggregate(F.COUNT, k, None, None, ir.Ever(), Type.NUMBER) for k in ("purchase", "email_click")
    )
    both = ir.Or((ir.Compare(C.GE, bought, number(1)), ir.Compare(C.GE, clicked, number(1))))
    rules = rule_set({"some": both, "none": ir.Not(both)})
    found = evaluate(connection, rules, Tables("p", {"purchase": "a"}), as_of=AS_OF, zone="UTC")
    assert (set(found.members["some"]), set(found.members["none"]), found.people) == (set(), {0, 1, 2}, 3)


def test_nothing_is_left_behind_in_the_connection() -> None:
    connection = duckdb.connect()
    rank = ir.RankCount(ir.Side.TOP, 1, LTV, COUNTRY)
    world = [PersonFacts(1, {"ltv": 1, "country": "DE"}, {"purchase": [{"at": AS_OF}]})]
    by_duckdb({"a": rank, "b": ir.IsKnown(aggregate(F.LAST_AT))}, world, as_of=AS_OF, connection=connection)
    left = connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    views = connection.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall()
    assert (left, views) == ([(0,)], [(0,)])


@pytest.mark.means("One `as_of` instant per run, UTC.")
def test_a_naive_as_of_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        by_duckdb({"a": ir.Suppressed()}, [], as_of=AS_OF.replace(tzinfo=None))


def test_nobody_at_all_is_no_error() -> None:
    rank = ir.RankShare(ir.Side.TOP, 100_000, LTV, COUNTRY)
    found = by_duckdb({"a": rank, "b": ir.Not(ir.InSegment("a"))}, [], as_of=AS_OF)
    assert (len(found.members["a"]), len(found.members["b"]), found.people) == (0, 0, 0)


def test_a_date_bound_is_midnight_in_the_business_zone() -> None:
    midnight = dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC)
    since = ir.Compare(C.GE, aggregate(F.COUNT, ir.Between(dt.date(2026, 3, 1), None)), number(1))
    world = buyers([(midnight, 1)], [(midnight - dt.timedelta(microseconds=1), 1)])
    assert members(since, world, as_of=AS_OF) == {0}
    assert days(dt.date(2026, 3, 1)) * 86_400_000_000 - microseconds(midnight) == 3_600_000_000
