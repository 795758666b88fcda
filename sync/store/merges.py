"""Whose number became whose: memberships stored before people merged count for who they are now."""

from __future__ import annotations

from collections.abc import Iterable

from pyroaring import BitMap
from sqlalchemy import Connection, select

from sync.store.tables import person_events


class Merges:
    """Merges in order. A number that vanished is never given to anybody again, so whoever still has it was a
    member before it did."""

    def __init__(self, found: Iterable[tuple[int, int]]) -> None:
        """`found`: the number that vanished, and the one that it became."""
        self._next = dict(found)
        self._gone = BitMap(self._next)

    @classmethod
    def read(cls, database: Connection, *, after_run: int, up_to: int | None = None) -> Merges:
        """Those of the runs after `after_run`, until `up_to` and with it (None: all)."""
        table = person_events.c
        query = (
            select(table.other_person, table.person)
            .where(table.kind == "merge", table.run_id > after_run, table.other_person.is_not(None))
            .order_by(table.id)
        )
        if up_to is not None:
            query = query.where(table.run_id <= up_to)
        return cls((row.other_person, row.person) for row in database.execute(query))

    def now(self, members: BitMap) -> BitMap:
        """These members under the numbers they have now; of two who became one, either counts."""
        gone = members & self._gone
        return (members - gone) | BitMap(map(self._survivor, gone)) if gone else members

    def _survivor(self, person: int) -> int:
        while person in self._next:
            person = self._next[person]
        return person
