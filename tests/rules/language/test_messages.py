"""What is wrong with an expression is told at its place, all of it at once, with the nearest name."""

from __future__ import annotations

import pytest

from rules import ir
from rules.language import Problem, compile_expression
from tests.rules.language.order_forms import ORDER_MESSAGES
from tests.rules.vocabulary import VOCABULARY


def problems(expression: str, **more: object) -> list[str]:
    found = compile_expression(expression, VOCABULARY, file="f", **more)  # type: ignore[arg-type]
    assert isinstance(found, tuple), f"accepted: {found}"
    assert all(isinstance(each, Problem) for each in found)
    return [str(each).removeprefix("f:") for each in found]


NAMES = {
    'contry = "DE"': '1:1: unknown fact "contry"; did you mean "country"?',
    'vip and\n  contry = "DE"': '2:3: unknown fact "contry"; did you mean "country"?',
    "Country is known": '1:1: unknown fact "Country"; did you mean "country"?',
    "zzz > 3": '1:1: unknown fact "zzz"',
    "count(purchse) > 3": '1:7: unknown activity "purchse"; did you mean "purchase"?',
    "count(country) > 3": "1:7: country is a fact of the person, not an activity",
    "sum(purchase.amout) > 3": '1:5: unknown field "amout" of purchase; did you mean "purchase.amount"?',
    'count(purchase where categry = "x") > 3': '1:22: unknown field "categry" of purchase; '
    'did you mean "category"?',
    'purchse where category = "x"': '1:1: unknown activity "purchse"; did you mean "purchase"?',
    'hubspot-eu.lifecyclestge = "x"': '1:1: unknown fact "hubspot-eu.lifecyclestge"; '
    'did you mean "hubspot-eu.lifecyclestage"?',
    'hubspot-us.lifecyclestage = "x"': '1:1: unknown fact "hubspot-us.lifecyclestage"; '
    'did you mean "hubspot-eu.lifecyclestage"?',
    "score in top 10% by contry": '1:21: unknown fact "contry"; did you mean "country"?',
    'in list "newsletter:Sprin"': '1:9: unknown list "newsletter:Sprin"; did you mean "newsletter:Spring"?',
    "consented to sms": '1:14: unknown channel "sms"; so far there is only email',
    "purchase > 3": "1:1: purchase is an activity, not a value; "
    "write count(purchase), days since purchase or did purchase",
    "purchase.amount > 3": "1:1: purchase.amount is a field of an activity, and a person may have many: "
    "write latest(purchase.amount), sum(purchase.amount) or purchase where amount …",
    'purchase where category = "x" and amount > 5': '1:35: unknown fact "amount"; it is a field of purchase: '
    "put all conditions on purchase in parentheses after where, purchase where (…)",
    "did vip": "1:1: did and never need an activity, such as did purchase last 30 days",
    'vip where country = "x"': "1:5: where belongs to an activity, but vip is a fact of the person",
}

