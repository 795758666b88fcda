"""Batches that went out and never got an outcome: a crash, or a call without an answer, of whatever plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pyroaring import BitMap
from sqlalchemy import func, select, update

from sync.store.database import Database
from sync.store.plans import StoredBatch
from sync.store.tables import batches, plans, refusals

LATE = dt.timedelta(days=1)
"""What was sent without an answer and had no effect by then never will."""


def unsettled(database: Database) -> list[StoredBatch]:
    """Batches in the state "sent", oldest first, also those of plans that were superseded since."""
    query = select(batches).where(batches.c.state == "sent").order_by(batches.c.id)
    with database.reading() as connection:
        return [StoredBatch(**row) for row in connection.execute(query).mappings()]


def answered(database: Database, audience_id: int) -> list[StoredBatch]:
    """What the newest plan for this audience sent there and has outcomes of, oldest first."""
    newest = select(func.max(batches.c.plan_id)).where(batches.c.audience_id == audience_id)
    query = select(batches).where(
        batches.c.audience_id == audience_id, batches.c.plan_id == newest.scalar_subquery()
    )
    with database.reading() as connection:
        rows = connection.execute(query.order_by(batches.c.id)).mappings()
        return [batch for row in rows if (batch := StoredBatch(**row)).done_adds or batch.done_removes]


def late(database: Database, audience_id: int) -> BitMap:
    """Whom we had sent there within a day, without an outcome, and who was not there when it was looked at.

    A call or a job without an answer may take effect later than the next look: whoever turns up came from us.
    """
    newest = select(func.max(plans.c.as_of)).scalar_subquery()
    query = (
        select(batches.c.adds, batches.c.done_adds, plans.c.as_of, newest.label("newest"))
        .join(plans, plans.c.id == batches.c.plan_id)
        .where(batches.c.audience_id == audience_id, batches.c.state == "done")
        .where(batches.c.adds != batches.c.done_adds)
    )
    refused = select(refusals.c.person).where(refusals.c.audience_id == audience_id)
    with database.reading() as connection:
        rows = connection.execute(query).all()
        told = BitMap(connection.execute(refused).scalars().all()) if rows else BitMap()
    recent = [row.adds - row.done_adds for row in rows if row.as_of >= row.newest - LATE]
    return BitMap.union(BitMap(), *recent) - told


def settled(database: Database, some: Sequence[StoredBatch], *, actual: BitMap) -> None:
    """Their audience was read back: what arrived is recorded as done, and nothing is open any more."""
    if not some:
        return
    with database.writing() as connection:
        for one in some:
            done = {
                "done_adds": one.done_adds | (one.adds & actual),
                "done_removes": one.done_removes | (one.removes - actual),
            }
            connection.execute(update(batches).where(batches.c.id == one.id).values(state="done", **done))
