"""Batches that went out and never got an outcome: a crash, or a call without an answer, of whatever plan."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from sync.store.database import Database
from sync.store.plans import StoredBatch
from sync.store.tables import batches


def unsettled(database: Database) -> list[StoredBatch]:
    """Batches in the state "sent", oldest first, also those of plans that were superseded since."""
    query = select(batches).where(batches.c.state == "sent").order_by(batches.c.id)
    with database.reading() as connection:
        return [StoredBatch(**row) for row in connection.execute(query).mappings()]


def settled(database: Database, batch_ids: Sequence[int]) -> None:
    """Their audiences were read back and the ledger knows what arrived: nothing is open any more."""
    with database.writing() as connection:
        for start in range(0, len(batch_ids), 500):
            part = list(batch_ids[start : start + 500])
            connection.execute(update(batches).where(batches.c.id.in_(part)).values(state="done"))
