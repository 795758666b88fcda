"""Fifty rules over the generated world, as a marketing team would have them: 24 different aggregates over
five kinds of activity, ranks, groups, other segments, texts and dates."""

from __future__ import annotations

from rules.ir import (
    Aggregate,
    AggregateFunction,
    And,
    Anniversary,
    Arithmetic,
    Compare,
    Comparison,
    Consented,
    DaysSince,
    Ever,
    Fact,
    InList,
    InPeriod,
    InSegment,
    InSet,
    IsKnown,
    IsTrue,
    Last,
    ListTest,
    ListTestKind,
    Literal,
    Next,
    Not,
    Operator,
    Or,
    Predicate,
    Quintile,
    RandomShare,
    RankCount,
    RankShare,
    Side,
    Suppressed,
    TextTest,
    TextTestKind,
    Unit,
    Value,
)
from rules.ruleset import Place, RuleSet, Segment
from rules.vocabulary import Type

F = AggregateFunction
GE, GT, LE, LT, EQ = Comparison.GE, Comparison.GT, Comparison.LE, Comparison.LT, Comparison.EQ
COUNTRY, CITY = Fact("country", Type.TEXT), Fact("city", Type.TEXT)


def last(days: int) -> Last:
    """The last n days."""
    return Last(days, Unit.DAY)


def count(kind: str, days: int | None = None, where: Predicate | None = None) -> Aggregate:
    """How often."""
    return Aggregate(F.COUNT, kind, None, where, Ever() if days is None else last(days), Type.NUMBER)


def spent(
    days: int | None = None, where: Predicate | None = None, function: AggregateFunction = F.SUM
) -> Aggregate:
    """Money of purchases."""
    return Aggregate(
        function, "purchase", "amount", where, Ever() if days is None else last(days), Type.MONEY
    )


def latest(kind: str) -> Aggregate:
    """When last."""
    return Aggregate(F.LAST_AT, kind, None, None, Ever(), Type.DATETIME)


def number(value: float) -> Literal:
    """A number as written."""
    return Literal(round(value * 1_000_000), Type.NUMBER)


def money(value: float) -> Literal:
    """An amount as written."""
    return Literal(round(value * 100), Type.MONEY)


def text(fact: Value, value: str) -> Compare:
    """A folded text equals."""
    return Compare(EQ, fact, Literal(value, Type.TEXT))


def since(kind: str) -> DaysSince:
    """Days since the last."""
    return DaysSince(latest(kind))


SHOES = count("purchase", 90, text(Fact("category", Type.TEXT), "shoes"))
IN_MUNICH = spent(365, text(Fact("store", Type.TEXT), "munich"))
PRICING = count("page_view", 30, TextTest(TextTestKind.STARTS, Fact("page", Type.TEXT), "/pricing"))
FIRST = Aggregate(F.FIRST_AT, "purchase", None, None, Ever(), Type.DATETIME)
KINDS_BOUGHT = Aggregate(F.DISTINCT, "purchase", "category", None, last(365), Type.NUMBER)
STORE = Aggregate(F.LATEST, "purchase", "store", None, Ever(), Type.TEXT)
LTV, SCORE = Fact("ltv", Type.MONEY), Fact("score", Type.NUMBER)
EMPLOYEES, BIRTHDAY = Fact("company.employees", Type.NUMBER), Fact("birthday", Type.DATE)
SIGNED_UP, INTERESTS = Fact("signed_up", Type.DATETIME), Fact("interests", Type.TEXTS)
SOON = Next(7, Unit.DAY)

