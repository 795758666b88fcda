"""Nonsense is answered with problems inside the text, never with a crash."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language import compile_expression, load, render
from rules.language.syntax.automaton import grammar
from tests.rules.language.forms import FORMS
from tests.rules.language.test_cases import SEGMENT
from tests.rules.language.test_files import FULL, TIERS
from tests.rules.vocabulary import VOCABULARY
from tests.thorough import examples

WORDS = [
    *(word for word in grammar().words if word.isalpha()),
    *(
        "sum",
        "count",
        "list",
        "days",
        "months",
        "week",
        "=",
        "<",
        ">=",
        "!=",
        "(",
        ")",
        "[",
        "]",
        ",",
        "%",
        "+",
        "-",
        "/",
    ),
    *(
        "country",
        "score",
        "ltv",
        "vip",
        "birthday",
        "signed_up",
        "interests",
        "purchase",
        "purchase.amount",
        "named",
    ),
    *(
        "3",
        "0.5",
        "99999999999999999999",
        '"x"',
        "'vip'",
        "2026-01-31",
        "2026-13-01",
        "2026-01-31T00:00Z",
        "then",
        "km",
    ),
    *(
        "hubspot-eu.lifecyclestage",
        "hubspot-eu.",
        "`a b`",
        "#",
        "\n",
        '"',
        "@",
        "amount",
        "gift",
        "where",
        "(",
        ")",
    ),
]
FIELDS = {"named": "score + 1"}


@settings(max_examples=examples(1500), deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_any_row_of_words_is_a_rule_or_has_problems(text: str) -> None:
    check(text)


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(st.text(max_size=30))
def test_any_text_is_a_rule_or_has_problems(text: str) -> None:
    check(text)


@settings(max_examples=examples(700), deadline=None, derandomize=True)
@given(st.sampled_from(sorted(FORMS)), st.sampled_from(sorted(FORMS)), st.data())
def test_a_damaged_rule_is_a_rule_or_has_problems(one: str, other: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(one)))
    end = data.draw(st.integers(start, len(one)))
    check(one[:start] + data.draw(st.sampled_from(["", "x", " ", "(", other])) + one[end:])


def check(text: str) -> None:
    result = compile_expression(text, VOCABULARY, fields=FIELDS)
    if not isinstance(result, tuple):
        assert compile_expression(render(result), VOCABULARY) == result
        return
    assert result
    lines = text.split("\n")
    for problem in result:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


CASE = "as_of = 2026-01-01T00:00:00Z\nmember = true\nperson = { vip = true, company.employees = 3 }\n"
ACTIVITY = 'activity = [{ kind = "purchase", at = 2026-01-01T00:00:00Z, amount = 6.5, sku = "é" }]\n'
GOOD = FULL + SEGMENT + CASE + ACTIVITY + TIERS


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_file_has_problems_inside_it(tmp_path_factory, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 30)))
    put = data.draw(
        st.sampled_from(
            ["", "x", "3", "[]", "{}", '"', "\n", "[[tiers]]\n", "= 3\n", "\\", "'''", "a.b = 1\n"]
        )
    )
    text = GOOD[:start] + put + GOOD[end:]
    folder: Path = tmp_path_factory.mktemp("rules")
    (folder / "a.toml").write_text(text, "utf-8")
    result = load(folder, VOCABULARY)
    assert (result.ruleset is None) == bool(result.errors)
    lines = text.split("\n")
    for problem in result.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
