"""Whether the database answers, and with the tables of this program."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sync.store.database import Database
from sync.store.errors import StoreError
from sync.store.migrate import HEAD


def complaint(database: Database) -> str | None:
    """What is wrong, in a sentence without secrets; None if nothing is."""
    try:
        with database.reading() as connection:
            there = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (SQLAlchemyError, StoreError) as error:
        return f"the database does not answer ({type(error).__name__})"
    if there != HEAD:
        return f"the database has version {there} of the tables, this program needs {HEAD}: start it again"
    return None
