"""What was measured of segments, by run; and who was in segments at runs that measures look back to.

Numbers of groups alone. A run's values are replaced whole, so that a run that is taken up again counts once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyroaring import BitMap
from sqlalchemy import Connection, delete, func, insert, select, union

from sync.store.database import Database
from sync.store.kpi_tables import segment_kpis
from sync.store.merges import Merges
from sync.store.segments import Segments
from sync.store.tables import memberships, runs


@dataclass(frozen=True, slots=True)
class Kpi:
    """`value`: None: not measured, and `why` says why, as a code. `people`: how many it is of.

    `low`, `high`: the 95 % interval, where there is one. Money is minor units, shares are 0 to 1.
    """

    name: str
    value: float | None
    people: int | None = None
    low: float | None = None
    high: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """All that a run measured of one segment, by name, as of an instant."""

    run: int
    as_of: dt.datetime
    values: Mapping[str, Kpi]

    def value(self, name: str) -> float | None:
        """None also if nobody asked for it then."""
        found = self.values.get(name)
        return None if found is None else found.value


@dataclass(frozen=True, slots=True)
class Left:
    """Who was in a segment as a run left it, by which version; under the numbers that people have now."""

    version: str
    members: BitMap


class Kpis:
    """Reads and writes what was measured."""

    def __init__(self, database: Database, segments: Segments) -> None:
        self._database, self._segments = database, segments

    def save(self, run_id: int, found: Mapping[str, Iterable[Kpi]]) -> None:
        """Keep what a run measured, in place of what it measured before it was taken up again."""
        rows = [
            {
                "run_id": run_id,
                "segment": segment,
                "name": one.name,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "people": one.people,
                "why": one.why,
            }
            for segment, measured in found.items()
            for one in measured
        ]
        with self._database.writing() as database:
            database.execute(delete(segment_kpis).where(segment_kpis.c.run_id == run_id))
            if rows:
                database.execute(insert(segment_kpis), rows)

    def series(
        self, segments: Iterable[str] | None = None, *, since: dt.datetime | None = None
    ) -> dict[str, list[Point]]:
        """Segment → its points, oldest first. `segments`: None: of all. `since`: from this instant on."""
        table = segment_kpis.c
        query = select(segment_kpis, runs.c.as_of).join(runs, runs.c.id == table.run_id)
        if segments is not None:
            query = query.where(table.segment.in_(list(segments)))
        if since is not None:
            query = query.where(runs.c.as_of >= since)
        found: dict[str, dict[int, tuple[dt.datetime, dict[str, Kpi]]]] = {}
        with self._database.reading() as database:
            for row in database.execute(query.order_by(table.segment, table.run_id)):
                of_run = found.setdefault(row.segment, {}).setdefault(row.run_id, (row.as_of, {}))
                of_run[1][row.name] = Kpi(row.name, row.value, row.people, row.low, row.high, row.why)
        return {
            name: [Point(run, as_of, values) for run, (as_of, values) in points.items()]
            for name, points in found.items()
        }

    def before(self, run_id: int) -> tuple[int, dt.datetime] | None:
        """The latest run before this one that measured anything, and its instant."""
        last = select(func.max(segment_kpis.c.run_id)).where(segment_kpis.c.run_id < run_id).scalar_subquery()
        query = select(runs.c.id, runs.c.as_of).where(runs.c.id == last)
        with self._database.reading() as database:
            row = database.execute(query).first()
        return None if row is None else (row.id, row.as_of)

    def left_by(self, run_id: int) -> dict[str, Left]:
        """Segment → who was in it as the run left it, as far as that is still kept."""
        stored = self._segments.at_run(run_id)
        with self._database.reading() as database:
            merges = Merges.read(database, after_run=run_id)
        return {name: Left(one.version, merges.now(one.members)) for name, one in stored.items()}

    def left_at(self, instant: dt.datetime) -> dict[str, Left]:
        """As `left_by`, by the last run until an instant; empty if there is none, or it is not kept."""
        with self._database.reading() as database:
            run = _last_change(database, instant)
        return {} if run is None else self.left_by(run)


def _last_change(database: Connection, instant: dt.datetime) -> int | None:
    """The newest run by then at which some membership began or ended: since then all were as it left them."""
    ends = union(select(memberships.c.run_id), select(memberships.c.last_run)).subquery()
    query = select(func.max(runs.c.id)).join(ends, ends.c.run_id == runs.c.id).where(runs.c.as_of <= instant)
    found: int | None = database.execute(query).scalar()
    return found
