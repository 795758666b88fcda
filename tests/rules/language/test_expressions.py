"""Every form of the language and the representation it stands for."""

from __future__ import annotations

import datetime as dt

import pytest

from rules import ir
from rules.language import compile_expression
from rules.vocabulary import Type
from tests.rules.language.order_forms import ORDER_FORMS
from tests.rules.vocabulary import VOCABULARY

F = ir.AggregateFunction
COUNTRY = ir.Fact("country", Type.TEXT)
SCORE = ir.Fact("score", Type.NUMBER)
LTV = ir.Fact("ltv", Type.MONEY)
VIP = ir.Fact("vip", Type.BOOLEAN)
BIRTHDAY = ir.Fact("birthday", Type.DATE)
SIGNED_UP = ir.Fact("signed_up", Type.DATETIME)
INTERESTS = ir.Fact("interests", Type.TEXTS)
EMPLOYEES = ir.Fact("company.employees", Type.NUMBER)
STAGE = ir.Fact("hubspot-eu.lifecyclestage", Type.TEXT)
AMOUNT = ir.Fact("amount", Type.MONEY)
CATEGORY = ir.Fact("category", Type.TEXT)
GIFT = ir.Fact("gift", Type.BOOLEAN)
D = ir.Unit.DAY


def number(value: float) -> ir.Literal:
    return ir.Literal(round(value * 1_000_000), Type.NUMBER)


def money(cents: int) -> ir.Literal:
    return ir.Literal(cents, Type.MONEY)


def text(value: str) -> ir.Literal:
    return ir.Literal(value, Type.TEXT)


def eq(left: ir.Value, right: ir.Value) -> ir.Compare:
    return ir.Compare(ir.Comparison.EQ, left, right)


def agg(
    function: F,
    kind: str = "purchase",
    field: str | None = None,
    where: ir.Predicate | None = None,
    period: ir.Period = ir.Ever(),  # noqa: B008 - frozen
    type: Type = Type.NUMBER,
) -> ir.Aggregate:
    return ir.Aggregate(function, kind, field, where, period, type)


def happened(kind: str = "purchase", where: ir.Predicate | None = None, period: ir.Period = ir.Ever()):  # noqa: B008
    return ir.Compare(ir.Comparison.GE, agg(F.COUNT, kind, None, where, period), number(1))


def gt(left: ir.Value, right: ir.Value) -> ir.Compare:
    return ir.Compare(ir.Comparison.GT, left, right)


def day(text_: str) -> dt.date:
    return dt.date.fromisoformat(text_)


FIRST_AT = agg(F.FIRST_AT, type=Type.DATETIME)
LAST_AT = agg(F.LAST_AT, type=Type.DATETIME)
SHOES = eq(CATEGORY, text("shoes"))

TEXT_FORMS = {
    **ORDER_FORMS,
    'country = "DE"': eq(COUNTRY, text("de")),
    "country = 'Straße'": eq(COUNTRY, text("strasse")),
    'country != "DE"': ir.Not(eq(COUNTRY, text("de"))),
    'country in ["DE", "AT", "de"]': ir.InSet(COUNTRY, (text("de"), text("at"))),
    'country not in ["DE"]': ir.Not(ir.InSet(COUNTRY, (text("de"),))),
    'country contains "Land"': ir.TextTest(ir.TextTestKind.CONTAINS, COUNTRY, "land"),
    'country starts with "D"': ir.TextTest(ir.TextTestKind.STARTS, COUNTRY, "d"),
    'country ends with "E"': ir.TextTest(ir.TextTestKind.ENDS, COUNTRY, "e"),
    'country not contains "x"': ir.Not(ir.TextTest(ir.TextTestKind.CONTAINS, COUNTRY, "x")),
    'country matches "^D[A-Z]$"': ir.Matches(COUNTRY, "^D[A-Z]$"),
    '"DE" = country': eq(COUNTRY, text("de")),
    'country = "say ""hi"""': eq(COUNTRY, text('say "hi"')),
    'hubspot-eu.lifecyclestage = "Lead"': eq(STAGE, text("lead")),
    '`hubspot-eu.lifecyclestage` = "lead"': eq(STAGE, text("lead")),
    "last_order_country != country": ir.Not(eq(ir.Fact("last_order_country", Type.TEXT), COUNTRY)),
    "country is known": ir.IsKnown(COUNTRY),
    "country is missing": ir.Not(ir.IsKnown(COUNTRY)),
}

