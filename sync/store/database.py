"""The control database: engines that obey one set of rules on SQLite and PostgreSQL.

SQLite: WAL, one writing connection with BEGIN IMMEDIATE (a deferred transaction that reads and then
writes fails at once with "locked", whatever the time-out), a second engine for reading. PostgreSQL:
psycopg 3. No network call and no lake write happens inside a transaction of this module.
"""

from __future__ import annotations

import contextlib
import copy
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import LRUCache

from sync.store.errors import DatabaseGone, NoSpaceLeft, StoreError, is_no_space
from sync.store.leases import Guard, Terms

BUSY_TIMEOUT_S = 30
BEGIN_READING = "BEGIN"
PATIENCE_MS = 30_000
"""How long PostgreSQL tries one statement."""
LONGEST_IDLE_MS = 15_000
"""A process that is stopped in the middle of a transaction holds what others wait for: PostgreSQL ends it.
Our transactions take milliseconds."""
QUERY_CANCELED = "57014"
"""SQLSTATE of a statement that took too long."""


class Database:
    """Two engines over one database. `writing()` and `reading()` are the only ways in."""

    def __init__(self, url: str) -> None:
        self.terms = Terms()
        """Of every lease on this database; read when a lease is made."""
        self.guard: Guard | None = None
        self.unguarded: Database = self
        self.url = _normal_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.place = str(self.url.database) if self.is_sqlite else self.url.render_as_string()
        if self.is_sqlite:
            _make_private(Path(str(self.url.database)))
            self.writer = _sqlite_engine(self.url, begin="BEGIN IMMEDIATE", size=1)
            self.reader = _sqlite_engine(self.url, begin=BEGIN_READING, size=4)
        else:
            self.writer = self.reader = _postgres_engine(self.url)
        for engine in {self.writer, self.reader}:  # events, so that the lake's catalog is told the same
            event.listen(engine, "handle_error", self._failed)

    def guarded(self, guard: Guard) -> Self:
        """A view on the same connections: each of its writing transactions begins with `guard.prove`.

        That holds for everything that writes through it, the lake's catalog included, in whatever thread.
        """
        view = copy.copy(self)
        view.guard = guard
        view.writer = self.unguarded.writer.execution_options()  # the same pool with events of its own
        event.listen(view.writer, "begin", guard.prove)
        return view

    def prove(self) -> None:
        """Raises `LeaseLost` if this is a guarded view and its lease is not ours any more."""
        if self.guard is not None:
            with self.writing():
                pass

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction; committed at the end of the block, rolled back if it raises."""
        with self._told(), self.writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent read; never waits for a writer."""
        with self._told(), self.reader.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `reading`, and on PostgreSQL too all of it is of one moment, that of the first query."""
        reader = self.reader
        if not self.is_sqlite:
            reader = reader.execution_options(isolation_level="REPEATABLE READ")
        with self._told(), reader.begin() as connection:
            yield connection

    def now_ms(self, connection: Connection) -> int:
        """The database's clock in milliseconds since 1970: one clock for all processes."""
        return int(connection.execute(text(f"SELECT {self.now_sql}")).scalar_one())

    @property
    def now_sql(self) -> str:
        """SQL expression of the database's clock in milliseconds; moves inside a transaction too."""
        if self.is_sqlite:  # unixepoch('subsec') is NULL before SQLite 3.42
            return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
        return "(extract(epoch from clock_timestamp()) * 1000)::bigint"

    def close(self) -> None:
        """Let go of all connections; on SQLite this also folds the write-ahead log back. A view has none."""
        if self.guard is not None:
            return
        self.reader.dispose()
        self.writer.dispose()

    def _failed(self, failure: ExceptionContext) -> None:
        """A server that went away, or a file that another program keeps locked, is no fault of ours."""
        if failure.is_disconnect:
            raise self._gone() from None
        if getattr(failure.original_exception, "sqlstate", None) == QUERY_CANCELED:
            raise DatabaseGone(
                f"the database {self.place} did not answer within {PATIENCE_MS // 1000} s, it is busy or"
                " another process holds what we wait for; what was not committed yet is undone, run again"
            ) from None
        if self.is_sqlite and "database is locked" in str(failure.original_exception):
            raise DatabaseGone(
                f"the database {self.place} has been locked by another program for {BUSY_TIMEOUT_S} s; "
                "what was not committed yet is undone, end that program and run again"
            ) from None

    def _gone(self) -> DatabaseGone:
        return DatabaseGone(
            f"the database {self.place} went away; what was not committed yet is undone, "
            "run again when it answers"
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            if is_no_space(error):
                raise NoSpaceLeft(
                    f"no space left for the database {self.place}; nothing was changed,"
                    " free space and run again"
                ) from error
            if "unable to open database file" in str(error) or "connection failed" in str(error):
                reason = str(error.orig).splitlines()[0]
                raise StoreError(f"cannot open the database {self.place}: {reason}") from error
            if not self.is_sqlite and error.statement is None:
                # while a connection was being made, of which no event tells
                raise self._gone() from error
            raise


def upsert(database: Connection, table: object) -> sqlite.Insert:
    """The dialect's INSERT that knows ON CONFLICT; both databases spell it alike."""
    make = sqlite.insert if database.dialect.name == "sqlite" else postgresql.insert
    return make(table)  # type: ignore[return-value, arg-type]


def _normal_url(url: str) -> URL:
    if "://" not in url:
        url = f"sqlite:///{url}"
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "postgres" or parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            backend = "postgresql"
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError("the database URL cannot be read; use sqlite:///PATH or postgresql://…") from error
    if backend not in ("sqlite", "postgresql"):
        raise StoreError(f"the store runs on sqlite or postgresql, not on {backend}")
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise StoreError("the store needs a SQLite file; a database in memory forgets everything")
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return parsed


def _make_private(path: Path) -> None:
    """A new database file is its owner's alone; SQLite gives its side files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # SQLite will say what is wrong with the place
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


_COMPILED: LRUCache[object, object] = LRUCache(500)
"""Statements as SQLite's SQL, for all engines of this process; as many as SQLAlchemy keeps for one."""


@cache
def _sqlite_dialect() -> Dialect:
    """One for all engines: SQLAlchemy keeps what it made of a statement by dialect, and to compile the
    statements of a run takes a tenth of the CPU of a small one."""
    engine = create_engine("sqlite://")
    engine.connect().close()  # asks SQLite what it can
    engine.dispose()
    return engine.dialect


def _sqlite_engine(url: URL, *, begin: str, size: int) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0 if size == 1 else 20,
        hide_parameters=True,  # a message must not show whose row it was
        pool_timeout=BUSY_TIMEOUT_S * 4,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        execution_options={"compiled_cache": _COMPILED},
    )
    engine.dialect = _sqlite_dialect()

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only counts in a file that is still empty
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        if begin == BEGIN_READING:  # waits for nobody and cannot fail; a run does it a thousand times
            connection.connection.cursor().execute(begin)
        else:
            connection.exec_driver_sql(begin)

    return engine


def _postgres_engine(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=4,
            max_overflow=20,
            hide_parameters=True,
            connect_args={
                "options": f"-c statement_timeout={PATIENCE_MS} -c timezone=UTC"
                f" -c idle_in_transaction_session_timeout={LONGEST_IDLE_MS}"
            },
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            "the PostgreSQL driver is not installed; install segsync with the extra 'postgres'"
        ) from error
