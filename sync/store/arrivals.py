"""Whether what a platform said it did was seen, and what becomes of the people of whom it was not."""

from __future__ import annotations

import datetime as dt

from pyroaring import BitMap
from sqlalchemy import select, update

from sync.store.database import Database
from sync.store.ledger import owned_now
from sync.store.refused import NOT_ARRIVED, NOT_REMOVED, Refusal, forget_refusals, record_refusals
from sync.store.tables import audiences, refusals

_NOT_ARRIVED = "the platform said that it took them, but they are not there"
_ONCE, _TWICE = "sent once more", "sent twice, so they are left alone now: look at them on the platform"
_NOT_REMOVED = (
    "the platform said that it took them out, but they are there; others may have put them in, so they stay"
)


def arrived(database: Database, audience_id: int, people: BitMap, *, remote_mark: str | None = None) -> None:
    """Seen there after we had put them there. `remote_mark`: that alone has shown it, and is kept."""
    with database.writing() as connection:
        forget_refusals(connection, audience_id, people)
        if remote_mark is not None:
            marked = update(audiences).where(audiences.c.id == audience_id)
            connection.execute(marked.values(remote_mark=remote_mark))


def not_arrived(database: Database, audience_id: int, people: BitMap, *, at: dt.datetime) -> None:
    """The platform said that it took them and never showed them: not ours, so they are sent once more.

    Whoever did not arrive for the second time counts as taken out by others, and stays told.
    """
    if not people:
        return
    with database.writing() as connection:
        query = select(refusals.c.person).where(
            refusals.c.audience_id == audience_id, refusals.c.code == NOT_ARRIVED
        )
        again = BitMap(connection.execute(query).scalars().all()) & people
        owned = owned_now(connection, audience_id) - (people - again)
        connection.execute(update(audiences).where(audiences.c.id == audience_id).values(owned=owned))
        told = [
            Refusal(one, "add", NOT_ARRIVED, f"{_NOT_ARRIVED}; {_TWICE if one in again else _ONCE}")
            for one in people
        ]
        record_refusals(connection, audience_id, BitMap(), told, at)


def not_removed(database: Database, audience_id: int, people: BitMap, *, at: dt.datetime) -> None:
    """The platform said that it took them out, and they are there: nobody's but to be told."""
    if people:
        with database.writing() as connection:
            told = [Refusal(one, "remove", NOT_REMOVED, _NOT_REMOVED) for one in people]
            record_refusals(connection, audience_id, BitMap(), told, at)
