"""`matches` takes only patterns that RE2 (as DuckDB has it) and Python read in the same way."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language.checks.patterns import pattern_problem
from tests.thorough import examples

GOOD = [
    "^D[A-Z]$",
    "(?i)^de",
    r"\d{2,4}",
    "a|b",
    "[^a-z]+x?",
    "(?:ab)*",
    "(?P<n>a)b",
    "[]a]",
    "[^]]",
    r"\.",
    "a{3}",
]
BAD = {
    "": "the pattern is empty; write is known",
    "(?=a)": "(?= is not allowed; matches has no lookaround",
    "(?<!a)b": "(?< is not allowed; matches has no lookaround",
    "(?>a)": "(?> is not allowed; matches has no lookaround",
    r"(a)\1": r"\1 refers back to a group, which matches cannot do",
    r"a\Z": r"\Z is not known; use \d \w \s \b, or [...]",
    r"\pL": r"\p is not known; use \d \w \s \b, or [...]",
    "a++": '"++" is not allowed',
    "[a&&b]": "&& inside [...] is not allowed",
    "a{2000}": "{2000} repeats more than 1000 times",
    "[[:alpha:]]": r"write \[ for a bracket inside [...]",
    "a(?i)b": "put (?i) and the like at the very start of the pattern",
    "(a": "not a regular expression: missing ), unterminated subpattern at position 0",
    "(a{1000}){1000}": "not a regular expression of RE2: invalid repetition size: {1000}",
    r"[\b]": r"not a regular expression of RE2: invalid escape sequence: \b",
    "*a": "not a regular expression: nothing to repeat at position 0",
}


@pytest.mark.parametrize("pattern", GOOD)
def test_patterns_with_one_meaning_are_taken(pattern: str) -> None:
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(("pattern", "problem"), BAD.items())
def test_other_patterns_are_refused_with_the_reason(pattern: str, problem: str) -> None:
    assert pattern_problem(pattern) == problem


PIECES = [
    "a",
    "b",
    "B",
    ".",
    "*",
    "+",
    "?",
    "|",
    "(",
    ")",
    "(?:",
    "[",
    "]",
    "[^",
    "-",
    "^",
    "$",
    "{1,2}",
    "{",
    "}",
]
PIECES += [
    "{40}",
    "\\d",
    "\\w",
    "\\s",
    "\\b",
    "\\.",
    "\\-",
    "(?i)",
    "(?s)",
    ",",
    "1",
    "\\",
    ":",
    "&&",
    "(?P<n>",
]


@settings(max_examples=examples(1500), deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join))
def test_whatever_is_taken_means_the_same_to_duckdb_and_to_python(pattern: str) -> None:
    if pattern_problem(pattern) is not None:
        return
    texts = ["a", "b", "B", "ab", "aab 1", "-", "a-b", "", "]", "a\nb", "{", "1,2", "a{1", "^", "&"]
    expected = [re.search(pattern, text, re.ASCII) is not None for text in texts]
    rows = duckdb.execute(
        "SELECT regexp_matches(t, ?) FROM (SELECT unnest(?::VARCHAR[]) AS t)", [pattern, texts]
    )
    assert [row[0] for row in rows.fetchall()] == expected