NUMBER_FORMS = {
    "score > 3": gt(SCORE, number(3)),
    "3 < score": gt(SCORE, number(3)),
    "score >= 1_000.5": ir.Compare(ir.Comparison.GE, SCORE, number(1000.5)),
    "score = -2": eq(SCORE, number(-2)),
    "score between 1 and 5": ir.And(
        (
            ir.Compare(ir.Comparison.GE, SCORE, number(1)),
            ir.Compare(ir.Comparison.LE, SCORE, number(5)),
        )
    ),
    "score in [1, 2.5]": ir.InSet(SCORE, (number(1), number(2.5))),
    "ltv > 499.90": gt(LTV, money(49_990)),
    "ltv > 500": gt(LTV, money(50_000)),
    "ltv in [1, 2.50]": ir.InSet(LTV, (money(100), money(250))),
    "company.employees > 200": gt(EMPLOYEES, number(200)),
    "score+1>2": gt(ir.Arithmetic(ir.Operator.ADD, SCORE, number(1), Type.NUMBER), number(2)),
    "score-1>2": gt(ir.Arithmetic(ir.Operator.SUBTRACT, SCORE, number(1), Type.NUMBER), number(2)),
    "score / 2 / score > 1": gt(
        ir.Arithmetic(
            ir.Operator.DIVIDE,
            ir.Arithmetic(ir.Operator.DIVIDE, SCORE, number(2), Type.NUMBER),
            SCORE,
            Type.NUMBER,
        ),
        number(1),
    ),
    "ltv + 100 > 500": gt(ir.Arithmetic(ir.Operator.ADD, LTV, money(10_000), Type.MONEY), money(50_000)),
    "ltv / score > 500": gt(ir.Arithmetic(ir.Operator.DIVIDE, LTV, SCORE, Type.MONEY), money(50_000)),
    "ltv / company.revenue > 0.5": gt(
        ir.Arithmetic(ir.Operator.DIVIDE, LTV, ir.Fact("company.revenue", Type.MONEY), Type.NUMBER),
        number(0.5),
    ),
    "ltv > 100 * score": gt(LTV, ir.Arithmetic(ir.Operator.MULTIPLY, money(10_000), SCORE, Type.MONEY)),
    "-score > 2": gt(ir.Arithmetic(ir.Operator.SUBTRACT, number(0), SCORE, Type.NUMBER), number(2)),
}

OTHER_FACT_FORMS = {
    "vip": ir.IsTrue(VIP),
    "not vip": ir.Not(ir.IsTrue(VIP)),
    "vip = true": ir.IsTrue(VIP),
    "vip != true": ir.Not(ir.IsTrue(VIP)),
    "vip = false": eq(VIP, ir.Literal(False, Type.BOOLEAN)),
    "true": ir.Constant(True),
    "FALSE": ir.Constant(False),
    'interests has "Golf"': ir.ListTest(ir.ListTestKind.ANY, INTERESTS, ("golf",)),
    'interests has any of ["a", "b"]': ir.ListTest(ir.ListTestKind.ANY, INTERESTS, ("a", "b")),
    'interests has all of ["a", "b"]': ir.ListTest(ir.ListTestKind.ALL, INTERESTS, ("a", "b")),
    'interests has none of ["a", "b"]': ir.Not(ir.ListTest(ir.ListTestKind.ANY, INTERESTS, ("a", "b"))),
    "interests is missing": ir.Not(ir.IsKnown(INTERESTS)),
}


def on(start: str | None, end: str | None, value: ir.Value = BIRTHDAY) -> ir.InPeriod:
    return ir.InPeriod(value, ir.Between(day(start) if start else None, day(end) if end else None))


T = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)