TYPES = {
    "country >= 3": '1:9: ">=" does not fit country, which is text; '
    "use =, !=, in, contains, starts with, ends with or matches",
    "country = 3": '1:11: country is text, but 3 is a number; write "3" in quotes',
    'score = "3"': '1:9: score is a number, but "3" is text; write the number without quotes',
    'country in ["DE", 3]': '1:19: country is text, but 3 is a number; write "3" in quotes',
    "country between 1 and 3": "1:9: between does not fit country, which is text; "
    "use =, !=, in, contains, starts with, ends with or matches",
    "vip > true": '1:5: ">" does not fit vip, which is yes/no; write the name alone, or not before it',
    'interests = "a"': '1:11: "=" does not fit interests, which is a list of texts; '
    'use has "…", has any of […], has all of […]',
    'interests contains "a"': '1:11: contains needs text, but interests is a list of texts; write has "…"',
    'country has "a"': "1:9: has needs a list of texts, but country is text; write = or in",
    "sum(purchase.sku) > 1": "1:5: sum needs a number or money, but purchase.sku is text",
    "sum(purchase) > 1": "1:5: sum needs a field of purchase, such as sum(purchase.amount)",
    "list(page_view) has 'x'": "1:6: list needs a field of page_view, such as list(page_view.page)",
    "count(purchase.sku) > 1": "1:7: count counts activities: "
    "write count(purchase) or distinct(purchase.sku)",
    "ltv > score": "1:5: ltv is money and score is a number: they do not mix",
    "ltv + score > 1": "1:5: ltv is money and score is a number: they do not mix",
    "ltv > 499.999": "1:7: 499.999 has more than 2 decimals; money has 2",
    "ltv in [1.001]": "1:9: 1.001 has more than 2 decimals; money has 2",
    "score > 0.1234567": "1:9: 0.1234567 has more than 6 decimals",
    f"score > 0.{'9' * 29}": f"1:9: 0.{'9' * 29} has more than 6 decimals",
    f"score > -1.{'0' * 30}1": f"1:9: -1.{'0' * 30}1 has more than 6 decimals",
    f"score > {'9' * 900}": f"1:9: {'9' * 40}… is too large",
    f"location within 1.{'0' * 40}1 km of (48, 11)": f"1:17: 1.{'0' * 38}… has more than 6 decimals",
    "score > 99999999999999": "1:9: 99999999999999 is too large",
    'country + "x" = "ax"': '1:9: "+" needs numbers or money, but country is text',
    "ltv * ltv > 3": "1:5: money times money is nothing one can compare",
    "score / ltv > 3": "1:7: a number divided by money is nothing one can compare",
    "country": "1:1: country is text, not a condition; compare it, or write country is known",
    "vip and score": "1:9: score is a number, not a condition; compare it, or write score is known",
    "(score > 3) > 3": "1:8: here stands a condition where a value is needed",
    "birthday > signed_up": "1:10: birthday is a date, but signed_up is an instant: they cannot be compared",
    "birthday after 2026-01-01T00:00:00Z": "1:10: birthday is a date without a time of day; "
    "write a date such as 2026-01-31",
    "birthday within last 3 hours": "1:17: birthday is a date without a time of day; count in days",
    "country within last 3 days": "1:16: a window needs a date, but country is text",
    "sum(purchase.amount) within last 3 days > 1": '1:41: unexpected ">"; expected "and", "or" or the end',
    "sum(purchase.amount) last 3 days": "1:22: a window needs a date, but sum(purchase.amount) is money; "
    "write sum(purchase.amount, …) with the window inside",
    "country anniversary today": "1:9: an anniversary needs a date, but country is text",
    "birthday anniversary since 2000-01-01": "1:22: an anniversary falls within next or last N days, today, "
    "or this, last or next week, month, …",
    "days since country > 3": "1:12: days since needs a date or an activity, but country is text",
    "purchase within next 3 days": "1:17: activity lies in the past; "
    "next and tomorrow are for dates of a person",
    "country in top 10%": "1:12: a rank needs a number or money, but country is text",
    'country = ""': "1:11: an empty text is the same as missing; write is missing or is known",
    "3 = 3": "1:3: both sides are fixed values",
    "country in []": "1:9: the list is empty, nothing is in it",
    "score between 5 and 3": "1:15: the smaller number comes first",
    'country matches "(?=x)"': "1:17: (?= is not allowed; matches has no lookaround",
    "score in top 10% by birthday": "1:21: by needs a fact that is text, a number or yes/no, not birthday",
}

INSIDE_WHERE = {
    'purchase where country = "DE"': "1:16: country is a fact of the person; "
    "where sees only fields of purchase (amount, category, gift, quantity, sku, store)",
    "count(purchase where amount in top 10%) > 1": "1:32: a rank cannot stand inside where; "
    "where sees one activity at a time",
    "purchase where suppressed": "1:16: suppressed cannot stand inside where; "
    "where sees one activity at a time",
    "purchase where (gift and in segment 'x')": "1:26: in segment cannot stand inside where; "
    "where sees one activity at a time",
    "purchase where count(purchase) > 3": "1:16: count(…) cannot stand inside where; "
    "where sees one activity at a time",
    "purchase where random 10% of 'x'": "1:16: random cannot stand inside where; "
    "where sees one activity at a time",
}

