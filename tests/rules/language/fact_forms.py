"""The forms about facts of a person, and the representation each stands for."""

from __future__ import annotations

import datetime as dt

from rules import ir
from rules.vocabulary import Type
from tests.rules.language.form_nodes import (
    BIRTHDAY,
    COUNTRY,
    EMPLOYEES,
    INTERESTS,
    LTV,
    SCORE,
    SIGNED_UP,
    STAGE,
    VIP,
    D,
    day,
    eq,
    gt,
    money,
    number,
    on,
    text,
)

TEXT_FORMS = {
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