DATE_FORMS = {
    "birthday before 2000-01-31": on(None, "2000-01-31"),
    "birthday after 2000-01-31": on("2000-02-01", None),
    "birthday since 2000-01-31": on("2000-01-31", None),
    "birthday on 2000-01-31": on("2000-01-31", "2000-02-01"),
    "birthday = 2000-01-31": on("2000-01-31", "2000-02-01"),
    "birthday != 2000-01-31": ir.Not(on("2000-01-31", "2000-02-01")),
    "birthday <= 2000-01-31": on(None, "2000-02-01"),
    "birthday > 2000-01-31": on("2000-02-01", None),
    "birthday from 2000-01-01 to 2000-01-31": on("2000-01-01", "2000-02-01"),
    "birthday between 2000-01-01 and 2000-01-31": on("2000-01-01", "2000-02-01"),
    "signed_up on 2026-01-01": on("2026-01-01", "2026-01-02", SIGNED_UP),
    "signed_up before 2026-01-01T12:00:00Z": ir.InPeriod(SIGNED_UP, ir.Between(None, T)),
    "signed_up before 2026-01-01T13:00": ir.InPeriod(SIGNED_UP, ir.Between(None, T)),  # zone: Berlin
    "signed_up after 2026-01-01T13:00:00+01:00": ir.InPeriod(SIGNED_UP, ir.Between(T + MICROSECOND, None)),
    "signed_up within last 90 days": ir.InPeriod(SIGNED_UP, ir.Last(90, D)),
    "signed_up last 1 hour": ir.InPeriod(SIGNED_UP, ir.Last(1, ir.Unit.HOUR)),
    "signed_up within next 2 weeks": ir.InPeriod(SIGNED_UP, ir.Next(2, ir.Unit.WEEK)),
    "signed_up between 3 and 10 days ago": ir.InPeriod(SIGNED_UP, ir.Ago(3, 10, D)),
    "signed_up is today": ir.InPeriod(SIGNED_UP, ir.Calendar(ir.CalendarUnit.DAY, 0)),
    "signed_up yesterday": ir.InPeriod(SIGNED_UP, ir.Calendar(ir.CalendarUnit.DAY, -1)),
    "birthday is tomorrow": ir.InPeriod(BIRTHDAY, ir.Calendar(ir.CalendarUnit.DAY, 1)),
    "signed_up this week": ir.InPeriod(SIGNED_UP, ir.Calendar(ir.CalendarUnit.WEEK, 0)),
    "signed_up last month": ir.InPeriod(SIGNED_UP, ir.Calendar(ir.CalendarUnit.MONTH, -1)),
    "signed_up within next quarter": ir.InPeriod(SIGNED_UP, ir.Calendar(ir.CalendarUnit.QUARTER, 1)),
    "signed_up is this year": ir.InPeriod(SIGNED_UP, ir.Calendar(ir.CalendarUnit.YEAR, 0)),
    "birthday anniversary within next 7 days": ir.Anniversary(BIRTHDAY, ir.Next(7, D)),
    "birthday anniversary last 1 week": ir.Anniversary(BIRTHDAY, ir.Last(1, ir.Unit.WEEK)),
    "birthday anniversary is today": ir.Anniversary(BIRTHDAY, ir.Calendar(ir.CalendarUnit.DAY, 0)),
    "birthday anniversary this month": ir.Anniversary(BIRTHDAY, ir.Calendar(ir.CalendarUnit.MONTH, 0)),
    "days since birthday > 365": gt(ir.DaysSince(BIRTHDAY), number(365)),
    "days since 2026-01-01 > 3": gt(ir.DaysSince(ir.Literal(day("2026-01-01"), Type.DATE)), number(3)),
}