NUMBERS = {
    "purchase last 0 days": "1:15: a window needs at least 1 day",
    "purchase last 1.5 days": "1:15: a window needs a whole number of days",
    "purchase last 4000000 days": "1:15: a window is at most 36525 days long",
    "purchase last 3 quarters": "1:15: a window counts hours, days, weeks, months or years; write 3 months",
    "purchase between 10 and 3 days ago": "1:18: the smaller number comes first: between 3 and 10 days ago",
    "purchase last days": '1:10: how many days? Write "last 3 days", or "last day"',
    "purchase this day": '1:10: write "today" (in the business time zone), or "this 24 hours"',
    "birthday on 2026-02-30": "1:13: there is no day 2026-02-30",
    "signed_up before 2026-01-01T25:00": "1:18: there is no instant 2026-01-01T25:00",
    "purchase from 2026-02-01 to 2026-01-01": "1:15: the earlier date comes first",
    "score in top 0%": "1:14: a share lies above 0% and is at most 100%",
    "random 101% of 'x'": "1:8: a share lies above 0% and is at most 100%",
    f"score in top 9.{'9' * 30}%": "1:14: a share has at most 4 decimals",
    "score in top 0.00001%": "1:14: a share has at most 4 decimals",
    "score in top 2.5": "1:14: a rank counts whole people, from 1",
    "score in quintile 6": "1:19: there are five quintiles: 1 (lowest) to 5 (highest)",
    "hours since purchase > 3": '1:1: only "days since" exists, not "hours since"',
}

SYNTAX = {
    "": "1:1: the expression is empty",
    " # nothing": "1:1: the expression is empty",
    "and vip": '1:1: unexpected "and"; expected a fact, an activity or a value',
    "vip and": "1:8: the expression ends too early; expected a fact, an activity or a value",
    "vip and  # and what?\n": "1:8: the expression ends too early; expected a fact, an activity or a value",
    "score == 3": '1:7: unexpected "=="; write = to compare',
    "vip && vip": '1:5: unexpected "&&"; write and',
    "score <> 3": '1:7: unexpected "<>"; write != for not equal',
    "country = “DE”": '1:11: unexpected "“"; write texts in straight quotes: "…"',
    'country = "DE': '1:11: this " is never closed',
    "`country = 3": "1:1: this backquote is never closed",
    "vip @ 3": '1:5: unexpected "@"',
    "3days > 2": '1:1: unexpected "3days"; write 3 days',
    "(vip": '1:5: the expression ends too early; expected a comparison, a window, ")", "and" or "or"',
    "vip)": '1:4: unexpected ")"; expected a comparison, a window, "and", "or" or the end',
    "country in DE": '1:12: unexpected "DE"; expected "[", "at least", "bottom", "quintile" or "top"',
    "country starts 'x'": '1:16: unexpected the text "x"; expected "with"',
    "purchase last 3 dayz": '1:17: unexpected "dayz"; expected a unit such as days',
    "country is nice": '1:12: unexpected "nice"; write = "nice"',
    "score = 3 = 3": '1:11: unexpected "="; expected "and", "or" or the end',
}

ALONE = "amounts stand alone, in the currency of the config"
UNITS = {
    "days since purchase > 60 days": '1:26: unexpected "days"; write 60: days since counts days already',
    "days since purchase > 2 weeks": '1:25: unexpected "weeks"; write 14: days since counts days already',
    'days since purchase > "60 days"': '1:23: days since purchase is a number, but "60 days" is text; '
    "write 60: days since counts days already",
    "count(purchase) > 3 days": '1:21: unexpected "days"; a value has no unit here: write 3',
    'score > "3 days"': '1:9: score is a number, but "3 days" is text; write 3: a value has no unit here',
    'ltv > "500"': '1:7: ltv is money, but "500" is text; write the number without quotes',
    "purchase last 30": "1:15: 30 what? Write 30 days, or hours, weeks, months, years",
    "purchase last 30 and vip": "1:15: 30 what? Write 30 days, or hours, weeks, months, years",
    "count(purchase, last 30) > 2": "1:22: 30 what? Write 30 days, or hours, weeks, months, years",
    'purchase last "30 days"': "1:15: write 30 days without quotes",
    "purchase within last 30d": '1:22: unexpected "30d"; write 30 days',
    "purchase within last 12h": '1:22: unexpected "12h"; write 12 hours',
    "ltv > 1,000": "1:7: write 1000: numbers have no separators for thousands",
    "ltv > 1 000": "1:7: write 1000: numbers have no separators for thousands",
    "ltv > 1,000.50": "1:7: write 1000.50: numbers have no separators for thousands",
    "ltv > 1.000.000": "1:7: write 1000000: numbers have no separators for thousands",
    "ltv > 1.000,50": "1:7: write 1000.50: decimals have a point",
    "ltv > 2,5": "1:7: write 2.5: decimals have a point",
    "count(purchase where amount > 1,000) > 2": "1:31: write 1000: numbers have no separators for thousands",
    "ltv > €500": f'1:7: remove "€": {ALONE}',
    "ltv > 500€": f'1:10: remove "€": {ALONE}',
    "ltv > $500": f'1:7: remove "$": {ALONE}',
    "ltv > 500 EUR": f'1:11: remove "EUR": {ALONE}',
    "ltv > 500EUR": f'1:7: unexpected "500EUR"; write 500: {ALONE}',
    "score in top 0.1": "1:14: a rank counts whole people, from 1; for a share of them write 10%",
}

