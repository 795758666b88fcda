"""The forms of the language for activity in order, and the representation each stands for."""

from __future__ import annotations

from rules import ir
from rules.vocabulary import Type

F, U = ir.AggregateFunction, ir.Unit
GIFT = ir.IsTrue(ir.Fact("gift", Type.BOOLEAN))
NO_GIFT = ir.Not(GIFT)
SKU = ir.Compare(ir.Comparison.EQ, ir.Fact("sku", Type.TEXT), ir.Literal("x", Type.TEXT))
CART, BOUGHT = ir.Step("cart_add", None, None), ir.Step("purchase", None, None)


def bought(n: int, unit: U = U.DAY, where: ir.Predicate | None = None) -> ir.Step:
    return ir.Step("purchase", where, ir.Within(n, unit))


def clicked(n: int, unit: U = U.DAY) -> ir.Step:
    return ir.Step("email_click", None, ir.Within(n, unit))


def in_order(
    *steps: ir.Step, unless: ir.Unless | None = None, period: ir.Period | None = None
) -> ir.Sequence:
    return ir.Sequence(steps, unless, period or ir.Ever())


def slices(least: int, n: int, unit: U, where: ir.Predicate | None = None) -> ir.Compare:
    value = ir.Aggregate(F.SLICES, "purchase", None, where, ir.Last(n, unit), Type.NUMBER)
    return ir.Compare(ir.Comparison.GE, value, ir.Literal(least * 1_000_000, Type.NUMBER))


def stopped(n: int, unit: U, where: ir.Predicate | None = None) -> ir.Stopped:
    last = ir.Aggregate(F.LAST_AT, "purchase", None, where, ir.Ever(), Type.DATETIME)
    return ir.Stopped(last, ir.Last(n, unit))


def favourite(where: ir.Predicate | None = None, period: ir.Period | None = None) -> ir.Compare:
    value = ir.Aggregate(F.MOST_FREQUENT, "purchase", "category", where, period or ir.Ever(), Type.TEXT)
    return ir.Compare(ir.Comparison.EQ, value, ir.Literal("shoes", Type.TEXT))


UNLESS = ir.Unless("purchase", None, ir.Within(24, U.HOUR))

ORDER_FORMS: dict[str, ir.Predicate] = {
    "cart_add then purchase": in_order(CART, BOUGHT),
    "did cart_add then purchase": in_order(CART, BOUGHT),
    "cart_add followed by purchase": in_order(CART, BOUGHT),
    "never cart_add then purchase": ir.Not(in_order(CART, BOUGHT)),
    "not (cart_add then purchase)": ir.Not(in_order(CART, BOUGHT)),
    "cart_add then email_click within 2 days then purchase within 1 day, last 30 days": in_order(
        CART, clicked(2), bought(1), period=ir.Last(30, U.DAY)
    ),
    "cart_add then purchase within 3 hours within last 2 weeks": in_order(
        CART, bought(3, U.HOUR), period=ir.Last(2, U.WEEK)
    ),
    "cart_add then purchase between 3 and 10 days ago": in_order(CART, BOUGHT, period=ir.Ago(3, 10, U.DAY)),
    "cart_add then purchase, this month": in_order(
        CART, BOUGHT, period=ir.Calendar(ir.CalendarUnit.MONTH, 0)
    ),
    'cart_add where sku = "x" then purchase where gift within 2 days, last 30 days': in_order(
        ir.Step("cart_add", SKU, None), bought(2, U.DAY, GIFT), period=ir.Last(30, U.DAY)
    ),
    "purchase where gift then purchase where not gift within 2 days then email_click within 1 week": in_order(
        ir.Step("purchase", GIFT, None), bought(2, U.DAY, NO_GIFT), clicked(1, U.WEEK)
    ),
    "purchase where not gift then purchase where gift last 3 days": in_order(
        ir.Step("purchase", NO_GIFT, None), ir.Step("purchase", GIFT, None), period=ir.Last(3, U.DAY)
    ),
    "cart_add not followed by purchase within 24 hours, last 7 days": in_order(
        CART, unless=UNLESS, period=ir.Last(7, U.DAY)
    ),
    'cart_add where sku = "x" not followed by purchase where gift': in_order(
        ir.Step("cart_add", SKU, None), unless=ir.Unless("purchase", GIFT, None)
    ),
    "purchase where gift not followed by purchase within 24 hours": in_order(
        ir.Step("purchase", GIFT, None), unless=UNLESS
    ),
    "cart_add then email_click within 1 week not followed by purchase within 24 hours": in_order(
        CART, clicked(1, U.WEEK), unless=UNLESS
    ),
    "purchase in at least 2 of the last 4 months": slices(2, 4, U.MONTH),
    "did purchase in at least 2 of last 12 weeks": slices(2, 12, U.WEEK),
    "purchase where gift in at least 1 of the last 30 days": slices(1, 30, U.DAY, GIFT),
    "not purchase where not gift in at least 1 of the last 2 years": ir.Not(slices(1, 2, U.YEAR, NO_GIFT)),
    "stopped purchase for 1 week": stopped(1, U.WEEK),
    "stopped purchase where gift for 1 month": stopped(1, U.MONTH, GIFT),
    "restarted purchase after 90 days": ir.Restarted("purchase", None, ir.Within(90, U.DAY), ir.Ever()),
    "restarted purchase where gift after 20 hours, last 30 days": ir.Restarted(
        "purchase", GIFT, ir.Within(20, U.HOUR), ir.Last(30, U.DAY)
    ),
    'most frequent(purchase.category) = "Shoes"': favourite(),
    'most frequent(purchase.category where gift, last 90 days) = "Shoes"': favourite(
        GIFT, ir.Last(90, U.DAY)
    ),
}

