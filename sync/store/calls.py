"""How many requests went to each connection, and how many of them were one too many: for the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from sync.store.database import Database, upsert
from sync.store.errors import StoreError
from sync.store.tables import budget_counts


class Calls:
    """Count up, and read."""

    def __init__(self, database: Database) -> None:
        self._database = database.unguarded  # what a lost lease has sent, it has sent

    def add(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Connection → (requests sent, answers that told us to slow down) since the last time.

        Raises `StoreError` if it cannot be kept.
        """
        with _told(), self._database.writing() as database:
            for connection, (sent, limited) in sorted(counts.items()):
                fresh = upsert(database, budget_counts).values(
                    connection=connection, sent=sent, limited=limited
                )
                more = {"sent": budget_counts.c.sent + sent, "limited": budget_counts.c.limited + limited}
                database.execute(fresh.on_conflict_do_update(index_elements=["connection"], set_=more))

    def all(self) -> dict[str, tuple[int, int]]:
        """Connection → (requests sent, answers that told us to slow down), ever."""
        with self._database.reading() as database:
            return {
                row.connection: (row.sent, row.limited) for row in database.execute(select(budget_counts))
            }


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError("the number of calls could not be kept: the database does not answer") from error