ALL = {**UNITS, **NAMES, **TYPES, **INSIDE_WHERE, **NUMBERS, **SYNTAX, **ORDER_MESSAGES}


@pytest.mark.parametrize(("expression", "message"), ALL.items(), ids=ALL.keys())
def test_a_problem_is_told_at_its_place(expression: str, message: str) -> None:
    assert problems(expression) == [message]


@pytest.mark.means("or a rule that mixes currencies is an error.")
def test_an_amount_in_a_currency_of_its_own_is_an_error() -> None:
    """All money is in the currency of the config, so a rule could mix currencies only by naming one."""
    for code in ("EUR", "USD", "CHF"):
        assert problems(f"ltv > 500 {code} and vip") == [f'1:11: remove "{code}": {ALONE}']
        assert problems(f"sum(purchase.amount) + 20 {code} > ltv") == [f'1:27: remove "{code}": {ALONE}']


def test_all_problems_of_an_expression_are_told_at_once() -> None:
    assert problems(
        'contry = "DE"\n and (score = "x" or sum(purchase.sku) > 3)\n and birthday on 2026-02-30'
    ) == [
        '1:1: unknown fact "contry"; did you mean "country"?',
        '2:15: score is a number, but "x" is text; write the number without quotes',
        "2:26: sum needs a number or money, but purchase.sku is text",
        "3:18: there is no day 2026-02-30",
    ]


def test_an_unknown_segment_is_told_with_the_nearest() -> None:
    known = ["lapsed-vip", "lifecycle/new"]
    assert problems('in segment "lapsd-vip"', segments=known) == [
        '1:12: unknown segment "lapsd-vip"; did you mean "lapsed-vip"?'
    ]
    assert problems('in tier "lifecycle/nwe"', segments=known) == [
        '1:9: unknown tier "lifecycle/nwe"; did you mean "lifecycle/new"?'
    ]


def test_a_problem_in_a_field_is_told_there_and_only_there() -> None:
    assert problems("a > 3 and b > 4", fields={"a": "contry + 1", "b": "a * 2"}) == [
        '[a]:1:1: unknown fact "contry"; did you mean "country"?'.replace("[a]", "f[a]")
    ]


def test_fields_that_use_each_other_are_told_as_a_circle() -> None:
    assert problems("a > 3", fields={"a": "1 + b", "b": "a * 2"}) == [
        "f[b]:1:1: fields use each other in a circle: a → b → a"
    ]


@pytest.mark.parametrize(
    "expression", ["(" * 5000 + "vip" + ")" * 5000, "not " * 20000 + "vip", "-" * 9000 + "1 > score"]
)
def test_deep_nesting_is_a_problem_and_no_crash(expression: str) -> None:
    assert "nested too deeply" in problems(expression)[0]


@pytest.mark.parametrize(
    ("sequence", "at"),
    [
        ("deal then purchase", 1),
        ("purchase then deal", 15),
        ("purchase not followed by deal within 3 days", 26),
        ('deal where stage = "won" then purchase', 1),
        ("deal in at least 2 of the last 4 months", 1),
        ("stopped deal for 60 days", 9),
        ("restarted deal after 60 days", 11),
    ],
)
def test_records_have_states_and_no_place_in_an_order(sequence: str, at: int) -> None:
    told = "deal is a record, not an activity; write deal_open or deal_won or deal_lost"
    assert problems(sequence) == [f"1:{at}: {told}"]


@pytest.mark.parametrize("state", ["deal_open", "deal_won", "deal_lost"])
def test_the_states_of_records_have_a_place_in_an_order(state: str) -> None:
    compiled = compile_expression(f"{state} then purchase", VOCABULARY)
    assert isinstance(compiled, ir.Sequence)
    assert [step.kind for step in compiled.steps] == [state, "purchase"]
    assert {step.kind for step in compiled.steps} <= VOCABULARY.kinds.keys()
