"""Since when one person is in many segments, read together: the newest memberships first, older ones only of
the segments that the person is in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Select, func, select

from sync.store.tables import memberships, person_events, runs

_FIRST, _AT_ONCE = 4, 20
"""So many older memberships of a segment are read at a time."""


@dataclass(frozen=True, slots=True)
class Stay:
    """`version`: by which the newest run let people in. `since`: the instant of the run that saw the person
    enter; None: not in by the newest run."""

    version: str
    since: dt.datetime | None


def stays(database: Connection, segments: Collection[str], person: int) -> dict[str, Stay]:
    """Of each segment that ever ran. Whoever the person was before a merge counts as the person."""
    theirs = _numbers(database, person)
    found: dict[str, Stay] = {}
    waiting, seen, more = sorted(set(segments)), 0, 1
    while waiting:
        read: dict[str, list[tuple[int, bool, dt.datetime]]] = {}
        for row in database.execute(_older(waiting, seen, seen + more)):
            inside = not theirs.isdisjoint(row.members)
            read.setdefault(row.segment, []).append((row.run_id, inside, row.as_of))
            if not seen:
                found[row.segment] = Stay(row.version, row.as_of if inside else None)
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


def _older(segments: Collection[str], seen: int, upto: int) -> Select[Any]:
    """The memberships of the segments after the newest `seen`, in no order: to sort them, an engine would
    carry all members about."""
    place = func.row_number().over(partition_by=memberships.c.segment, order_by=memberships.c.run_id.desc())
    placed = select(memberships.c.segment, memberships.c.run_id, place.label("place"))
    placed_ = placed.where(memberships.c.segment.in_(segments)).subquery()
    return (
        select(
            memberships.c.segment,
            memberships.c.run_id,
            memberships.c.version,
            memberships.c.members,
            runs.c.as_of,
        )
        .join(
            placed_,
            (placed_.c.segment == memberships.c.segment) & (placed_.c.run_id == memberships.c.run_id),
        )
        .join(runs, runs.c.id == memberships.c.run_id)
        .where(placed_.c.place > seen, placed_.c.place <= upto)
    )


def _numbers(database: Connection, person: int) -> BitMap:
    """The person's number, and those that became it."""
    found, waiting = BitMap([person]), [person]
    table = person_events.c
    while waiting:
        query = select(table.other_person).where(
            table.person.in_(waiting), table.kind == "merge", table.other_person.is_not(None)
        )
        waiting = [other for other in database.execute(query).scalars() if other not in found]
        found.update(waiting)
    return found
