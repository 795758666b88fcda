"""Since when one person is in many segments, read together: the newest memberships first, older ones only of
the segments that the person is in."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, LargeBinary, Row, Select, bindparam, func, select, tuple_, type_coerce

from sync.store.runs import RunState
from sync.store.tables import memberships, person_events, runs

_FIRST, _AT_ONCE = 4, 20
"""So many older memberships of a segment are read at a time."""
_MOST_KEPT = 64 << 20
"""Bytes of members that are kept, at most, as they are stored."""
_OVER = (RunState.DONE, RunState.HELD)
"""States of a run that saves no members any more."""
_PART = 400
_Which = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Stay:
    """`version`: by which the newest run let people in. `since`: the instant of the run that saw the person
    enter; None: not in by the newest run."""

    version: str
    since: dt.datetime | None


class Stays:
    """Reads them. Members that no run changes any more are kept for the next person."""

    def __init__(self, most_kept: int = _MOST_KEPT) -> None:
        self._most, self.size = most_kept, 0
        """`size`: bytes of what is kept, as it is stored."""
        self._kept: dict[_Which, tuple[BitMap, int]] = {}
        self._keeping = threading.Lock()

    def of(self, database: Connection, segments: Collection[str], person: int) -> dict[str, Stay]:
        """Of each segment that ever ran. Whoever the person was before a merge counts as the person."""
        theirs = _numbers(database, person)
        found: dict[str, Stay] = {}
        waiting, seen, more = sorted(set(segments)), 0, 1
        while waiting:
            asked = {"segments": waiting, "seen": seen, "upto": seen + more}
            rows = database.execute(_OLDER, asked).all()
            with self._keeping:
                members = self._members(database, rows)
            read: dict[str, list[tuple[int, bool, dt.datetime]]] = {}
            for row in rows:
                there = members[row.segment, row.run_id]
                inside = any(number in there for number in theirs)
                read.setdefault(row.segment, []).append((row.run_id, inside, row.as_of))
                if not seen:
                    found[row.segment] = Stay(row.version, None)
            still = []
            for name, spells in read.items():
                spells.sort(reverse=True)
                stayed = list(takewhile(lambda spell: spell[1], spells))
                if stayed:
                    found[name] = Stay(found[name].version, stayed[-1][2])
                if len(stayed) == more:
                    still.append(name)
            waiting, seen, more = still, seen + more, _AT_ONCE if seen else _FIRST
        return found

    def _members(self, database: Connection, rows: Sequence[Row[Any]]) -> dict[_Which, BitMap]:
        """Of these memberships."""
        found: dict[_Which, BitMap] = {}
        over = {(row.segment, row.run_id): row.state in _OVER for row in rows}
        for which in over:
            if which in self._kept:
                members, size = self._kept.pop(which)
                self._kept[which] = members, size  # the one asked for last
                found[which] = members
        for which, stored in _stored(database, [one for one in over if one not in found]):
            found[which] = BitMap.deserialize(stored)
            if over[which]:
                self._keep(which, found[which], len(stored))
        return found

    def _keep(self, which: _Which, members: BitMap, size: int) -> None:
        self._kept[which] = members, size
        self.size += size
        while self.size > self._most:
            _, oldest = self._kept.pop(next(iter(self._kept)))
            self.size -= oldest


def _stored(database: Connection, wanted: Sequence[_Which]) -> Iterator[tuple[_Which, bytes]]:
    """The members of memberships, as they are stored."""
    members = type_coerce(memberships.c.members, LargeBinary).label("members")
    for start in range(0, len(wanted), _PART):
        part = wanted[start : start + _PART]
        query = select(memberships.c.segment, memberships.c.run_id, members).where(
            tuple_(memberships.c.segment, memberships.c.run_id).in_(part)
        )
        for row in database.execute(query):
            yield (row.segment, row.run_id), bytes(row.members)


def _older() -> Select[Any]:
    """Memberships of `segments` after the newest `seen`, in no order, without the members."""
    place = func.row_number().over(partition_by=memberships.c.segment, order_by=memberships.c.run_id.desc())
    columns = memberships.c.segment, memberships.c.run_id, memberships.c.version
    wanted = memberships.c.segment.in_(bindparam("segments", expanding=True))
    found = select(*columns, place.label("place")).where(wanted).subquery()
    return (
        select(found.c.segment, found.c.run_id, found.c.version, runs.c.as_of, runs.c.state)
        .join(runs, runs.c.id == found.c.run_id)
        .where(found.c.place > bindparam("seen"), found.c.place <= bindparam("upto"))
    )


def _merged() -> Select[Any]:
    """Whoever became one of `persons`."""
    table = person_events.c
    became = table.person.in_(bindparam("persons", expanding=True))
    return select(table.other_person).where(became, table.kind == "merge", table.other_person.is_not(None))


_OLDER, _MERGED = _older(), _merged()
"""Made once: that takes longer than asking."""


def _numbers(database: Connection, person: int) -> set[int]:
    """The person's number, and those that became it."""
    found, waiting = {person}, [person]
    while waiting:
        merged = database.execute(_MERGED, {"persons": waiting}).scalars()
        waiting = [other for other in merged if other not in found]
        found.update(waiting)
    return found
