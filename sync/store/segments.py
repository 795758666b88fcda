"""Segment versions and memberships with their history; an unchanged membership is stored once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

from pyroaring import BitMap
from sqlalchemy import ColumnElement, Connection, RowMapping, Subquery, and_, func, insert, select, update

from sync.store.database import Database, upsert
from sync.store.merges import Merges
from sync.store.stays import Stay, Stays
from sync.store.tables import memberships, runs, segment_versions

_SPELLS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a wording: by a commit (name and address as git has them), or as the file's owner (login)."""

    name: str
    email: str = ""
    committed: bool = False


@dataclass(frozen=True, slots=True)
class SegmentVersion:
    """One wording of a segment: `version` is the content hash of its meaning, `source` its text.

    `author`: who made it the present one; None: not known, or as it was stored.
    """

    segment: str
    version: str
    source: str
    name: str
    author: Author | None = None


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


@dataclass(frozen=True, slots=True)
class Spell:
    """From `began` on, until the next newer one, these people were in a segment, under this version."""

    began: dt.datetime
    version: str
    members: BitMap


@dataclass(frozen=True, slots=True)
class SizeSince:
    """From `began` on, until the next one, a segment had so many people, under this version."""

    began: dt.datetime
    version: str
    size: int


@dataclass(frozen=True, slots=True)
class Wording:
    """A version, and the runs that used it first and last, with their instants."""

    version: SegmentVersion
    first_run: int
    first_as_of: dt.datetime
    last_run: int
    last_as_of: dt.datetime


