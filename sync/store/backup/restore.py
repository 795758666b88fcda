"""Put a backup back: check all of it, lay the files down, then one transaction makes it the store.

Until that transaction commits nothing that was there has changed, whatever breaks. Afterwards no claim is
held by anybody, and the platforms' audiences are read afresh by the next plan.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from sqlalchemy import Connection, Table, delete, func, inspect, select, update

from sync.store.backup.archive import ArchiveReader, BadBackup, Manifest
from sync.store.backup.lakes import data_path, rebuild
from sync.store.backup.rows import VERSION_TABLE, load, number_on, stored_tables
from sync.store.catalog import NAMESPACE
from sync.store.database import Database
from sync.store.errors import NoSpaceLeft, RunInProgress, StoreError
from sync.store.migrate import knows, lock, upgrade
from sync.store.owners import is_dead
from sync.store.sole import FOLDER_NOTE
from sync.store.tables import audiences, budget_places, notes, runs, tasks

_DATA = ("runs", "checkpoints", "audiences", "pages", "iceberg_tables")
"""A store with a row in one of these has something to lose."""


def restore(path: Path, url: str, lake: Path, *, force: bool = False) -> Manifest:
    """Make the backup `path` the store at `url` (either database) with its lake in the folder `lake`.

    Refuses a store that holds anything, unless `force`; a run at work there is refused in any case.
    Raises `BadBackup` or another StoreError with nothing changed.
    """
    lake = lake.absolute()
    with ArchiveReader(path) as archive:
        manifest = archive.manifest
        if not knows(manifest.revision):
            raise BadBackup(
                f"{path} was made by the newer segsync {manifest.segsync}; restore it with that version"
            )
        archive.verify()
        database = Database(url)
        try:
            with database.reading() as connection:
                _must_be_free(connection, database, force=force)
            if not force and _holds_files(lake):
                raise StoreError(
                    f"the lake's folder {lake} is not empty; name another, or restore with --force"
                )
            _lay_down(archive, lake)
            locations = rebuild(lake, manifest.lake)
            with database.writing() as connection:
                lock(connection, database)
                _must_be_free(connection, database, force=force)
                _replace(connection, archive, locations)
        finally:
            database.close()
    return manifest


def _must_be_free(connection: Connection, database: Database, *, force: bool) -> None:
    there = set(inspect(connection).get_table_names())
    if not there:
        return
    if VERSION_TABLE not in there:
        raise StoreError(
            f"the database {database.place} holds tables that are not segsync's;"
            " give segsync a database of its own"
        )
    tables = stored_tables(connection)
    if "runs" in tables:
        _nobody_works(connection, database, tables["runs"])
    if force:
        return
    for name in _DATA:
        if name in tables and connection.execute(select(func.count()).select_from(tables[name])).scalar():
            raise StoreError(
                f"the store in {database.place} is in use: what it holds would be lost. Restore into another"
                " folder with --into, or replace it with --force (take a backup of it first)"
            )


def _nobody_works(connection: Connection, database: Database, table: Table) -> None:
    query = select(table.c.id, table.c.owner, table.c.lease_until).where(table.c.state == "running")
    for run_id, owner, until in connection.execute(query):
        if until > database.now_ms(connection) and not is_dead(owner):
            raise RunInProgress(f"run {run_id} is at work on the store in {database.place}; stop it first")


def _holds_files(lake: Path) -> bool:
    return any(lake.glob(f"{NAMESPACE}/*/data/*")) or any(lake.glob("inbox/*"))


def _lay_down(archive: ArchiveReader, lake: Path) -> None:
    lake.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(lake).free
    if archive.manifest.bytes > free:
        raise NoSpaceLeft(
            f"{lake} has {free >> 20:,} MiB free and the backup needs {archive.manifest.bytes >> 20:,};"
            " nothing was changed"
        )
    for name in archive.manifest.files:
        folder, _, file = name.rpartition("/")
        if folder == "inbox":
            archive.extract(name, lake / "inbox" / file)
        elif folder.startswith("lake/"):
            archive.extract(name, data_path(lake, folder.removeprefix("lake/"), file))


def _replace(connection: Connection, archive: ArchiveReader, locations: dict[str, str]) -> None:
    old = stored_tables(connection)
    for table in reversed(old.values()):
        table.drop(connection)
    if inspect(connection).has_table(VERSION_TABLE):
        connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
    upgrade(connection, to=archive.manifest.revision)
    tables = stored_tables(connection)
    for name, expected in archive.manifest.rows.items():
        if name not in tables:
            raise BadBackup(f"{archive.path} holds a table {name} that its version does not have")
        with archive.open(f"database/{name}.jsonl.gz") as packed, gzip.open(packed) as source:
            if load(connection, tables[name], source) != expected:
                raise BadBackup(f"{archive.path}: {name} does not have the {expected} rows its manifest says")
    catalog = tables["iceberg_tables"]
    for name, location in locations.items():
        values = {"metadata_location": location, "previous_metadata_location": None}
        connection.execute(update(catalog).where(catalog.c.table_name == name).values(values))
    number_on(connection, tables.values())
    upgrade(connection, to="head")
    _let_go(connection)


def _let_go(connection: Connection) -> None:
    """Of what was true of processes and platforms then: claims, calls under way, marks, the lake's sign."""
    free = {"lease_until": 0, "owner": {}}
    for table in (runs, tasks):
        connection.execute(
            update(table).where(table.c.state == "running").values(**free, fence=table.c.fence + 1)
        )
    connection.execute(delete(budget_places))
    connection.execute(update(audiences).values(remote_mark=None))
    connection.execute(delete(notes).where(notes.c.key == FOLDER_NOTE))