ACTIVITY_FORMS = {
    "purchase": happened(),
    "did purchase": happened(),
    "never purchase": ir.Not(happened()),
    "not purchase": ir.Not(happened()),
    "purchase ever": happened(),
    "purchase within last 90 days": happened(period=ir.Last(90, D)),
    "did email_click last 30 days": happened("email_click", period=ir.Last(30, D)),
    "never purchase last 2 years": ir.Not(happened(period=ir.Last(2, ir.Unit.YEAR))),
    "purchase between 3 and 10 days ago": happened(period=ir.Ago(3, 10, D)),
    "purchase since 2026-01-01": happened(period=ir.Between(day("2026-01-01"), None)),
    "purchase from 2026-01-01 to 2026-01-31": happened(
        period=ir.Between(day("2026-01-01"), day("2026-02-01"))
    ),
    "purchase last month": happened(period=ir.Calendar(ir.CalendarUnit.MONTH, -1)),
    "purchase today": happened(period=ir.Calendar(ir.CalendarUnit.DAY, 0)),
    'purchase where category = "shoes"': happened(where=SHOES),
    'purchase where category = "shoes" within last 90 days': happened(where=SHOES, period=ir.Last(90, D)),
    'purchase where category = "shoes" between 1 and 2 weeks ago': happened(
        where=SHOES, period=ir.Ago(1, 2, ir.Unit.WEEK)
    ),
    'purchase where (category = "shoes" and amount > 50) last 3 months': happened(
        where=ir.And((SHOES, gt(AMOUNT, money(5_000)))), period=ir.Last(3, ir.Unit.MONTH)
    ),
    'purchase where category = "shoes" and vip': ir.And((happened(where=SHOES), ir.IsTrue(VIP))),
    "purchase where gift within last 90 days": happened(where=ir.IsTrue(GIFT), period=ir.Last(90, D)),
    "purchase where not gift last 90 days": happened(where=ir.Not(ir.IsTrue(GIFT)), period=ir.Last(90, D)),
    "page_view where page starts with '/pricing'": happened(
        "page_view",
        where=ir.TextTest(ir.TextTestKind.STARTS, ir.Fact("page", Type.TEXT), "/pricing"),
    ),
    "count(purchase) > 3": gt(agg(F.COUNT), number(3)),
    'count(purchase where category = "shoes", last 90 days) > 3': gt(
        agg(F.COUNT, where=SHOES, period=ir.Last(90, D)), number(3)
    ),
    "count(purchase last 90 days) > 3": gt(agg(F.COUNT, period=ir.Last(90, D)), number(3)),
    "count(purchase, between 3 and 10 days ago) > 3": gt(agg(F.COUNT, period=ir.Ago(3, 10, D)), number(3)),
    "count(purchase where purchase.amount > 5) > 3": gt(
        agg(F.COUNT, where=gt(AMOUNT, money(500))), number(3)
    ),
    "sum(purchase.amount, last 365 days) > 500": gt(
        agg(F.SUM, field="amount", period=ir.Last(365, D), type=Type.MONEY), money(50_000)
    ),
    "avg(purchase.quantity) > 2": gt(agg(F.AVG, field="quantity"), number(2)),
    "min(purchase.amount) > 2": gt(agg(F.MIN, field="amount", type=Type.MONEY), money(200)),
    "max(purchase.amount, ever) > 2": gt(agg(F.MAX, field="amount", type=Type.MONEY), money(200)),
    "distinct(purchase.sku) > 2": gt(agg(F.DISTINCT, field="sku"), number(2)),
    'list(purchase.category) has "shoes"': ir.ListTest(
        ir.ListTestKind.ANY, agg(F.LIST, field="category", type=Type.TEXTS), ("shoes",)
    ),
    'latest(purchase.store) = "Munich"': eq(agg(F.LATEST, field="store", type=Type.TEXT), text("munich")),
    "earliest(purchase.gift)": ir.IsTrue(agg(F.EARLIEST, field="gift", type=Type.BOOLEAN)),
    "latest(purchase.store) is missing": ir.Not(ir.IsKnown(agg(F.LATEST, field="store", type=Type.TEXT))),
    "days since purchase > 60": gt(ir.DaysSince(LAST_AT), number(60)),
    "days since first purchase > 60": gt(ir.DaysSince(FIRST_AT), number(60)),
    "days since (purchase where gift) > 60": gt(
        ir.DaysSince(agg(F.LAST_AT, where=ir.IsTrue(GIFT), type=Type.DATETIME)), number(60)
    ),
    "first purchase within last 30 days": ir.InPeriod(FIRST_AT, ir.Last(30, D)),
    "last purchase before 2026-01-01": on(None, "2026-01-01", LAST_AT),
    "first purchase where gift within last 30 days": ir.InPeriod(
        agg(F.FIRST_AT, where=ir.IsTrue(GIFT), type=Type.DATETIME), ir.Last(30, D)
    ),
}

WON = eq(ir.Fact("stage", Type.TEXT), text("won"))


def deals(where: ir.Predicate | None = None, period: ir.Period = ir.Ever()) -> ir.RecordAggregate:  # noqa: B008
    states = ("deal_open", "deal_won", "deal_lost")
    return ir.RecordAggregate(F.COUNT, "deal", None, where, period, Type.NUMBER, "deal", states)


def some(of: ir.Value) -> ir.Compare:
    return ir.Compare(ir.Comparison.GE, of, number(1))


RECORD_FORMS = {
    'any(deal where stage = "won")': some(deals(WON)),
    'ANY (deal where deal.stage = "won", last 3 days)': some(deals(WON, ir.Last(3, D))),
    "any(deal)": some(deals()),
    'none(deal where stage = "won")': ir.Not(some(deals(WON))),
    'all(deal where stage = "won")': ir.AllRecords(deals(WON), deals()),
    'count(deal where stage = "won") > 2': gt(deals(WON), number(2)),
    'deal where stage = "won"': some(deals(WON)),
    "never deal": ir.Not(some(deals())),
}

