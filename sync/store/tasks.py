"""Tasks: one connection's part of one step of a run, worked on by whichever process claims it.

A connection is never worked on by two at once, not even for different runs. A task whose worker is dead, or
whose lease ran out, is claimed again with the next fence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, text, update

from sync.store.database import Database
from sync.store.errors import LeaseLost
from sync.store.leases import Lease
from sync.store.owners import is_dead, me
from sync.store.runs import Step
from sync.store.tables import runs, tasks

CLAIMING = 5_712_043_120
"""Claims take turns under this lock of PostgreSQL; on SQLite every writing transaction does."""


class TaskState(StrEnum):
    """OPEN: anybody may claim it. LOST: its run was over before its worker came back."""

    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    LOST = "lost"


_CLAIMABLE = (TaskState.OPEN, TaskState.RUNNING)


@dataclass(frozen=True, slots=True)
class Task:
    """`work` says what is to be done, `results` what came of it, one entry per time it was done (JSON)."""

    id: int
    run_id: int
    step: Step
    connection: str
    state: TaskState
    fence: int
    work: Mapping[str, Any]
    results: tuple[Mapping[str, Any], ...]


class Tasks:
    """Write, claim, finish and list tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, run_id: int, step: Step, work: Mapping[str, Mapping[str, Any]]) -> None:
        """The step's tasks: connection → what is to be done there.

        A task that is there with the same work stays as it is, done or not; with other work it is open
        again, whoever held it, and its results are kept.
        """
        with self._database.writing() as database:
            there = {task.connection: task for task in _of(database, run_id, step)}
            for connection, what in work.items():
                old = there.get(connection)
                if old is None:
                    fresh = {"owner": {}, "lease_until": 0, "fence": 0, "results": []}
                    fresh |= {"run_id": run_id, "step": step, "connection": connection}
                    database.execute(insert(tasks).values(**fresh, state=TaskState.OPEN, work=dict(what)))
                elif dict(old.work) != dict(what):
                    values = {"state": TaskState.OPEN, "fence": tasks.c.fence + 1, "work": dict(what)}
                    database.execute(update(tasks).where(tasks.c.id == old.id).values(values))

    def claim(
        self, *, run_id: int | None = None, step: Step | None = None, without: Collection[int] = ()
    ) -> Task | None:
        """Claim a task of a running run that nobody alive works on; None if there is none at present.

        `without`: ids of tasks that this process cannot do.
        """
        query = (
            select(tasks)
            .join(runs, runs.c.id == tasks.c.run_id)
            .where(runs.c.state == "running", tasks.c.state.in_(_CLAIMABLE))
            .order_by(tasks.c.id)
        )
        if run_id is not None:
            query = query.where(tasks.c.run_id == run_id)
        if step is not None:
            query = query.where(tasks.c.step == step)
        with self._database.unguarded.writing() as database:
            if not self._database.is_sqlite:
                database.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLAIMING})
            now_ms = self._database.now_ms(database)
            for row in database.execute(query).mappings().all():
                if row["id"] not in without and self._free(database, row, now_ms):
                    mine = {"owner": me(), "lease_until": now_ms + self._database.terms.lease_ms}
                    mine |= {"state": TaskState.RUNNING, "fence": tasks.c.fence + 1}
                    # Its worker may have finished it since we looked: what is done is not done again.
                    still = (tasks.c.id == row["id"], tasks.c.state.in_(_CLAIMABLE))
                    if database.execute(update(tasks).where(*still).values(mine)).rowcount:
                        return _task(database.execute(_one(row["id"])).mappings().one())
        return None

    def lease(self, task: Task) -> Lease:
        """The claim that `task` came with; it also needs the run to be running."""
        return Lease(self._database.unguarded, run_id=task.run_id, fence=task.fence, task_id=task.id)

    def finish(self, task: Task, result: Mapping[str, Any]) -> None:
        """The task is done with this result. Raises `LeaseLost` if somebody else has it now."""
        results = [*task.results, dict(result)]
        self._set(task, {"state": TaskState.DONE, "results": results, "lease_until": 0})

    def release(self, task: Task) -> None:
        """Let go of a task that is not done: anybody may claim it at once."""
        self._set(task, {"state": TaskState.OPEN, "owner": {}, "lease_until": 0})

    def of(self, run_id: int, step: Step | None = None) -> list[Task]:
        """The run's tasks (of one step), in the order in which they were written."""
        with self._database.reading() as database:
            return _of(database, run_id, step)

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _free(self, database: Connection, row: RowMapping, now_ms: int) -> bool:
        """Nobody alive works on this connection, for this run or another; whoever is dead has lost it."""
        here = (tasks.c.connection == row["connection"], tasks.c.state == TaskState.RUNNING)
        holder = database.execute(select(tasks).where(*here)).mappings().first()
        if holder is None:
            return True
        if holder["lease_until"] > now_ms and not is_dead(holder["owner"]):
            return False
        # Locked before it is judged again; a row that is locked just now belongs to somebody who lives.
        again = _one(holder["id"]).with_for_update(skip_locked=True)
        locked = database.execute(again).mappings().first()
        if locked is None or (locked["lease_until"] > now_ms and not is_dead(locked["owner"])):
            return False
        if holder["id"] != row["id"] and locked["state"] == TaskState.RUNNING:
            state = select(runs.c.state).where(runs.c.id == holder["run_id"])
            alive = database.execute(state).scalar_one() == "running"
            freed = {"state": TaskState.OPEN if alive else TaskState.LOST, "fence": tasks.c.fence + 1}
            database.execute(update(tasks).where(tasks.c.id == holder["id"]).values(freed))
        return True

    def _set(self, task: Task, values: Mapping[str, Any]) -> None:
        own = (tasks.c.id == task.id, tasks.c.fence == task.fence, tasks.c.state == TaskState.RUNNING)
        with self._database.writing() as database:
            changed = database.execute(update(tasks).where(*own).values(values)).rowcount
        if not changed:
            raise LeaseLost(f"task {task.id} of run {task.run_id} was taken over by another process")


def _one(task_id: int) -> Any:
    return select(tasks).where(tasks.c.id == task_id)


def _of(database: Connection, run_id: int, step: Step | None) -> list[Task]:
    query = select(tasks).where(tasks.c.run_id == run_id).order_by(tasks.c.id)
    if step is not None:
        query = query.where(tasks.c.step == step)
    return [_task(row) for row in database.execute(query).mappings()]


def _task(row: RowMapping) -> Task:
    return Task(
        id=row["id"],
        run_id=row["run_id"],
        step=Step(row["step"]),
        connection=row["connection"],
        state=TaskState(row["state"]),
        fence=row["fence"],
        work=row["work"],
        results=tuple(row["results"]),
    )
