"""The forms about activity and related records, and the representation each stands for."""

from __future__ import annotations

from rules import ir
from rules.vocabulary import Type
from tests.rules.language.form_nodes import (
    AMOUNT,
    FIRST_AT,
    GIFT,
    LAST_AT,
    SHOES,
    VIP,
    D,
    F,
    agg,
    day,
    eq,
    gt,
    happened,
    money,
    number,
    on,
    text,
)

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
