"""A lease: the right of one process to work on a run or a task, proved inside every transaction it writes.

Each claim raises the row's `fence`. Whoever was taken over holds an older one, so nothing that it still
writes is committed. The database checks the fence; platforms cannot, so before a request goes out the lease
must still outlast it, on a clock of this machine that never stands still.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, bindparam, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from sync.store.errors import LeaseLost, Stopped, StoreError
from sync.store.tables import runs, tasks

if TYPE_CHECKING:
    from sync.store.database import Database


class Guard(Protocol):
    """Asked at the start of every transaction that writes."""

    def prove(self, connection: Connection) -> None:
        """Raises `LeaseLost`, inside the transaction, if somebody took over."""

    def go_on(self) -> None:
        """Raises `Stopped` or `LeaseLost` if this process should begin nothing more."""


class Stop(threading.Event):
    """Set by whoever wants work to end; also counts as set when the one above it is."""

    def __init__(self, above: threading.Event | None = None) -> None:
        super().__init__()
        self._above = above

    def is_set(self) -> bool:
        return super().is_set() or (self._above is not None and self._above.is_set())


def steady_s() -> float:
    """Seconds on a clock that goes on while the machine sleeps; only differences mean something."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a claim lasts without renewal, how often it is renewed, and what a request needs, in seconds.

    The slowest request a client waits for takes 135 s (5 to connect, 130 to answer), and 5 s are for clocks
    and queues. So a lease of 180 s forgives three heartbeats in a row. A process that is known to be dead
    loses its lease at once; only one that may live elsewhere keeps it until the end.
    """

    lease_s: float = 180.0
    heartbeat_s: float = 10.0
    request_s: float = 140.0
    steady_s: Callable[[], float] = field(default=steady_s)

    @property
    def lease_ms(self) -> int:
        """The lease in the database's unit."""
        return round(self.lease_s * 1000)


_RUNNING = (
    select(runs.c.id)
    .where(runs.c.id == bindparam("run"), runs.c.state == "running")
    .with_for_update(read=True, key_share=True)
)
_OUR_RUN = _RUNNING.where(runs.c.fence == bindparam("fence"))
_OUR_TASK = _RUNNING.join(tasks, tasks.c.run_id == runs.c.id).where(
    tasks.c.id == bindparam("task"), tasks.c.fence == bindparam("fence"), tasks.c.state == "running"
)
"""Asked in every transaction that writes: made once, for making them takes longer than asking."""


class Lease:
    """The claim on run `run_id`, or on its task `task_id`, made with `fence`. Safe for threads."""

    def __init__(self, database: Database, *, run_id: int, fence: int, task_id: int | None = None) -> None:
        self.run_id = run_id
        self.task_id = task_id
        self.fence = fence
        self.terms = database.terms
        self.stopping: threading.Event = Stop()
        """Set by whoever wants this work to end: nothing new is begun, what is under way is recorded."""
        self._database = database
        self._lost = threading.Event()
        self._sent_s = float("-inf")
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    @property
    def lost(self) -> bool:
        """Somebody took over; found out by a heartbeat, a request or a transaction."""
        return self._lost.is_set()

    @property
    def remaining_s(self) -> float:
        """How much longer the lease certainly lasts: counted from when its last renewal was *sent*."""
        return self._sent_s + self.terms.lease_s - self.terms.steady_s()

    def prove(self, connection: Connection) -> None:
        """Inside a transaction: the row still has our fence and is running, and stays so until the commit.

        On PostgreSQL the row is locked against a take-over (which asks FOR UPDATE) but not against
        heartbeats; on SQLite the transaction itself is the lock.
        """
        if self.lost:
            raise self._gone()
        ours = {"run": self.run_id, "task": self.task_id, "fence": self.fence}
        if connection.execute(_OUR_RUN if self.task_id is None else _OUR_TASK, ours).first() is None:
            raise self._gone()

    def renew(self) -> None:
        """A heartbeat. Raises `LeaseLost` after a take-over; StoreError if the database does not answer."""
        if self.lost:
            raise self._gone()
        sent_s = self.terms.steady_s()
        table = runs if self.task_id is None else tasks
        own = runs.c.id == self.run_id if self.task_id is None else tasks.c.id == self.task_id
        statement = update(table).where(own, table.c.fence == self.fence, table.c.state == "running")
        if self.task_id is not None:
            alive = select(runs.c.id).where(runs.c.id == self.run_id, runs.c.state == "running")
            statement = statement.where(alive.exists())
        until = text(f"{self._database.now_sql} + {self.terms.lease_ms}")
        try:
            with self._database.unguarded.writing() as connection:
                changed = connection.execute(statement.values(lease_until=until)).rowcount
        except SQLAlchemyError as error:
            raise StoreError(f"{self} could not be renewed: the database does not answer") from error
        if not changed:
            raise self._gone()
        self._sent_s = sent_s

    def before_request(self) -> None:
        """The lease outlasts the slowest request from now, if need be by a renewal; else `LeaseLost`."""
        if self.lost:
            raise self._gone()
        if self.remaining_s < self.terms.request_s:
            self.renew()
            if self.remaining_s < self.terms.request_s:
                raise LeaseLost(f"{self} was renewed too late for another request; nothing was sent")

    def go_on(self) -> None:
        """Between two pages or two calls: raises `Stopped` if we are to end, `LeaseLost` if taken over."""
        if self.lost:
            raise self._gone()
        if self.stopping.is_set():
            raise Stopped(
                f"{self} was asked to stop; what it did is recorded, the next run goes on from there"
            )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renewed now and then by a thread, until the end of the block."""
        self.renew()
        self._ended.clear()
        self._beating = threading.Thread(target=self._beat, name=f"lease {self}", daemon=True)
        self._beating.start()
        try:
            yield
        finally:
            self.rest()

    def rest(self) -> None:
        """No heartbeat from now on. Whoever lets go of a row that stays `running` calls it first: one more
        beat would claim it anew, for nobody."""
        self._ended.set()
        if self._beating is not None:
            self._beating.join()

    def _beat(self) -> None:
        wait_s = self.terms.heartbeat_s
        while not self._ended.wait(wait_s):
            try:
                self.renew()
                wait_s = self.terms.heartbeat_s
            except LeaseLost:
                return
            except StoreError:
                wait_s = min(1.0, self.terms.heartbeat_s)  # restarting, maybe: try again soon

    def _gone(self) -> LeaseLost:
        self._lost.set()
        return LeaseLost(f"{self} was taken over by another process; this one stops and writes nothing more")

    def __str__(self) -> str:
        return f"run {self.run_id}" if self.task_id is None else f"task {self.task_id} of run {self.run_id}"
