"""Two platforms as a connector would declare them: enough to check a config without opening anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from connectors.base import Connector
from connectors.registry import Platform, Setting, SettingValue
from sync.config import ConfigError, Settings, load


def _open(settings: Mapping[str, SettingValue], clock: object) -> Connector:
    raise AssertionError("reading a config opens nothing")


def _letter_problems(settings: Mapping[str, SettingValue]) -> Iterator[str]:
    """A validator of nested settings, as a platform may offer one."""
    contacts = settings.get("contacts")
    if isinstance(contacts, Mapping):
        for key in contacts:
            if key != "key":
                yield f'contacts.{key}: unknown key; did you mean "key"?'


LETTERS = Platform(
    name="letters",
    settings=(
        Setting("api_key", required=True, secret=True, meaning="from the account page"),
        Setting("list", required=True, meaning="the list's id"),
        Setting("parallel", default=6),
        Setting("timeout_s", default=30.0),
        Setting("url"),
    ),
    open=_open,
)
FILES = Platform(
    name="files",
    settings=(Setting("url", required=True), Setting("contacts"), Setting("activity")),
    open=_open,
    problems=_letter_problems,
)
PLATFORMS = {"letters": LETTERS, "files": FILES}


def load_text(folder: Path, text: str) -> Settings:
    """The settings of a config with this text."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, platforms=PLATFORMS)


def problems_of(folder: Path, text: str) -> list[str]:
    """What the load of this text complains of, one line each."""
    try:
        settings = load_text(folder, text)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in settings.warnings]
