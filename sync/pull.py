"""Step 1 of a run: every stream of a source from its checkpoint; each page and its cursor kept together.

A page is safe in the inbox before the next one is asked for, so a run that dies goes on where it stopped.
What was pulled is merged into the lake by `sync.persons`, which may be repeated.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from connectors.base import Connector, Stream, StreamKind
from connectors.errors import BadSource, ConnectorError, CursorExpired
from sync.progress import SILENT, Progress
from sync.store import Store
from sync.store.inbox import StoredPage


@dataclass(slots=True)
class Pulled:
    """What one source gave. `stopped` says why its pull ended early, in a sentence."""

    connection: str
    rows: dict[str, int] = field(default_factory=dict)  # stream → rows that arrived
    rejected: int = 0
    stopped: str | None = None
    unusable: bool = False  # the config or the file is wrong, not the platform


class _Halted(Exception):
    """The run ends while a source is being read: what is committed stays, the rest waits for the next run."""


def pull_all(
    store: Store,
    connectors: Mapping[str, Connector],
    *,
    run_id: int,
    at: dt.datetime,
    prepare: Callable[[str], object] = lambda _: None,
    progress: Progress = SILENT,
) -> list[Pulled]:
    """Read all sources beside each other; what each gave, in the order of `connectors`.

    `prepare` is called with a source's name before its first page; platforms' errors in it stop that source.
    A fault of ours, or Ctrl-C, ends every source after the page it is at, and is raised.
    """
    progress.step("pull")
    halt = threading.Event()

    def one(connection: str) -> Pulled:
        try:
            prepare(connection)
        except ConnectorError as error:
            return Pulled(connection, stopped=str(error), unusable=isinstance(error, BadSource))
        return pull(
            store, connection, connectors[connection], run_id=run_id, at=at, halt=halt, progress=progress
        )

    with ThreadPoolExecutor(max_workers=max(1, len(connectors))) as pool:
        reading = [pool.submit(one, connection) for connection in connectors]
        try:
            for ended in as_completed(reading):
                ended.result()
        except BaseException:
            halt.set()
            raise
    return [ended.result() for ended in reading]


def pull(
    store: Store,
    connection: str,
    connector: Connector,
    *,
    run_id: int,
    at: dt.datetime,
    halt: threading.Event | None = None,
    progress: Progress = SILENT,
) -> Pulled:
    """Read every stream of one source. Errors of the platform end this source's pull, not the run."""
    pulled = Pulled(connection)
    halt = halt or threading.Event()
    try:
        for stream in connector.features.streams:
            _pull_stream(
                store, connection, connector, stream, pulled, run_id=run_id, halt=halt, progress=progress
            )
            full = stream.kind is StreamKind.CONTACTS
            store.inbox.read_completed(connection, stream.name, at=at, full=full)
    except ConnectorError as error:
        pulled.stopped = str(error)
        pulled.unusable = isinstance(error, BadSource)
    except _Halted:
        pulled.stopped = "the run ended before everything was read"
    return pulled


def _pull_stream(
    store: Store,
    connection: str,
    connector: Connector,
    stream: Stream,
    pulled: Pulled,
    *,
    run_id: int,
    halt: threading.Event,
    progress: Progress,
) -> None:
    pulled.rows.setdefault(stream.name, 0)
    _restart_broken_listing(store, connection, stream)
    _restart_other_reading(store, connection, stream)

    def read(cursor: str | None) -> None:
        _read(
            store, connection, connector, stream, cursor, pulled, run_id=run_id, halt=halt, progress=progress
        )

    point = store.inbox.checkpoint(connection, stream.name)
    try:
        read(point.cursor)
        if point.under_way and point.cursor is not None:
            # It went on with an earlier read, and ended where that one would have: maybe days ago.
            read(store.inbox.checkpoint(connection, stream.name).cursor)
    except CursorExpired:
        store.inbox.restart(connection, stream.name)
        read(None)


