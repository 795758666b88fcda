"""People of whom a platform did not take a change: stored with the reason, tried again, forgotten.

When they are tried again is decided in `sync.quarantine`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyroaring import BitMap
from sqlalchemy import Connection, select

from sync.store.database import upsert
from sync.store.tables import refusals

NOT_ARRIVED, NOT_REMOVED = "not_arrived", "not_removed"
"""Codes of those of whom a platform said that it took the change, and the next look showed otherwise."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The platform said no to one person."""

    person: int
    action: str  # connectors' Action: add, remove, set
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeptRefusal:
    """A refusal as stored, with how often and since when.

    `mark`: what person and rule were like at the last try; None: not kept.
    """

    audience_id: int
    person: int
    action: str
    code: str
    reason: str
    tries: int
    first_at: dt.datetime
    last_at: dt.datetime
    mark: str | None = None


def record_refusals(
    database: Connection, audience_id: int, done: BitMap, refused: Sequence[Refusal], at: dt.datetime
) -> None:
    """Store who is refused now, one try more each; of those who are `done` nothing is refused any more."""
    # who did not arrive is told until they were seen; once more, the platform only says so
    forget_refusals(
        database, audience_id, done - BitMap(refusal.person for refusal in refused), but=NOT_ARRIVED
    )
    rows = {(r.person, r.action): r for r in refused}
    if not rows:
        return
    statement = upsert(database, refusals)
    database.execute(
        statement.on_conflict_do_update(
            index_elements=["audience_id", "person", "action"],
            set_={
                "code": statement.excluded.code,
                "reason": statement.excluded.reason,
                "tries": refusals.c.tries + 1,
                "last_at": statement.excluded.last_at,
            },
        ),
        [
            {
                "audience_id": audience_id,
                "person": person,
                "action": action,
                "code": refusal.code[:100],
                "reason": refusal.reason,
                "tries": 1,
                "first_at": at,
                "last_at": at,
            }
            for (person, action), refusal in rows.items()
        ],
    )


def mark_refusals(database: Connection, marked: Iterable[tuple[KeptRefusal, str]]) -> None:
    """Keep what person and rule were like; whoever was tried because they had changed starts anew."""
    for one, mark in marked:
        if mark != one.mark:
            anew = {} if one.mark is None else {"tries": 1, "first_at": one.last_at}
            database.execute(
                refusals.update()
                .where(
                    refusals.c.audience_id == one.audience_id,
                    refusals.c.person == one.person,
                    refusals.c.action == one.action,
                )
                .values(mark=mark, **anew)
            )


def forget_refusals(database: Connection, audience_id: int, people: BitMap, *, but: str = "") -> None:
    """Refusals are few: read whose there are, and delete only those that are meant. `but`: a code to keep."""
    query = select(refusals.c.person).where(refusals.c.audience_id == audience_id, refusals.c.code != but)
    there = BitMap(database.execute(query).scalars().all()) & people
    gone = list(there)
    for start in range(0, len(gone), 500):
        database.execute(
            refusals.delete().where(
                refusals.c.audience_id == audience_id,
                refusals.c.person.in_(gone[start : start + 500]),
                refusals.c.code != but,
            )
        )
