"""What happened to people (merges, splits, blocked values) and small notes of the store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import cast

from sqlalchemy import Connection, bindparam, insert, or_, select

from sync.store.database import Database, upsert
from sync.store.tables import notes, person_events

_NOTE = select(notes.c.value).where(notes.c.key == bindparam("wanted"))
"""Asked so often that making it anew each time would be seen."""


@dataclass(frozen=True, slots=True)
class PersonEvent:
    """kind: merge (`other_person` became `person`), split (`other_person` left `person`), blocked.

    `reason` is a sentence without addresses or names.
    """

    at: dt.datetime
    kind: str
    person: int
    other_person: int | None
    reason: str
    run_id: int | None = None


class PersonEvents:
    """An append-only list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, events: Iterable[PersonEvent]) -> None:
        """Append events in one transaction."""
        with self._database.writing() as database:
            add_person_events(database, events)

    def of(self, person: int) -> list[PersonEvent]:
        """Everything that happened to `person`, oldest first."""
        table = person_events.c
        query = (
            select(person_events)
            .where(or_(table.person == person, table.other_person == person))
            .order_by(table.id)
        )
        return self._read(query)

    def of_run(self, run_id: int) -> list[PersonEvent]:
        """Everything that happened in one run."""
        query = select(person_events).where(person_events.c.run_id == run_id).order_by(person_events.c.id)
        return self._read(query)

    def _read(self, query: object) -> list[PersonEvent]:
        names = PersonEvent.__dataclass_fields__
        with self._database.reading() as database:
            found = database.execute(query).mappings()  # type: ignore[call-overload]
            return [PersonEvent(**{name: row[name] for name in names}) for row in found]


class Notes:
    """Small facts under a key, as JSON: versions, last settings, the vocabulary of the last run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> object:
        """The value under `key`; None if there is none."""
        with self._database.reading() as database:
            return cast("object", database.execute(_NOTE, {"wanted": key}).scalar())

    def set(self, key: str, value: object) -> None:
        """Store a JSON-ready value under `key`."""
        with self._database.writing() as database:
            set_note(database, key, value)


def add_person_events(database: Connection, events: Iterable[PersonEvent]) -> None:
    """As `PersonEvents.add`, inside the caller's transaction."""
    rows = [asdict(event) for event in events]
    if rows:
        database.execute(insert(person_events), rows)


def set_note(database: Connection, key: str, value: object) -> None:
    """As `Notes.set`, inside the caller's transaction."""
    statement = upsert(database, notes).values(key=key, value=value)
    database.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
