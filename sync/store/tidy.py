"""Let go of the lake's past: snapshots nobody needs any more, and files that no snapshot names.

Files appear in the lake before the commit that names them; a crash in between leaves them here to be found.
"""

from __future__ import annotations

import datetime as dt
import shutil
from itertools import pairwise
from pathlib import Path

from pyiceberg.table import Table

from sync.store.catalog import NAMESPACE
from sync.store.lake import Lake
from sync.store.manifests import read, read_list
from sync.store.shapes import SHAPES

HOLDING = "holding"
"""Folder in the lake with the files that backups under way hold on to."""
_YOUNG_S = 3600
"""Younger files may belong to a commit under way in another process."""


def tidy(lake: Lake, *, now: dt.datetime, keep_days: int = 7) -> int:
    """Drop snapshots that were replaced more than `keep_days` ago and unreferenced files, an hour old at
    least. Returns how many files went. Call it only while holding the run's lease."""
    removed = 0
    for name in SHAPES:
        table = lake.table(name)
        if table is None:
            continue
        before = now - dt.timedelta(days=keep_days)
        if past := _past(table, before):
            table.maintenance.expire_snapshots().by_ids(past).commit()
            table = lake.table(name)
        if table is not None:
            removed += _remove_unnamed(lake.folder / NAMESPACE / name, names_of(table), now)
    lake.copies.sweep()
    for held in (lake.folder / HOLDING).glob("*"):  # a backup that was killed
        if held.stat().st_mtime < now.timestamp() - 24 * _YOUNG_S:
            shutil.rmtree(held, ignore_errors=True)
    spilled = lake.folder / "temporary"
    if spilled.exists():
        for path in sorted(spilled.rglob("*"), reverse=True):
            if path.stat().st_mtime < now.timestamp() - 24 * _YOUNG_S:
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    return removed


def _past(table: Table, before: dt.datetime) -> list[int]:
    """Snapshots that were replaced before then: the one that was current at that moment stays."""
    snapshots = sorted(table.metadata.snapshots, key=lambda one: one.timestamp_ms)
    return [
        old.snapshot_id for old, new in pairwise(snapshots) if new.timestamp_ms < before.timestamp() * 1000
    ]


def names_of(table: Table) -> set[str]:
    """Names of all files that any snapshot or the metadata still needs."""
    names = {Path(table.metadata_location).name}
    names |= {Path(entry.metadata_file).name for entry in table.metadata.metadata_log}
    for snapshot in table.metadata.snapshots:
        names.add(Path(snapshot.manifest_list).name)
        for manifest in read_list(snapshot.manifest_list):
            if (name := Path(manifest.manifest_path).name) in names:
                continue  # most of a snapshot's manifests are those of the one before
            names.add(name)
            names |= {Path(entry.data_file.file_path).name for entry in read(manifest)}
    return names


def unnamed_files(folder: Path, named: set[str], now: dt.datetime) -> list[Path]:
    """Files of a table's folder that nothing needs, an hour old at least."""
    return [
        path
        for path in [*folder.glob("data/*"), *folder.glob("metadata/*")]
        if path.name not in named and path.stat().st_mtime < now.timestamp() - _YOUNG_S
    ]


def _remove_unnamed(folder: Path, named: set[str], now: dt.datetime) -> int:
    gone = unnamed_files(folder, named, now)
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
