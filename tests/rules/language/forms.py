"""All forms of the language and the representation each stands for; here places, groups and logic."""

from __future__ import annotations

from rules import ir
from rules.vocabulary import Type
from tests.rules.language.activity_forms import ACTIVITY_FORMS, RECORD_FORMS
from tests.rules.language.fact_forms import DATE_FORMS, NUMBER_FORMS, OTHER_FACT_FORMS, TEXT_FORMS
from tests.rules.language.form_nodes import COUNTRY, LTV, SCORE, VIP, D, F, agg, eq, text
from tests.rules.language.order_forms import ORDER_FORMS

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
    **ORDER_FORMS,
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
