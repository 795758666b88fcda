"""What people write out of habit is answered with what to write instead, and that is a rule."""

from __future__ import annotations

import pytest

from rules.language import compile_expression
from tests.rules.language.test_messages import problems
from tests.rules.vocabulary import VOCABULARY

HABITS = {
    'country is "DE"': ('1:12: unexpected the text "DE"; write = "DE"', 'country = "DE"'),
    'country is not "DE"': ('1:12: unexpected "not"; write != "DE"', 'country != "DE"'),
    "country is DE": ('1:12: unexpected "DE"; write = "DE"', 'country = "DE"'),
    "country is not known": ('1:12: unexpected "not"; write is missing', "country is missing"),
    "country is not missing": ('1:12: unexpected "not"; write is known', "country is known"),
    "country is null": ('1:12: unexpected "null"; write is missing', "country is missing"),
    "country is not null": ('1:12: unexpected "not"; write is known', "country is known"),
    "country not missing": ('1:13: unexpected "missing"; write is known', "country is known"),
    "country != null": ('1:12: unknown fact "null"; write is known', "country is known"),
    "country = DE": (
        '1:11: unknown fact "DE"; did you mean "deal"? A text stands in quotes: "DE"',
        'country = "DE"',
    ),
    "purchase where store = Rome": (
        '1:24: unknown field "Rome" of purchase (amount, category, gift, quantity, sku, store); '
        'a text stands in quotes: "Rome"',
        'purchase where store = "Rome"',
    ),
    "country equals 'DE'": ('1:9: unexpected "equals"; write =', "country = 'DE'"),
    "city like '%burg'": ('1:6: unexpected "like"; write contains "…"', 'city contains "burg"'),
    "vip is true": ('1:8: unexpected "true"; write the name alone', "vip"),
    "vip is not true": ('1:8: unexpected "not"; write not before the name', "not vip"),
    "vip = yes": ('1:7: unknown fact "yes"; write the name alone, or not before it', "vip"),
    "purchase in the last 30 days": ('1:13: unexpected "the"; write last 30 days', "purchase last 30 days"),
    "purchase within the last 30 days": (
        '1:17: unexpected "the"; write last 30 days',
        "purchase last 30 days",
    ),
    "birthday in next 7 days": ('1:13: unexpected "next"; write next 7 days', "birthday next 7 days"),
    "no purchase": ('1:4: unexpected "purchase"; write never purchase', "never purchase"),
    "purchase at least 3 times": (
        '1:10: unexpected "at"; write count(purchase) >= 3',
        "count(purchase) >= 3",
    ),
    "score more than 3": ('1:7: unexpected "more"; write … > 3', "score > 3"),
    "last purchase more than 2 weeks ago": (
        '1:15: unexpected "more"; how long ago is asked by days since … > 14',
        "days since last purchase > 14",
    ),
    "signed_up > 2 years ago": (
        '1:15: unexpected "years"; how long ago is asked by days since … > 730',
        "days since signed_up > 730",
    ),
    "days_since purchase > 3": ('1:12: unexpected "purchase"; write days since', "days since purchase > 3"),
    "average(purchase.amount) > 3": ('1:8: unexpected "("; write avg(…)', "avg(purchase.amount) > 3"),
    "count purchase > 3": ('1:7: unexpected "purchase"; write count(purchase)', "count(purchase) > 3"),
    'most frequent purchase.store = "x"': (
        '1:6: unexpected "frequent"; write most frequent(purchase.store)',
        'most frequent(purchase.store) = "x"',
    ),
    'any deal where stage = "won"': (
        '1:5: unexpected "deal"; write any(deal where …)',
        'any(deal where stage = "won")',
    ),
    'deal.stage = "won"': (
        "1:1: deal.stage is a field of a record, and a person may have many: write any(deal where stage …)",
        'any(deal where stage = "won")',
    ),
    'country in ("DE")': (
        '1:12: unexpected "("; lists stand in square brackets: ["…", "…"]',
        'country in ["DE"]',
    ),
    'country in "DE"': (
        '1:12: unexpected the text "DE"; lists stand in square brackets: ["DE"]',
        'country in ["DE"]',
    ),
    "country in [DE]": ('1:13: unexpected "DE"; write "DE" in quotes', 'country in ["DE"]'),
    'country = "DE" or "AT"': (
        '1:19: "AT" is text, not a condition; several are allowed by in ["…", "AT"]',
        'country in ["DE", "AT"]',
    ),
    'country = "DE" or = "AT"': (
        '1:19: unexpected "="; say again what is compared: or … = …',
        'country = "DE" or country = "AT"',
    ),
    'country = "DE", "AT"': ('1:15: unexpected ","; write in ["DE", "AT"]', 'country in ["DE", "AT"]'),
    "score between 1 to 3": ('1:17: unexpected "to"; write and: between … and …', "score between 1 and 3"),
    "1 < score < 3": (
        '1:11: unexpected "<"; compare twice, joined by and; or write between … and …, both included',
        "score > 1 and score < 3",
    ),
    "score ≥ 3": ('1:7: unexpected "≥"; write >= for at least', "score >= 3"),
    "in segment lapsed-vip": (
        '1:12: unexpected "lapsed"; write "lapsed-vip" in quotes',
        'in segment "lapsed-vip"',
    ),
    'in segment "vip" since 30 days': (
        '1:18: unexpected "since"; write for',
        'in segment "vip" for 30 days',
    ),
    "birthday before '1990-01-31'": (
        '1:17: unexpected the text "1990-01-31"; write 1990-01-31 without quotes',
        "birthday before 1990-01-31",
    ),
    "birthday before 1/31/1990": (
        '1:17: unexpected "1"; write dates as year-month-day, such as 2026-01-31',
        "birthday before 1990-01-31",
    ),
    "score top 10%": ('1:7: unexpected "top"; write in top', "score in top 10%"),
    "top 10% of score": (
        '1:5: unexpected "10"; the value comes first: write VALUE in top 10%',
        "score in top 10%",
    ),
    "score in the top 10%": ('1:10: unexpected "the"; write in top', "score in top 10%"),
    "score in quintile 5 per country": (
        '1:21: unexpected "per"; write by',
        "score in quintile 5 by country",
    ),
    "cart_add and then purchase": (
        '1:19: unexpected "purchase"; write then without and',
        "cart_add then purchase",
    ),
    "purchase in 3 of the last 4 months": (
        '1:13: unexpected "3"; write at least 3 of',
        "purchase in at least 3 of the last 4 months",
    ),
    "stopped purchase after 60 days": (
        '1:18: unexpected "after"; write for',
        "stopped purchase for 60 days",
    ),
    "restarted purchase for 90 days": (
        '1:20: unexpected "for"; write after',
        "restarted purchase after 90 days",
    ),
    "location within 50km of (48.14, 11.58)": (
        '1:17: unexpected "50km"; write 50 km',
        "location within 50 km of (48.14, 11.58)",
    ),
    "location within 50 km of Munich": (
        '1:26: unexpected "Munich"; write a point in degrees north and east: of (48.14, 11.58)',
        "location within 50 km of (48.14, 11.58)",
    ),
}


@pytest.mark.parametrize(("expression", "told"), HABITS.items(), ids=HABITS.keys())
def test_a_habit_is_answered_with_what_to_write_instead(expression: str, told: tuple[str, str]) -> None:
    message, instead = told
    assert problems(expression) == [message]
    assert not isinstance(compile_expression(instead, VOCABULARY), tuple)


def test_several_habits_in_one_expression_are_all_answered() -> None:
    assert problems('country is "DE" and no purchase or score ≥ 3\nand in segment vip') == [
        '1:12: unexpected the text "DE"; write = "DE"',
        '1:24: unexpected "purchase"; write never purchase',
        '1:42: unexpected "≥"; write >= for at least',
        '2:16: unexpected "vip"; write "vip" in quotes',
    ]
