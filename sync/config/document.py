"""A TOML file as values plus the line of every key, so that each problem can say where it is.

`tomllib` gives no positions. Since the whole file has been parsed by then, its statements can be found
again line by line: a statement is the shortest run of lines that is valid by itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path as FilePath
from typing import TypeAlias

from sync.config.problems import ConfigError, Path, Problem, spell
from sync.config.tokens import advice, looks_like

Toml: TypeAlias = dict[str, object]
"""What tomllib returns; `section` gives every value its type."""

_PLACE = re.compile(
    r"^(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.S
)
_PLAIN = (
    ("Expected '=' after a key", "a key must be followed by = and a value"),
    ("Invalid value", 'this is not a value; texts stand in quotes, such as "Europe/Berlin"'),
    ("Unterminated string", "a text is not closed with a quote"),
    ("Illegal character '\\n'", "a text is not closed with a quote on its line"),
    ("Expected newline or end of document", "something follows a complete value; one key = value per line"),
    ("Unclosed array", "a list is not closed with ]"),
    ("Unclosed inline table", "a table is not closed with }"),
    ("Expected ']'", "a section's name is not closed with ]"),
    ("Cannot overwrite a value", "this key is there twice"),
    ("Cannot declare", "this section is there twice"),
    ("Cannot mutate immutable namespace", "this section was already written in another way above"),
    ("Duplicate inline table key", "this key is there twice"),
    (
        "Invalid initial character for a key part",
        "a key may have letters, digits, _ and -; others need quotes",
    ),
    ("Invalid statement", "this is neither a [section], nor key = value, nor a # comment"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: `values` (floats as Decimal, so that rates stay exact) and the lines of its keys."""

    file: str
    folder: FilePath
    values: Toml
    lines: Mapping[Path, int]
    text: str

    def line(self, path: Path) -> int | None:
        """Line of the key, or of the nearest key or section around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None

    def value(self, path: Path) -> object:
        """What stands at `path`; None if nothing does."""
        value: object = self.values
        for part in path:
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at `path`; whatever looks like a secret is left out of its words."""
        shown = tuple("***" if isinstance(p, str) and looks_like(p) else p for p in path)
        value = self.value(path)
        pasted = looks_like(message) or (looks_like(value) if isinstance(value, str) else None)
        words = advice(pasted) if pasted else message
        return Problem(file=self.file, message=words, key=spell(shown), line=self.line(path))


def read(path: FilePath) -> Document:
    """Read and parse; ConfigError if the file is missing, unreadable, not UTF-8 or not TOML."""
    file = path.name
    try:
        raw = path.read_bytes()
    except OSError as error:
        why = "there is no such file; `segsync init` makes one" if not path.exists() else error.strerror
        raise ConfigError([Problem(file=str(path), message=str(why or "cannot be read"))]) from None
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = "the file is not UTF-8 text from here on; save it as UTF-8"
        raise ConfigError([Problem(file=file, message=message, line=line)]) from None
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_broken(file, text, str(error))]) from None
    return Document(file, path.parent.absolute(), values, dict(_lines(text)), text)


def _broken(file: str, text: str, message: str) -> Problem:
    """The parser's complaint as a plain sentence; its own words only where we have none better."""
    match = _PLACE.match(message)
    what = match["what"] if match else message
    if match and match["line"]:
        line, column = int(match["line"]), int(match["column"])
    else:  # at the end of the document
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    plain = next((sentence for start, sentence in _PLAIN if what.startswith(start)), None)
    if plain is None:
        plain = what if looks_like(what) is None else "this is not understood"
    return Problem(file=file, message=f"not valid TOML: {plain}", line=line, column=column)


def _lines(text: str) -> Iterator[tuple[Path, int]]:
    """(path, line) of each section and key, in the order of the file."""
    section: Path = ()
    positions: dict[Path, int] = {}
    for line, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            names = tuple(_only(parsed))
            section = _placed(names[:-1], positions)
            if statement.lstrip().startswith("[["):
                positions[(*section, names[-1])] = positions.get((*section, names[-1]), -1) + 1
            section = _placed(names, positions)
            yield section, line
        else:
            for path in _keys(parsed):
                yield (*section, *path), line


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of each statement of a valid document."""
    held: list[str] = []
    start = 0
    for number, content in enumerate(text.split("\n"), start=1):
        if not held:
            if not content.strip() or content.lstrip().startswith("#"):
                continue
            start = number
        held.append(content)
        statement = "\n".join(held)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # goes on in the next line
        yield start, statement
        held = []


def _only(parsed: Toml) -> Iterator[str]:
    """Names of a section header: the chain of single keys `[a.b]` parses to."""
    value: object = parsed
    while isinstance(value, dict) and value:
        name = next(iter(value))
        yield name
        value = value[name]
        if isinstance(value, list):
            return


def _placed(names: Path, positions: Mapping[Path, int]) -> Path:
    """The names with the current position behind each array of tables."""
    path: Path = ()
    for name in names:
        path = (*path, name)
        if path in positions:
            path = (*path, positions[path])
    return path


def _keys(value: object, path: Path = ()) -> Iterator[Path]:
    """Every path inside a statement's value, tables and lists included."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _keys(inner, (*path, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _keys(inner, (*path, position))
