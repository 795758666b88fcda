"""An installation with two connections: the platform under test, and a shop's export beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import platform
from tests.connectors.rig import Rig
from tests.databases import furnish
from tests.scenarios.company import STORE, command

SHOP = """
[connections.shop]
platform = "tables"
destination = false
url = "file:exports"
[connections.shop.contacts]
from = "customers.csv"
key = "id"
columns = { email = "mail" }
"""


@dataclass(frozen=True, slots=True)
class Company:
    """One installation in `folder`."""

    folder: Path

    def shop(self, customers: int) -> None:
        """The shop's export has so many customers now."""
        rows = [f"c{number},customer{number}@example.com" for number in range(customers)]
        exports = self.folder / "exports"
        exports.mkdir(exist_ok=True)
        (exports / "customers.csv").write_text("\n".join(["id,mail", *rows]) + "\n")

    def pull(self, *, code: int) -> dict[str, Any]:
        """`segsync pull`, which must end with `code`; its report of each connection."""
        answer = command("pull", "--format", "json", config=self.folder / "config.toml")
        assert answer.code == code, answer.said
        found: dict[str, Any] = answer.document["connections"]
        return found


def company(rig: Rig, folder: Path, patch: pytest.MonkeyPatch) -> Company:
    """The installation, its config written; the run's clock is the rig's."""
    patch.setattr("sync.run.workspace.SystemClock", lambda: rig.clock)
    secret = {setting.name for setting in platform(rig.platform).settings if setting.secret}
    lines = ["", "[connections.platform]", f'platform = "{rig.platform}"']
    for name, value in rig.settings().items():
        if name in secret or "://" in str(value):
            patch.setenv(f"CONTRACT_{name.upper()}", str(value))
        if name in secret or "sql" in str(value).partition("://")[0]:
            value = f"env:CONTRACT_{name.upper()}"
        lines.append(f"{name} = {_toml(value)}")
    home = folder / "installation"
    (home / "rules").mkdir(parents=True)
    (home / "config.toml").write_text("\n".join([STORE, *lines, SHOP]))
    furnish(home / "segsync.db")
    return Company(home)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
