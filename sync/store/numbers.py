"""Dense numbers for contacts and people. A number given once is never given again, whatever crashes."""

from __future__ import annotations

from sqlalchemy import Connection, select

from sync.store.database import Database, upsert
from sync.store.errors import StoreError
from sync.store.tables import counters

LARGEST = 2**31 - 1
"""Numbers are held in int32 columns and in 32-bit roaring bitmaps."""


class Numbers:
    """Named counters, e.g. "contact" and "person"; the first number is 1."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, name: str, n: int) -> int:
        """Take `n` numbers and return the first; committed before they are used, so a crash leaves gaps."""
        with self._database.writing() as database:
            return reserve(database, name, n)

    def next(self, name: str) -> int:
        """The number that will be given next; all given ones are smaller."""
        with self._database.reading() as database:
            found = database.execute(select(counters.c.next).where(counters.c.name == name)).scalar()
        return int(found) if found is not None else 1


def reserve(database: Connection, name: str, n: int) -> int:
    """As `Numbers.reserve`, inside the caller's transaction."""
    if n < 0:
        raise ValueError("cannot reserve fewer than 0 numbers")
    statement = (
        upsert(database, counters)
        .values(name=name, next=1 + n)
        .on_conflict_do_update(index_elements=["name"], set_={"next": counters.c.next + n})
        .returning(counters.c.next)
    )
    after = int(database.execute(statement).scalar_one())
    if after - 1 > LARGEST:
        raise StoreError(f"the store has given all {LARGEST} numbers for {name}")
    return after - n
