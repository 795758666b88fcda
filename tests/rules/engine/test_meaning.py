"""Every sentence of the language's meaning, on both evaluators (`members` demands that they agree)."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from rules import ir
from rules.engine.person import PersonFacts
from rules.language import compile_expression
from rules.text import clean, fold
from rules.vocabulary import Type
from tests.rules.engine.agreement import by_duckdb, members
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
US, DAY = dt.timedelta(microseconds=1), dt.timedelta(days=1)
COUNTRY, SCORE, LTV = ir.Fact("country", Type.TEXT), ir.Fact("score", Type.NUMBER), ir.Fact("ltv", Type.MONEY)
BIRTHDAY, SIGNED_UP = ir.Fact("birthday", Type.DATE), ir.Fact("signed_up", Type.DATETIME)
F, C = ir.AggregateFunction, ir.Comparison
NUMBER_FUNCTIONS = {F.SUM: Type.MONEY, F.AVG: Type.MONEY, F.MIN: Type.MONEY, F.MAX: Type.MONEY}


def people(name: str, *values: object) -> list[PersonFacts]:
    """Persons 0, 1, … with these values of one fact."""
    return [PersonFacts(number, {name: value}) for number, value in enumerate(values)]


def buyers(*histories: list[tuple[dt.datetime, int | None]]) -> list[PersonFacts]:
    """Persons 0, 1, … with purchases (at, amount in minor units)."""
    return [
        PersonFacts(n, activity={"purchase": [{"at": at, "amount": amount} for at, amount in history]})
        for n, history in enumerate(histories)
    ]


def aggregate(
    function: ir.AggregateFunction,
    period: ir.Period | None = None,
    *,
    where: ir.Predicate | None = None,
    field: str | None = None,
    type_: Type | None = None,
) -> ir.Aggregate:
    """Over purchases; of the amount where the function needs a field."""
    types = {F.LAST_AT: Type.DATETIME, F.FIRST_AT: Type.DATETIME, **NUMBER_FUNCTIONS}
    needs = function not in (F.COUNT, F.LAST_AT, F.FIRST_AT)
    name = field or ("amount" if needs else None)
    return ir.Aggregate(
        function, "purchase", name, where, period or ir.Ever(), type_ or types.get(function, Type.NUMBER)
    )


def number(value: float) -> ir.Literal:
    return ir.Literal(round(value * 1_000_000), Type.NUMBER)


def minor(value: int) -> ir.Literal:
    return ir.Literal(value, Type.MONEY)


def text(value: str) -> ir.Literal:
    return ir.Literal(fold(value), Type.TEXT)


def happened(period: ir.Period) -> ir.Predicate:
    return ir.Compare(C.GE, aggregate(F.COUNT, period), number(1))


# ── 1. two-valued ──


@pytest.mark.means("A comparison with a missing fact is false;")
def test_a_comparison_with_a_missing_fact_is_false() -> None:
    world = people("score", None, 5_000_000)
    for operator in C:
        assert 0 not in members(ir.Compare(operator, SCORE, number(5)), world, as_of=AS_OF)
        assert 0 not in members(ir.Compare(operator, number(5), SCORE), world, as_of=AS_OF)


@pytest.mark.means("`not` is the plain complement.")
def test_not_is_the_plain_complement() -> None:
    world = people("country", "DE", "FR", None)
    is_german = ir.Compare(C.EQ, COUNTRY, text("DE"))
    assert members(is_german, world, as_of=AS_OF) == {0}
    assert members(ir.Not(is_german), world, as_of=AS_OF) == {1, 2}


@pytest.mark.means(
    'and `country != "DE"` means `not (country = "DE")`, which includes people whose country is missing.'
)
def test_other_than_germany_includes_people_whose_country_is_missing() -> None:
    written = [compile_expression(each, VOCABULARY) for each in ('country != "DE"', 'not (country = "DE")')]
    for condition in (*written, ir.Not(ir.InSet(COUNTRY, (text("DE"), text("FR"))))):
        assert isinstance(condition, ir.Not)
        assert members(condition, people("country", "DE", "AT", None), as_of=AS_OF) == {1, 2}
    assert written[0] == written[1]


@pytest.mark.means("An aggregate over no activity: `count` and `sum` are 0, every other one is missing.")
def test_count_and_sum_over_no_activity_are_zero_and_every_other_aggregate_is_missing() -> None:
    world = buyers([], [(AS_OF + DAY, 100)])
    for function, type_ in ((F.COUNT, Type.NUMBER), (F.SUM, Type.MONEY)):
        zero = ir.Compare(C.EQ, aggregate(function, type_=type_), ir.Literal(0, type_))
        assert members(zero, world, as_of=AS_OF) == {0, 1}
    texts = [(f, "sku", Type.TEXT) for f in (F.LATEST, F.EARLIEST, F.MOST_FREQUENT)]
    texts += [(F.LIST, "sku", Type.TEXTS), (F.DISTINCT, "sku", Type.NUMBER)]
    others = [aggregate(f) for f in (F.AVG, F.MIN, F.MAX, F.LAST_AT, F.FIRST_AT)]
    for value in (*others, *(aggregate(f, field=name, type_=t) for f, name, t in texts)):
        assert members(ir.IsKnown(value), world, as_of=AS_OF) == set()


def test_a_kind_that_nobody_ever_did_is_no_error() -> None:
    assert members(ir.Not(happened(ir.Ever())), [PersonFacts(4)], as_of=AS_OF) == {4}


# ── 2. time ──


@pytest.mark.means("`last 90 days` is `as_of − 90×24 h < at <= as_of`;")
def test_last_90_days_excludes_its_start_and_includes_as_of() -> None:
    start = AS_OF - 90 * DAY
    world = buyers([(start, 1)], [(start + US, 1)], [(AS_OF, 1)], [(AS_OF + US, 1)])
    assert members(happened(ir.Last(90, ir.Unit.DAY)), world, as_of=AS_OF) == {1, 2}


@pytest.mark.means("`days` are 24 h;")
def test_days_are_24_hours_also_over_the_change_to_summer_time() -> None:
    as_of = dt.datetime(2025, 3, 30, 12, tzinfo=dt.UTC)
    world = buyers([(as_of - DAY, 1)], [(as_of - DAY + US, 1)])
    assert members(happened(ir.Last(1, ir.Unit.DAY)), world, as_of=as_of) == {1}


@pytest.mark.means("activity after `as_of` is ignored.")
def test_activity_after_as_of_is_ignored_in_every_window() -> None:
    world = buyers([(AS_OF + US, 1)])
    tomorrow = ir.Between(dt.date(2026, 3, 1), dt.date(2026, 3, 10))
    for period in (
        ir.Ever(),
        tomorrow,
        ir.Calendar(ir.CalendarUnit.DAY, 0),
        ir.Calendar(ir.CalendarUnit.DAY, 1),
    ):
        assert members(happened(period), world, as_of=AS_OF) == set()


@pytest.mark.means(
    "Calendar words (`today`, `this month`, anniversaries) use the business time zone of the config;"
)
def test_calendar_words_use_the_business_zone() -> None:
    as_of = dt.datetime(2025, 12, 31, 23, 30, tzinfo=dt.UTC)  # 2026 in Berlin, 2025 in UTC
    world = buyers([(dt.datetime(2025, 12, 31, 23, 15, tzinfo=dt.UTC), 1)])
    this_year = happened(ir.Calendar(ir.CalendarUnit.YEAR, 0))
    long_ago = buyers([(dt.datetime(2025, 6, 1, tzinfo=dt.UTC), 1)])
    assert members(this_year, world, as_of=as_of) == {0}
    assert members(this_year, long_ago, as_of=as_of) == set()
    assert members(this_year, long_ago, as_of=as_of, zone="UTC") == {0}


@pytest.mark.means("weeks start on Monday;")
def test_weeks_start_on_monday() -> None:
    sunday, monday = (dt.datetime(2026, 3, day, 8, tzinfo=dt.UTC) for day in (1, 2))
    this_week = happened(ir.Calendar(ir.CalendarUnit.WEEK, 0))
    assert members(this_week, buyers([(sunday, 1)], [(monday, 1)]), as_of=AS_OF) == {1}


@pytest.mark.means("29 February has its anniversary on 28 February in other years.")
@pytest.mark.parametrize(("year", "day", "expected"), [(2026, 28, {0, 1}), (2028, 28, {1}), (2028, 29, {0})])
def test_29_february_has_its_anniversary_on_28_february_in_other_years(
    year: int, day: int, expected: set[int]
) -> None:
    world = people("birthday", dt.date(2000, 2, 29), dt.date(1990, 2, 28), dt.date(1990, 3, 1))
    today = ir.Anniversary(BIRTHDAY, ir.Calendar(ir.CalendarUnit.DAY, 0))
    assert members(today, world, as_of=dt.datetime(year, 2, day, 12, tzinfo=dt.UTC)) == expected


def test_an_anniversary_wraps_around_the_new_year_and_includes_today() -> None:
    as_of = dt.datetime(2025, 12, 30, 12, tzinfo=dt.UTC)
    days = [dt.date(1980, 12, 29), dt.date(1980, 12, 30), dt.date(1980, 1, 5), dt.date(1980, 1, 6)]
    soon = ir.Anniversary(BIRTHDAY, ir.Next(7, ir.Unit.DAY))
    assert members(soon, people("birthday", *days), as_of=as_of) == {1, 2}


@pytest.mark.means(
    "Calendar words (`today`, `this month`, anniversaries) use the business time zone of the config;"
)
def test_the_anniversary_of_an_instant_is_that_of_its_day_in_the_business_zone() -> None:
    late = dt.datetime(2020, 3, 1, 23, 30, tzinfo=dt.UTC)  # 2 March in Berlin
    today = ir.Anniversary(SIGNED_UP, ir.Calendar(ir.CalendarUnit.DAY, 0))
    assert members(today, people("signed_up", late), as_of=AS_OF) == {0}
    assert members(today, people("signed_up", late), as_of=AS_OF, zone="UTC") == set()


@pytest.mark.means("`months` in a rolling window are calendar months clamped to the month's last day.")
def test_rolling_months_are_calendar_months_clamped_to_the_month_s_last_day() -> None:
    as_of = dt.datetime(2026, 3, 31, 10, tzinfo=dt.UTC)  # noon in Berlin, summer time
    edge = dt.datetime(2026, 2, 28, 11, tzinfo=dt.UTC)  # noon in Berlin, winter time
    world = buyers([(edge, 1)], [(edge + US, 1)])
    assert members(happened(ir.Last(1, ir.Unit.MONTH)), world, as_of=as_of) == {1}


def test_a_date_is_within_the_next_days_from_today_on() -> None:
    world = people("birthday", *(dt.date(2026, 3, day) for day in (1, 2, 8, 9)))
    assert members(ir.InPeriod(BIRTHDAY, ir.Next(7, ir.Unit.DAY)), world, as_of=AS_OF) == {1, 2}
    assert members(ir.InPeriod(BIRTHDAY, ir.Last(1, ir.Unit.DAY)), world, as_of=AS_OF) == {1}


def test_days_since_an_instant_is_elapsed_time_and_since_a_date_whole_days() -> None:
    world = people("signed_up", AS_OF - 2 * DAY, AS_OF - 2 * DAY + US, AS_OF + US)
    assert members(ir.Compare(C.GE, ir.DaysSince(SIGNED_UP), number(2)), world, as_of=AS_OF) == {0}
    assert members(ir.Compare(C.LT, ir.DaysSince(SIGNED_UP), number(0)), world, as_of=AS_OF) == {2}
    late = dt.datetime(2026, 3, 1, 23, 30, tzinfo=dt.UTC)
    born = people("birthday", dt.date(2026, 3, 1), dt.date(2026, 3, 2))
    assert members(ir.Compare(C.EQ, ir.DaysSince(BIRTHDAY), number(1)), born, as_of=late) == {0}


# ── 3. text ──


@pytest.mark.means("is stripped, Unicode NFC, and compared by its casefold,")
def test_texts_compare_by_their_casefold_computed_in_python() -> None:
    written = ["Straße", "STRASSE", " strasse ", "Strase", None]
    world = people("country", *(clean(text_) for text_ in written))
    assert members(ir.Compare(C.EQ, COUNTRY, text("straße")), world, as_of=AS_OF) == {0, 1, 2}
    greek = people("country", "ΣΑΣ", "σας", "σασ")
    assert members(ir.Compare(C.EQ, COUNTRY, text("ΣΑΣ")), greek, as_of=AS_OF) == {0, 1, 2}
    composed = people("country", clean("Zoe\u0308"), clean("Zo\u00eb"))
    assert members(ir.Compare(C.EQ, COUNTRY, text("ZOË")), composed, as_of=AS_OF) == {0, 1}


@pytest.mark.means("`matches` is RE2 (no catastrophic backtracking) and case-sensitive unless `(?i)`.")
def test_matches_is_re2_and_minds_case_unless_told_otherwise() -> None:
    world = people("country", "Berlin", "berlin", "a" * 40)
    assert members(ir.Matches(COUNTRY, "^Ber"), world, as_of=AS_OF) == {0}
    assert members(ir.Matches(COUNTRY, "(?i)^ber"), world, as_of=AS_OF) == {0, 1}
    assert members(ir.Matches(COUNTRY, "(a*)*c"), world, as_of=AS_OF) == set()  # no backtracking


def test_a_pattern_that_is_not_re2_is_refused_even_if_no_row_would_meet_it() -> None:
    with pytest.raises(ValueError, match="RE2"):
        by_duckdb({"it": ir.Matches(COUNTRY, r"(a)\1")}, [], as_of=AS_OF)


# ── 4. money ──


@pytest.mark.means("No division is emitted for averages (compare sum with value × count):")
def test_money_is_exact_and_averages_compare_without_a_division() -> None:
    ten = [(AS_OF - n * DAY, 10) for n in range(10)]
    world = buyers(ten, [(AS_OF, 100), (AS_OF, 100), (AS_OF, 101)], [(AS_OF, 2**63 - 1), (AS_OF, 2**63 - 1)])
    assert members(ir.Compare(C.EQ, aggregate(F.SUM), minor(100)), world, as_of=AS_OF) == {0}
    assert members(ir.Compare(C.GT, aggregate(F.AVG), minor(100)), world, as_of=AS_OF) == {1, 2}
    assert members(ir.Compare(C.EQ, aggregate(F.AVG), minor(2**63 - 1)), world, as_of=AS_OF) == {2}
    assert members(ir.Compare(C.GT, aggregate(F.SUM), minor(2**63 - 1)), world, as_of=AS_OF) == {2}
    beyond_doubles = buyers([(AS_OF, 2**53 + 1)], [(AS_OF, 2**53)])
    assert members(ir.Compare(C.GT, aggregate(F.AVG), minor(2**53)), beyond_doubles, as_of=AS_OF) == {0}


def test_missing_amounts_are_skipped() -> None:
    world = buyers([(AS_OF, None), (AS_OF - DAY, 300)], [(AS_OF, None)])
    assert members(ir.Compare(C.EQ, aggregate(F.AVG), minor(300)), world, as_of=AS_OF) == {0}
    latest = aggregate(F.LATEST, type_=Type.MONEY)
    assert members(ir.Compare(C.EQ, latest, minor(300)), world, as_of=AS_OF) == {0}
    assert members(ir.Compare(C.EQ, aggregate(F.COUNT), number(1)), world, as_of=AS_OF) == {1}


@pytest.mark.means("the order of rows never changes a result.")
def test_the_order_of_rows_never_changes_a_result() -> None:
    history = [(AS_OF - (n % 3) * DAY, 7 * n % 11) for n in range(12)]
    world, turned = buyers(history, history[:5]), buyers(history[::-1], history[4::-1])
    store = aggregate(F.LATEST, type_=Type.MONEY)
    conditions = {
        "latest": ir.Compare(C.GE, store, minor(9)),
        "top": ir.RankShare(ir.Side.TOP, 500_000, aggregate(F.SUM), None),
        "share": ir.Compare(
            C.GT,
            ir.Arithmetic(ir.Operator.DIVIDE, aggregate(F.SUM), aggregate(F.COUNT), Type.MONEY),
            minor(5),
        ),
    }
    first = by_duckdb(conditions, world, as_of=AS_OF).members
    assert first == by_duckdb(conditions, turned[::-1], as_of=AS_OF).members
    assert all(len(found) for found in first.values())


# ── 5. ranks ──


@pytest.mark.means("Only people for whom the value is known are ranked.")
def test_only_people_with_a_known_value_are_ranked() -> None:
    world = people("score", None, None, None, 1_000_000, 2_000_000)
    assert members(ir.RankShare(ir.Side.TOP, 500_000, SCORE, None), world, as_of=AS_OF) == {4}
    assert members(ir.Quintile(1, SCORE, None), world, as_of=AS_OF) == {3}


@pytest.mark.means("computed in integers (parts per million, never a float percentile),")
def test_seven_percent_of_a_hundred_is_seven() -> None:
    world = people("score", *(n * 1_000_000 for n in range(1, 101)))
    assert len(members(ir.RankShare(ir.Side.TOP, 70_000, SCORE, None), world, as_of=AS_OF)) == 7
    assert len(members(ir.RankShare(ir.Side.BOTTOM, 70_001, SCORE, None), world, as_of=AS_OF)) == 8


@pytest.mark.means("so ties are in or out together")
@pytest.mark.means("`top 500` likewise.")
def test_ties_are_in_or_out_together() -> None:
    world = people("score", 3, 2, 2, 2, 1)
    assert members(ir.RankCount(ir.Side.TOP, 2, SCORE, None), world, as_of=AS_OF) == {0, 1, 2, 3}
    assert members(ir.RankCount(ir.Side.TOP, 1, SCORE, None), world, as_of=AS_OF) == {0}
    assert members(ir.RankCount(ir.Side.TOP, 0, SCORE, None), world, as_of=AS_OF) == set()


@pytest.mark.means("Quintiles from thresholds: equal values, equal quintile.")
def test_equal_values_are_in_the_same_quintile() -> None:
    world = people("score", 1, 1, 1, 1, 1, 1, 2, 3, 4, 5)
    found = [members(ir.Quintile(q, SCORE, None), world, as_of=AS_OF) for q in (1, 2, 3, 4, 5)]
    assert found == [{0, 1, 2, 3, 4, 5}, set(), set(), {6, 7}, {8, 9}]


def test_people_are_ranked_inside_their_group_and_without_a_group_not_at_all() -> None:
    facts = [("DE", 5), ("de", 9), ("FR", 1), ("FR", 2), (None, 99)]
    world = [PersonFacts(n, {"country": country, "ltv": ltv}) for n, (country, ltv) in enumerate(facts)]
    assert members(ir.RankCount(ir.Side.TOP, 1, LTV, COUNTRY), world, as_of=AS_OF) == {1, 3}
    assert members(ir.RankCount(ir.Side.BOTTOM, 1, LTV, COUNTRY), world, as_of=AS_OF) == {0, 2}


# ── 6. order, 7. deterministic ──


@pytest.mark.means('`in segment "x"` inside a rule means this run\'s value;')
def test_in_segment_means_this_run_s_value() -> None:
    rich = ir.Compare(C.GE, SCORE, number(5))
    conditions: dict[str, ir.Predicate] = {
        "rich": rich,
        "others": ir.Not(ir.InSegment("rich")),
        "german-others": ir.And(
            (ir.InSegment("others"), ir.Compare(C.EQ, COUNTRY, text("de")), ir.IsKnown(COUNTRY))
        ),
        "either": ir.Or((ir.InSegment("rich"), ir.InSegment("german-others"))),
    }
    world = [
        PersonFacts(0, {"score": 5_000_000}),
        PersonFacts(1, {"score": 1, "country": "DE"}),
        PersonFacts(2, {"country": "FR"}),
    ]
    found = by_duckdb(conditions, world, as_of=AS_OF).members
    assert {id_: set(bitmap) for id_, bitmap in found.items()} == {
        "rich": {0},
        "others": {1, 2},
        "german-others": {1},
        "either": {0, 1},
    }


def test_a_random_share_is_stable_and_independent_between_names() -> None:
    world = [PersonFacts(number_) for number_ in range(4000)]
    first, second = (
        members(ir.RandomShare(250_000, salt), world, as_of=AS_OF) for salt in ("spring-test", "b")
    )
    assert members(ir.RandomShare(250_000, "spring-test"), world[:500], as_of=AS_OF) == {
        n for n in first if n < 500
    }
    assert 900 < len(first) < 1100
    assert 200 < len(first & second) < 300
    assert members(ir.RandomShare(1_000_000, "b"), world, as_of=AS_OF) == set(range(4000))
    assert members(ir.RandomShare(0, "b"), world, as_of=AS_OF) == set()


def test_the_session_s_own_zone_does_not_matter() -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    world = buyers([(dt.datetime(2026, 3, 1, 23, 30, tzinfo=dt.UTC), 1)])
    today = happened(ir.Calendar(ir.CalendarUnit.DAY, 0))
    assert set(by_duckdb({"it": today}, world, as_of=AS_OF, connection=connection).members["it"]) == {0}
