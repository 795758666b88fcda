"""One rule file while it is read: its tables with the place of every key, checked against the key tables."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from rules.language.keys import CLOCK, DURATION, FEATURE, MOST_CLUSTERS, Key, Shape
from rules.language.places import ArrayPlace, Lines, Place, ScalarPlace, TablePlace, scan
from rules.language.problems import Finding, Problem, Severity, suggest
from rules.ruleset import Drift, Mode
from rules.ruleset import Place as FilePlace

_TOML_PLACE = re.compile(r"^(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)
_IDS = {Shape.ID: re.compile(r"[a-z0-9-]+"), Shape.FIELD_ID: re.compile(r"[a-z0-9_-]+")}


@dataclass(slots=True)
class Source:
    """A file's name as shown in messages, its text with plain line ends, and what is wrong with it."""

    name: str
    text: str
    problems: list[Problem] = field(default_factory=list)
    lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        self.lines = Lines(self.text)

    def report(self, at: int, message: str, severity: Severity = Severity.ERROR) -> None:
        """Note a problem at an offset of the text."""
        self.problems.append(Problem(self.name, *self.lines.at(at), message, severity))

    def place(self, at: int) -> FilePlace:
        """The offset as file, line and column."""
        return FilePlace(self.name, *self.lines.at(at))

    def root(self) -> Table | None:
        """The whole file as a table, or None after reporting that it is not TOML."""
        try:
            values = tomllib.loads(self.text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            self.problems.append(self._broken(str(error)))
            return None
        except RecursionError:
            self.report(0, "the tables are nested too deeply")
            return None
        return Table(self, values, scan(self.text))

    def _broken(self, message: str) -> Problem:
        found = _TOML_PLACE.match(message)
        words, line, column = found.groups() if found else (message, None, None)
        words = words[:1].lower() + words[1:]
        end = self.lines.at(len(self.text.rstrip("\n")))
        at = (int(line), int(column)) if line and column else end
        return Problem(self.name, *at, f"not valid TOML: {words}")


@dataclass(slots=True)
class Table:
    """Values with their places. After `check`, keys with a wrong value are gone."""

    source: Source
    values: dict[str, object]
    place: TablePlace

    def check(self, keys: tuple[Key, ...], what: str) -> None:
        """Report unknown, missing and ill-typed keys of this table (inner tables check themselves)."""
        known = {key.name: key for key in keys}
        for name in list(self.values):
            key = known.get(name)
            if key is None:
                self.report(name, f'unknown key "{name}" in {what}{suggest(name, known)}')
            elif message := _misfit(key, self.values[name]):
                self.report(name, f"{name} {message}", on_value=True)
            else:
                continue
            del self.values[name]
        for key in keys:
            if key.required and key.name not in self.place.keys:
                self.source.report(self.place.at, f'{what} needs the key "{key.name}"')

    def report(self, key: str, message: str, *, on_value: bool = False) -> None:
        """Note a problem at a key, or at its value."""
        self.source.report(self.value_at(key) if on_value else self.key_at(key), message)

    def report_in(self, key: str, finding: Finding) -> None:
        """Note a problem at a character of the string under a key."""
        self.source.report(self.character_at(key, finding.at), finding.message)

    def character_at(self, key: str, at: int) -> int:
        """The offset of a character of the string under a key."""
        place = self.place.values[key]
        return place.characters[at] if isinstance(place, ScalarPlace) and place.characters else place.at

    def key_at(self, key: str) -> int:
        """The offset of a key."""
        return self.place.keys.get(key, self.place.at)

    def value_at(self, key: str) -> int:
        """The offset of a value."""
        return self.place.values[key].at

    def text(self, key: str, default: str = "") -> str:
        """The string under a key."""
        value = self.values.get(key, default)
        return value if isinstance(value, str) else default

    def tables(self, key: str) -> Iterator[Table]:
        """The tables under `[[key]]`."""
        values, place = self.values.get(key), self.place.values.get(key)
        if isinstance(values, list) and isinstance(place, ArrayPlace):
            for value, item in zip(values, place.items, strict=True):
                if isinstance(value, dict) and isinstance(item, TablePlace):
                    yield Table(self.source, value, item)

    def table(self, key: str) -> Table | None:
        """The table under a key."""
        value, place = self.values.get(key), self.place.values.get(key)
        if isinstance(value, dict) and isinstance(place, TablePlace):
            return Table(self.source, value, place)
        return None

    def items(self, key: str) -> Iterator[tuple[object, Place]]:
        """The entries of a list with their places."""
        values, place = self.values.get(key), self.place.values.get(key)
        if isinstance(values, list) and isinstance(place, ArrayPlace):
            yield from zip(values, place.items, strict=True)

    def flat(self) -> Iterator[tuple[str, object, int]]:
        """Dotted names, values and the offsets of the names: `company.employees = 3` is one name."""
        yield from _flat(self.values, self.place, "")


def _flat(values: Mapping[str, object], place: TablePlace, prefix: str) -> Iterator[tuple[str, object, int]]:
    for key, value in values.items():
        inner = place.values[key]
        if isinstance(value, dict) and isinstance(inner, TablePlace):
            yield from _flat(value, inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value, place.keys[key]


def _misfit(key: Key, value: object) -> str | None:
    """What a value should have been, or None if it fits."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    match key.shape:
        case Shape.ID | Shape.FIELD_ID:
            letters = "a-z, 0-9 and -" if key.shape is Shape.ID else "a-z, 0-9, _ and -"
            fits = isinstance(value, str) and _IDS[key.shape].fullmatch(value) is not None
            return None if fits else f"must be a text of {letters}"
        case Shape.TEXT | Shape.EXPRESSION:
            return None if isinstance(value, str) else 'must be a text in quotes: "…"'
        case Shape.TRUTH:
            return None if isinstance(value, bool) else "must be true or false"
        case Shape.ALWAYS:
            return None if value is True else "can only be true"
        case Shape.COUNT:
            return (
                None if whole and isinstance(value, int) and value >= 0 else "must be a whole number from 0"
            )
        case Shape.SHARE:
            number = (whole or isinstance(value, Decimal)) and Decimal(str(value)).is_finite()
            fits = number and 0 <= Decimal(str(value)) <= 1
            return None if fits else "must be a number between 0 and 1"
        case Shape.MODE:
            fits = isinstance(value, str) and value in set(Mode)
            hint = suggest(value, list(Mode)) if isinstance(value, str) else ""
            return None if fits else f'must be "mirror" or "append"{hint}'
        case Shape.DRIFT:
            fits = isinstance(value, str) and value in set(Drift)
            hint = suggest(value, list(Drift)) if isinstance(value, str) else ""
            return None if fits else f'must be "respect", "re-add once" or "adopt"{hint}'
        case Shape.CLOCK:
            fits = isinstance(value, str) and CLOCK.fullmatch(value) is not None
            return None if fits else 'must be a time of day in quotes, such as "07:30"'
        case Shape.INSTANT:
            return None if isinstance(value, dt.date) else "must be an instant such as 2026-03-02T09:00:00Z"
        case Shape.TARGETS:
            return None if isinstance(value, list) else 'must be a list of connections: ["hubspot-eu"]'
        case Shape.DURATION:
            fits = isinstance(value, str) and DURATION.fullmatch(value) is not None
            return None if fits else 'must be a time in hours, days or weeks, such as "7 days"'
        case Shape.NUMBER:
            fits = (whole or isinstance(value, Decimal)) and Decimal(str(value)).is_finite()
            return None if fits else "must be a number"
        case Shape.FEATURES:
            fits = isinstance(value, dict) and all(
                isinstance(each, str) and FEATURE.fullmatch(name) for name, each in value.items()
            )
            return None if fits else 'must be names and values: { orders = "count(purchase)", … }'
        case Shape.CLUSTERS:
            fits = value == "auto" or (whole and isinstance(value, int) and 2 <= value <= MOST_CLUSTERS)
            return None if fits else f'must be "auto" or a whole number from 2 to {MOST_CLUSTERS}'
        case Shape.NAMES:
            fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
            return None if fits else 'must be a list of names: ["orders"]'
        case Shape.TABLE | Shape.FACTS | Shape.SINCE:
            return None if isinstance(value, dict) else "must be a table { … }"
        case _:
            fits = isinstance(value, list) and all(isinstance(each, dict) for each in value)
            how = "{ … }" if key.shape in (Shape.ACTIVITIES, Shape.ENTRIES) else f"written as [[{key.name}]]"
            return None if fits else f"must be a list of tables, {how}"
