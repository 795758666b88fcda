"""A database that goes away or stays locked is told in a sentence, and the store works on when it is back."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import make_url

from sync.store import Store
from sync.store.database import Database
from sync.store.errors import DatabaseGone, StoreError
from sync.store.whole import overwrite
from tests.databases import own_postgres, postgres_url
from tests.scenarios.works import until


def others(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """Somebody else on the same server, in another database."""
    server = url.replace("postgresql+psycopg://", "postgresql://")
    name = server.partition("?")[0].rpartition("/")[2]
    return psycopg.connect(server.replace(f"/{name}?", "/postgres?"), autocommit=True)


def end_connections(url: str) -> None:
    """As a restart of the server does."""
    name = url.partition("?")[0].rpartition("/")[2]
    query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
    with others(url) as connection:
        connection.execute(query, [name])


def crash(url: str) -> None:
    """One of its processes dies: the server throws everybody out and recovers."""
    name = url.partition("?")[0].rpartition("/")[2]
    with others(url) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
        pid = connection.execute(query, [name]).fetchall()[0][0]
    os.kill(int(str(pid)), signal.SIGKILL)


def change_while(store: Store, something: Callable[[], None]) -> None:
    """A transaction in the middle of which something happens."""
    with store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE notes SET value = '\"person1@example.com\"'")
        something()
        connection.exec_driver_sql("UPDATE notes SET value = '\"person2@example.com\"'")


def read_catalog_while(store: Store, something: Callable[[], None]) -> None:
    """As PyIceberg does: on the catalog's engine, past our own ways in."""
    with store.lake._catalog.engine.begin() as connection:
        something()
        connection.exec_driver_sql("SELECT 1")


def answers(store: Store) -> bool:
    """While the server recovers, that is told, too."""
    try:
        store.notes.get("kept")
    except StoreError:
        return False
    return True


@pytest.mark.parametrize("disturb", [end_connections, crash])
def test_a_lost_connection_is_told_and_what_was_not_committed_is_undone(
    tmp_path: Path, disturb: Callable[[str], None]
) -> None:
    with own_postgres() as server:  # a crash throws everybody out, other tests' databases included
        lose_it(server.url(), tmp_path / "lake", disturb)


def lose_it(url: str, lake: Path, disturb: Callable[[str], None]) -> None:
    store = Store.open(url, lake)
    try:
        store.notes.set("kept", "yes")
        with pytest.raises(DatabaseGone, match="went away; what was not committed yet is undone") as told:
            change_while(store, lambda: disturb(url))
        assert "person1" not in str(told.value)
        until(lambda: answers(store), "the server has recovered")
        assert store.notes.get("kept") == "yes"
    finally:
        store.close()


def test_a_server_that_dies_while_it_is_being_connected_to_is_told() -> None:
    """It has let us in and is asked what it is, when it ends: the driver calls that neither of both."""
    url = make_url(postgres_url())
    with hanging_up_at(b"hstore", str(url.query["host"])) as port:
        far = url.set(host="127.0.0.1", port=port, query={})
        database = Database(far.render_as_string(hide_password=False))
        with pytest.raises(DatabaseGone, match="went away"), database.reading():
            pass
        database.close()


@contextmanager
def hanging_up_at(words: bytes, folder: str) -> Iterator[int]:
    """The port of somebody who hands on to the server in `folder` what one client says, until these words."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hand_on() -> None:
            client, _ = listening.accept()
            with client, socket.socket(socket.AF_UNIX) as server:
                server.connect(f"{folder}/.s.PGSQL.5432")
                answers = threading.Thread(target=copy, args=(server, client))
                answers.start()
                copy(client, server, until=words)
                for one in (client, server):
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                answers.join()

        at_work = threading.Thread(target=hand_on)
        at_work.start()
        yield listening.getsockname()[1]
        at_work.join()


def copy(source: socket.socket, target: socket.socket, until: bytes = b"") -> None:
    with suppress(OSError):
        while said := source.recv(65_536):
            if until and until in said:
                return
            target.sendall(said)


def test_a_page_whose_commit_got_no_answer_can_be_read(tmp_path: Path) -> None:
    """The server has committed and the connection is lost before it says so: the page's row names a file."""
    url = make_url(postgres_url())
    rows = pa.table({"external_id": ["1", "2"]})
    with losing_the_answer_to(b"COMMIT", str(url.query["host"])) as (port, armed):
        far = url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
        store = Store.open(far, tmp_path / "lake")
        try:
            armed.set()
            with pytest.raises(DatabaseGone):
                store.inbox.commit_page("crm", "contacts", rows, "c1")
            armed.clear()
            (page,) = store.inbox.waiting("crm", "contacts")
            assert store.inbox.checkpoint("crm", "contacts").cursor == "c1"
            assert page.read().equals(rows)
        finally:
            store.close()


@contextmanager
def losing_the_answer_to(words: bytes, folder: str) -> Iterator[tuple[int, threading.Event]]:
    """The port of somebody who hands everything on to the server in `folder` and back; while the event is
    set, what the server answers to these words is lost, and the connection with it."""
    armed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hand_on() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{folder}/.s.PGSQL.5432")
                lost = threading.Event()
                threading.Thread(target=there, args=(client, server, lost), daemon=True).start()
                threading.Thread(target=back, args=(server, client, lost), daemon=True).start()

        def there(client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
            with suppress(OSError):
                while said := client.recv(65_536):
                    if armed.is_set() and words in said:
                        lost.set()
                    server.sendall(said)
                server.shutdown(socket.SHUT_RDWR)

        def back(server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
            with suppress(OSError):
                while said := server.recv(65_536):
                    if lost.is_set():
                        break
                    client.sendall(said)
                client.shutdown(socket.SHUT_RDWR)

        accepting = threading.Thread(target=hand_on, daemon=True)
        accepting.start()
        yield listening.getsockname()[1], armed
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()


def test_a_connection_lost_in_the_lakes_catalog_is_told_as_well(tmp_path: Path) -> None:
    url = postgres_url()
    store = Store.open(url, tmp_path / "lake")
    people = pa.table({"person": pa.array([1], pa.int32())})
    try:
        overwrite(store.lake, "people", people)
        with pytest.raises(DatabaseGone):
            read_catalog_while(store, lambda: end_connections(url))
        overwrite(store.lake, "people", people)
        assert store.lake.rows("people") == 1
    finally:
        store.close()


def test_a_file_that_another_program_keeps_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.store.database.BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "store.db"
    Store.open(f"sqlite:///{path}", tmp_path / "lake").close()
    database = Database(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseGone, match="locked by another program"), database.writing():
        pass
    other.rollback()
    other.close()
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM notes")
    database.close()
