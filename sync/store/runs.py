"""Runs: queued, claimed with a fence, resumed after a crash, ended. One is at work on a store at a time.

Times of leases are the database's clock. A run that was queued (by a schedule, say) is for any worker: if its
process dies, another one claims it again and goes on. A run that a person started is theirs: if it dies it is
INTERRUPTED, and whatever runs next does the rest. Ids grow in the order in which runs start.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, text, update

from sync.store.database import Database, upsert
from sync.store.errors import LeaseLost, RunInProgress
from sync.store.leases import Lease
from sync.store.owners import is_dead, me
from sync.store.scope import EVERYTHING, Scope
from sync.store.tables import runs

_CLAIMING = 5_712_043_119
"""Claims take turns under this lock of PostgreSQL; on SQLite every writing transaction does."""


class RunState(StrEnum):
    """Where a run stands. INTERRUPTED: its process died; what it had planned is picked up by the next.

    SUPERSEDED: it was queued and had died, and before anybody took it up again a newer run began.
    """

    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    HELD = "held"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"


class Step(StrEnum):
    """The steps of a run, in order."""

    PULL = "pull"
    IDENTIFY = "identify"
    ASSIGN = "assign"
    PLAN = "plan"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Run:
    """One pass of the five steps. `stats` is what its reports show, in JSON; `step` was begun last.

    `fence` is the claim's: it grows with each, so that an older claim can be told from the one that holds.
    """

    id: int
    trigger: str
    as_of: dt.datetime
    started_at: dt.datetime
    ended_at: dt.datetime | None
    state: RunState
    stats: Mapping[str, object]
    rules_hash: str | None
    scope: Scope
    queued: bool
    schedule: str | None
    slot: dt.datetime | None
    step: Step | None
    fence: int


class Runs:
    """Queue, claim, renew and finish runs; list them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ── the queue ────────────────────────────────────────────────────────────────────────────────────

    def enqueue(
        self,
        trigger: str,
        *,
        now: dt.datetime,
        scope: Scope = EVERYTHING,
        schedule: str | None = None,
        slot: dt.datetime | None = None,
    ) -> Run | None:
        """Put a run in the queue, for any worker; its `as_of` is the moment it is first claimed.

        None if there is a run for this (schedule, slot) already: a slot runs once, however many ask for it.
        """
        with self._database.writing() as database:
            run_id = put_in_queue(database, trigger, now=now, scope=scope, schedule=schedule, slot=slot)
            return _run(database, run_id) if run_id is not None else None

    def claim(
        self,
        trigger: str,
        *,
        as_of: dt.datetime,
        now: dt.datetime,
        scope: Scope = EVERYTHING,
        rules_hash: str | None = None,
    ) -> Run:
        """Begin a run that a person asked for. Raises `RunInProgress` while another one lives.

        A dead run is over then: INTERRUPTED, or SUPERSEDED if it waited to be resumed.
        """
        with self._claiming() as database:
            self._end_dead(database, now=now, resume=False)
            values = {
                "trigger": trigger,
                "as_of": as_of,
                "started_at": now,
                "state": RunState.RUNNING,
                "stats": {},
                "rules_hash": rules_hash,
                "scope": scope.document(),
                "queued": False,
                "fence": 1,
                **self._mine(database),
            }
            run_id = database.execute(insert(runs).values(values).returning(runs.c.id)).scalar_one()
            return _run(database, run_id)

    def claim_next(self, *, now: dt.datetime) -> Run | None:
        """Claim what waits for a worker: the queued run whose process died, else the oldest one queued.

        None while a run lives or if nothing waits. A resumed run keeps its `as_of`, its tasks and its stats.
        """
        with self._claiming() as database:
            try:
                dead = self._end_dead(database, now=now, resume=True)
            except RunInProgress:
                return None
            if dead is not None:
                return self._take(database, dead, {})
            waiting = select(runs.c.id).where(runs.c.state == RunState.OPEN).order_by(runs.c.id).limit(1)
            found = database.execute(waiting.with_for_update(skip_locked=True)).scalar()
            if found is None:
                return None
            moved = {"id": self._next_id(database, found), "as_of": now, "started_at": now}
            return self._take(database, found, moved)

    def running(self) -> Run | None:
        """The run that is at work, or whose process died and that nobody has taken up yet."""
        with self._database.reading() as database:
            row = database.execute(_running()).mappings().first()
            return _from(row) if row else None

    # ── the claim ────────────────────────────────────────────────────────────────────────────────────

    def lease(self, run: Run) -> Lease:
        """The claim that `run` came with; use it as guard, and keep it renewed."""
        return Lease(self._database.unguarded, run_id=run.id, fence=run.fence)

    def heartbeat(self, run: Run) -> None:
        """Renew the lease once. Raises `LeaseLost` after a take-over."""
        self.lease(run).renew()

    def reached(self, run: Run, step: Step, *, stats: Mapping[str, object]) -> None:
        """The step begins; `stats` are what the report says so far, for whoever has to go on from here."""
        self._set(run, {"step": step, "stats": dict(stats)})

    def release(self, run: Run, *, now: dt.datetime, stats: Mapping[str, object]) -> None:
        """Let go without having finished: a queued run is resumed at once by whoever is there."""
        values: dict[str, object] = {"lease_until": 0, "owner": {}, "stats": dict(stats)}
        if not run.queued:
            values |= {"state": RunState.INTERRUPTED, "ended_at": now}
        self._set(run, values)

    def finish(
        self,
        run: Run,
        state: RunState,
        *,
        now: dt.datetime,
        stats: Mapping[str, object],
        rules_hash: str | None = None,
    ) -> None:
        """End a run and let go of the lease. Raises `LeaseLost` if another process took over meanwhile."""
        values: dict[str, object] = {"state": state, "ended_at": now, "stats": dict(stats), "lease_until": 0}
        if rules_hash is not None:
            values["rules_hash"] = rules_hash
        self._set(run, values)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def get(self, run_id: int) -> Run:
        """The run with this id."""
        with self._database.reading() as database:
            return _run(database, run_id)

    def latest(self, *, limit: int = 20) -> list[Run]:
        """Newest first."""
        with self._database.reading() as database:
            found = database.execute(select(runs).order_by(runs.c.id.desc()).limit(limit)).mappings()
            return [_from(row) for row in found]

    def since(self, at: dt.datetime) -> list[Run]:
        """Runs that decided for an instant from then on, oldest first."""
        query = select(runs).where(runs.c.as_of >= at).order_by(runs.c.id)
        with self._database.reading() as database:
            return [_from(row) for row in database.execute(query).mappings()]

    def ended_after(self, run_id: int) -> list[Run]:
        """Runs that are over and began after `run_id`, oldest first; nothing older ends after these."""
        query = select(runs).where(runs.c.id > run_id, runs.c.ended_at.is_not(None)).order_by(runs.c.id)
        with self._database.reading() as database:
            return [_from(row) for row in database.execute(query).mappings()]

    def counts(self) -> dict[tuple[RunState, str], int]:
        """(state, trigger) → how many runs."""
        query = select(runs.c.state, runs.c.trigger, func.count()).group_by(runs.c.state, runs.c.trigger)
        with self._database.reading() as database:
            return {(RunState(state), trigger): n for state, trigger, n in database.execute(query)}

    def renewed_ago_s(self) -> float | None:
        """Seconds since the run that is at work renewed its lease; None if none is, or it was let go of."""
        with self._database.reading() as database:
            until: int | None = database.execute(
                select(runs.c.lease_until).where(runs.c.state == RunState.RUNNING)
            ).scalar()
            if not until:
                return None
            return (self._database.now_ms(database) + self._database.terms.lease_ms - until) / 1000

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _claiming(self) -> Iterator[Connection]:
        with self._database.unguarded.writing() as database:
            if not self._database.is_sqlite:
                database.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CLAIMING})
            yield database

    def _end_dead(self, database: Connection, *, now: dt.datetime, resume: bool) -> int | None:
        """No run is at work after this, or `RunInProgress`. `resume`: the id of a dead one to go on with.

        The row is locked before it is judged again: what its process still has under way is committed by
        then or never will be. A row that is locked just now belongs to somebody who lives.
        """
        row = database.execute(_running()).mappings().first()
        if row is None:
            return None
        self._must_be_dead(database, row)
        locked = database.execute(_running().with_for_update(skip_locked=True)).mappings().first()
        if locked is None:
            raise RunInProgress(f"run {row['id']} ({row['trigger']}) is writing; try again in a minute")
        self._must_be_dead(database, locked)
        if resume and locked["queued"]:
            return int(locked["id"])
        state = RunState.SUPERSEDED if locked["queued"] else RunState.INTERRUPTED
        database.execute(
            update(runs).where(runs.c.id == locked["id"]).values(state=state, ended_at=now, lease_until=0)
        )
        return None

    def _must_be_dead(self, database: Connection, row: RowMapping) -> None:
        left_ms = row["lease_until"] - self._database.now_ms(database)
        if left_ms > 0 and not is_dead(row["owner"]):
            raise RunInProgress(
                f"run {row['id']} ({row['trigger']}) is under way on {row['owner'].get('host')},"
                f" process {row['owner'].get('pid')}; wait for it to end"
                f" (at most {max(1, round(left_ms / 1000))} s if it was killed)"
            )

    def _take(self, database: Connection, run_id: int, values: Mapping[str, object]) -> Run:
        claimed = {"state": RunState.RUNNING, "fence": runs.c.fence + 1, **self._mine(database), **values}
        taken = update(runs).where(runs.c.id == run_id).values(claimed).returning(runs.c.id)
        return _run(database, database.execute(taken).scalar_one())

    def _mine(self, database: Connection) -> dict[str, object]:
        return {
            "owner": me(),
            "lease_until": self._database.now_ms(database) + self._database.terms.lease_ms,
        }

    def _next_id(self, database: Connection, run_id: int) -> int:
        """The run's id, or a new one if a later run was started before it: ids tell the order of starts."""
        started = select(func.max(runs.c.id)).where(runs.c.state != RunState.OPEN)
        if (database.execute(started).scalar() or 0) < run_id:
            return run_id
        if self._database.is_sqlite:
            return int(database.execute(select(func.max(runs.c.id) + 1)).scalar_one())
        fresh = text("SELECT nextval(pg_get_serial_sequence('runs', 'id'))")
        return int(database.execute(fresh).scalar_one())

    def _set(self, run: Run, values: Mapping[str, object]) -> None:
        with self._database.writing() as database:
            own = (runs.c.id == run.id, runs.c.fence == run.fence, runs.c.state == RunState.RUNNING)
            changed = database.execute(update(runs).where(*own).values(values)).rowcount
        if not changed:
            raise LeaseLost(f"run {run.id} was taken over by another process")


