"""Short ways to write the nodes that the forms of the language stand for."""

from __future__ import annotations

import datetime as dt

from rules import ir
from rules.vocabulary import Type

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


def on(start: str | None, end: str | None, value: ir.Value = BIRTHDAY) -> ir.InPeriod:
    return ir.InPeriod(value, ir.Between(day(start) if start else None, day(end) if end else None))
