"""Schedules as rows: when each is due next, and the slot that it is claimed for, by one process of many.

Whoever finds a schedule due locks its row, decides, queues the run and moves the row on, all in one
transaction. What decides is handed in: this module knows neither calendars nor the config. A process only
claims schedules as it knows them (`definition`), so that an old and a new config can live beside each other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, RowMapping, func, select, update

from sync.store.database import Database, upsert
from sync.store.runs import RunState, put_in_queue
from sync.store.scope import Scope
from sync.store.tables import runs, schedules, tasks

_ENDED = (RunState.DONE, RunState.HELD, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule's row; instants in milliseconds since 1970. What follows something else has no `next_at`.

    `seen`: the run that ended last when it was looked at; only later ones start what follows.
    `missed`: how many slots had no run of their own.
    """

    name: str
    definition: str
    next_slot: int | None
    next_at: int | None
    last_slot: int | None
    seen: int
    paused: bool
    missed: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a schedule that may be due. `busy`: a run of it waits or is at work.

    `ended`: when the newest run ended that it follows, if one did since it was looked at last.
    """

    row: Scheduled
    now_ms: int
    busy: bool
    ended: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do: queue a run for `slot` (None: none), then wait for `next_slot` until `next_at` (ms)."""

    slot: dt.datetime | None = None
    scope: Scope | None = None
    next_slot: int | None = None
    next_at: int | None = None
    missed: int = 0
    seen: int | None = None


Decide = Callable[[Found], Verdict | None]
"""None: leave it as it is, it is looked at again."""


@dataclass(frozen=True, slots=True)
class Mine:
    """A schedule as this process knows it, and the run it follows, if any."""

    name: str
    definition: str
    after_pull: str | None = None
    after_schedule: str | None = None
    waits: bool = True  # while a run of it waits or is at work, there is nothing to decide

    @property
    def follows(self) -> bool:
        """It runs after something else."""
        return self.after_pull is not None or self.after_schedule is not None


class Schedules:
    """Declare, claim, pause and list schedules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def declare(
        self, mine: Mapping[str, str], first: Callable[[str, int], Verdict], *, now_ms: int | None = None
    ) -> None:
        """The schedules that there are: name → definition. `first(name, now_ms)` says when a new or changed
        one is due. What is not named any more is never due; it stays paused if it was."""
        with self._database.writing() as database:
            now_ms = self._now_ms(database, now_ms)
            there = {row.name: row for row in _all(database)}
            for name, definition in sorted(mine.items()):
                if name in there and there[name].definition == definition:
                    continue
                start = first(name, now_ms)
                values = {
                    "definition": definition,
                    "next_slot": start.next_slot,
                    "next_at": start.next_at,
                    "seen": _newest(database),
                }
                statement = upsert(database, schedules).values(name=name, paused=False, missed=0, **values)
                database.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
            gone = update(schedules).where(schedules.c.name.not_in(list(mine)))
            database.execute(gone.values(definition="", next_at=None, next_slot=None))

    def claim(self, mine: Mine, decide: Decide, *, now: dt.datetime, now_ms: int | None = None) -> int | None:
        """If it is due, do what `decide` says; the id of the run that was queued.

        `now_ms`: instead of the database's clock, for time that a test holds.
        """
        if not self._may_be_due(mine, now_ms):  # reading waits for nobody
            return None
        with self._database.writing() as database:
            now_ms = self._now_ms(database, now_ms)
            query = select(schedules).where(
                schedules.c.name == mine.name,
                schedules.c.definition == mine.definition,
                schedules.c.paused.is_(False),
            )
            if not mine.follows:
                query = query.where(schedules.c.next_at <= now_ms)
            row = database.execute(query.with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return None
            found = Found(
                row=_from(row),
                now_ms=now_ms,
                busy=_busy(database, mine.name),
                ended=_ended(database, mine, row["seen"]) if mine.follows else None,
            )
            verdict = decide(found)
            if verdict is None and mine.follows:  # runs that it does not follow need not be looked at again
                verdict = Verdict(next_slot=found.row.next_slot, next_at=found.row.next_at)
            if verdict is None:
                return None
            if mine.follows:
                verdict = replace(verdict, seen=_newest(database))
            return self._carry_out(database, found, verdict, now=now)

    def pause(self, name: str) -> None:
        """It is not due until `resume`; a run that waits or is at work goes on."""
        self._set(name, {"paused": True})

    def resume(self, name: str, first: Verdict) -> None:
        """What would have been due in between is not missed."""
        with self._database.writing() as database:
            values = {"paused": False, "next_slot": first.next_slot, "next_at": first.next_at}
            values["seen"] = _newest(database)
            database.execute(update(schedules).where(schedules.c.name == name).values(values))

    def all(self) -> dict[str, Scheduled]:
        """Every row by name, those too that the config does not name any more."""
        with self._database.reading() as database:
            return {row.name: row for row in _all(database)}

    def busy(self, name: str) -> RunState | None:
        """Whether a run of it waits (OPEN) or is at work (RUNNING)."""
        with self._database.reading() as database:
            return _state(database, name)

    def now_ms(self) -> int:
        """The database's clock."""
        with self._database.reading() as database:
            return self._database.now_ms(database)

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _now_ms(self, database: Connection, now_ms: int | None) -> int:
        return self._database.now_ms(database) if now_ms is None else now_ms

    def _may_be_due(self, mine: Mine, now_ms: int | None) -> bool:
        """A look without a lock: most of the time nothing is due."""
        with self._database.reading() as database:
            row = database.execute(select(schedules).where(schedules.c.name == mine.name)).mappings().first()
            if row is None or row["paused"] or row["definition"] != mine.definition:
                return False
            if mine.follows and _newest(database) > row["seen"]:
                return True
            due = row["next_at"] is not None and row["next_at"] <= self._now_ms(database, now_ms)
            return due and not (mine.waits and _busy(database, mine.name))

    def _carry_out(
        self, database: Connection, found: Found, verdict: Verdict, *, now: dt.datetime
    ) -> int | None:
        row, run_id = found.row, None
        if verdict.slot is not None:
            run_id = put_in_queue(
                database,
                "schedule",
                now=now,
                scope=verdict.scope or Scope(),
                schedule=row.name,
                slot=verdict.slot,
            )
        values: dict[str, object] = {
            "next_slot": verdict.next_slot,
            "next_at": verdict.next_at,
            "seen": row.seen if verdict.seen is None else verdict.seen,
            "missed": row.missed + verdict.missed,
        }
        if verdict.slot is not None:
            values["last_slot"] = round(verdict.slot.timestamp() * 1000)
        database.execute(update(schedules).where(schedules.c.name == row.name).values(values))
        return run_id

    def _set(self, name: str, values: Mapping[str, object]) -> None:
        with self._database.writing() as database:
            database.execute(update(schedules).where(schedules.c.name == name).values(dict(values)))


