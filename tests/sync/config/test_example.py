"""The example config in the repository is complete and loads with the platforms that ship."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connectors import registry
from sync.config import load
from sync.config.settings import BrakeSettings

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def test_the_example_config_loads_without_a_problem_or_warning() -> None:
    settings = load(EXAMPLE)
    assert settings.warnings == ()
    assert set(settings.connections) == {"shop", "newsletter"}
    assert settings.brakes == BrakeSettings()
    assert settings.fields["loyalty_points"].sources == (("shop", "points"),)


@pytest.mark.parametrize("section", ["store", "business", "names", "identity", "trust", "brakes", "connections"])
def test_the_example_shows_every_section(section: str) -> None:
    assert section in tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


def test_the_example_names_no_platform_or_setting_that_does_not_exist() -> None:
    values = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    for connection in values["connections"].values():
        known = {setting.name for setting in registry.platform(connection["platform"]).settings}
        assert set(connection) - {"platform", "source", "destination"} <= known


def test_no_line_of_the_example_holds_a_secret() -> None:
    settings = load(EXAMPLE)
    assert repr(settings.connections["newsletter"].values["api_key"]) == "***"
