"""Where every key and value of a TOML text stands, down to the single character of a string.

`tomllib` gives the values, this the places: a scanner over text that tomllib has accepted, so it checks
nothing itself. Escapes, line-ending backslashes and multi-line strings are followed character by character.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_PLAIN = re.compile(
    r"""([A-Za-z0-9_-]+)[ \t]*=[ \t]*(?:"{3}\n?(?=([^"\\]*)"{3}(?!"))|"(?=([^"\\\n]*)"(?!")))"""
)
"""A bare key and a string in quotes, in three or in one, that has neither quotes nor escapes in it."""
_LINE_END = re.compile(r"[ \t]*\n[ \t\n]*")
_ESCAPE_LENGTHS = {"u": 4, "U": 8, "x": 2}


@dataclass(frozen=True, slots=True)
class ScalarPlace:
    """A number, truth value, date or string. `characters[i]` is where character i of a string stands,
    with one more for its end; empty for other scalars."""

    at: int
    characters: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class ArrayPlace:
    """A list `[…]`, or the tables under one `[[name]]`."""

    at: int
    items: list[Place] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TablePlace:
    """`keys` gives where each key stands, `values` the places of what is under it."""

    at: int
    keys: dict[str, int] = field(default_factory=dict)
    values: dict[str, Place] = field(default_factory=dict)


Place: TypeAlias = ScalarPlace | ArrayPlace | TablePlace


class Lines:
    """Offsets → line and column, both from 1."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column of a character."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def scan(text: str) -> TablePlace:
    """The places in a valid TOML text whose line ends are plain newlines."""
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def document(self) -> TablePlace:
        root = TablePlace(0)
        current = root
        while self._skip(_BLANK) < len(self.text):
            if self.text.startswith("[", self.position):
                current = self._header(root)
            else:
                self._pair(current)
        return root

    def _header(self, root: TablePlace) -> TablePlace:
        at = self.position
        many = self.text.startswith("[[", at)
        self.position += 2 if many else 1
        path = self._keys()
        self.position += 2 if many else 1
        table = self._inner(root, path[:-1])
        key, key_at = path[-1]
        table.keys.setdefault(key, key_at)
        if not many:
            return self._inner(table, path[-1:])
        array = table.values.setdefault(key, ArrayPlace(at))
        entry = TablePlace(at)
        if isinstance(array, ArrayPlace):
            array.items.append(entry)
        return entry

    def _inner(self, table: TablePlace, path: list[tuple[str, int]]) -> TablePlace:
        """The table under dotted keys, made where it is new; of an array of tables the last."""
        for key, at in path:
            table.keys.setdefault(key, at)
            found = table.values.setdefault(key, TablePlace(at))
            if isinstance(found, ArrayPlace):
                found = found.items[-1]
            if not isinstance(found, TablePlace):
                return TablePlace(at)
            table = found
        return table

    def _pair(self, table: TablePlace) -> None:
        if plain := _PLAIN.match(self.text, self.position):
            key, marks = plain[1], 3 if plain[3] is None else 1
            start, end = plain.span(plain.lastindex or 0)
            table.keys[key] = self.position
            opened = self.text.find('"', plain.end(1))
            table.values[key] = ScalarPlace(opened, range(start, end + 1))
            self.position = end + marks
            return
        path = self._keys()
        self.position += 1  # =
        self._skip(_SPACE)
        owner = self._inner(table, path[:-1])
        key, at = path[-1]
        owner.keys[key] = at
        owner.values[key] = self._value()

    def _keys(self) -> list[tuple[str, int]]:
        """A dotted key with the place of each part; stops after it, before `=` or `]`."""
        path = []
        while True:
            self._skip(_SPACE)
            at = self.position
            if self.text[at] in "\"'":
                self.position, _, key = self._string(at)
            else:
                found = _BARE.match(self.text, at)
                key = found.group() if found else ""
                self.position = at + len(key)
            path.append((key, at))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.position):
                return path
            self.position += 1

    def _value(self) -> Place:
        at = self.position
        match self.text[at]:
            case '"' | "'":
                self.position, characters, _ = self._string(at)
                return ScalarPlace(at, characters)
            case "[":
                return self._array(at)
            case "{":
                return self._inline_table(at)
            case _:
                self._skip(_SCALAR)
                return ScalarPlace(at)

    def _array(self, at: int) -> ArrayPlace:
        array = ArrayPlace(at)
        self.position += 1
        while self._after_comma() != "]":
            array.items.append(self._value())
        self.position += 1
        return array

    def _inline_table(self, at: int) -> TablePlace:
        table = TablePlace(at)
        self.position += 1
        while self._after_comma() != "}":
            self._pair(table)
        self.position += 1
        return table

    def _after_comma(self) -> str:
        self._skip(_BLANK)
        if self.text[self.position] == ",":
            self.position += 1
            self._skip(_BLANK)
        return self.text[self.position]

    def _string(self, at: int) -> tuple[int, Sequence[int], str]:
        """Where the string ends, where each of its characters stands, and the string."""
        text = self.text
        quote = text[at]
        mark = quote * 3 if text.startswith(quote * 3, at) else quote
        position = at + len(mark)
        if len(mark) == 3 and text.startswith("\n", position):
            position += 1
        end = text.find(mark, position)
        if (quote == "'" or "\\" not in text[position:end]) and not (
            len(mark) == 3 and text.startswith(quote, end + 3)
        ):
            return end + len(mark), range(position, end + 1), text[position:end]
        places: list[int] = []
        characters: list[str] = []
        while True:
            if text.startswith(mark, position):
                end = position + len(mark)
                if len(mark) == 1 or not text.startswith(quote, end):
                    places.append(position)
                    return end, places, "".join(characters)
            if quote == '"' and text[position] == "\\":
                line_end = _LINE_END.match(text, position + 1) if len(mark) == 3 else None
                if line_end:
                    position = line_end.end()
                    continue
                length = 2 + _ESCAPE_LENGTHS.get(text[position + 1], 0)
                characters.append(_unescape(text[position : position + length]))
            else:
                length = 1
                characters.append(text[position])
            places.append(position)
            position += length

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return self.position


_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


def _unescape(escape: str) -> str:
    return _ESCAPES.get(escape[1]) or chr(int(escape[2:], 16))
