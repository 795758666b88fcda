"""Since when one person is in many segments, read together: the newest memberships first, older ones only of
the segments that the person is in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Select, func, select

from sync.store.tables import memberships, person_events, runs

_AT_ONCE = 20
"""Older memberships of a segment; the first time fewer, for most stays are short or never end."""


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
        counted: dict[str, int] = {}
        left = set[str]()
        for row in database.execute(_older(waiting, seen, seen + more)):
            name, version, members, began = row.segment, row.version, row.members, row.as_of
            counted[name] = counted.get(name, 0) + 1
            if name in left:
                continue
            inside = not theirs.isdisjoint(members)
            if name not in found:
                found[name] = Stay(version, began if inside else None)
            elif inside:
                found[name] = Stay(found[name].version, began)
            if not inside:
                left.add(name)
        waiting = [name for name in waiting if name not in left and counted.get(name) == more]
        seen, more = seen + more, 4 if not seen else _AT_ONCE
    return found


def _older(segments: Collection[str], seen: int, upto: int) -> Select[Any]:
    """The memberships of the segments after the newest `seen`, newest first."""
    place = func.row_number().over(partition_by=memberships.c.segment, order_by=memberships.c.run_id.desc())
    placed = select(memberships.c.segment, memberships.c.run_id, place.label("place"))
    placed_ = placed.where(memberships.c.segment.in_(segments)).subquery()
    return (
        select(memberships.c.segment, memberships.c.version, memberships.c.members, runs.c.as_of)
        .join(
            placed_,
            (placed_.c.segment == memberships.c.segment) & (placed_.c.run_id == memberships.c.run_id),
        )
        .join(runs, runs.c.id == memberships.c.run_id)
        .where(placed_.c.place > seen, placed_.c.place <= upto)
        .order_by(memberships.c.segment, memberships.c.run_id.desc())
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
