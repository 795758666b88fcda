"""Faults on demand: by chance from a seed, or at a scripted call. Pure choice; the server acts on it.

A faults file (TOML, or JSON of the same shape):

    seed = 7
    delay_s = 0.02                       # every call takes this long
    [[chance]]                           # any call that matches, with this probability
    kind = "rate_limited"
    probability = 0.1
    retry_after_s = 2
    [[script]]                           # exactly the third matching call
    operation = "POST /lists/*/segments/*"
    nth = 3
    kind = "empty_503"
    when = "after"                       # the effect happened, the answer is lost
"""

from __future__ import annotations

import json
import random
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar


class Kind(StrEnum):
    """What goes wrong."""

    RATE_LIMITED = "rate_limited"  # the platform's 429, with Retry-After if `retry_after_s` is given
    FORBIDDEN_BARE = "bare_403"  # no body, no problem document
    HTML_502 = "html_502"
    EMPTY_503 = "empty_503"  # no body and no Content-Type
    TRUNCATED_200 = "truncated_200"  # half of the real answer; always after the effect
    CUT = "cut"  # the connection is closed without an answer
    SLOW = "slow"  # the real answer, `seconds` late


class When(StrEnum):
    """Whether the call takes effect before it fails."""

    BEFORE = "before"
    AFTER = "after"


class FaultsFileError(ValueError):
    """A faults file or mapping that cannot be understood; the message says where."""


@dataclass(frozen=True, slots=True)
class Chance:
    """Any call of a matching operation fails with `probability` (0 to 1)."""

    kind: Kind
    probability: float
    operation: str = "*"
    when: When = When.BEFORE
    retry_after_s: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """The `nth` call (from 1) of a matching operation fails, and the `times` − 1 matching ones after it."""

    kind: Kind
    operation: str = "*"
    nth: int = 1
    times: int = 1
    when: When = When.BEFORE
    retry_after_s: float | None = None
    seconds: float = 0.0


Fault = Chance | Script
Entry = TypeVar("Entry", Chance, Script)


class Faults:
    """Chooses the fault of each call. Scripts win over chances; counting starts when a script is added."""

    def __init__(self, *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self.clear(seed=seed)

    def clear(self, *, seed: int = 0) -> None:
        """Forget all faults."""
        with self._lock:
            self._random = random.Random(seed)
            self._scripts: list[tuple[Script, list[int]]] = []
            self._chances: list[Chance] = []
            self.delay_s: float | None = None

    def add(self, *faults: Fault) -> None:
        """Add faults to those that are there."""
        with self._lock:
            for fault in faults:
                if isinstance(fault, Script):
                    self._scripts.append((fault, [0]))
                else:
                    self._chances.append(fault)

    def choose(self, operation: str) -> Fault | None:
        """The fault of the next call of `operation`. `operation` patterns may use * and ?."""
        with self._lock:
            chosen: Fault | None = None
            for script, seen in self._scripts:
                if _matches(operation, script.operation):
                    seen[0] += 1
                    if chosen is None and script.nth <= seen[0] < script.nth + script.times:
                        chosen = script
            for chance in self._chances:
                if not _matches(operation, chance.operation):
                    continue
                # Drawn even when a script won, so that adding a script does not shift the other faults.
                hit = self._random.random() < chance.probability
                if hit and chosen is None:
                    chosen = chance
            return chosen

    def load(self, given: Mapping[str, object], *, where: str = "faults") -> None:
        """Replace all faults by those of a mapping in the shape of a faults file."""
        unknown = set(given) - {"seed", "delay_s", "chance", "script"}
        if unknown:
            raise FaultsFileError(
                f"{where}: unknown key '{sorted(unknown)[0]}'; known: seed, delay_s, chance, script"
            )
        seed, delay_s = given.get("seed", 0), given.get("delay_s")
        if not isinstance(seed, int) or not isinstance(delay_s, int | float | None):
            raise FaultsFileError(f"{where}: seed is a whole number, delay_s a number of seconds")
        chances = [_entry(Chance, e, f"{where}: chance {n}") for n, e in _tables(given, "chance", where)]
        scripts = [_entry(Script, e, f"{where}: script {n}") for n, e in _tables(given, "script", where)]
        self.clear(seed=seed)
        self.delay_s = delay_s
        self.add(*chances, *scripts)

    def load_file(self, path: Path) -> None:
        """Replace all faults by those of a TOML or JSON file."""
        try:
            text = path.read_text(encoding="utf-8")
            given = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise FaultsFileError(f"{path}: {error}") from error
        if not isinstance(given, dict):
            raise FaultsFileError(f"{path}: a table with seed, delay_s, chance, script is expected")
        self.load(given, where=str(path))


def _matches(operation: str, pattern: str) -> bool:
    # In an operation ids stand as {id}; a pattern written with * or {id} both mean "any".
    return fnmatchcase(operation, pattern)


def _tables(given: Mapping[str, object], key: str, where: str) -> list[tuple[int, Mapping[str, object]]]:
    entries = given.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise FaultsFileError(f"{where}: '{key}' is a list of tables, [[{key}]]")
    return list(enumerate(entries, start=1))


def _entry(made: type[Entry], given: Mapping[str, object], where: str) -> Entry:
    known = {f.name: str(f.type) for f in fields(made)}
    values: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            raise FaultsFileError(f"{where}: unknown key '{name}'; known: {', '.join(known)}")
        kind = known[name]
        if kind in ("Kind", "When"):
            choices = Kind if kind == "Kind" else When
            if value not in [str(c) for c in choices]:
                raise FaultsFileError(f"{where}: {name} is one of {', '.join(choices)}")
            value = choices(value)
        elif isinstance(value, bool) or not isinstance(
            value, str if kind == "str" else int if kind == "int" else (int, float)
        ):
            raise FaultsFileError(f"{where}: {name} must be of type {kind}")
        values[name] = value
    try:
        return made(**values)  # type: ignore[arg-type]
    except TypeError as error:
        raise FaultsFileError(f"{where}: {error}") from error
