"""Several mistakes in one expression are all told, each once, and nothing that only follows from one."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language import compile_expression
from tests.rules.language.forms import FORMS
from tests.rules.language.test_messages import problems
from tests.rules.vocabulary import VOCABULARY

MISTAKES = {
    "score == 3": 'unexpected "=="',
    "score <> 3": 'unexpected "<>"',
    "country = “DE”": 'unexpected "“"',
    'country = "DE': 'this " is never closed',
    "vip @ 3": 'unexpected "@"',
    "country is nice": 'unexpected "nice"',
    "country in DE": 'unexpected "DE"',
    "country starts 'x'": "unexpected the text",
    "score = 3 = 4": 'unexpected "="',
    "purchase last 3 dayz": 'unexpected "dayz"',
    "score between 3 or 4": 'unexpected "or"',
    "score between 3 4 and 5": 'unexpected "4"',
    'country in ["DE" "FR"]': "unexpected the text",
    "count(purchase where gift gift, last 3 days) > 2": 'unexpected "gift"',
    "count(purchase whre gift) > 2": 'unexpected "whre"',
    "sum(purchase.amount, 30 days) > 2": 'unexpected "30"',
    "(vip or score 3)": 'unexpected "3"',
    "vip vip": 'unexpected "vip"',
    'contry = "DE"': "unknown fact",
    "sum(purchase.amout) > 3": "unknown field",
    'score = "x"': "score is a number",
    "birthday on 2026-02-30": "there is no day",
    "purchase last 0 days": "a window needs at least 1 day",
    "random 101% of 'x'": "a share lies",
}
"""A condition with one mistake, and how its message begins (in the middle of an expression)."""


def _told(text: str, expected: list[tuple[int, str]]) -> None:
    found = compile_expression(text, VOCABULARY, file="f")
    assert isinstance(found, tuple), text
    shown = [(each.line, each.message) for each in found]
    assert len(shown) == len(expected), (text, shown)
    for (line, message), (wanted, begins) in zip(shown, expected, strict=True):
        assert line == wanted, (text, shown)
        assert message.startswith(begins), (text, shown)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_planted_mistakes_are_told_and_nothing_else(data: st.DataObject) -> None:
    mistakes = data.draw(st.lists(st.sampled_from(sorted(MISTAKES.items())), min_size=2, max_size=3))
    correct = data.draw(st.lists(st.sampled_from(sorted(FORMS)), max_size=3))
    parts = data.draw(st.permutations([*mistakes, *((f"({form}\n)", "") for form in correct)]))
    parts = [(part.replace("\n", ""), message) for part, message in parts if "#" not in part]
    joins = ["", *(data.draw(st.sampled_from(["and", "or", "and not"])) for _ in parts[1:])]
    text = "\n".join(f"{join} {part}" for join, (part, _) in zip(joins, parts, strict=True))
    _told(text, [(line, message) for line, (_, message) in enumerate(parts, 1) if message])


@pytest.mark.parametrize("pair", list(combinations(sorted(MISTAKES), 2))[::7], ids=" | ".join)
def test_two_mistakes_inside_parentheses_are_both_told(pair: tuple[str, str]) -> None:
    first, second = pair
    text = f"vip or (score > 1\nand {first}\nand not (vip or {second}\n))"
    _told(text, [(2, MISTAKES[first]), (3, MISTAKES[second])])


SEVERAL = {
    "vip and and contry = 1": [
        '1:9: unexpected "and"; expected a fact, an activity or a value',
        '1:13: unknown fact "contry"; did you mean "country"?',
    ],
    "vip or not and zzz > 3": [
        '1:12: unexpected "and"; expected a fact, an activity or a value',
        '1:16: unknown fact "zzz"',
    ],
    '(vip and contry = "DE"': [
        '1:10: unknown fact "contry"; did you mean "country"?',
        '1:23: the expression ends too early; expected ")", "and" or "or"',
    ],
    'count(purchase, last 30 days > 3 and contry = "x"': [
        '1:30: unexpected ">"; expected ")"',
        '1:38: unknown fact "contry"; did you mean "country"?',
    ],
    "vip) and zzz > 3": [
        '1:4: unexpected ")"; expected a comparison, a window, "and", "or" or the end',
        '1:10: unknown fact "zzz"',
    ],
    "score == 3 && contry = 3 ; and vip": [
        '1:7: unexpected "=="; write = to compare',
        '1:12: unexpected "&&"; write and',
        '1:15: unknown fact "contry"; did you mean "country"?',
        '1:26: unexpected ";"; remove it',
    ],
}


@pytest.mark.parametrize(("expression", "messages"), SEVERAL.items(), ids=SEVERAL.keys())
def test_reading_goes_on_behind_a_mistake(expression: str, messages: list[str]) -> None:
    assert problems(expression) == messages


def test_an_expression_full_of_mistakes_is_not_told_for_pages() -> None:
    assert len(problems(" and ".join(["score 3"] * 500))) == 20