def _read(
    store: Store,
    connection: str,
    connector: Connector,
    stream: Stream,
    cursor: str | None,
    pulled: Pulled,
    *,
    run_id: int,
    halt: threading.Event,
    progress: Progress,
) -> None:
    """From the cursor to the end, each page into the inbox."""
    listing = _Listing(store, connection, stream.name)
    for page in connector.read(stream, cursor):
        if page.listing is not None:
            listing.begin(page.listing)
        elif listing.name is not None and not listing.ended:
            listing.close()  # the source cannot say any more that it names everybody
        store.inbox.commit_page(
            connection,
            stream.name,
            page.rows,
            page.cursor,
            rejected=page.rejected,
            note=listing.ending() if page.listing is not None and page.listing_ends else None,
            run_id=run_id,
        )
        pulled.rows[stream.name] += page.rows.num_rows
        pulled.rejected += len(page.rejected)
        progress.advance(page.rows.num_rows)
        if halt.is_set():
            raise _Halted
    if listing.name is not None and not listing.ended and stream.kind is StreamKind.CONTACTS:
        listing.end()


class _Listing:
    """Remembers where the listing of a whole stream began, so that who is missing from it can be told."""

    def __init__(self, store: Store, connection: str, stream: str) -> None:
        self._store = store
        self._connection = connection
        self._stream = stream
        self._key = f"listing:{connection}/{stream}"
        found = store.notes.get(self._key)
        self.name: str | None = None
        self.first = 0
        self.ended = False  # the source has named everybody; the pages wait to be absorbed
        if isinstance(found, dict):
            self.name, self.first, self.ended = found["name"], found["first"], found["ended"]

    def begin(self, name: str) -> None:
        """Called before each page: a new name is a new listing, which starts with the page to come."""
        if self.name != name or self.ended:
            self.name, self.ended = name, False
            self.first = self._store.inbox.next_sequence(self._connection, self._stream)
            self._keep()

    def pages(self) -> list[StoredPage] | None:
        """The listing's pages; None if some of them are in the lake already, so that nothing can be told."""
        waiting = self._store.inbox.waiting(self._connection, self._stream)
        found = [page for page in waiting if page.sequence >= self.first]
        expected = self._store.inbox.next_sequence(self._connection, self._stream) - self.first
        return found if len(found) == expected else None

    def end(self) -> None:
        """The source has named everybody it has."""
        self.ended = True
        self._keep()

    def ending(self) -> tuple[str, object]:
        """The note that says so, for the transaction of the last page: whoever dies between the two would
        lose what the listing tells, for the next read goes on behind it."""
        self.ended = True
        return self._key, self._document()

    def close(self) -> None:
        """Nothing is to be concluded from it any more."""
        self.name, self.ended = None, False
        self._keep()

    def _keep(self) -> None:
        self._store.notes.set(self._key, self._document())

    def _document(self) -> dict[str, object]:
        return {"name": self.name, "first": self.first, "ended": self.ended}


def _restart_broken_listing(store: Store, connection: str, stream: Stream) -> None:
    """A listing that ended early and was absorbed meanwhile cannot be completed: read it from its start."""
    listing = _Listing(store, connection, stream.name)
    if listing.name is not None and listing.pages() is None:
        if not listing.ended:
            store.inbox.restart(connection, stream.name)
        listing.close()


def _restart_other_reading(store: Store, connection: str, stream: Stream) -> None:
    """Rows that an earlier segsync read otherwise are asked for again: the stream begins at its start."""
    key = f"reading:{connection}/{stream.name}"
    if (store.notes.get(key) or 1) != stream.reading:
        store.inbox.restart(connection, stream.name)
        store.notes.set(key, stream.reading)


def named_everybody(store: Store, connection: str, stream: Stream) -> bool:
    """The waiting pages of the stream are a whole listing: contacts that are not in them are gone."""
    listing = _Listing(store, connection, stream.name)
    return listing.ended and listing.pages() is not None


def listing_absorbed(store: Store, connection: str, stream: Stream) -> None:
    """The lake holds the listing: it says nothing any more."""
    listing = _Listing(store, connection, stream.name)
    if listing.name is not None and listing.ended:
        listing.close()