ORDER_MESSAGES = {
    "cart_add last 3 days then purchase": "1:10: the window comes once, at the end of a sequence, "
    "and applies to all its steps",
    "cart_add then purchase, last 3 days then page_view": "1:25: the window comes once, "
    "at the end of a sequence, and applies to all its steps",
    "purchase where gift within last 3 days then page_view": "1:28: the window comes once, "
    "at the end of a sequence, and applies to all its steps",
    "cart_add not followed by purchase then page_view": "1:10: not followed by comes last; "
    "what must not happen ends a sequence",
    "deal then purchase": "1:1: deal is a record, not an activity; write deal_open or deal_won or deal_lost",
    "vip then purchase": "1:1: vip is a fact of the person, not an activity",
    "count(purchase) then purchase": "1:1: then joins activities, such as cart_add then purchase",
    "purchase.amount then purchase": "1:1: write purchase alone, without .amount",
    "cart_add then purchse": '1:15: unknown activity "purchse"; did you mean "purchase"?',
    'cart_add then purchase where categry = "x"': '1:30: unknown field "categry" of purchase; '
    'did you mean "category"?',
    "cart_add then purchase within 2 months": "1:31: the time between activities "
    "counts hours, days or weeks; write 60 days",
    "cart_add then purchase within 0 days": "1:31: a window needs at least 1 day",
    "cart_add then purchase next 3 days": "1:24: activity lies in the past; "
    "next and tomorrow are for dates of a person",
    "cart_add then": "1:14: the expression ends too early; expected a name",
    "count(purchase where gift then page_view) > 3": "1:27: a sequence cannot stand inside where; "
    "where sees one activity at a time",
    "purchase where (stopped purchase for 3 days)": "1:17: stopped cannot stand inside where; "
    "where sees one activity at a time",
    "purchase where (gift in at least 1 of the last 2 days)": "1:25: in at least cannot stand inside where; "
    "where sees one activity at a time",
    "birthday within 3 days": "1:10: within 3 days of what? Write within last 3 days or within next 3 days",
    "purchase after 3 days": "1:10: after needs a date; for a window write last 3 days",
    "purchase in at least 5 of the last 4 months": "1:22: there are only 4 months in the last 4 months",
    "purchase in at least 0 of the last 4 months": "1:22: write a whole number of months, from 1",
    "purchase in at least 2 of the last 1000 days": "1:36: at most 400 days can be told apart; "
    "count in longer units",
    "purchase in at least 2 of the last 3 quarters": "1:36: a window counts hours, days, weeks, months "
    "or years; write 3 months",
    "vip in at least 2 of the last 3 months": "1:1: vip is a fact of the person, not an activity",
    "stopped purchase": "1:1: stopped needs a length of time, such as stopped purchase for 60 days",
    "restarted purchase last 3 days": "1:1: restarted needs a length of time, "
    "such as restarted purchase after 90 days",
    "stopped vip for 3 days": "1:9: vip is a fact of the person, not an activity",
    "restarted purchase after 3 months": "1:26: the time between activities counts hours, days or weeks; "
    "write 90 days",
    "most frequent(purchase) = 'x'": "1:15: most frequent needs a field of purchase, "
    "such as most frequent(purchase.amount)",
}
