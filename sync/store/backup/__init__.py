"""Backups: one archive with the control database's rows, the lake's current files and the waiting pages.

It is portable: rows are plain JSON lines, so a backup of SQLite restores into PostgreSQL and the other way,
and into another folder. It holds no config and no secrets, but personal data: its file is the owner's alone.
"""

from __future__ import annotations

from sync.store.backup.archive import BadBackup, Manifest
from sync.store.backup.restore import restore
from sync.store.backup.take import back_up

__all__ = ["BadBackup", "Manifest", "back_up", "restore"]
