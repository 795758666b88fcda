"""Whose number became whose: memberships stored before people merged count for who they are now."""

from __future__ import annotations

from collections.abc import Iterable

from pyroaring import BitMap
from sqlalchemy import Connection, select

from sync.store.tables import person_events


class Merges:
    """The merges of some runs, in order. A number that vanished is never given to anybody again."""

    def __init__(self, found: Iterable[tuple[int, int, int]]) -> None:
        """`found`: run, the number that vanished, and the one that it became."""
        self._next = {gone: (run, into) for run, gone, into in found}
        self._gone = BitMap(self._next)

    @classmethod
    def read(cls, database: Connection, *, after_run: int, up_to: int | None) -> Merges:
        """Those of the runs after `after_run`, until `up_to` and with it (None: all)."""
        table = person_events.c
        query = (
            select(table.run_id, table.other_person, table.person)
            .where(table.kind == "merge", table.run_id > after_run, table.other_person.is_not(None))
            .order_by(table.id)
        )
        if up_to is not None:
            query = query.where(table.run_id <= up_to)
        return cls((row.run_id, row.other_person, row.person) for row in database.execute(query))

    def now(self, members: BitMap, run: int) -> BitMap:
        """These members of a run under the numbers they have now; of two who became one, either counts."""
        gone = members & self._gone
        return (members - gone) | BitMap(self._survivor(one, run) for one in gone) if gone else members

    def _survivor(self, person: int, run: int) -> int:
        while (found := self._next.get(person)) is not None and found[0] > run:
            run, person = found[0] - 1, found[1]  # who merged may merge again in the same run
        return person
