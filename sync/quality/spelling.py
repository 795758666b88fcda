"""One spelling for names and for dates that are kept as texts; and what stands for no name at all."""

from __future__ import annotations

import re

PLACEHOLDERS = (
    "-", "n/a", "none", "null", "undefined", "unknown", "unbekannt", "inconnu", "test", "tester", "testing",
    "asdf", "asdfg", "qwertz", "qwerty", "xxx", "admin", "user", "customer", "first name", "firstname",
    "last name", "lastname", "vorname", "nachname", "your name", "anonymous", "anonym",
)  # fmt: skip
"""In small letters. Short ones that somebody bears (Na, Nan, Bar, Foo) are none."""
_PART = re.compile(r"[^\W\d_]+")
_SMALL = frozenset(
    ("von", "van", "der", "den", "de", "di", "da", "del", "du", "la", "le", "el", "bin", "ibn", "y", "zu")
)
DATE_FORMATS = (
    "%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y",
)  # fmt: skip
"""How a column may spell its days."""
DATE_SHAPE = (
    r"(1[89]|20)[0-9]{2}[-/.]?(0[1-9]|1[0-2])[-/.]?(0[1-9]|[12][0-9]|3[01])"
    r"|(0?[1-9]|[12][0-9]|3[01])[-/.](0?[1-9]|[12][0-9]|3[01])[-/.](1[89]|20)[0-9]{2}"
)
"""What looks like a day to a reader; postcodes and ids of eight digits seldom do."""


def tidy_name(text: str) -> str:
    """A name as people spell it: single blanks, and each word with a capital if all were of one size.

    `ANN-MARIE  VON BERG` → `Ann-Marie von Berg`; what has both sizes keeps them (`McDonald`, `deVries`).
    """
    name = " ".join(text.split())
    if name not in (name.upper(), name.lower()):
        return name
    words = [word.lower() for word in name.split(" ")]
    first, *rest = words
    return " ".join([_capital(first), *(word if word in _SMALL else _capital(word) for word in rest)])


def _capital(word: str) -> str:
    spelled = _PART.sub(lambda part: part[0][0].upper() + part[0][1:], word)
    return re.sub(r"(?<=['’])S\b", "s", spelled)
