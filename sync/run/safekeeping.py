"""Backups of the configured store, and putting one back: into the configured store or into a new folder."""

from __future__ import annotations

import datetime as dt
from importlib.metadata import version
from pathlib import Path

from connectors.pacing import Clock, SystemClock
from sync.errors import UserError
from sync.run.workspace import secrets_told, settings_from
from sync.store.backup import Manifest, back_up, restore


def take_backup(config: Path, target: Path, *, clock: Clock | None = None) -> tuple[Path, Manifest]:
    """Back up the store that `config` names to a file or into a folder; also while a run is at work."""
    url, lake = _store_of(config)
    now = (clock or SystemClock()).utc_now().astimezone(dt.UTC)
    return back_up(url, lake, target, now=now, version=version("segsync"))


def restore_backup(
    config: Path, backup: Path, *, into: Path | None = None, force: bool = False
) -> tuple[Manifest, str | None]:
    """Restore into the store that `config` names, or into the new folder `into` (SQLite; no config needed).

    Returns what was restored, and for `into` the section [store] that a config needs to use it.
    """
    if into is None:
        url, lake = _store_of(config)
        return restore(backup, url, lake, force=force), None
    into = into.absolute()
    if into.exists() and not into.is_dir():
        raise UserError(f"{into} is a file; --into wants a folder")
    database = into / "segsync.db"
    manifest = restore(backup, f"sqlite:///{database}", into / "lake", force=force)
    return manifest, f'[store]\ndatabase = "sqlite:///{database}"\nlake = "{into / "lake"}"'


def _store_of(config: Path) -> tuple[str, Path]:
    settings = settings_from(config)
    with secrets_told():
        return settings.store.url(), Path(settings.store.lake)
