"""Problems of a config: all of them at once, each with file, line, key and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys from the top of the file; numbers are positions in arrays, counted from 0."""


class Severity(StrEnum):
    """An ERROR stops the load; a WARNING is shown and the work goes on."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file. Lines and columns count from 1; `key` is the path as a person writes it."""

    file: str
    message: str
    key: str = ""
    line: int | None = None
    column: int | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = self.file
        for part in (self.line, self.column):
            if part is None:
                break
            place += f":{part}"
        middle = f" {self.key}:" if self.key else ""
        return f"{place}:{middle} {self.message}"


class ConfigError(Exception):
    """The config cannot be used; `problems` has every reason. The text is one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def spell(path: Path) -> str:
    """The path as a person writes it: `connections.shop.activity[0].kind`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.replace("-", "").replace("_", "").isalnum() and part.isascii()
            text += ("." if text else "") + (part if plain else f'"{part}"')
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name` (case does not count), or None if none is like it."""
    folded = {k.casefold(): k for k in sorted(known, reverse=True)}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A tail for messages: `; did you mean "x"?`, or the choices if they are few, or nothing."""
    names = sorted(known)
    near = nearest(name, names)
    if near is not None:
        return f'; did you mean "{near}"?'
    if 0 < len(names) <= 12:
        return f"; known: {', '.join(names)}"
    return ""
