"""A condition that is put into a rule file reads back as it was, and nothing else of the file changes."""

from __future__ import annotations

import itertools
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language.rewrite import CannotRewriteError, rewritten
from rules.language.ruletext import RuleText

BEFORE, AFTER = '# 1 "\n[[segment]]\nid = "a"\n', "  # 2 '\nname = 'A'\n[[segment]]\nid = 'b'\nwhen = 'x'\n"
VALUES = st.sampled_from(["'x'", '"x"', "'''\nx\n'''", '"""x"""', '"""\n  x""""'])
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t'\"\\"), max_size=20)


@given(VALUES, TEXTS, st.booleans(), st.booleans())
def test_the_condition_is_the_text_and_the_rest_is_the_same(
    value: str, text: str, windows: bool, marked: bool
) -> None:
    def as_file(part: str) -> bytes:
        return (part.replace("\n", "\r\n") if windows else part).encode()

    head = (b"\xef\xbb\xbf" if marked else b"") + as_file(BEFORE + "when =  ")
    made = rewritten(head + as_file(value) + as_file(AFTER), "a", text)
    assert made.startswith(head)
    assert made.endswith(as_file(AFTER))
    read = tomllib.loads(made.decode("utf-8-sig").replace("\r\n", "\n"))
    assert read["segment"][0]["when"] == text
    assert not windows or b"\n" not in made.replace(b"\r\n", b""), "a line that ends as no other does"
    assert read["segment"][1] == {"id": "b", "when": "x"}


WHENS, LEAVES, STAYS = ("a", "b\nor c"), ("x", "y > 1\nand z", None), ("7 days", None)
RULES = [RuleText(*texts) for texts in itertools.product(WHENS, LEAVES, STAYS)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("then", RULES)
def test_leave_when_and_stay_come_back_go_and_change_with_the_condition(then: RuleText, end: str) -> None:
    """Other keys, comments and cases stay to the letter, whatever the file has now; and back again."""
    head = end.join(["# who", "[[segment]]", '  id = "a"   # never changes', ""])
    tail = end.join(["  mode = 'mirror' # so", "[[segment.case]]", "member = true", "[[segment]]", ""])
    for now in RULES:
        keys = [("when", now.when), ("leave_when", now.leave_when), ("stay", now.stay)]
        lines = [f"  {key} = {_long(text)}\n" for key, text in keys if text is not None]
        made = rewritten((head + "".join(lines).replace("\n", end) + tail).encode(), "a", str(then))
        assert _read(made) == then
        assert made.startswith(head.encode())
        assert made.endswith(tail.encode())
        assert b"\n" not in made.replace(end.encode(), b"")
        assert _read(rewritten(made, "a", str(now))) == now


def _long(text: str) -> str:
    return f"'''\n{text}'''"


def _read(content: bytes) -> RuleText:
    first = tomllib.loads(content.decode().replace("\r\n", "\n"))["segment"][0]
    return RuleText(first["when"], first.get("leave_when"), first.get("stay"))


def test_what_has_no_line_of_its_own_is_left_to_the_admin() -> None:
    content = b'segment = [{ id = "a", when = "x" }, { id = "b", when = "x", stay = "7 days" }]\n'
    assert rewritten(content, "a", "y") == content.replace(b'"x" }', b'"y" }', 1)
    assert rewritten(content, "b", "x\nstay: 8 days") == content.replace(b"7 days", b"8 days")
    for segment, text in (("a", "x\nstay: 7 days"), ("b", "x")):
        with pytest.raises(CannotRewriteError, match="by hand"):
            rewritten(content, segment, text)


def test_keys_are_added_at_the_end_of_a_file_without_a_last_line_end() -> None:
    made = rewritten(b"[[segment]]\r\nid='a'\r\nwhen='x'", "a", "x\nleave_when: y\nstay: 1 week")
    assert made == b"[[segment]]\r\nid='a'\r\nwhen='x'\r\nleave_when = 'y'\r\nstay = '1 week'"
