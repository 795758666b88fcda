"""Reading one table of the config: typed, every problem noted, unknown keys refused with the nearest name.

A getter that finds a problem notes it and returns its default, so that reading goes on and the user sees
everything that is wrong at once. Messages never repeat a text value: it could be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import TypeVar

from sync.config.document import Document
from sync.config.problems import Path, Problem, Severity, did_you_mean, spell
from sync.secrets import Secret

T = TypeVar("T")

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "a text"),
    (int, "a whole number"),
    (Decimal, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "a table"),
)


class Report:
    """Collects the problems of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def error(self, path: Path, message: str) -> None:
        """Note what makes the config unusable."""
        self.problems.append(self.document.problem(path, message))

    def warning(self, path: Path, message: str) -> None:
        """Note what is only doubtful."""
        found = self.document.problem(path, message)
        self.problems.append(
            Problem(found.file, found.message, found.key, found.line, found.column, Severity.WARNING)
        )


class Section:
    """A table at `path`. Every key that is asked for counts as known; `close` refuses the others."""

    def __init__(self, report: Report, path: Path, values: dict[str, object]) -> None:
        self.report = report
        self.path = path
        self.values = values
        self._known: dict[str, None] = {}

    def error(self, key: str | int | None, message: str) -> None:
        """Note a problem of `key`, or of the whole section for None."""
        self.report.error(self.path if key is None else (*self.path, key), message)

    def error_below(self, sentence: str) -> None:
        """Note a problem that names its key itself: `contacts.columns.email: what is wrong`."""
        named, colon, message = sentence.partition(": ")
        if not colon or " " in named:
            self.error(None, message or sentence)
            return
        depth = len(self.path)
        inside = {spell(p[depth:]): p for p in self.report.document.lines if p[:depth] == self.path}
        end = len(named)
        while (
            end > 0 and named[:end] not in inside
        ):  # a key that is missing: the table around it has the line
            end = max(named.rfind(".", 0, end), named.rfind("[", 0, end), 0)
        rest = named[end:].lstrip(".")
        path = inside[named[:end]] if end else self.path
        self.report.error((*path, rest) if rest else path, message)

    def has(self, key: str) -> bool:
        """Whether the user wrote the key."""
        return key in self.values

    def take(self, key: str) -> object:
        """The raw value (None if absent); the key is known from now on."""
        self._known[key] = None
        return self.values.get(key)

    def _typed(self, key: str, kind: type[T], what: str) -> T | None:
        value = self.take(key)
        if value is None:
            return None
        if kind is Decimal and type(value) is int:
            value = Decimal(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.error(key, f"must be {what}, not {kind_of(value)}")
            return None
        return value

    def optional_text(
        self, key: str, pattern: re.Pattern[str] | None = None, shape: str = "", *, empty: bool = False
    ) -> str | None:
        """A text, or None if absent; with `pattern` it must match it, `shape` says so in words."""
        value = self._typed(key, str, "a text in quotes")
        if value is None:
            return None
        if not value.strip() and not empty:
            self.error(key, "is empty")
            return None
        if pattern is not None and not pattern.fullmatch(value):
            self.error(key, f"must be {shape}")
            return None
        return value

    def text(
        self,
        key: str,
        default: str,
        pattern: re.Pattern[str] | None = None,
        shape: str = "",
        *,
        empty: bool = False,
    ) -> str:
        """A text with a default."""
        value = self.optional_text(key, pattern, shape, empty=empty)
        return default if value is None else value

    def required_text(self, key: str, pattern: re.Pattern[str] | None = None, shape: str = "") -> str:
        """A text that must be there; "" after a problem."""
        if not self.has(key):
            self.take(key)
            self.error(None, f"{key} is missing")
            return ""
        return self.text(key, "", pattern, shape)

    def choice(self, key: str, options: Iterable[str], what: str) -> str | None:
        """One of `options`, or None if absent or unknown."""
        value = self.optional_text(key)
        known = list(options)
        if value is not None and value not in known:
            self.error(key, f"there is no such {what}{did_you_mean(value, known)}")
            return None
        return value

    def yes_no(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._typed(key, bool, "true or false, without quotes")
        return default if value is None else value

    def whole(self, key: str, default: int, *, low: int, high: int | None = None) -> int:
        """A whole number within bounds."""
        value = self._typed(key, int, "a whole number")
        if value is None:
            return default
        if value < low or (high is not None and value > high):
            limit = f"at least {low}" if high is None else f"between {low} and {high}"
            self.error(key, f"must be {limit}")
            return default
        return value

    def share(self, key: str, default: Decimal) -> Decimal:
        """A part of the whole, 0 to 1."""
        value = self._typed(key, Decimal, "a number between 0 and 1")
        if value is None:
            return default
        if not 0 <= value <= 1:
            self.error(key, "must be a share between 0 and 1; ten percent is 0.10")
            return default
        return value

    def number(self, key: str) -> Decimal | None:
        """A number, exact."""
        return self._typed(key, Decimal, "a number")

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts without repeats."""
        return tuple(text for _, text in self.placed_texts(key)) if self.has(key) else default

    def placed_texts(self, key: str) -> list[tuple[int, str]]:
        """A list of texts without repeats, each with its position; empty if absent."""
        value = self._typed(key, list, 'a list of texts, such as ["a", "b"]') or []
        good: dict[str, int] = {}
        for position, entry in enumerate(value):
            if not isinstance(entry, str) or not entry.strip():
                self.report.error((*self.path, key, position), f"must be a text, not {kind_of(entry)}")
            elif entry in good:
                self.report.error((*self.path, key, position), "is there twice")
            else:
                good[entry] = position
        return [(position, text) for text, position in good.items()]

    def secret(self, key: str) -> Secret | None:
        """A reference to a secret. The literal that may stand there is not repeated."""
        value = self._typed(key, str, "env:NAME or file:PATH")
        if value is None:
            return None
        try:
            secret = Secret.parse(value, folder=self.report.document.folder)
        except ValueError as error:
            self.error(key, str(error))
            return None
        concern = secret.concern()
        if concern is not None:
            self.report.warning((*self.path, key), concern)
        return secret

    def table(self, key: str) -> Section:
        """The table under `key`, empty if absent."""
        return Section(self.report, (*self.path, key), self._typed(key, dict, f"a section [{key}]") or {})

    def tables(self, key: str) -> list[Section]:
        """The array of tables under `key`."""
        value = self._typed(key, list, f"a list of sections [[{key}]]") or []
        found: list[Section] = []
        for position, entry in enumerate(value):
            path = (*self.path, key, position)
            if isinstance(entry, dict):
                found.append(Section(self.report, path, entry))
            else:
                self.report.error(path, f"must be a table, not {kind_of(entry)}")
        return found

    def sections(self) -> Iterator[tuple[str, Section]]:
        """Every key as a table, for sections whose keys are the user's own names."""
        for name in self.values:
            value = self.take(name)
            if isinstance(value, dict):
                yield name, Section(self.report, (*self.path, name), value)
            else:
                self.error(name, f"must be a section, not {kind_of(value)}")

    def close(self, also: Iterable[str] = (), hint: Callable[[str], str | None] = lambda _: None) -> None:
        """Refuse the keys that nobody asked for; `also` are known ones that were read elsewhere."""
        known = {**self._known, **dict.fromkeys(also)}
        for key in self.values:
            if key not in known:
                self.error(key, hint(key) or f"unknown key{did_you_mean(key, known)}")


def kind_of(value: object) -> str:
    """What a value is, in words; never the value itself."""
    for kind, name in _KINDS:
        if type(value) is kind:
            return name
    return "a date or time"
