"""People who merged or fell apart: what we know of the old ones becomes that of the new ones.

Links lie in the lake and the ledger in the database, so no transaction holds both. What is to be moved is
noted before the links change and moved, in one transaction, once they have. Whoever comes after a crash
finds by the snapshot of the links whether they did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyroaring import BitMap
from sqlalchemy import ColumnElement, Connection, Table, func, or_, select, update

from sync.store.events import PersonEvent, add_person_events, set_note
from sync.store.store import Store
from sync.store.tables import audiences, batches, refusals

_MOVES = "moves"
REATTACH = "reattach_pending"
"""The note that activity may belong to other people by now."""


@dataclass(frozen=True, slots=True)
class Moves:
    """`people`: connection → (old, new) of contacts that went from one person to another, all at once.

    `activity`: there is some, and it has to follow.
    """

    people: Mapping[str, Iterable[tuple[int, int]]]
    events: Sequence[PersonEvent] = ()
    activity: bool = False


def note_moves(store: Store, moves: Moves) -> None:
    """Call it right before the links are changed."""
    if not moves.people and not moves.events and not moves.activity:
        return
    noted = {
        "links": store.lake.snapshots().get("links"),
        "people": {name: sorted(set(pairs)) for name, pairs in moves.people.items()},
        "events": [{**asdict(one), "at": one.at.isoformat()} for one in moves.events],
        "activity": moves.activity,
    }
    store.notes.set(_MOVES, noted)


def finish_moves(store: Store) -> None:
    """Move what was noted, once and whole, if the links have changed since; else it is void."""
    noted: Any = store.notes.get(_MOVES)
    if not isinstance(noted, dict):
        return
    came = noted["links"] != store.lake.snapshots().get("links")
    with store.database.writing() as database:
        if came:
            for connection, pairs in noted["people"].items():
                _renumber(database, connection, pairs)
            events = [{**one, "at": dt.datetime.fromisoformat(one["at"])} for one in noted["events"]]
            add_person_events(database, [PersonEvent(**one) for one in events])
            if noted["activity"]:
                set_note(database, REATTACH, True)
        set_note(database, _MOVES, False)


def _renumber(database: Connection, connection: str, pairs: Sequence[tuple[int, int]]) -> None:
    """Memberships and what is on its way; refusals of the old number are forgotten."""
    here = audiences.c.connection == connection
    _move_in(database, audiences, ("owned", "actual", "readded"), here, pairs)
    ids = select(audiences.c.id).where(here)
    newest = select(func.max(batches.c.plan_id)).where(batches.c.audience_id.in_(ids))
    # what nobody has seen yet: without an answer, or answered and still to be looked for
    unseen = or_(batches.c.state == "sent", batches.c.plan_id.in_(newest.group_by(batches.c.audience_id)))
    where = batches.c.audience_id.in_(ids) & batches.c.state.in_(("sent", "done")) & unseen
    _move_in(database, batches, ("adds", "removes", "done_adds", "done_removes"), where, pairs)
    for start in range(0, len(pairs), 500):
        gone = [before for before, _ in pairs[start : start + 500]]
        database.execute(
            refusals.delete().where(refusals.c.person.in_(gone), refusals.c.audience_id.in_(ids))
        )


def _move_in(
    database: Connection,
    table: Table,
    sets: Sequence[str],
    where: ColumnElement[bool],
    pairs: Sequence[tuple[int, int]],
) -> None:
    """In these columns of these rows. All pairs count at once: who comes to a number that somebody leaves in
    the same pass stays there."""
    old = BitMap(one for one, _ in pairs)
    for row in database.execute(select(table).where(where)).mappings().all():
        changed = {
            name: (row[name] - old) | BitMap(new for one, new in pairs if one in row[name])
            for name in sets
            if row[name].intersect(old)
        }
        if changed:
            database.execute(update(table).where(table.c.id == row["id"]).values(changed))
