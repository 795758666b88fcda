"""Files that are no config at all: each gets one plain sentence with its place."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.config import ConfigError, load
from sync.config.document import read
from tests.sync.config.platforms import problems_of


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[store\nlake = 1", "1:7: not valid TOML: a section's name is not closed with ]"),
        ("a = 1\nlake", "2:5: not valid TOML: a key must be followed by = and a value"),
        (
            "zone = Europe",
            '1:8: not valid TOML: this is not a value; texts stand in quotes, such as "Europe/Berlin"',
        ),
        (
            '[business]\nzone = "Europe\n',
            "2:15: not valid TOML: a text is not closed with a quote on its line",
        ),
        ("a = 1\na = 2", "2:6: not valid TOML: this key is there twice"),
        ("[a]\n[a]", "2:3: not valid TOML: this section is there twice"),
        ("a = [1,\n2", "2:2: not valid TOML: a list is not closed with ]"),
        ("a = 1 b", "1:7: not valid TOML: something follows a complete value; one key = value per line"),
        ("= 2", "1:1: not valid TOML: this is neither a [section], nor key = value, nor a # comment"),
    ],
)
def test_broken_toml_is_told_with_line_and_column_in_a_plain_sentence(
    tmp_path: Path, text: str, complaint: str
) -> None:
    assert problems_of(tmp_path, text) == [f"config.toml:{complaint}"]


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; `segsync init` makes one"):
        load(tmp_path / "config.toml")


def test_a_folder_in_place_of_the_file_is_a_plain_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        load(tmp_path)


def test_a_file_in_another_encoding_is_told_with_the_line_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes('rules_dir = "rules"\n# Köln\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"config.toml:2: the file is not UTF-8"):
        load(path)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'\xef\xbb\xbf[store]\r\nlake = "x"\r\nlaek = 1\r\n')
    with pytest.raises(ConfigError, match=r"config.toml:3: store.laek: unknown key"):
        load(path)


def test_lines_are_known_across_comments_long_texts_and_arrays_of_tables(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '# first\n\ntext = """\n[not.a.section]\nkey = 1\n"""\nlist = [  # here\n  "a",\n\n  "b",\n]\n'
        '[[shop.activity]]\nkind = "a"\n[shop.activity.columns]\namount = "x"\n'
        '[[shop.activity]]\nkind = "b"\n[shop."a.b"]\ninner = { deep = { er = 1 } }\n'
    )
    document = read(path)
    assert document.lines[("text",)] == 3
    assert document.lines[("list", 1)] == 7
    assert document.lines[("shop", "activity", 0, "columns", "amount")] == 15
    assert document.lines[("shop", "activity", 1, "kind")] == 17
    assert document.lines[("shop", "a.b", "inner", "deep", "er")] == 19
    assert document.line(("shop", "activity", 1, "nothing")) == 16


NAMES = st.sampled_from(["a", "b", "c-d", '"e.f"'])
VALUES = st.sampled_from(
    ["1", '"x"', '"""\n[a]\nb = 1\n"""', "[1,\n  2]", "{ k = 1, l = { m = 2 } }", "'''\n'''"]
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(NAMES, VALUES), unique_by=lambda pair: pair[0], max_size=4), st.integers(0, 3))
def test_every_value_of_a_valid_file_has_a_line_on_which_its_key_stands(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], blank: int
) -> None:
    body = ("\n" * blank).join(f"{key} = {value}\n" for key, value in pairs)
    text = f"{body}\n[[t]]\n{body}\n[[t]]\n[t.s]\n{body}"
    path = tmp_path_factory.mktemp("lines") / "config.toml"
    path.write_text(text)
    document = read(path)
    written = text.split("\n")

    def visit(value: object, place: tuple[str | int, ...]) -> None:
        names = [part for part in place if isinstance(part, str)]
        if names:
            assert names[-1] in written[document.lines[place] - 1]
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(inner, (*place, key))
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                visit(inner, (*place, position))

    for key, value in tomllib.loads(text).items():
        visit(value, (key,)) if key != "t" else [visit(v, ("t", n)) for n, v in enumerate(value)]


def test_reading_a_config_loads_no_vendor_library(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("")
    code = (
        f"import sys; from sync.config import load; load({str(path)!r}, platforms={{}});"
        "heavy = {'pyarrow', 'sqlalchemy', 'duckdb', 'mailchimp_marketing', 'requests'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
