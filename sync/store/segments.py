"""Segment versions and memberships with their history; an unchanged membership is stored once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyroaring import BitMap
from sqlalchemy import Connection, and_, func, insert, select, update

from sync.store.database import Database
from sync.store.inbox import upsert
from sync.store.tables import memberships, segment_versions


@dataclass(frozen=True, slots=True)
class SegmentVersion:
    """One wording of a segment: `version` is the content hash of its meaning, `source` its text."""

    segment: str
    version: str
    source: str
    name: str


@dataclass(frozen=True, slots=True)
class Membership:
    """Who was in a segment from `run_id` to `last_run`. `as_of` is the instant of `last_run`."""

    segment: str
    run_id: int
    last_run: int
    version: str
    members: BitMap
    size: int
    as_of: dt.datetime


class Segments:
    """Reads and writes versions and memberships."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        run_id: int,
        *,
        as_of: dt.datetime,
        versions: Iterable[SegmentVersion],
        members: Mapping[str, BitMap],
    ) -> list[str]:
        """Store a run's result in one transaction. Returns the segments whose members changed.

        `members` has an entry per version given. Saving the same run again replaces its result.
        """
        given = list(versions)
        with self._database.writing() as database:
            latest = _latest(database)
            changed = []
            for version in given:
                _note_version(database, version, run_id)
                bitmap = members[version.segment]
                old = latest.get(version.segment)
                fresh = {"version": version.version, "last_run": run_id, "as_of": as_of}
                same = old is not None and old.members == bitmap and old.version == version.version
                if old is not None and (same or old.run_id == run_id):
                    fresh |= {} if same else {"members": bitmap, "size": len(bitmap)}
                    where = and_(memberships.c.segment == old.segment, memberships.c.run_id == old.run_id)
                    database.execute(update(memberships).where(where).values(fresh))
                else:
                    fresh |= {"segment": version.segment, "run_id": run_id}
                    fresh |= {"members": bitmap, "size": len(bitmap)}
                    database.execute(insert(memberships).values(fresh))
                if old is None or old.members != bitmap:
                    changed.append(version.segment)
            return changed

    def latest(self) -> dict[str, Membership]:
        """Segment → its newest membership (also of segments that no longer have a rule)."""
        with self._database.reading() as database:
            return _latest(database)

    def at_run(self, run_id: int) -> dict[str, Membership]:
        """Segment → its membership as run `run_id` left it."""
        with self._database.reading() as database:
            return {
                name: membership
                for name, membership in _latest(database, up_to=run_id).items()
                if membership.last_run >= run_id
            }

    def history(self, segment: str, *, limit: int = 100) -> list[Membership]:
        """The memberships of one segment, newest first; neighbours differ in members or version."""
        query = (
            select(memberships)
            .where(memberships.c.segment == segment)
            .order_by(memberships.c.run_id.desc())
            .limit(limit)
        )
        with self._database.reading() as database:
            return [Membership(**row) for row in database.execute(query).mappings()]

    def losses(self, segment: str, *, limit: int = 20) -> list[tuple[int, int]]:
        """(members before, how many of them left) of the last changes, oldest first, but not the newest one.

        Only changes under one wording of the rule: an edit says nothing of what is usual.
        """
        newest = self.history(segment, limit=limit + 2)
        pairs = list(zip(newest[2:], newest[1:], strict=False))
        return [
            (before.size, len(before.members - after.members))
            for before, after in reversed(pairs)
            if before.version == after.version
        ]

    def versions(self, segment: str) -> list[SegmentVersion]:
        """All wordings a segment has had, the one used last first."""
        query = (
            select(segment_versions)
            .where(segment_versions.c.segment == segment)
            .order_by(segment_versions.c.last_run.desc())
        )
        with self._database.reading() as database:
            return [SegmentVersion(r.segment, r.version, r.source, r.name) for r in database.execute(query)]


def _latest(database: Connection, *, up_to: int | None = None) -> dict[str, Membership]:
    newest = select(memberships.c.segment, func.max(memberships.c.run_id).label("run_id"))
    if up_to is not None:
        newest = newest.where(memberships.c.run_id <= up_to)
    found = newest.group_by(memberships.c.segment).subquery()
    query = select(memberships).join(
        found, and_(memberships.c.segment == found.c.segment, memberships.c.run_id == found.c.run_id)
    )
    return {row["segment"]: Membership(**row) for row in database.execute(query).mappings()}


def _note_version(database: Connection, version: SegmentVersion, run_id: int) -> None:
    statement = upsert(database, segment_versions).values(
        segment=version.segment,
        version=version.version,
        source=version.source,
        name=version.name,
        first_run=run_id,
        last_run=run_id,
    )
    database.execute(
        statement.on_conflict_do_update(
            index_elements=["segment", "version"],
            set_={"last_run": run_id, "source": version.source, "name": version.name},
        )
    )
