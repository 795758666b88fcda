"""Take a backup while runs go on: one moment of the control database, and the files that moment names.

Files of the lake and of the inbox never change, but may be removed once nothing names them. So they get a
second name (a hard link) in the same moment; if one was quicker and is gone, the moment is taken again.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from sync.store.backup.archive import FORMAT, ArchivedTable, ArchiveWriter, Manifest
from sync.store.backup.lakes import files_at
from sync.store.backup.rows import dump, stored_tables
from sync.store.catalog import StoreCatalog
from sync.store.database import Database
from sync.store.errors import StoreError, no_space_is_told
from sync.store.migrate import known_revision
from sync.store.tidy import HOLDING

_TRIES = 5


def back_up(url: str, lake: Path, target: Path, *, now: dt.datetime, version: str) -> tuple[Path, Manifest]:
    """Write a backup of the store to the new file `target`, or into the folder `target` under a name of its
    own. The store is not upgraded. Raises StoreError; an unfinished file is never left behind."""
    if target.is_dir():
        target = target / f"segsync-{now:%Y%m%dT%H%M%SZ}.tar"
    if target.exists():
        raise StoreError(f"{target} exists already; a backup never overwrites a file")
    if not target.parent.is_dir():
        raise StoreError(f"there is no folder {target.parent}; make it first")
    database = Database(url)
    try:
        if database.is_sqlite and not Path(database.place).exists():
            raise StoreError(f"there is no store in {database.place} yet: nothing to back up")
        held = lake.absolute() / HOLDING / uuid.uuid4().hex
        try:
            moment = _hold(database, lake.absolute(), held)
            return target, _write(moment, held, target, now=now, version=version)
        finally:
            shutil.rmtree(held, ignore_errors=True)
    finally:
        database.close()


@dataclass(frozen=True, slots=True)
class _Moment:
    revision: str
    database: str
    rows: dict[str, int]
    lake: dict[str, ArchivedTable]
    pages: tuple[str, ...]


def _hold(database: Database, lake: Path, held: Path) -> _Moment:
    for _ in range(_TRIES):
        try:
            with no_space_is_told(held.parent):
                held.mkdir(parents=True)
                with database.snapshot() as connection:
                    return _moment(connection, database, lake, held)
        except FileNotFoundError:  # removed between our reading its name and our holding on to it
            shutil.rmtree(held, ignore_errors=True)
    raise StoreError(
        f"files that the store names are not in the lake's folder {lake}; see `segsync doctor`,"
        " and check that the config names the folder that belongs to the database"
    )


def _moment(connection: Connection, database: Database, lake: Path, held: Path) -> _Moment:
    revision = known_revision(connection, database)
    if revision is None:
        raise StoreError(f"there is no store in {database.place} yet: nothing to back up")
    tables = stored_tables(connection)
    catalog, pages = tables["iceberg_tables"], tables["pages"]
    reading = StoreCatalog(database, lake.as_uri())
    found: dict[str, ArchivedTable] = {}
    for name, location in connection.execute(
        select(catalog.c.table_name, catalog.c.metadata_location).order_by(catalog.c.table_name)
    ):
        definition, files = files_at(reading, name, location)
        for file in files:
            _keep(Path(file.path), held / name / Path(file.path).name)
        found[name] = ArchivedTable(
            definition, {Path(file.path).name: (file.partition, file.rows) for file in files}
        )
    waiting = select(pages.c.file).where(pages.c.state == "committed").order_by(pages.c.id)
    names = tuple(connection.execute(waiting).scalars())
    for file in names:
        _keep(lake / "inbox" / file, held / "inbox" / file)
    rows = {}
    (held / "database").mkdir()
    for name, table in tables.items():
        with gzip.open(held / "database" / f"{name}.jsonl.gz", "wb", compresslevel=6) as sink:
            rows[name] = dump(connection, table, sink)
    return _Moment(revision, "sqlite" if database.is_sqlite else "postgresql", rows, found, names)


def _keep(path: Path, held: Path) -> None:
    held.parent.mkdir(exist_ok=True)
    try:
        os.link(path, held)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(path, held)


def _write(moment: _Moment, held: Path, target: Path, *, now: dt.datetime, version: str) -> Manifest:
    writer = ArchiveWriter(target, at=now)
    try:
        for name in moment.rows:
            writer.add(f"database/{name}.jsonl.gz", held / "database" / f"{name}.jsonl.gz")
        for table, archived in moment.lake.items():
            for file in archived.files:
                writer.add(f"lake/{table}/{file}", held / table / file)
        for file in moment.pages:
            writer.add(f"inbox/{file}", held / "inbox" / file)
        manifest = Manifest(
            format=FORMAT,
            segsync=version,
            revision=moment.revision,
            made_at=now,
            database=moment.database,
            rows=moment.rows,
            lake=moment.lake,
            pages=len(moment.pages),
            files=writer.files,
        )
        writer.finish(manifest)
        return manifest
    finally:
        writer.abandon()
