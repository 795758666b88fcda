"""Who may be a worker on a store: on SQLite one process, on PostgreSQL all that share the lake's folder."""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sync.store.errors import NotShared
from sync.store.store import Store

FOLDER_NOTE = "lake_folder"
"""The note that holds the sign which the lake's folder carries."""


@contextmanager
def worker(store: Store) -> Iterator[None]:
    """The right to work on the store's queue until the end of the block; `NotShared` if it is not given.

    On SQLite the lock is the operating system's: it goes with the process that holds it, however it ends.
    """
    _must_be_the_lake(store)
    if not store.database.is_sqlite:
        yield
        return
    with Path(f"{store.database.place}.worker").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotShared(
                f"another worker process is at work on {store.database.place}; a SQLite store takes one"
                ' (of several threads). For more processes use PostgreSQL: database = "postgresql://…"'
                " in the section [store] of the config"
            ) from error
        yield


def _must_be_the_lake(store: Store) -> None:
    """The folder is the one that the other workers on this database see: pages are handed over in it."""
    file = store.folder / "sign"
    with suppress(FileExistsError), file.open("x") as fresh:
        fresh.write(uuid.uuid4().hex)
    sign = file.read_text()
    known = store.notes.get(FOLDER_NOTE)
    if known is None:
        store.notes.set(FOLDER_NOTE, sign)
    elif known != sign:
        raise NotShared(
            f"{store.folder} is not the lake's folder that the other workers on this database use; machines"
            f" that share a database must share that folder, too (after a restore, delete {file.name} in it)"
        )
