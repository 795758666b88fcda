"""Which platforms there are, what each wants to know, and how to open a connection to one.

A platform is a folder `connectors/NAME/` whose `__init__.py` exposes `PLATFORM`. Adding one edits no
other code. This module and those `__init__` files stay light: no SDK, no Arrow, until something opens.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol, TypeAlias

import connectors

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.budget import Budgets
    from connectors.pacing import Clock
    from connectors.simulation import Simulation

SettingValue: TypeAlias = (
    "str | int | float | bool | date | Sequence[SettingValue] | Mapping[str, SettingValue] | None"
)
"""What a config file can hold; secrets arrive resolved, as text."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a connection in the config. `secret` values are given as env:NAME or file:PATH."""

    name: str
    required: bool = False
    secret: bool = False
    meaning: str = ""
    default: SettingValue = None


class Opens(Protocol):
    """Checks settings and makes the connector, without network. Raises BadSource."""

    def __call__(
        self, settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets | None = None, /
    ) -> Connector:
        """`budgets`: what is left of each account's limits, shared by all; None: by this process only."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What `connectors/NAME/__init__.py` exposes as PLATFORM."""

    name: str
    settings: tuple[Setting, ...]
    open: Opens
    simulator: Callable[[int], Simulation] | None = None
    """Builds the simulated platform with so many people in it (0: an empty account)."""
    problems: Callable[[Mapping[str, SettingValue]], Iterable[str]] | None = None
    """Everything wrong inside the settings, for the config, as "KEY.INNER[0].KEY: sentence" below the
    connection. No network, no files; secrets come as their references. None: only names are checked."""


class UnknownPlatform(KeyError):
    """No such folder under connectors/; the message names the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


def platforms() -> list[str]:
    """Names of all platforms that have a connector, sorted."""
    folders = sorted(m.name for m in pkgutil.iter_modules(connectors.__path__) if m.ispkg)
    return [name for name in folders if _load(name) is not None]


def platform(name: str) -> Platform:
    """The platform called `name`; raises UnknownPlatform with the nearest name."""
    found = _load(name) if name.isidentifier() else None
    if found is not None:
        return found
    known = platforms()
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
    raise UnknownPlatform(f"there is no platform '{name}'; {hint}")


def _load(name: str) -> Platform | None:
    try:
        module = importlib.import_module(f"connectors.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"connectors.{name}":
            return None
        raise
    found = getattr(module, "PLATFORM", None)
    return found if isinstance(found, Platform) else None
