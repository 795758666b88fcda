"""Places inside TOML text, against tomllib's values and against the text itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language import load
from rules.language.places import ArrayPlace, Lines, Place, ScalarPlace, TablePlace, scan
from tests.rules.vocabulary import VOCABULARY

DOCUMENT = '''\
# comment with [brackets] and "quotes"
title = "a # no comment"
site."google.com".on = true
empty = ""
'single quoted' = 'C:\\path'
"quoted \\" key" = 1

text = """
first \\
    joined \\u00e9 "x" ""y"""""
raw = \'\'\'
one 'two\' \'\'three\'\'\'\'\'
numbers = [ 1, 2.5e3, # why
  [ 'a', """b""" ],
]
dates = [1979-05-27T07:32:00Z, 1979-05-27 07:32:00, 07:32:00, 1979-05-27]
inline = { a = 1, b.c = "x", "d e" = [ { f = \'y\' }, {} ] }

[table.inner]
key = 0x10
[[many]]
id = "one"
  [[many.case]]
  k = "v"
  [[many.case]]
  k = "w"
[[many]]
id = "two"
  [many.sub]
  x = inf
'''


def walk(value: object, place: Place, text: str) -> int:
    """Compare places with values; the number of strings seen."""
    if isinstance(value, dict):
        assert isinstance(place, TablePlace)
        assert list(value) == list(place.values)
        assert set(value) == set(place.keys)
        return sum(walk(each, place.values[key], text) for key, each in value.items())
    if isinstance(value, list):
        assert isinstance(place, ArrayPlace)
        assert len(value) == len(place.items)
        return sum(walk(each, inner, text) for each, inner in zip(value, place.items, strict=True))
    assert isinstance(place, ScalarPlace)
    if isinstance(value, str):
        assert len(place.characters) == len(value) + 1
        for character, at in zip(value, place.characters, strict=False):
            assert text[at] in (character, "\\")
        assert text[place.characters[-1]] in "\"'"
        return 1
    return 0


def test_every_value_of_a_document_has_its_place() -> None:
    assert walk(tomllib.loads(DOCUMENT), scan(DOCUMENT), DOCUMENT) == 13


def test_keys_and_values_stand_where_an_editor_shows_them() -> None:
    root, lines = scan(DOCUMENT), Lines(DOCUMENT)
    assert lines.at(root.keys["title"]) == (2, 1)
    assert lines.at(root.values["title"].at) == (2, 9)
    many = root.values["many"]
    assert isinstance(many, ArrayPlace)
    assert [lines.at(each.at)[0] for each in many.items] == [21, 27]
    first = many.items[0]
    assert isinstance(first, TablePlace)
    case = first.values["case"]
    assert isinstance(case, ArrayPlace)
    assert isinstance(case.items[1], TablePlace)
    assert lines.at(case.items[1].values["k"].at) == (26, 7)


# A condition in four pieces, the third unknown; each style of string writes them in another way.
GAPS = st.lists(st.sampled_from([" ", "  ", "\n", "\n\n  ", " # é ß 𝄞\n", "\t"]), min_size=1, max_size=4)


def basic(text: str) -> str:
    escapes = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\", "é": "\\u00e9", "𝄞": "\\U0001d11e"}
    return '"' + "".join(escapes.get(each, each) for each in text) + '"'


def multi_line(text: str) -> str:
    return '"""\n' + text.replace("\\", "\\\\").replace("é", "\\u00e9") + '"""'


def joined(text: str) -> str:
    """Every run of blanks that holds a line end begins with a line-ending backslash, which swallows it."""
    return '"""\\\n    ' + text.replace("vip", "vip \\\n\n   \\\n  ").replace("é", "\\U000000e9") + '"""'


def literal(text: str) -> str:
    return "'''" + text + "'''"


@pytest.mark.parametrize("style", [basic, multi_line, joined, literal])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("inline", [False, True])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(before=GAPS, between=GAPS, after=GAPS)
def test_the_place_of_a_problem_is_where_the_word_stands_in_the_file(
    style,
    line_end: str,
    inline: bool,
    before: list[str],
    between: list[str],
    after: list[str],
    tmp_path_factory,
) -> None:
    """`contry` occurs once in the file: the reported place must be its, however the string is written."""
    gaps = ["".join(each) for each in (before, between, after)]
    condition = f'{gaps[0]}vip{gaps[1]} and contry = "é"{gaps[2]}'
    if inline:
        text = f'# file\nsegment = [{{ why = "é", id = "a", when = {style(condition)} }}]\n'
    else:
        text = f'# file\n[[segment]]\nid = "a"\nwhen = {style(condition)}\n'
    text = text.replace("\n", line_end)
    lines = text.split("contry")[0].split("\n")
    folder: Path = tmp_path_factory.mktemp("rules", numbered=True)
    (folder / "a.toml").write_text(text, "utf-8", newline="")
    assert [str(each) for each in load(folder, VOCABULARY).problems] == [
        f'a.toml:{len(lines)}:{len(lines[-1]) + 1}: unknown fact "contry"; did you mean "country"?'
    ]
