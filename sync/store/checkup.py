"""What can be seen of a store's health, without changing anything. Facts only: `sync.run.doctor` advises."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import ArrowException
from pyiceberg.manifest import DataFileContent
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from sync.store.catalog import NAMESPACE
from sync.store.database import Database
from sync.store.errors import StoreError
from sync.store.files import snapshot_files
from sync.store.inbox import Inbox
from sync.store.lake import Lake
from sync.store.migrate import HEAD, knows, revision_of
from sync.store.owners import is_dead
from sync.store.shapes import SHAPES
from sync.store.tables import batches, runs, tasks
from sync.store.tidy import names_of, unnamed_files

_MOST = 20


@dataclass(frozen=True, slots=True)
class Version:
    """Which tables are there. `found` None: none yet; `known` False: a newer segsync made them."""

    found: str | None
    newest: str
    known: bool

    @property
    def current(self) -> bool:
        """They are this program's."""
        return self.found == self.newest


def version_of(database: Database) -> Version:
    """The version of the database's tables. StoreError if the database cannot be reached."""
    try:
        with _told(database).reading() as connection:
            found = revision_of(connection)
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0]
        raise StoreError(f"the database {database.place} cannot be read: {reason}") from error
    return Version(found, HEAD, found is None or knows(found))


def damage(database: Database) -> list[str]:
    """What the database itself finds wrong; empty if nothing."""
    try:
        with database.reading() as connection:
            if database.is_sqlite:
                found = [str(row[0]) for row in connection.execute(text("PRAGMA quick_check(20)"))]
                broken = [line for line in found if line != "ok"]
                lost = connection.execute(text("PRAGMA foreign_key_check")).fetchmany(_MOST)
                return broken + [
                    f"a row of {row[0]} refers to a row of {row[2]} that is gone" for row in lost
                ]
            query = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
            return [f"the index {name} is not valid" for name in connection.execute(text(query)).scalars()]
    except DBAPIError as error:
        return [str(error.orig).splitlines()[0]]


def clock_ahead_s(database: Database, *, now: dt.datetime) -> float:
    """How many seconds the database's clock is ahead of `now`."""
    with database.reading() as connection:
        return database.now_ms(connection) / 1000 - now.timestamp()


@dataclass(frozen=True, slots=True)
class LakeHealth:
    """`broken`: sentences about files that are named and gone or not as promised. `unnamed`: files and bytes
    that no snapshot names, older than an hour."""

    broken: tuple[str, ...]
    rows: int
    files: int
    unnamed: int
    unnamed_bytes: int


def lake_health(lake: Lake, *, now: dt.datetime) -> LakeHealth:
    """Whether every file that any snapshot names exists, and the current ones have their rows."""
    broken: list[str] = []
    rows = files = unnamed = size = 0
    for name in SHAPES:
        try:
            table = lake.table(name)
            if table is None:
                continue
            named = names_of(table)
        except (StoreError, OSError) as error:
            broken.append(f"{name}: its metadata cannot be read ({type(error).__name__})")
            continue
        there = {path.name for path in (lake.folder / NAMESPACE / name).glob("*/*")}
        gone = sorted(file for file in named - there if file.endswith(".parquet"))
        broken += [f"{name}: {file} is gone" for file in gone[:_MOST]]
        current = table.current_snapshot()
        for path, file in snapshot_files(table, current.snapshot_id).items() if current is not None else ():
            files += 1
            rows += int(file.record_count) * (1 if file.content is DataFileContent.DATA else -1)
            problem = _wrong(Path(path), int(file.record_count)) if Path(path).name in there else None
            if problem:
                broken.append(f"{name}: {Path(path).name} {problem}")
        for stray in unnamed_files(lake.folder / NAMESPACE / name, named, now):
            unnamed += 1
            size += stray.stat().st_size
    return LakeHealth(tuple(broken), rows, files, unnamed, size)


def lost_pages(inbox: Inbox) -> list[str]:
    """Streams whose pages wait to be merged and whose files are gone: "connection / stream"."""
    return sorted({f"{p.connection} / {p.stream}" for p in inbox.waiting() if not p.path.exists()})


@dataclass(frozen=True, slots=True)
class Stuck:
    """Runs and tasks whose worker is gone, queued runs nobody takes, batches without an outcome."""

    runs: tuple[int, ...]
    tasks: tuple[str, ...]
    waiting: tuple[int, ...]
    unsettled: int


def stuck(database: Database, *, now: dt.datetime, patience: dt.timedelta) -> Stuck:
    """`patience`: how long a queued run may wait for a worker."""
    with database.reading() as connection:
        now_ms = database.now_ms(connection)
        running = connection.execute(
            select(runs.c.id, runs.c.owner, runs.c.lease_until).where(runs.c.state == "running")
        ).all()
        working = connection.execute(
            select(tasks.c.connection, tasks.c.step, tasks.c.owner, tasks.c.lease_until).where(
                tasks.c.state == "running"
            )
        ).all()
        queued = select(runs.c.id).where(runs.c.state == "open", runs.c.started_at < now - patience)
        sent = select(func.count()).select_from(batches).where(batches.c.state == "sent")
        dead = tuple(r.id for r in running if r.lease_until <= now_ms or is_dead(r.owner))
        alive = len(running) > len(dead)
        return Stuck(
            runs=dead,
            tasks=tuple(
                f"{t.step} of {t.connection}" for t in working if t.lease_until <= now_ms or is_dead(t.owner)
            ),
            waiting=tuple(connection.execute(queued.order_by(runs.c.id)).scalars()),
            unsettled=0 if alive else int(connection.execute(sent).scalar_one()),
        )


def _wrong(path: Path, rows: int) -> str | None:
    try:
        found = pq.read_metadata(path).num_rows
    except (OSError, ArrowException):
        return "cannot be read"
    return None if found == rows else f"has {found:,} rows and should have {rows:,}"


def _told(database: Database) -> Database:
    if database.is_sqlite and not re.match(rb"(SQLite format 3\0|$)", _head(Path(database.place))):
        raise StoreError(f"{database.place} is not a SQLite database, or its beginning is damaged")
    return database


def _head(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(16)