def put_in_queue(
    database: Connection,
    trigger: str,
    *,
    now: dt.datetime,
    scope: Scope,
    schedule: str | None = None,
    slot: dt.datetime | None = None,
) -> int | None:
    """`Runs.enqueue` as a part of the caller's transaction; the id of the run."""
    values = {
        "trigger": trigger,
        "as_of": now,
        "started_at": now,
        "state": RunState.OPEN,
        "owner": {},
        "lease_until": 0,
        "stats": {},
        "scope": scope.document(),
        "queued": True,
        "schedule": schedule,
        "slot": slot,
    }
    statement = upsert(database, runs).values(values).on_conflict_do_nothing()
    run_id: int | None = database.execute(statement.returning(runs.c.id)).scalar()
    return run_id


def _running() -> Select[Any]:
    return select(runs).where(runs.c.state == RunState.RUNNING)


def _run(database: Connection, run_id: int) -> Run:
    return _from(database.execute(select(runs).where(runs.c.id == run_id)).mappings().one())


def _from(row: RowMapping) -> Run:
    values = {name: row[name] for name in Run.__dataclass_fields__}
    values["state"] = RunState(str(values["state"]))
    values["step"] = Step(str(values["step"])) if values["step"] else None
    values["scope"] = Scope.read(row["scope"])
    return Run(**values)
