"""Bring a control database to this program's version, once, under a lock, in one transaction.

A store written by a newer segsync is refused: an old program must not guess at new tables.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from sync.store.database import Database
from sync.store.errors import NewerStore, StoreError

HEAD = "0007"
"""The newest file in `migrations/versions`; a test holds the two together."""
_LOCK = 5_712_043_118


def migrate(database: Database) -> None:
    """Create or upgrade all tables. Cheap when there is nothing to do (Alembic is not imported)."""
    with database.reading() as connection:
        if _revision(connection) == HEAD:
            return
    with database.writing() as connection:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE is the lock
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        revision = _revision(connection)
        if revision == HEAD:
            return
        if revision is None and inspect(connection).has_table("checkpoints"):
            raise StoreError(
                f"the database {database.place} holds tables that are not segsync's;"
                " give segsync a database of its own"
            )
        _upgrade(connection, database, revision)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _upgrade(connection: Connection, database: Database, revision: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    if revision is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(revision)
        except CommandError as error:
            raise NewerStore(
                f"the store in {database.place} was written by a newer segsync (version {revision}"
                f" of its tables, this program knows up to {HEAD}); install that version, or restore a backup"
            ) from error
    command.upgrade(config, "head")
