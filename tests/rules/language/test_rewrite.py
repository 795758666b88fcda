"""A condition that is put into a rule file reads back as it was, and nothing else of the file changes."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from rules.language.rewrite import rewritten

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
    assert read["segment"][1] == {"id": "b", "when": "x"}
