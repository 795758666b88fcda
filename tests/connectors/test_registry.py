"""Platforms are found by their folder, lazily, and named well when misspelt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import connectors
from connectors.registry import Platform, UnknownPlatform, platform, platforms

HEAVY = ("pyarrow", "requests", "mailchimp_marketing", "sqlalchemy", "duckdb", "connectors.base")


def test_mailchimp_is_found() -> None:
    assert "mailchimp" in platforms()
    assert platform("mailchimp").name == "mailchimp"


def test_folders_that_are_no_platforms_are_not_listed() -> None:
    assert "simulation" not in platforms()


def test_every_platform_is_named_like_its_folder_and_says_what_its_settings_mean() -> None:
    for name in platforms():
        found = platform(name)
        assert found.name == name
        assert all(setting.meaning for setting in found.settings), name
        assert len({s.name for s in found.settings}) == len(found.settings)


def test_a_misspelt_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownPlatform, match="did you mean 'mailchimp'"):
        platform("mailchmip")
    with pytest.raises(UnknownPlatform, match="there are: "):
        platform("zzzz")
    for name in ("base", "simulation", "registry", "../x", "", "mailchimp.client"):
        with pytest.raises(UnknownPlatform):
            platform(name)


def test_looking_at_platforms_imports_nothing_heavy() -> None:
    """`segsync --help` and `check` must not pay for SDKs they do not use."""
    code = (
        "import sys, connectors.registry as r\n"
        "[r.platform(n) for n in r.platforms()]\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_new_folder_is_a_new_platform_without_other_edits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "paperboard"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from connectors.registry import Platform, Setting\n"
        "PLATFORM = Platform('paperboard', (Setting('path', meaning='where'),), open=lambda s, c: None)\n"
    )
    monkeypatch.setattr(connectors, "__path__", [*connectors.__path__, str(tmp_path)])
    assert "paperboard" in platforms()
    assert isinstance(platform("paperboard"), Platform)
    monkeypatch.delitem(sys.modules, "connectors.paperboard")


def test_a_platform_that_cannot_be_imported_is_no_missing_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "brokenboard"
    folder.mkdir()
    (folder / "__init__.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.setattr(connectors, "__path__", [*connectors.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        platform("brokenboard")
