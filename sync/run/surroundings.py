"""The machine and the installation around a store: what `doctor` looks at besides the store itself."""

from __future__ import annotations

import datetime as dt
import shutil
import stat
import sys
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

_OURS = "segsync"


def _free(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _installed() -> dict[str, str | None]:
    """Requirement as segsync's metadata words it (without extras) → version installed, None if missing."""
    from packaging.requirements import Requirement

    found: dict[str, str | None] = {}
    try:
        asked = requires(_OURS) or []
    except PackageNotFoundError:
        return found
    for line in asked:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found[line] = version(requirement.name)
        except PackageNotFoundError:
            found[line] = None
    return found


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How to ask: bytes free at a path, the time, Python's version, what is installed, known time zones."""

    free: Callable[[Path], int] = _free
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    python: tuple[int, int] = (sys.version_info.major, sys.version_info.minor)
    installed: Callable[[], Mapping[str, str | None]] = _installed
    zones: Callable[[], set[str]] = field(default=zoneinfo.available_timezones)


def unmet(installed: Mapping[str, str | None]) -> list[str]:
    """Requirements that the installation does not meet, as "name: what is there, what is needed"."""
    from packaging.requirements import Requirement

    found = []
    for line, there in installed.items():
        requirement = Requirement(line)
        if there is None:
            found.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(there, prereleases=True):
            found.append(f"{requirement.name} is {there} and must be {requirement.specifier}")
    return found


def python_fits(python: tuple[int, int]) -> str | None:
    """What segsync's metadata asks of Python if `python` is something else; None if it fits."""
    from importlib.metadata import metadata

    from packaging.specifiers import SpecifierSet

    try:
        asked = metadata(_OURS)["Requires-Python"]
    except PackageNotFoundError:
        return None
    if asked is None or SpecifierSet(asked).contains(f"{python[0]}.{python[1]}"):
        return None
    return str(asked)


def open_to_others(path: Path) -> bool:
    """Whether other users of the machine may read or write what lies at `path`."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False


def writable_by_others(path: Path) -> bool:
    """Whether other users of the machine may change what lies at `path`."""
    try:
        return bool(path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    except OSError:
        return False
