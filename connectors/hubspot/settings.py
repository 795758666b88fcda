"""A connection's settings, checked without network, SDK or the key itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connectors.registry import SettingValue

OAUTH = ("client_id", "client_secret", "refresh_token")
VERSIONS = ("2026-09", "v3")
MOST_CONNECTIONS = 16
FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
WHOLE = {"lookback_s": 600, "full_days": 7, "archived_hours": 24, "ids_per_call": 1000}
FLAGS = {"companies": True, "deals": True, "ask_unsubscribed": False}


@dataclass(frozen=True, slots=True)
class Reading:
    """How contacts and deals are read."""

    lookback_s: int = 600
    full_days: int = 7
    archived_hours: int = 24
    companies: bool = True
    ask_unsubscribed: bool = False


def settings_problems(settings: Mapping[str, SettingValue]) -> Iterator[str]:
    """Everything that is wrong, as "KEY: sentence". Keys may still be references and are not looked at."""
    given = [name for name in OAUTH if settings.get(name)]
    if given and settings.get("access_token"):
        yield f"access_token: either a token or an OAuth app ({', '.join(given)}), not both"
    elif given and len(given) < len(OAUTH):
        missing = ", ".join(name for name in OAUTH if name not in given)
        yield f"{given[0]}: an OAuth app needs {missing} too"
    connections = settings.get("connections", 6)
    if not _whole(connections) or not 1 <= int(str(connections)) <= MOST_CONNECTIONS:
        yield f"connections: must be between 1 and {MOST_CONNECTIONS}"
    for name in WHOLE:
        least = 1 if name == "ids_per_call" else 0
        value = settings.get(name, WHOLE[name])
        if not _whole(value) or int(str(value)) < least:
            yield f"{name}: must be a whole number, not less than {least}"
    for name in FLAGS:
        if not isinstance(settings.get(name, True), bool):
            yield f"{name}: must be true or false"
    for name in ("properties", "subscriptions"):
        value = settings.get(name, [])
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v for v in value):
            yield f'{name}: is a list of texts, as in ["…", "…"]'
    own_field = settings.get("own_field", "segsync_segments")
    if not isinstance(own_field, str) or not FIELD_NAME.fullmatch(own_field) or own_field.startswith("hs_"):
        yield "own_field: is a property's internal name: small letters, digits and _, not beginning with hs_"
    if settings.get("api_version", VERSIONS[0]) not in VERSIONS:
        yield f"api_version: is one of {', '.join(VERSIONS)}"
    reserve = settings.get("daily_reserve", 0.1)
    if isinstance(reserve, bool) or not isinstance(reserve, int | float) or not 0 <= reserve < 1:
        yield "daily_reserve: is a share of the day's calls, from 0 to less than 1"
    if not isinstance(settings.get("folder", ""), str):
        yield "folder: is the name of a folder of lists"
    base_url = settings.get("base_url")
    if base_url is not None and not re.match(r"https?://\S+$", str(base_url)):
        yield "base_url: must start with https:// or http://"


def whole(settings: Mapping[str, SettingValue], name: str) -> int:
    """A whole number of the settings, or its default."""
    return int(str(settings.get(name, WHOLE[name])))


def flag(settings: Mapping[str, SettingValue], name: str) -> bool:
    """A true or false of the settings, or its default."""
    return bool(settings.get(name, FLAGS[name]))


def texts(settings: Mapping[str, SettingValue], name: str) -> tuple[str, ...]:
    """A list of texts of the settings; empty by default."""
    given = settings.get(name, [])
    return tuple(str(value) for value in given) if isinstance(given, list | tuple) else ()


def _whole(value: SettingValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