CONDITIONS: dict[str, Predicate] = {
    "buyers": Compare(GE, count("purchase"), number(1)),
    "buyers-30": Compare(GE, count("purchase", 30), number(1)),
    "buyers-90": Compare(GE, count("purchase", 90), number(2)),
    "loyal": Compare(GE, count("purchase", 365), number(4)),
    "big-30": Compare(GE, spent(30), money(50)),
    "big-90": Compare(GE, spent(90), money(100)),
    "big-365": Compare(GE, spent(365), money(200)),
    "big-ever": Compare(GT, spent(), money(499.90)),
    "lapsed-vip": And((Compare(GE, spent(365), money(150)), Compare(GT, since("purchase"), number(60)))),
    "dearest": Compare(GE, spent(365, function=F.MAX), money(100)),
    "average": Compare(GT, spent(365, function=F.AVG), money(39.99)),
    "varied": Compare(GE, KINDS_BOUGHT, number(3)),
    "shoes": Compare(GE, SHOES, number(2)),
    "munich": Compare(GE, IN_MUNICH, money(100)),
    "store": text(STORE, "munich"),
    "new": InPeriod(FIRST, last(30)),
    "quiet": Not(InPeriod(latest("purchase"), last(180))),
    "never": Not(IsKnown(latest("purchase"))),
    "openers": Compare(GE, count("email_open", 30), number(3)),
    "openers-90": Compare(GE, count("email_open", 90), number(5)),
    "clickers": Compare(GE, count("email_click", 30), number(1)),
    "clickers-90": Compare(GE, count("email_click", 90), number(2)),
    "asleep": And((Compare(GT, since("email_open"), number(180)), Consented("email"))),
    "rate": Compare(
        GT,
        Arithmetic(Operator.DIVIDE, count("email_click", 90), count("email_open", 90), Type.NUMBER),
        number(0.5),
    ),
    "visitors": Compare(GE, count("page_view", 7), number(2)),
    "visitors-30": Compare(GE, count("page_view", 30), number(5)),
    "pricing": Compare(GE, PRICING, number(2)),
    "gone": Compare(GT, since("page_view"), number(90)),
    "carts": Compare(GE, count("cart_add", 7), number(1)),
    "abandoned": And(
        (Compare(GE, count("cart_add", 30), number(1)), Compare(EQ, count("purchase", 30), number(0)))
    ),
    "top-10": RankShare(Side.TOP, 100_000, spent(365), None),
    "top-1": RankShare(Side.TOP, 10_000, spent(), None),
    "top-500": RankCount(Side.TOP, 500, spent(), None),
    "bottom-5": RankShare(Side.BOTTOM, 50_000, since("purchase"), None),
    "recent": Quintile(1, since("purchase"), None),
    "frequent": Quintile(5, count("purchase", 365), None),
    "ltv-top-7": RankShare(Side.TOP, 70_000, LTV, None),
    "country-top": RankShare(Side.TOP, 100_000, LTV, COUNTRY),
    "score-5": Quintile(5, SCORE, None),
    "germans": InSet(COUNTRY, (Literal("de", Type.TEXT), Literal("at", Type.TEXT))),
    "moved": And((IsKnown(COUNTRY), Not(Compare(EQ, Fact("last_order_country", Type.TEXT), COUNTRY)))),
    "town": Or((TextTest(TextTestKind.STARTS, CITY, "m"), TextTest(TextTestKind.CONTAINS, CITY, "stras"))),
    "birthday": Anniversary(BIRTHDAY, SOON),
    "joined": InPeriod(SIGNED_UP, last(30)),
    "firms": And((Compare(GE, EMPLOYEES, number(200)), Compare(LT, EMPLOYEES, number(1000)))),
    "sporty": ListTest(ListTestKind.ANY, INTERESTS, ("sport", "hats")),
    "campaign": And((Consented("email"), Not(Suppressed()), Not(InList("newsletter:spring")))),
    "test-group": RandomShare(100_000, "spring-test"),
    "best": And(
        (
            InSegment("top-10"),
            Not(InSegment("lapsed-vip")),
            Or((IsTrue(Fact("vip", Type.BOOLEAN)), InSegment("recent"))),
        )
    ),
    "rest": And((Not(InSegment("best")), Not(InSegment("quiet")), InSegment("buyers"))),
}


def fifty_rules() -> RuleSet:
    """The rules."""
    place = Place("fifty.toml", 1, 1)
    return RuleSet({id_: Segment(id_, id_, when, "", place) for id_, when in CONDITIONS.items()})
