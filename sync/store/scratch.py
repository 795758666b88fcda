"""A copy of what a plan is made from, to try something on: what is written to it is thrown away.

The lake and the memberships are the store's own, for they are only read. Copied are the ledger and what tells
how far it can be trusted: batches without an outcome, and the newest ones with one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Table, func, insert, or_, select, tuple_

from sync.store.database import Database
from sync.store.store import Store
from sync.store.tables import audiences, batches, freezes, metadata, notes, pauses, plans, refusals, runs

_AT_A_TIME = 200


@contextmanager
def scratch(store: Store) -> Iterator[Store]:
    """The copy, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="segsync-") as folder:
        copy = Database(f"sqlite:///{Path(folder) / 'scratch.db'}")
        try:
            with store.database.snapshot() as source, copy.writing() as target:
                metadata.create_all(target)
                for table, which in _copied():
                    _copy(source, target, table, which)
            yield store.planning_in(copy)
        finally:
            copy.close()


def _copied() -> list[tuple[Table, ColumnElement[bool] | None]]:
    """Parents before those that refer to them."""
    newest = select(batches.c.audience_id, func.max(batches.c.plan_id)).group_by(batches.c.audience_id)
    needed = or_(batches.c.state == "sent", tuple_(batches.c.audience_id, batches.c.plan_id).in_(newest))
    theirs = select(batches.c.plan_id).where(needed)
    whose = select(plans.c.run_id).where(plans.c.id.in_(theirs))
    return [
        (runs, runs.c.id.in_(whose)),
        (plans, plans.c.id.in_(theirs)),
        (audiences, None),
        (batches, needed),
        (refusals, None),
        (pauses, None),
        (freezes, None),
        (notes, None),
    ]


def _copy(source: Connection, target: Connection, table: Table, which: ColumnElement[bool] | None) -> None:
    query = select(table) if which is None else select(table).where(which)
    rows = source.execute(query).mappings()
    while part := rows.fetchmany(_AT_A_TIME):
        target.execute(insert(table), [dict(row) for row in part])
