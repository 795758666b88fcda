"""What alerts are judged by, read from the rows of the run: counts, times and ids, never who."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import func, select

from sync.store.database import Database
from sync.store.plans import PlanState
from sync.store.runs import RunState
from sync.store.tables import batches, budgets, memberships, plans, refusals, runs, segment_versions

_GOOD = (RunState.DONE, RunState.HELD)
_FULL = ("run", "schedule", "run-now")
"""Triggers of runs that take all steps their scope asks for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that waits for a person. `since`: when the first of its scope's plans in a row was made."""

    plan_id: int
    scope: str
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class Used:
    """What a day's quota of an account had used of `most`, when the platform told it last."""

    platform: str
    account: str
    used: int
    most: int
    told_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Sizes:
    """A segment's size, and what it was so many days ago, for those days at which it existed."""

    segment: str
    run_id: int
    size: int
    before: tuple[int, ...]


class Signs:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def good_run(self, schedule: str | None = None) -> dt.datetime | None:
        """When the last run that did its work ended: any, or one of this schedule."""
        query = select(func.max(runs.c.ended_at)).where(runs.c.state.in_(_GOOD), runs.c.trigger.in_(_FULL))
        if schedule is not None:
            query = query.where(runs.c.schedule == schedule)
        with self._database.reading() as database:
            found: dt.datetime | None = database.execute(query).scalar()
            return found

    def first_run(self) -> dt.datetime | None:
        """When the first run began."""
        with self._database.reading() as database:
            found: dt.datetime | None = database.execute(select(func.min(runs.c.started_at))).scalar()
            return found

    def refused(self) -> int:
        """Changes that a platform refused and has not taken since."""
        with self._database.reading() as database:
            return int(database.execute(select(func.count()).select_from(refusals)).scalar_one())

    def waiting(self, *, not_before: dt.datetime) -> list[Waiting]:
        """Plans of which something is held. Series that began before `not_before` count from about there."""
        table = plans.c
        held = table.summary["held"].as_integer()
        columns = (table.id, table.scope, table.state, table.created_at, held.label("held"))
        found: list[Waiting] = []
        with self._database.reading() as database:
            due = select(*columns).where(table.state.in_([PlanState.OPEN, PlanState.HELD]))
            for row in database.execute(due).all():
                if row.state == PlanState.OPEN:
                    waits = select(batches.c.id).where(
                        batches.c.plan_id == row.id,
                        batches.c.held,
                        batches.c.state.not_in(["done", "rejected"]),
                    )
                    if database.execute(waits.limit(1)).first() is None:
                        continue
                since = row.created_at
                earlier = select(*columns).where(
                    table.scope == row.scope, table.id < row.id, table.created_at >= not_before
                )
                for older in database.execute(earlier.order_by(table.id.desc())):
                    if older.state != PlanState.SUPERSEDED or not older.held:
                        break
                    since = older.created_at
                found.append(Waiting(row.id, row.scope, since))
        return found

    def quotas(self) -> list[Used]:
        """Of every account whose platform tells how much of a day is used."""
        query = select(budgets).where(budgets.c.most > 0)
        with self._database.reading() as database:
            return [
                Used(
                    row.platform,
                    row.account,
                    row.used,
                    row.most,
                    dt.datetime.fromtimestamp(max(row.used_s, row.seen_s), dt.UTC),
                )
                for row in database.execute(query)
            ]

    def sizes(self, *, now: dt.datetime, days: int = 7) -> list[Sizes]:
        """Of every segment that the last assignment knew."""
        table = memberships.c
        began = runs.c.as_of.label("began")
        recent = table.as_of >= now - dt.timedelta(days=days + 1)
        query = (
            select(table.segment, table.run_id, table.last_run, table.size, began)
            .join(runs, runs.c.id == table.run_id)
            .where(recent)
            .order_by(table.segment, table.run_id)
        )
        with self._database.reading() as database:
            newest = database.execute(select(func.max(segment_versions.c.last_run))).scalar()
            rows = database.execute(query).all()
        by_segment: dict[str, list[tuple[int, int, dt.datetime, int]]] = {}
        for row in rows:
            by_segment.setdefault(row.segment, []).append((row.last_run, row.size, row.began, row.run_id))
        return [
            Sizes(segment, part[-1][0], part[-1][1], _daily(part, now=now, days=days))
            for segment, part in by_segment.items()
            if part[-1][0] == newest
        ]


def _daily(rows: list[tuple[int, int, dt.datetime, int]], *, now: dt.datetime, days: int) -> tuple[int, ...]:
    """The size at each of the last days, at this hour; a size holds until the next one begins."""
    steps = {began: size for _, size, began, _ in rows}
    ends = [*pairwise(steps), (next(reversed(steps)), now)]
    found = []
    for day in range(1, days + 1):
        at = now - dt.timedelta(days=day)
        found += [steps[start] for start, end in ends if start <= at < end]
    return tuple(found)