SPOT = (ir.Fact("latitude", Type.NUMBER), ir.Fact("shop.longitude", Type.NUMBER))


def near(distance: float, unit: ir.DistanceUnit, north: float, east: float) -> ir.Near:
    scaled = (round(each * 1_000_000) for each in (distance, north, east))
    distance_, north_, east_ = scaled
    return ir.Near("location", *SPOT, distance_, unit, north_, east_)


PLACE_FORMS = {
    "location within 50 km of (48.14, 11.58)": near(50, ir.DistanceUnit.KM, 48.14, 11.58),
    "location within 2.5 kilometers of (-33.9, -18)": near(2.5, ir.DistanceUnit.KM, -33.9, -18),
    "not location within 1 mile of (0, 0)": ir.Not(near(1, ir.DistanceUnit.MILES, 0, 0)),
    "location is known": ir.Placed("location", *SPOT),
    "location is missing": ir.Not(ir.Placed("location", *SPOT)),
    'in cluster "Bargain Hunters"': eq(ir.Fact("cluster", Type.TEXT), text("bargain hunters")),
    'not in cluster "x"': ir.Not(eq(ir.Fact("cluster", Type.TEXT), text("x"))),
    'in segment "vip" for 30 days': ir.HeldSegment("vip", 30, D),
    'not in tier "lifecycle/new" for 1 month': ir.Not(ir.HeldSegment("lifecycle/new", 1, ir.Unit.MONTH)),
    "ltv in quintile 5 by country": ir.Quintile(5, LTV, COUNTRY),
}

GROUP_FORMS = {
    "score in top 10%": ir.RankShare(ir.Side.TOP, 100_000, SCORE, None),
    "score in bottom 0.5% by country": ir.RankShare(ir.Side.BOTTOM, 5_000, SCORE, COUNTRY),
    "sum(purchase.amount) in top 500": ir.RankCount(
        ir.Side.TOP, 500, agg(F.SUM, field="amount", type=Type.MONEY), None
    ),
    "score not in bottom 3": ir.Not(ir.RankCount(ir.Side.BOTTOM, 3, SCORE, None)),
    "score in quintile 5 by country": ir.Quintile(5, SCORE, COUNTRY),
    'in segment "vip"': ir.InSegment("vip"),
    'not in segment "vip"': ir.Not(ir.InSegment("vip")),
    'in tier "lifecycle/new"': ir.InSegment("lifecycle/new"),
    'in list "Newsletter:Spring"': ir.InList("newsletter:spring"),
    "suppressed": ir.Suppressed(),
    "consented to email": ir.Consented("email"),
    'random 10% of "spring-test"': ir.RandomShare(100_000, "spring-test"),
}

BOOLEAN_FORMS = {
    "vip and suppressed and vip = false": ir.And(
        (ir.IsTrue(VIP), ir.Suppressed(), eq(VIP, ir.Literal(False, Type.BOOLEAN)))
    ),
    "vip or suppressed and not vip": ir.Or(
        (ir.IsTrue(VIP), ir.And((ir.Suppressed(), ir.Not(ir.IsTrue(VIP)))))
    ),
    "(vip or suppressed) and vip": ir.And((ir.Or((ir.IsTrue(VIP), ir.Suppressed())), ir.IsTrue(VIP))),
    "vip and (suppressed and vip)": ir.And((ir.IsTrue(VIP), ir.Suppressed(), ir.IsTrue(VIP))),
    "not not vip": ir.IsTrue(VIP),
    "vip # a comment and not a condition\n  OR # more\n suppressed": ir.Or((ir.IsTrue(VIP), ir.Suppressed())),
}

FORMS = {
    **TEXT_FORMS,
    **NUMBER_FORMS,
    **OTHER_FACT_FORMS,
    **DATE_FORMS,
    **ACTIVITY_FORMS,
    **RECORD_FORMS,
    **PLACE_FORMS,
    **GROUP_FORMS,
    **BOOLEAN_FORMS,
}


