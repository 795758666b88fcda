"""The example config in the repository is complete and loads with the platforms that ship."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connectors import registry
from sync.config import ConfigError, load
from sync.config.settings import BrakeSettings

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def test_the_example_config_loads_without_a_problem_or_warning() -> None:
    settings = load(EXAMPLE)
    assert settings.warnings == ()
    assert set(settings.connections) == {"shop", "newsletter"}
    assert settings.brakes == BrakeSettings()
    assert settings.fields["loyalty_points"].sources == (("shop", "points"),)


@pytest.mark.parametrize(
    "section",
    [
        "store",
        "business",
        "names",
        "identity",
        "trust",
        "quality",
        "brakes",
        "approval",
        "connections",
        "models",
        "schedules",
    ],
)
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


def test_a_mistake_inside_the_settings_of_tables_is_told_with_its_line(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    wrong = text.replace('at = "ordered_at" ', 'att = "ordered_at"').replace(
        'birthday = "date"', 'birthday = "dat"'
    )
    (tmp_path / "config.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.toml")
    lines = wrong.split("\n")
    told = {problem.key: problem for problem in caught.value.problems}
    assert set(told) == {
        "connections.shop.contacts.types.birthday",
        "connections.shop.activity[0].att",
        "connections.shop.activity[0].at",
    }
    assert '"dat"' in lines[(told["connections.shop.contacts.types.birthday"].line or 0) - 1]
    assert "att = " in lines[(told["connections.shop.activity[0].att"].line or 0) - 1]
