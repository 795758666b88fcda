"""Runs and their lease: only one at a time, and a dead one never blocks the next.

A lease lasts by the database's clock. A process that is known to be dead (its pid is gone on this very
machine, or the machine was restarted) loses it at once; one that may live elsewhere keeps it until it ends.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, RowMapping, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from sync.store.database import Database
from sync.store.errors import LeaseLost, RunInProgress
from sync.store.tables import runs

LEASE_S = 30


class RunState(StrEnum):
    """Where a run stands. INTERRUPTED: its process died; what it had planned is picked up by the next."""

    RUNNING = "running"
    DONE = "done"
    HELD = "held"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """One pass of the five steps. `stats` is what its reports show, in JSON."""

    id: int
    trigger: str
    as_of: dt.datetime
    started_at: dt.datetime
    ended_at: dt.datetime | None
    state: RunState
    stats: Mapping[str, object]
    rules_hash: str | None


class Runs:
    """Claim, renew and finish runs; list them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self, trigger: str, *, as_of: dt.datetime, now: dt.datetime, rules_hash: str | None = None
    ) -> Run:
        """Begin a run. Raises `RunInProgress` while another one lives. Dead runs become INTERRUPTED."""
        try:
            with self._database.writing() as database:
                if not self._database.is_sqlite:
                    database.execute(text("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE"))
                now_ms = self._database.now_ms(database)
                for row in database.execute(select(runs).where(runs.c.state == RunState.RUNNING)):
                    if row.lease_until > now_ms and not _is_dead(row.owner):
                        left = max(1, round((row.lease_until - now_ms) / 1000))
                        raise RunInProgress(
                            f"run {row.id} ({row.trigger}) is under way on {row.owner.get('host')},"
                            f" process {row.owner.get('pid')}; wait for it to end"
                            f" (at most {left} s if it was killed)"
                        )
                    database.execute(
                        update(runs)
                        .where(runs.c.id == row.id)
                        .values(state=RunState.INTERRUPTED, ended_at=now)
                    )
                values = {
                    "trigger": trigger,
                    "as_of": as_of,
                    "started_at": now,
                    "state": RunState.RUNNING,
                    "owner": _me(),
                    "lease_until": now_ms + LEASE_S * 1000,
                    "stats": {},
                    "rules_hash": rules_hash,
                }
                key = database.execute(insert(runs).values(values)).inserted_primary_key
                assert key is not None  # noqa: S101 - an insert of one row always has one
                return _run(database, int(key[0]))
        except IntegrityError as error:
            raise RunInProgress("another run began at the same moment; wait for it to end") from error

    def heartbeat(self, run_id: int) -> None:
        """Renew the lease; call every `LEASE_S / 3` seconds. Raises `LeaseLost` after a take-over."""
        with self._database.writing() as database:
            changed = database.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.state == RunState.RUNNING)
                .values(lease_until=text(f"{self._database.now_sql} + {LEASE_S * 1000}"))
            ).rowcount
        if not changed:
            raise LeaseLost(f"run {run_id} lost its lease: another run took over")

    def finish(
        self,
        run_id: int,
        state: RunState,
        *,
        now: dt.datetime,
        stats: Mapping[str, object],
        rules_hash: str | None = None,
    ) -> None:
        """End a run and let go of the lease. Raises `LeaseLost` if another run took over meanwhile."""
        values: dict[str, object] = {"state": state, "ended_at": now, "stats": dict(stats), "lease_until": 0}
        if rules_hash is not None:
            values["rules_hash"] = rules_hash
        with self._database.writing() as database:
            changed = database.execute(
                update(runs).where(runs.c.id == run_id, runs.c.state == RunState.RUNNING).values(values)
            ).rowcount
        if not changed:
            raise LeaseLost(f"run {run_id} lost its lease: another run took over")

    def get(self, run_id: int) -> Run:
        """The run with this id."""
        with self._database.reading() as database:
            return _run(database, run_id)

    def latest(self, *, limit: int = 20) -> list[Run]:
        """Newest first."""
        with self._database.reading() as database:
            found = database.execute(select(runs).order_by(runs.c.id.desc()).limit(limit)).mappings()
            return [_from(row) for row in found]


def _run(database: Connection, run_id: int) -> Run:
    return _from(database.execute(select(runs).where(runs.c.id == run_id)).mappings().one())


def _from(row: RowMapping) -> Run:
    values = {name: row[name] for name in Run.__dataclass_fields__}
    values["state"] = RunState(str(values["state"]))
    return Run(**values)


def _me() -> dict[str, object]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "place": _place(), "pid": pid, "started": _started(pid)}


def _place() -> list[str]:
    """Machine boot and pid namespace: within the same two, a pid that is gone is a process that is dead."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    try:
        return [boot.read_text().strip(), str(space.readlink())]
    except OSError:  # no /proc: a host of this name, whose pids are all we know
        return [socket.gethostname(), ""]


def _started(pid: int) -> str | None:
    """When a process began, in ticks since boot, so that a pid used again is told apart; None: unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]  # a zombie is dead, though its pid still answers
    except (OSError, IndexError):
        return None


def _is_dead(owner: Mapping[str, object]) -> bool:
    mine = _place()
    theirs = cast("list[str]", owner.get("place") or [])
    if theirs != mine:
        # the same host name and pid namespace with another boot id: the machine was restarted
        return (
            len(theirs) == 2
            and bool(mine[1])
            and theirs[0] != mine[0]
            and owner.get("host") == socket.gethostname()
            and theirs[1] == mine[1]
        )
    pid = int(cast("int", owner["pid"]))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return owner.get("started") is not None and _started(pid) != owner["started"]
