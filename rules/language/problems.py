"""What the checker says: problems with their place, and the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Errors keep a rule set from being used, warnings do not; notes may well be meant."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding; `str()` is `file:line:column: message`. Line and column (characters) count from 1."""

    file: str
    line: int
    column: int
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        label = "" if self.severity is Severity.ERROR else f"{self.severity}: "
        return f"{self.file}:{self.line}:{self.column}: {label}{self.message}"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A problem inside one expression: `at` counts characters from its start, from 0."""

    at: int
    message: str


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, or None if none comes close."""
    import difflib  # only where something is wrong

    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing: the tail of every message about an unknown name."""
    found = nearest(name, known)
    return f'; did you mean "{found}"?' if found else ""
