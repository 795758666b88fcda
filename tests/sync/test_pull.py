"""Sources are read beside each other: none waits for another, and none disturbs another."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.base import Features, Page, Stream, StreamKind, page_schema
from connectors.errors import Unavailable
from sync.pull import pull_all
from sync.store import Store
from tests.databases import sqlite_url
from tests.patience import PATIENCE_S
from tests.sync.memory import MemoryDestination

AT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
PEOPLE = Stream("people", StreamKind.CONTACTS, fields=(), standard={})


class Source(MemoryDestination):
    """Pages of one contact each. `before` is called with the number of each page before it is given."""

    def __init__(self, pages: int, *, before: Callable[[int], object] = lambda _: None) -> None:
        super().__init__()
        self.pages = pages
        self.before = before

    @property
    def features(self) -> Features:
        return Features(streams=(PEOPLE,), audiences={})

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        for number in range(int(after or 0), self.pages):
            self.before(number)
            row = {"external_id": f"p{number}", "address": f"p{number}@example.com", "deleted": False}
            yield Page(pa.Table.from_pylist([row], schema=page_schema(stream)), str(number + 1))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as opened:
        yield opened


def run_of(store: Store) -> int:
    return store.runs.claim("test", as_of=AT, now=AT).id


def held(store: Store, connection: str) -> list[str]:
    """External ids of the connection in the inbox, in the order they are absorbed in."""
    return [
        row
        for page in store.inbox.waiting(connection, "people")
        for row in page.read_column("external_id").to_pylist()
    ]


def test_sources_are_read_at_the_same_time(store: Store) -> None:
    together = threading.Barrier(3)
    sources = {
        name: Source(1, before=lambda _: together.wait(PATIENCE_S)) for name in ("slow", "other", "third")
    }
    done = pull_all(store, sources, run_id=run_of(store), at=AT)
    assert [(one.connection, one.rows) for one in done] == [(name, {"people": 1}) for name in sources]


def test_pages_of_many_sources_in_a_muddle_keep_the_order_each_source_gave(store: Store) -> None:
    names = [f"source{number}" for number in range(5)]
    done = pull_all(store, {name: Source(30) for name in names}, run_id=run_of(store), at=AT)
    assert [one.connection for one in done] == names
    for name in names:
        assert held(store, name) == [f"p{number}" for number in range(30)]
        waiting = store.inbox.waiting(name, "people")
        assert [page.sequence for page in waiting] == list(range(1, 31))
        assert store.inbox.checkpoint(name, "people").cursor == "30"


def test_a_source_that_fails_stops_alone_and_goes_on_where_it_was(store: Store) -> None:
    failed = threading.Event()

    def fails(number: int) -> None:
        if number == 2:
            failed.set()
            raise Unavailable("the platform is down")

    def waits(_: int) -> None:
        assert failed.wait(PATIENCE_S)  # so that everything of it is read after the other one's failure

    sources = {"down": Source(5, before=fails), "up": Source(5, before=waits)}
    down, up = pull_all(store, sources, run_id=run_of(store), at=AT)
    assert (down.stopped, down.rows) == ("the platform is down", {"people": 2})
    assert (up.stopped, up.rows) == (None, {"people": 5})
    (again,) = pull_all(store, {"down": Source(5)}, run_id=1, at=AT)
    assert again.rows == {"people": 3}
    assert held(store, "down") == [f"p{number}" for number in range(5)]


def test_who_cannot_be_prepared_is_reported_and_not_read(store: Store) -> None:
    def prepare(name: str) -> None:
        if name == "locked":
            raise Unavailable("no answer")

    locked, open_ = pull_all(
        store, {"locked": Source(2), "open": Source(2)}, run_id=run_of(store), at=AT, prepare=prepare
    )
    assert (locked.stopped, locked.rows) == ("no answer", {})
    assert open_.rows == {"people": 2}


def test_a_fault_of_ours_ends_every_source_after_its_page(store: Store) -> None:
    began, broken = threading.Event(), threading.Event()

    def breaks(_: int) -> None:
        assert began.wait(PATIENCE_S)
        broken.set()
        raise KeyError("a fault of ours")

    def endless(number: int) -> None:
        began.set()
        if number:
            assert broken.wait(PATIENCE_S)

    sources = {"broken": Source(1, before=breaks), "endless": Source(10**9, before=endless)}
    with pytest.raises(KeyError, match="a fault of ours"):
        pull_all(store, sources, run_id=run_of(store), at=AT)
    there = held(store, "endless")
    assert there == [f"p{number}" for number in range(len(there))]
    assert store.inbox.checkpoint("endless", "people").cursor == str(len(there))
    assert store.inbox.checkpoint("endless", "people").last_good_at is None
