"""Bring a control database to this program's version, once, under a lock, in one transaction.

A store written by a newer segsync is refused: an old program must not guess at new tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.catalog.sql import SqlCatalogBaseTable
from sqlalchemy import Connection, MetaData, inspect, text

from sync.store.database import Database
from sync.store.errors import NewerStore, StoreError
from sync.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0014"
"""The newest file in `migrations/versions`; a test holds the two together."""
_LOCK = 5_712_043_118
_VERSION_TABLE = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"""
"""As Alembic makes it."""


def migrate(database: Database) -> None:
    """Create or upgrade all tables. Only upgrading needs Alembic, which takes long to import."""
    with database.reading() as connection:
        if revision_of(connection) == HEAD:
            return
    with database.writing() as connection:
        lock(connection, database)
        revision = revision_of(connection)
        if revision == HEAD:
            return
        if revision is None and inspect(connection).has_table("checkpoints"):
            raise StoreError(
                f"the database {database.place} holds tables that are not segsync's;"
                " give segsync a database of its own"
            )
        if revision is None:
            create(connection)
            return
        known_revision(connection, database)
        upgrade(connection, to="head")


def create(connection: Connection) -> None:
    """All tables of a store that is new, as they are after the newest migration (a test compares them)."""
    metadata.create_all(connection)
    catalog = MetaData(naming_convention=metadata.naming_convention)
    for table in SqlCatalogBaseTable.metadata.sorted_tables:
        table.to_metadata(catalog)
    catalog.create_all(connection)
    connection.execute(text(_VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def lock(connection: Connection, database: Database) -> None:
    """Only one process at a time changes the tables' shape; held until the transaction ends."""
    if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE is the lock
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def revision_of(connection: Connection) -> str | None:
    """Which version of the tables is there; None: none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def known_revision(connection: Connection, database: Database) -> str | None:
    """As `revision_of`; `NewerStore` if this program does not know it."""
    revision = revision_of(connection)
    if revision is not None and not knows(revision):
        raise NewerStore(
            f"the store in {database.place} was written by a newer segsync (version {revision}"
            f" of its tables, this program knows up to {HEAD}); install that version, or restore a backup"
        )
    return revision


def knows(revision: str) -> bool:
    """Whether `revision` is one of this program's."""
    if revision == HEAD:
        return True
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory.from_config(_config()).get_revision(revision)
    except CommandError:
        return False
    return True


def upgrade(connection: Connection, *, to: str) -> None:
    """Bring the tables to revision `to` ("head": the newest), inside the caller's transaction."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
