"""How segments grew: who entered and left since some day, by the definition of today."""

from __future__ import annotations

import datetime as dt
from contextlib import closing

from pyroaring import BitMap

from sync.run.past import moment_of
from sync.run.worth import Growth
from sync.store import Store
from sync.store.segments import Spell
from sync.whereabouts import bitmap

_MOST_RUNS = 1_000


class Grown:
    """Compares with `days` before `as_of`, or with when the present definition began, if that is later."""

    def __init__(self, store: Store, *, as_of: dt.datetime, days: int) -> None:
        self._store, self._as_of = store, as_of
        self._edge = as_of - dt.timedelta(days=days)
        self._runs = store.runs.latest(limit=_MOST_RUNS)
        self._people: dict[int, BitMap] = {}

    def of(self, segment: str, now: BitMap) -> tuple[Growth | None, str, BitMap]:
        """Its growth, what to know of it, and who was in it then (nobody, if it cannot be compared)."""
        base, note = self._base(segment)
        if base is None:
            return None, note, BitMap()
        since = max(base.began, self._edge)
        entered = now - base.members
        then = self.people_at(since)
        new = None if then is None else len(entered - then)
        return (
            Growth(since, len(base.members), len(entered), len(base.members - now), new),
            note,
            base.members,
        )

    def _base(self, segment: str) -> tuple[Spell | None, str]:
        base: Spell | None = None
        note = ""
        for spell in self._store.segments.spells(segment):
            if base is not None and spell.version != base.version:
                note = "since its definition changed"
                break
            base = spell
            if base.began <= self._edge:
                break
        if base is None or base.began >= self._as_of:
            return None, "its definition is new" if note else "there is no earlier run to compare with"
        return base, note

    def people_at(self, instant: dt.datetime) -> BitMap | None:
        """Everybody the latest run by that instant knew, if the lake still has them."""
        run = next((one for one in self._runs if one.as_of <= instant and moment_of(one)), None)
        moment = None if run is None else moment_of(run)
        if moment is None or moment.snapshots is None:
            return None
        lake, snapshot = self._store.lake, moment.snapshots["people"]
        if not lake.keeps("people", snapshot):
            return None
        if snapshot not in self._people:
            with closing(lake.connect()) as database:
                query = f"SELECT person FROM {lake.relation('people', snapshot=snapshot)}"
                self._people[snapshot] = bitmap(database, query)
        return self._people[snapshot]
