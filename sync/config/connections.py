"""`[connections.NAME]`: the platform, what it is used for, and the settings that platform declares.

Knows no platform by name: what may stand there comes from `connectors.registry`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path as FilePath

from connectors import registry
from connectors.registry import Platform, Setting, SettingValue
from sync.config.section import Section, kind_of
from sync.config.settings import ConnectionSettings
from sync.secrets import Secret

_NAME = re.compile(r"[a-z0-9-]+")
_SQLITE = "sqlite:///"


def read_connections(
    section: Section, platforms: Mapping[str, Platform] | None = None
) -> dict[str, ConnectionSettings]:
    """Every connection by name. A faulty one is in the answer too, so that others may refer to it."""
    known = installed() if platforms is None else platforms
    found: dict[str, ConnectionSettings] = {}
    for name, connection in section.sections():
        if not _NAME.fullmatch(name):
            connection.error(None, "a connection's name has small letters, digits and - only")
        found[name] = _connection(name, connection, known)
    return found


def installed() -> dict[str, Platform]:
    """Every platform there is a connector for."""
    return {name: registry.platform(name) for name in registry.platforms()}


def _connection(name: str, section: Section, known: Mapping[str, Platform]) -> ConnectionSettings:
    source, destination = section.yes_no("source", True), section.yes_no("destination", True)
    if not section.has("platform"):
        section.error(None, f"platform is missing; known: {', '.join(sorted(known))}")
    platform_name = section.choice("platform", known, "platform") or ""
    values: dict[str, SettingValue | Secret] = {}
    platform = known.get(platform_name)
    if platform is None:
        return ConnectionSettings(name, platform_name, source, destination)  # its keys cannot be judged
    for setting in platform.settings:
        if not section.has(setting.name):
            section.take(setting.name)
            if setting.required:
                meaning = f" ({setting.meaning})" if setting.meaning else ""
                section.error(None, f"{setting.name} is missing{meaning}")
        else:
            values[setting.name] = _value(section, setting)
    before = len(section.report.problems)
    section.close()
    if before == len(section.report.problems):
        shown = {key: v.reference if isinstance(v, Secret) else v for key, v in values.items()}
        for sentence in platform.problems(shown) if platform.problems else ():
            section.error_below(sentence)
    return ConnectionSettings(name, platform_name, source, destination, values)


def _value(section: Section, setting: Setting) -> SettingValue | Secret:
    """The setting's value: a `Secret` where one belongs, otherwise as the platform wants it."""
    written = section.take(setting.name)
    if setting.secret or (isinstance(written, str) and written.startswith("env:")):
        return section.secret(setting.name)
    default = setting.default
    if default is not None and not _like(written, default):
        section.error(setting.name, f"must be {kind_of(default)}, not {kind_of(written)}")
    return _plain(written, section.report.document.folder)


def _like(written: object, default: object) -> bool:
    """Whether a value has the type of the default; whole numbers are numbers too."""
    if isinstance(default, float):
        return type(written) in (int, Decimal)
    if isinstance(default, tuple | list):
        return isinstance(written, list)
    return isinstance(default, Mapping) or type(written) is type(default)


def _plain(value: object, folder: FilePath) -> SettingValue:
    """Floats for Decimals; files named relative to the config's folder get their absolute place."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, folder) for inner in value]
    if isinstance(value, str):
        for start in ("file:", _SQLITE):
            if value.startswith(start) and value != start:
                return start + str((folder / FilePath(value.removeprefix(start)).expanduser()).absolute())
    if isinstance(value, str | int | date):
        return value
    return None  # a time of day: no platform has a setting of that type
