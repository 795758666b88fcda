"""Every sentence of the language's meaning is proved by a test that quotes it: `@pytest.mark.means("…")`.

`pytest -m means` runs those tests alone. The quotations are held against section 3 of the specification.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.shared import shared

TESTS = Path(__file__).resolve().parents[1]
_SECTION = re.compile(r"^## 3\. .*?$(.*?)^## ", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"^\d+\. \*\*([^*]+)\*\*[.:]?", re.MULTILINE)


def meaning() -> str:
    """The section in one line, without the numbers and titles of its paragraphs."""
    text = shared("reference/rules.md").read_text(encoding="utf-8")
    found = _SECTION.search(text)
    assert found, "the specification has lost its section 3"
    return " ".join(_TITLE.sub("", found[1]).split())


def quoted() -> Iterator[tuple[str, str]]:
    """Each quotation, and the test that quotes it."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.means(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.means":
                        (sentence,) = mark.args
                        yield ast.literal_eval(sentence), f"{path.relative_to(TESTS)}::{node.name}"


def unproved(text: str, quotations: list[str]) -> list[str]:
    """The parts of a text that nobody quotes."""
    open_ = [True] * len(text)
    for quotation in quotations:
        for found in re.finditer(re.escape(quotation), text):
            open_[found.start() : found.end()] = [False] * len(quotation)
    rest = "".join(letter if free else "\n" for letter, free in zip(text, open_, strict=True))
    return [part.strip() for part in rest.split("\n") if re.search(r"\w", part)]


def test_every_sentence_of_the_meaning_is_quoted_by_a_test_that_proves_it() -> None:
    text = meaning()
    assert unproved(text, [quotation for quotation, _ in quoted()]) == []


def test_quotations_are_to_the_letter_and_name_one_place() -> None:
    text = meaning()
    assert [each for each in quoted() if text.count(each[0]) != 1] == []


def test_a_sentence_that_nobody_quotes_is_told() -> None:
    """The two tests above can fail."""
    assert unproved("Money is exact. Ranks are, too.", ["Money is exact."]) == ["Ranks are, too."]
    assert unproved("Money is exact. Ranks are, too.", ["Ranks are, too.", "Money is exact"]) == []
    assert len({test for _, test in quoted()}) > 30