def _all(database: Connection) -> list[Scheduled]:
    query = select(schedules).order_by(schedules.c.name)
    return [_from(row) for row in database.execute(query).mappings()]


def _state(database: Connection, name: str) -> RunState | None:
    query = select(runs.c.state).where(
        runs.c.schedule == name, runs.c.state.in_([RunState.OPEN, RunState.RUNNING])
    )
    found = set(database.execute(query).scalars())
    return RunState(max(found)) if found else None  # "running" is the greater word


def _busy(database: Connection, name: str) -> bool:
    return _state(database, name) is not None


def _newest(database: Connection) -> int:
    """The run that ended last; ids tell the order in which runs started, and one at a time is at work."""
    query = select(func.max(runs.c.id)).where(runs.c.ended_at.is_not(None))
    return int(database.execute(query).scalar() or 0)


def _ended(database: Connection, mine: Mine, seen: int) -> dt.datetime | None:
    """The newest run after `seen` that did what the schedule follows."""
    query = select(runs.c.ended_at).where(runs.c.id > seen, runs.c.ended_at.is_not(None))
    query = query.order_by(runs.c.id.desc())
    if mine.after_schedule is not None:
        good = query.where(
            runs.c.schedule == mine.after_schedule, runs.c.state.in_([RunState.DONE, RunState.HELD])
        )
        ended_at: dt.datetime | None = database.execute(good.limit(1)).scalar()
        return ended_at
    pulled = query.add_columns(tasks.c.results).join(tasks, tasks.c.run_id == runs.c.id)
    pulled = pulled.where(
        tasks.c.step == "pull",
        tasks.c.connection == mine.after_pull,
        tasks.c.state == "done",
        runs.c.state.in_(_ENDED),
    )
    for row in database.execute(pulled):
        ended: dt.datetime = row.ended_at
        if row.results and row.results[-1].get("stopped") is None:
            return ended
    return None


def _from(row: RowMapping) -> Scheduled:
    return Scheduled(**{name: row[name] for name in Scheduled.__dataclass_fields__})