class Segments:
    """Reads and writes versions and memberships."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stays = Stays()

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

    def current(self) -> dict[str, str]:
        """Segment → the version it was computed with last."""
        with self._database.reading() as database:
            query = select(memberships.c.segment, memberships.c.version).join(
                found := _newest(), _is_newest(found)
            )
            return {row.segment: row.version for row in database.execute(query)}

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

    def stays(self, segments: Collection[str], person: int) -> dict[str, Stay]:
        """Since when the person is in each of these segments; of those that no run has computed, nothing."""
        with self._database.reading() as database:
            return self._stays.of(database, segments, person)

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

    def sizes(self, segment: str, *, limit: int = 100) -> list[SizeSince]:
        """The newest sizes of one segment, oldest first, without reading who was in."""
        query = (
            select(runs.c.as_of, memberships.c.version, memberships.c.size)
            .join(runs, runs.c.id == memberships.c.run_id)
            .where(memberships.c.segment == segment)
            .order_by(memberships.c.run_id.desc())
            .limit(limit)
        )
        with self._database.reading() as database:
            found = database.execute(query).all()
        return [SizeSince(row.as_of, row.version, row.size) for row in reversed(found)]

    def spells(
        self, segment: str, *, before_run: int | None = None, people_of: int | None = None
    ) -> Iterator[Spell]:
        """The memberships of one segment with the instant each began, newest first, a few read at a time.

        `before_run`: as that run found them when it began, also if it has stored its own meanwhile. Whoever
        merged since is in under the present number, or under that of the run `people_of`.
        """
        upto = before_run
        while True:
            query = (
                select(memberships.c.run_id, memberships.c.version, memberships.c.members, runs.c.as_of)
                .join(runs, runs.c.id == memberships.c.run_id)
                .where(memberships.c.segment == segment)
                .order_by(memberships.c.run_id.desc())
                .limit(_SPELLS_AT_ONCE)
            )
            if upto is not None:
                query = query.where(memberships.c.run_id < upto)
            with self._database.reading() as database:
                found = database.execute(query).all()
                oldest = found[-1].run_id if found else 0
                merges = Merges.read(database, after_run=oldest, up_to=people_of)
            for row in found:
                yield Spell(row.as_of, row.version, merges.now(row.members))
            if len(found) < _SPELLS_AT_ONCE:
                return
            upto = found[-1].run_id

    def held(
        self, segment: str, *, since: dt.datetime, before: dt.datetime, people_of: int | None = None
    ) -> BitMap:
        """Who was in the segment by the latest run at or before `since` and by every later one before
        `before`; nobody, if no run is that old. `people_of`: see `spells`."""
        with self._database.reading() as database:
            every = _dated(segment, before)
            edge = database.execute(
                select(func.max(every.c.run_id)).where(every.c.first_as_of <= since)
            ).scalar()
            if edge is None:
                return BitMap()
            query = select(every.c.members).where(every.c.run_id >= edge)
            found: list[BitMap] = list(database.execute(query).scalars())
            merges = Merges.read(database, after_run=edge, up_to=people_of)
        return reduce(BitMap.__and__, map(merges.now, found))

    def since(self, segment: str, person: int, *, before: dt.datetime) -> dt.datetime | None:
        """The instant of the run since which the person was in without a break; None: was not in by the last
        run before `before`."""
        every = _dated(segment, before)
        query = select(every).order_by(every.c.run_id.desc())
        found: dt.datetime | None = None
        with self._database.reading() as database:
            merges = Merges.read(database, after_run=0)
            for row in database.execute(query):
                if person not in merges.now(row.members):
                    break
                found = row.first_as_of
        return found

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
            return [_version(row) for row in database.execute(query).mappings()]

    def wordings(self, segment: str) -> list[Wording]:
        """As `versions`, with the runs that used them."""
        first, last = runs.alias(), runs.alias()
        query = (
            select(segment_versions, first.c.as_of.label("first_as_of"), last.c.as_of.label("last_as_of"))
            .join(first, first.c.id == segment_versions.c.first_run)
            .join(last, last.c.id == segment_versions.c.last_run)
            .where(segment_versions.c.segment == segment)
            .order_by(segment_versions.c.last_run.desc())
        )
        with self._database.reading() as database:
            return [
                Wording(
                    _version(row), row["first_run"], row["first_as_of"], row["last_run"], row["last_as_of"]
                )
                for row in database.execute(query).mappings()
            ]


def _version(row: RowMapping) -> SegmentVersion:
    author = None if row["author"] is None else Author(**row["author"])
    return SegmentVersion(row["segment"], row["version"], row["source"], row["name"], author)


def _latest(database: Connection, *, up_to: int | None = None) -> dict[str, Membership]:
    query = select(memberships).join(found := _newest(up_to), _is_newest(found))
    return {row["segment"]: Membership(**row) for row in database.execute(query).mappings()}


def _dated(segment: str, before: dt.datetime) -> Subquery:
    """The memberships of a segment, each with the instant of the run that saw it first."""
    joined = select(memberships.c.run_id, memberships.c.members, runs.c.as_of.label("first_as_of")).join(
        runs, runs.c.id == memberships.c.run_id
    )
    return joined.where(memberships.c.segment == segment, runs.c.as_of < before).subquery()


def _newest(up_to: int | None = None) -> Subquery:
    """Segment and the run that saw its newest membership first."""
    newest = select(memberships.c.segment, func.max(memberships.c.run_id).label("run_id"))
    if up_to is not None:
        newest = newest.where(memberships.c.run_id <= up_to)
    return newest.group_by(memberships.c.segment).subquery()


def _is_newest(found: Subquery) -> ColumnElement[bool]:
    return and_(memberships.c.segment == found.c.segment, memberships.c.run_id == found.c.run_id)


def _note_version(database: Connection, version: SegmentVersion, run_id: int) -> None:
    fresh: dict[str, Any] = {"last_run": run_id, "source": version.source, "name": version.name}
    if version.author is not None:
        fresh["author"] = asdict(version.author)
    statement = upsert(database, segment_versions).values(
        segment=version.segment, version=version.version, first_run=run_id, **fresh
    )
    database.execute(statement.on_conflict_do_update(index_elements=["segment", "version"], set_=fresh))
