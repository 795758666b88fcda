"""Forget what nobody asks for any more: old snapshots and files, decided plans, past memberships, old runs.

Never forgotten: the ledger, the newest membership of every segment, wordings of rules, opt-outs that were
recorded, decisions and events of people, anything that is open, held or unsettled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
)

from sync.store.database import Database
from sync.store.kpi_tables import segment_kpis
from sync.store.recalled import EVALUATED, named
from sync.store.store import Store
from sync.store.tables import (
    batches,
    brakes,
    memberships,
    metadata,
    plans,
    rejected_rows,
    runs,
    tasks,
)
from sync.store.tidy import tidy

T = TypeVar("T")
_DECIDED = ("applied", "superseded", "rejected")
_UNDER_WAY = ("open", "running")
_NEWEST = 20
"""So many plans and runs stay, however old: the overview shows them."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that each kind of the past is kept; the section [store] of the config sets them."""

    lake_days: int = 7
    plans_days: int = 90
    history_days: int = 400
    rejected_days: int = 90


@dataclass(frozen=True, slots=True)
class Swept:
    """How many of each went. `files` are the lake's."""

    files: int = 0
    plans: int = 0
    batches: int = 0
    memberships: int = 0
    rejected: int = 0
    tasks: int = 0
    kpis: int = 0
    runs: int = 0


def vacuum(store: Store, *, now: dt.datetime, keep: Retention, thorough: bool = False) -> Swept:
    """Call it only while holding the run's lease. `thorough`: also give the space of a SQLite file back that
    an older segsync made, which rewrites the file once and needs as much space again."""
    database = store.database
    decided = _delete_plans(database, now - dt.timedelta(days=keep.plans_days))
    history = now - dt.timedelta(days=keep.history_days)
    past = _delete(database, memberships, _past_memberships(history))
    rejected = _delete(database, rejected_rows, _rejected_before(now - dt.timedelta(days=keep.rejected_days)))
    over = runs.c.state.not_in(_UNDER_WAY)
    old = select(runs.c.id).where(over, runs.c.started_at < now - dt.timedelta(days=keep.plans_days))
    done_tasks = _delete(database, tasks, tasks.c.run_id.in_(old))
    kpis = _delete_kpis(database, history)
    newest = select(runs.c.id).order_by(runs.c.id.desc()).limit(_NEWEST)
    free = and_(over, runs.c.started_at < history, runs.c.id.not_in(newest), _unnamed(runs))
    old_runs = _delete(database, runs, free)
    files = tidy(store.lake, now=now, keep_days=keep.lake_days)
    store.recalled.sweep(named(store.notes.get(EVALUATED)))
    if database.is_sqlite:
        _give_back(database, thorough=thorough)
    return Swept(files, *decided, past, rejected, done_tasks, kpis, old_runs)


def _delete_plans(database: Database, before: dt.datetime) -> tuple[int, int]:
    """Batches of decided plans; and the plans themselves, except those that opt-outs or others name."""
    newest = select(plans.c.id).order_by(plans.c.id.desc()).limit(_NEWEST)
    unsettled = exists().where(batches.c.plan_id == plans.c.id, batches.c.state == "sent")
    old = (
        select(plans.c.id)
        .where(plans.c.state.in_(_DECIDED), plans.c.created_at < before)
        .where(plans.c.id.not_in(newest), ~unsettled)
    )
    with database.writing() as connection:
        ids = list(connection.execute(old).scalars())
    gone = kept = 0
    for part in _parts(ids):
        with database.writing() as connection:
            kept += connection.execute(delete(batches).where(batches.c.plan_id.in_(part))).rowcount
            connection.execute(delete(brakes).where(brakes.c.plan_id.in_(part)))
            free = delete(plans).where(plans.c.id.in_(part), _unnamed(plans))
            gone += connection.execute(free).rowcount
    return gone, kept


def _delete_kpis(database: Database, before: dt.datetime) -> int:
    """Run by run: each may have thousands of values."""
    old = select(segment_kpis.c.run_id).where(segment_kpis.c.run_id.in_(_runs_before(before))).distinct()
    with database.writing() as connection:
        found = list(connection.execute(old).scalars())
    count = 0
    for run in found:
        with database.writing() as connection:
            count += connection.execute(delete(segment_kpis).where(segment_kpis.c.run_id == run)).rowcount
    return count


def _past_memberships(before: dt.datetime) -> ColumnElement[bool]:
    later = memberships.alias()
    newer = exists().where(later.c.segment == memberships.c.segment, later.c.run_id > memberships.c.run_id)
    return and_(newer, memberships.c.last_run.in_(_runs_before(before)))


def _rejected_before(before: dt.datetime) -> ColumnElement[bool]:
    first = select(func.min(runs.c.id)).scalar_subquery()
    seen = rejected_rows.c.last_seen_run
    return or_(seen.in_(_runs_before(before)), seen < first)


def _runs_before(before: dt.datetime) -> Select[tuple[int]]:
    return select(runs.c.id).where(runs.c.started_at < before)


def _unnamed(parent: Table) -> ColumnElement[bool]:
    """No row of any table refers to the parent's row."""
    naming = [
        ~exists().where(key.parent == parent.c.id)
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table is parent
    ]
    return and_(*naming)


def _delete(database: Database, table: Table, which: ColumnElement[bool]) -> int:
    """A few hundred rows per transaction, so that nobody else waits long."""
    keys = list(table.primary_key.columns)
    with database.writing() as connection:
        found = [tuple(row) for row in connection.execute(select(*keys).where(which))]
    count = 0
    for part in _parts(found):
        with database.writing() as connection:
            count += _delete_rows(connection, table, part)
    return count


def _delete_rows(connection: Connection, table: Table, rows: Collection[tuple[object, ...]]) -> int:
    keys = list(table.primary_key.columns)
    if len(keys) == 1:
        return connection.execute(delete(table).where(keys[0].in_([row[0] for row in rows]))).rowcount
    count = 0
    for row in rows:
        same = [key == value for key, value in zip(keys, row, strict=True)]
        count += connection.execute(delete(table).where(*same)).rowcount
    return count


def _parts(rows: list[T]) -> list[list[T]]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]


def _give_back(database: Database, *, thorough: bool) -> None:
    """Free pages of a SQLite file go back to the disk; what its planner knows is brought up to date."""
    connection = database.unguarded.writer.raw_connection()
    try:
        cursor = connection.cursor()
        if cursor.execute("PRAGMA auto_vacuum").fetchone()[0]:
            cursor.executescript("PRAGMA incremental_vacuum")  # execute would give one page back
        elif thorough:
            cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
            cursor.execute("VACUUM")
        cursor.execute("PRAGMA optimize")
        cursor.close()
    finally:
        connection.close()