@pytest.mark.parametrize(("expression", "expected"), FORMS.items(), ids=FORMS.keys())
def test_each_form_stands_for_its_node(expression: str, expected: ir.Predicate) -> None:
    assert compile_expression(expression, VOCABULARY) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("birthday since 2000-02-01", "birthday after 2000-01-31"),
        ("birthday on 2000-01-31", "birthday = 2000-01-31"),
        ("did purchase last 30 days", "purchase within last 30 days"),
        ('country = "DE"', ' country="de" # the same'),
        ("purchase", "count(purchase) >= 1"),
        ("5 < score", "score > 5"),
    ],
)
def test_two_ways_of_writing_one_condition_have_one_key(one: str, other: str) -> None:
    first, second = compile_expression(one, VOCABULARY), compile_expression(other, VOCABULARY)
    assert isinstance(first, ir.Node)
    assert isinstance(second, ir.Node)
    assert first.key == second.key


def test_words_of_the_language_may_be_names_of_facts() -> None:
    """A fact may be called `first` or `count`: words are keywords only where the grammar wants them."""
    from rules.vocabulary import Field, Vocabulary

    names = [
        "first",
        "last",
        "count",
        "days",
        "random",
        "top",
        "segment",
        "by",
        "on",
        "known",
        "list",
        "then",
        "stopped",
    ]
    vocabulary = Vocabulary({name: Field(name, Type.NUMBER) for name in names}, {})
    for name in names:
        expected = gt(ir.Fact(name, Type.NUMBER), number(1))
        assert compile_expression(f"{name} > 1", vocabulary) == expected
        assert compile_expression(f"not {name} > 1 and 1 < {name}", vocabulary) == ir.And(
            (ir.Not(expected), expected)
        )


def test_a_known_fact_may_be_called_like_the_first_word_of_a_form() -> None:
    from rules.vocabulary import Field, Vocabulary

    vocabulary = Vocabulary({"stopped": Field("stopped", Type.DATE), "most": Field("most", Type.BOOLEAN)}, {})
    stopped = ir.InPeriod(ir.Fact("stopped", Type.DATE), ir.Last(3, D))
    most = ir.IsTrue(ir.Fact("most", Type.BOOLEAN))
    assert compile_expression("stopped last 3 days and most", vocabulary) == ir.And((stopped, most))


def test_a_name_in_backquotes_may_be_a_reserved_word_or_have_spaces() -> None:
    from rules.vocabulary import Field, Vocabulary

    vocabulary = Vocabulary({name: Field(name, Type.BOOLEAN) for name in ("and", "my field", "a-b")}, {})
    expected = ir.And(tuple(ir.IsTrue(ir.Fact(name, Type.BOOLEAN)) for name in ("and", "my field", "a-b")))
    assert compile_expression("`and` and `my field` and `a-b`", vocabulary) == expected


def test_the_longest_known_name_with_dashes_wins_over_a_subtraction() -> None:
    from rules.vocabulary import Field, Vocabulary

    names = ("a", "b", "a-b", "shop-eu.total", "shop-eu.total-net")
    vocabulary = Vocabulary({name: Field(name, Type.NUMBER) for name in names}, {})

    def fact(name: str) -> ir.Fact:
        return ir.Fact(name, Type.NUMBER)

    minus = ir.Operator.SUBTRACT
    assert compile_expression("a-b > 1", vocabulary) == gt(fact("a-b"), number(1))
    assert compile_expression("a - b > 1", vocabulary) == gt(
        ir.Arithmetic(minus, fact("a"), fact("b"), Type.NUMBER), number(1)
    )
    assert compile_expression("b-a > 1", vocabulary) == gt(
        ir.Arithmetic(minus, fact("b"), fact("a"), Type.NUMBER), number(1)
    )
    assert compile_expression("shop-eu.total-net > 1", vocabulary) == gt(fact("shop-eu.total-net"), number(1))
    assert compile_expression("shop-eu.total-b > 1", vocabulary) == gt(
        ir.Arithmetic(minus, fact("shop-eu.total"), fact("b"), Type.NUMBER), number(1)
    )


def test_fields_are_inlined_with_their_own_meaning() -> None:
    fields = {"spend": "sum(purchase.amount)", "rich": "spend > 100 or vip", "big-spend": "spend * 2"}
    spend = agg(F.SUM, field="amount", type=Type.MONEY)
    assert compile_expression("spend > 5", VOCABULARY, fields=fields) == gt(spend, money(500))
    assert compile_expression("rich and suppressed", VOCABULARY, fields=fields) == ir.And(
        (ir.Or((gt(spend, money(10_000)), ir.IsTrue(VIP))), ir.Suppressed())
    )
    assert compile_expression("big-spend > 5", VOCABULARY, fields=fields) == gt(
        ir.Arithmetic(ir.Operator.MULTIPLY, spend, number(2), Type.MONEY), money(500)
    )
