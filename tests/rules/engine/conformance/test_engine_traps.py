"""Where engines were measured to differ: every one of these has one answer, on every engine that we have."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest

from rules import ir
from rules.engine.person import PersonFacts
from rules.text import clean
from rules.vocabulary import Type
from tests.rules.engine.conformance.traps import AS_OF, on_every_engine, trap
from tests.rules.engine.test_meaning import (
    BIRTHDAY,
    COUNTRY,
    DAY,
    LTV,
    SCORE,
    SIGNED_UP,
    US,
    C,
    F,
    aggregate,
    buyers,
    happened,
    minor,
    number,
    people,
    text,
)

HUGE = 2**63 - 1
EMPLOYEES, REVENUE = ir.Fact("company.employees", Type.NUMBER), ir.Fact("company.revenue", Type.MONEY)
LATITUDE, CITY = ir.Fact("latitude", Type.NUMBER), ir.Fact("city", Type.TEXT)
TOP, BOTTOM = ir.Side.TOP, ir.Side.BOTTOM
GERMAN = ir.Compare(C.EQ, COUNTRY, text("DE"))


def calculated(operator: ir.Operator, left: ir.Value, right: ir.Value) -> ir.Arithmetic:
    return ir.Arithmetic(operator, left, right, Type.NUMBER)


NULLS = trap(
    people("country", "DE", "FR", None),
    not_german=ir.Not(GERMAN),
    neither=ir.Not(ir.InSet(COUNTRY, (text("DE"), text("FR")))),
    inside=ir.Not(ir.And((GERMAN, ir.Not(ir.Compare(C.EQ, CITY, text("x")))))),
)


@pytest.mark.means("`not` is the plain complement.")
@on_every_engine
def test_not_of_a_comparison_with_null_is_true(engine: str) -> None:
    assert NULLS.on(engine) == {"not_german": {1, 2}, "neither": {2}, "inside": {1, 2}}


HUNDRED = trap(
    people("latitude", *(n * 1_000_000 for n in range(1, 101))),
    bottom_7=ir.RankShare(BOTTOM, 70_000, LATITUDE, None),
    top_7=ir.RankShare(TOP, 70_000, LATITUDE, None),
)


@pytest.mark.means("computed in integers (parts per million, never a float percentile),")
@pytest.mark.means("and the result does not depend on row order or engine.")
@on_every_engine
def test_seven_percent_of_a_hundred_are_seven(engine: str) -> None:
    assert HUNDRED.on(engine) == {"bottom_7": set(range(7)), "top_7": set(range(93, 100))}


THOUSAND = trap(
    [PersonFacts(n, {"company.revenue": n * n}) for n in range(1000)],
    top_10=ir.RankShare(TOP, 100_000, REVENUE, None),
)


@on_every_engine
def test_a_tenth_of_many_is_exactly_a_tenth(engine: str) -> None:
    assert THOUSAND.on(engine)["top_10"] == set(range(900, 1000))


TIES = trap(
    [PersonFacts(n, {"company.employees": value}) for n, value in enumerate([1, 1, 1, 1, 2, 2, 3, None])],
    **{f"q{q}": ir.Quintile(q, EMPLOYEES, None) for q in range(1, 6)},
)


@pytest.mark.means("Quintiles from thresholds: equal values, equal quintile.")
@on_every_engine
def test_equal_values_are_in_one_quintile(engine: str) -> None:
    assert TIES.on(engine) == {"q1": {0, 1, 2, 3}, "q2": set(), "q3": {4, 5}, "q4": set(), "q5": {6}}


RANKED = trap(
    [PersonFacts(n, {"ltv": v, "vip": g}) for n, (v, g) in enumerate([(5, True), (None, True), (-5, False)])],
    first=ir.RankCount(TOP, 1, LTV, None),
    last=ir.RankCount(BOTTOM, 1, LTV, None),
    of_group=ir.RankCount(TOP, 1, LTV, ir.Fact("vip", Type.BOOLEAN)),
)


@pytest.mark.means("Only people for whom the value is known are ranked.")
@on_every_engine
def test_who_has_no_value_has_no_rank(engine: str) -> None:
    assert RANKED.on(engine) == {"first": {0}, "last": {2}, "of_group": {0, 2}}


TENTHS = trap(buyers([(AS_OF, 10)] * 10), one=ir.Compare(C.EQ, aggregate(F.SUM), minor(100)))


@pytest.mark.means("is exact: integer minor units and a currency;")
@on_every_engine
def test_ten_times_ten_cents_are_one_euro(engine: str) -> None:
    assert TENTHS.on(engine)["one"] == {0}


SUMS = trap(
    buyers([(AS_OF, HUGE)] * 3, [(AS_OF, -HUGE - 1)] * 3, [(AS_OF, HUGE), (AS_OF, -HUGE)]),
    above=ir.Compare(C.EQ, aggregate(F.SUM), minor(3 * HUGE)),
    below=ir.Compare(C.EQ, aggregate(F.SUM), minor(-3 * HUGE - 3)),
    average=ir.Compare(C.EQ, aggregate(F.AVG), minor(HUGE)),
    as_double=ir.Compare(
        C.EQ, ir.Arithmetic(ir.Operator.ADD, aggregate(F.SUM), minor(0), Type.MONEY), minor(3 * HUGE)
    ),
)


@pytest.mark.means("is exact: integer minor units and a currency;")
@on_every_engine
def test_sums_leave_64_bits_and_are_exact(engine: str) -> None:
    assert SUMS.on(engine) == {"above": {0}, "below": {1}, "average": {0}, "as_double": {0}}


HALVES = trap(
    people("score", 7_000_000, -7_000_000),
    half=ir.Compare(C.EQ, calculated(ir.Operator.DIVIDE, SCORE, number(2)), number(3.5)),
    minus=ir.Compare(C.EQ, calculated(ir.Operator.DIVIDE, SCORE, number(2)), number(-3.5)),
    future=ir.Compare(C.EQ, ir.DaysSince(SIGNED_UP), number(-1)),
)
FUTURE = trap(
    people("signed_up", AS_OF + DAY, AS_OF + DAY - US, AS_OF + US),
    day=ir.Compare(C.EQ, ir.DaysSince(SIGNED_UP), number(-1)),
    millionth=ir.InSet(ir.DaysSince(SIGNED_UP), (ir.Literal(-1, Type.NUMBER),)),
)


@on_every_engine
def test_quotients_are_fractions_and_days_are_rounded_down_also_below_zero(engine: str) -> None:
    assert HALVES.on(engine) == {"half": {0}, "minus": {1}, "future": set()}
    assert FUTURE.on(engine) == {"day": {0, 1}, "millionth": {2}}


ZERO = trap(
    people("score", 0, 1_000_000, -1),
    ratio=ir.IsKnown(calculated(ir.Operator.DIVIDE, number(1), SCORE)),
    minus_zero=ir.IsKnown(
        calculated(ir.Operator.DIVIDE, number(1), calculated(ir.Operator.MULTIPLY, SCORE, number(-1)))
    ),
)


@on_every_engine
def test_division_by_zero_is_missing(engine: str) -> None:
    assert ZERO.on(engine) == {"ratio": {1, 2}, "minus_zero": {1, 2}}


EDGES = trap(
    people("signed_up", AS_OF - DAY, AS_OF - DAY + US),
    a_day=ir.Compare(C.GE, ir.DaysSince(SIGNED_UP), number(1)),
    in_day=ir.InPeriod(SIGNED_UP, ir.Last(1, ir.Unit.DAY)),
)


@on_every_engine
def test_days_are_counted_in_whole_microseconds(engine: str) -> None:
    assert EDGES.on(engine) == {"a_day": {0}, "in_day": {1}}


def fading(points: int) -> ir.Score:
    return ir.Score("s", (ir.Earned("purchase", None, ir.Ever(), points, None, 1),), None, None)


ROUNDED = trap(
    buyers([(AS_OF - DAY, 1)]),
    half=ir.Compare(C.EQ, fading(1), ir.Literal(0, Type.NUMBER)),
    three=ir.Compare(C.EQ, fading(3), ir.Literal(2, Type.NUMBER)),
    five=ir.Compare(C.EQ, fading(5), ir.Literal(2, Type.NUMBER)),
)


@on_every_engine
def test_halves_are_rounded_to_even_by_us_and_by_no_engine(engine: str) -> None:
    assert ROUNDED.on(engine) == {"half": {0}, "three": {0}, "five": {0}}


FOLDED = trap(
    people("city", "İstanbul", "ΣΑΣ", "σας", "STRASSE", "Straße"),
    istanbul=ir.Compare(C.EQ, CITY, text("İSTANBUL")),
    sigma=ir.Compare(C.EQ, CITY, text("Σας")),
    street=ir.TextTest(ir.TextTestKind.STARTS, CITY, "strass"),
)


@pytest.mark.means(
    "computed once at ingest in Python (engines only compare bytes: their own `lower` differ)."
)
@on_every_engine
def test_case_is_folded_once_at_ingest(engine: str) -> None:
    assert FOLDED.on(engine) == {"istanbul": {0}, "sigma": {1, 2}, "street": {3, 4}}


ODD = 'it\'s "a"; -- ${x} %_\\n\\ \0\t😀'
PLAIN = trap(
    people("city", "MÜLLER", "100%", "a_b", "ab", ODD),
    muller=ir.Compare(C.EQ, CITY, text("müller")),
    percent=ir.TextTest(ir.TextTestKind.CONTAINS, CITY, "%"),
    underscore=ir.TextTest(ir.TextTestKind.CONTAINS, CITY, "a_b"),
    odd=ir.Compare(C.EQ, CITY, text(ODD)),
    ends=ir.TextTest(ir.TextTestKind.ENDS, CITY, "\\ \0\t😀"),
)


@on_every_engine
def test_percent_quote_backslash_and_dollar_are_only_signs(engine: str) -> None:
    expected = {"muller": {0}, "percent": {1, 4}, "underscore": {2}, "odd": {4}, "ends": {4}}
    assert PLAIN.on(engine) == expected


COMPOSED = trap(
    people("city", *(clean(city) for city in ("Zoe\u0308", "Zo\u00eb ", "Zoe"))),
    zoe=ir.Compare(C.EQ, CITY, text(" ZOE\u0308")),
)


@pytest.mark.means("is stripped, Unicode NFC, and compared by its casefold,")
@on_every_engine
def test_composed_and_stripped_texts_are_equal(engine: str) -> None:
    assert COMPOSED.on(engine)["zoe"] == {0, 1}


HALF_PAST_MIDNIGHT = dt.datetime(2026, 2, 28, 23, 30, tzinfo=dt.UTC)
MARCH = ir.Calendar(ir.CalendarUnit.MONTH, 0)
IN_BERLIN = trap(
    [
        PersonFacts(n, {"signed_up": at}, {"purchase": [{"at": at, "amount": 1}]})
        for n, at in enumerate([HALF_PAST_MIDNIGHT, HALF_PAST_MIDNIGHT - 30 * dt.timedelta(minutes=1) - US])
    ],
    march=ir.InPeriod(SIGNED_UP, MARCH),
    bought=happened(MARCH),
    yearly=ir.Anniversary(SIGNED_UP, MARCH),
)


@pytest.mark.means(
    "Calendar words (`today`, `this month`, anniversaries) use the business time zone of the config;"
)
@on_every_engine
def test_half_past_midnight_in_berlin_is_of_berlin_s_month(engine: str) -> None:
    assert IN_BERLIN.on(engine) == {"march": {0}, "bought": {0}, "yearly": {0}}


LONG_AGO = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
GUARDED = trap(
    buyers([(LONG_AGO, HUGE), (AS_OF, 5)], [(AS_OF - 69 * DAY, -HUGE - 1)]),
    slices=ir.Compare(
        C.EQ, aggregate(F.SLICES, ir.Last(70, ir.Unit.DAY), field="", type_=Type.NUMBER), number(1)
    ),
    points=ir.Compare(C.GE, fading(1_000_000), number(1)),
    large=ir.Compare(
        C.GE, aggregate(F.COUNT, where=ir.Compare(C.GT, ir.Fact("amount", Type.MONEY), minor(9))), number(1)
    ),
)


@on_every_engine
def test_rows_that_a_filter_leaves_out_cannot_make_an_expression_fail(engine: str) -> None:
    assert GUARDED.on(engine) == {"slices": {0, 1}, "points": {0}, "large": {0}}


EMPTY = trap(
    people("city", clean(""), clean("  "), clean(" x ")),
    known=ir.IsKnown(CITY),
    contains=ir.TextTest(ir.TextTestKind.CONTAINS, CITY, ""),
)


@pytest.mark.means("An empty string is missing.")
@on_every_engine
def test_an_empty_text_is_missing(engine: str) -> None:
    assert EMPTY.on(engine) == {"known": {2}, "contains": {2}}


FROZEN = trap(
    buyers([(AS_OF, 1)], [(AS_OF + US, 1)]),
    ever=happened(ir.Ever()),
    day=happened(ir.Last(1, ir.Unit.HOUR)),
)


@pytest.mark.means("One `as_of` instant per run, UTC.")
@pytest.mark.means("activity after `as_of` is ignored.")
@on_every_engine
def test_now_is_one_instant_and_what_is_later_is_not_yet(engine: str) -> None:
    assert FROZEN.on(engine) == {"ever": {0}, "day": {0}}


# ── not among the measured ones, but where Spark is of its own mind ──

LINES = trap(
    people("city", "a\nb", "a\rb", "ab\n", "x\u000by", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
    dollar=ir.Matches(CITY, "b$"),
    dot=ir.Matches(CITY, "a.b"),
    space=ir.Matches(CITY, r"x\sy"),
    slow=ir.Matches(CITY, "^(a+)+$"),
)


@pytest.mark.means("`matches` is RE2 (no catastrophic backtracking) and case-sensitive unless `(?i)`.")
@on_every_engine
def test_patterns_are_those_of_re2_and_never_take_for_ever(engine: str) -> None:
    assert LINES.on(engine) == {"dollar": {0, 1}, "dot": {1}, "space": set(), "slow": set()}


FAR = trap(
    [
        PersonFacts(n, {"birthday": day, "signed_up": dt.datetime.combine(day, dt.time(), dt.UTC)})
        for n, day in enumerate([dt.date(1, 1, 2), dt.date(9999, 12, 30), dt.date(1582, 10, 10)])
    ],
    before=ir.InPeriod(BIRTHDAY, ir.Between(None, dt.date(1582, 10, 11))),
    on=ir.InPeriod(SIGNED_UP, ir.Between(dt.date(1582, 10, 10), dt.date(1582, 10, 12))),
    yearly=ir.Anniversary(BIRTHDAY, ir.Next(1, ir.Unit.YEAR)),
    age=ir.Compare(C.GT, ir.DaysSince(BIRTHDAY), number(700_000)),
)


@on_every_engine
def test_far_days_are_of_one_calendar(engine: str) -> None:
    assert FAR.on(engine) == {"before": {0, 2}, "on": {2}, "yearly": {0, 1, 2}, "age": {0}}


LOTS = trap([PersonFacts(n) for n in range(300)], lot=ir.RandomShare(250_000, "it's ${a}"))


@on_every_engine
def test_lots_are_drawn_by_md5(engine: str) -> None:
    first = LOTS.number * 10_000
    drawn = {n: hashlib.md5(f"it's ${{a}}:{first + n}".encode()).hexdigest()[:8] for n in range(300)}
    assert LOTS.on(engine)["lot"] == {n for n, digits in drawn.items() if int(digits, 16) < 2**30}
