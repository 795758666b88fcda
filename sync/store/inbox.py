"""Pages as they arrive: the file first, then one transaction with its row and the checkpoint.

A crash before the transaction leaves a file nobody names, which `sweep` removes; the source then sends the
page again. Nothing here looks into the rows; `sync.store.contacts` and `sync.store.activity` absorb them.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from sqlalchemy import Connection, func, select, update

from sync.store.database import Database, upsert
from sync.store.errors import StoreError, no_space_is_told
from sync.store.events import set_note
from sync.store.tables import checkpoints, pages, rejected_rows

_YOUNG_S = 3600
"""Files without a row that are younger than this may be another process's page on its way."""


class Rejected(Protocol):
    """What a rejected row must tell; `connectors.base.RejectedRow` does."""

    @property
    def where(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def raw(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where reading of a stream stands. `rows_last` counts since `restart`; `rows_good`: last full read.

    `under_way`: the read that kept the cursor was not at its end.
    """

    connection: str
    stream: str
    cursor: str | None
    rows_last: int
    rows_good: int | None
    last_good_at: dt.datetime | None
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A committed page in arrival order (`id` grows over all streams, `sequence` within one)."""

    id: int
    connection: str
    stream: str
    sequence: int
    path: Path
    rows: int

    def read(self) -> pa.Table:
        """The page's rows, memory-mapped."""
        return self._read(None)

    def read_column(self, name: str) -> pa.ChunkedArray:
        """One column, without unpacking the others."""
        return self._read(name).column(name)

    def _read(self, name: str | None) -> pa.Table:
        if not self.path.exists():
            raise StoreError(
                f"the page {self.path.name} of {self.connection}/{self.stream} is missing from the lake's"
                " inbox; restore the lake folder, or read the stream from its start"
            )
        with pa.memory_map(str(self.path)) as source:
            file = pa.ipc.open_file(source)
            if name is None:
                return file.read_all()
            only = pa.ipc.IpcReadOptions(included_fields=[file.schema.get_field_index(name)])
            return pa.ipc.open_file(source, options=only).read_all()


class Inbox:
    """The folder `inbox` of the lake and the rows that name its files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the lake, its owner's alone
        folder.mkdir(exist_ok=True)

    # ── pull ─────────────────────────────────────────────────────────────────────────────────────────

    def checkpoint(self, connection: str, stream: str) -> Checkpoint:
        """Where to continue; a stream never read has cursor None."""
        query = select(checkpoints).where(
            checkpoints.c.connection == connection, checkpoints.c.stream == stream
        )
        with self._database.reading() as database:
            row = database.execute(query).mappings().first()
        return Checkpoint(**row) if row else Checkpoint(connection, stream, None, 0, None, None)

    def checkpoints(self) -> list[Checkpoint]:
        """Of all streams that were ever read."""
        with self._database.reading() as database:
            return [Checkpoint(**row) for row in database.execute(select(checkpoints)).mappings()]

    def restart(self, connection: str, stream: str) -> None:
        """Read the stream from its start: the cursor is forgotten and counting begins at 0."""
        with self._database.writing() as database:
            self._move(database, connection, stream, {"cursor": None, "rows_last": 0, "under_way": False})

    def commit_page(
        self,
        connection: str,
        stream: str,
        rows: pa.Table,
        cursor: str | None,
        *,
        rejected: Sequence[Rejected] = (),
        note: tuple[str, object] | None = None,
        run_id: int | None = None,
    ) -> int:
        """Store a page with its cursor and its rejected rows; all or nothing. Returns its sequence.

        A page without rows only moves the cursor (and keeps what was rejected); it gets sequence 0. `note`:
        key and value of a note that is true from then on.
        """
        name = None
        if rows.num_rows:
            name = f"{uuid.uuid4().hex}.arrow"
            with no_space_is_told(self._folder):
                _write(rows, self._folder / name)
        sent = False
        try:
            with self._database.writing() as database:
                sequence = 0
                if name is not None and not sent:
                    sequence = self._next_sequence(database, connection, stream)
                    database.execute(
                        pages.insert().values(
                            connection=connection,
                            stream=stream,
                            sequence=sequence,
                            file=name,
                            rows=rows.num_rows,
                            state="committed",
                            cursor=cursor,
                            run_id=run_id,
                        )
                    )
                counted = func.coalesce(checkpoints.c.rows_last, 0) + rows.num_rows
                self._move(
                    database,
                    connection,
                    stream,
                    {"cursor": cursor, "rows_last": counted, "under_way": True},
                    fresh={"cursor": cursor, "rows_last": rows.num_rows, "under_way": True},
                )
                _keep_rejected(database, connection, stream, rejected, run_id)
                if note is not None:
                    set_note(database, *note)
                sent = True
        except BaseException:
            # a commit that got no answer may have been done, and its row names the file: `sweep` finds out
            if name is not None and not sent:
                (self._folder / name).unlink(missing_ok=True)
            raise
        return sequence

    def next_sequence(self, connection: str, stream: str) -> int:
        """The number the stream's next page with rows will get."""
        with self._database.reading() as database:
            return self._next_sequence(database, connection, stream)

    def read_completed(self, connection: str, stream: str, *, at: dt.datetime, full: bool) -> None:
        """The source had no more pages: this read was good. A `full` read sets the count to compare with."""
        values: dict[str, object] = {"last_good_at": at, "under_way": False}
        if full:
            values["rows_good"] = checkpoints.c.rows_last
        with self._database.writing() as database:
            self._move(database, connection, stream, values, fresh={"last_good_at": at, "rows_good": 0})

    def reject(
        self, connection: str, stream: str, rejected: Iterable[Rejected], *, run_id: int | None = None
    ) -> None:
        """Keep rows that could not be used; the same place with the same reason is kept once."""
        with self._database.writing() as database:
            _keep_rejected(database, connection, stream, list(rejected), run_id)

    def arrived(self, connection: str, run_id: int) -> tuple[dict[str, int], int]:
        """What a run has read of a source, over all its attempts: stream → rows, and rows rejected.

        Only until the pages are swept, which a later step of the run does.
        """
        ours = (pages.c.connection == connection, pages.c.run_id == run_id)
        query = select(pages.c.stream, func.sum(pages.c.rows)).where(*ours).group_by(pages.c.stream)
        bad = (rejected_rows.c.connection == connection, rejected_rows.c.last_seen_run == run_id)
        with self._database.reading() as database:
            rows = {stream: int(count) for stream, count in database.execute(query)}
            rejected = select(func.count()).select_from(rejected_rows).where(*bad)
            return rows, int(database.execute(rejected).scalar_one())

    def rejected(self, connection: str | None = None, *, limit: int = 1000) -> list[dict[str, object]]:
        """Newest first: connection, stream, where, reason, raw, first_seen_run, last_seen_run."""
        query = select(rejected_rows).order_by(rejected_rows.c.id.desc()).limit(limit)
        if connection is not None:
            query = query.where(rejected_rows.c.connection == connection)
        with self._database.reading() as database:
            found = [dict(row) for row in database.execute(query).mappings()]
        for row in found:
            row["where"] = row.pop("where_")
        return found

    def rejected_counts(self) -> dict[tuple[str, str], int]:
        """(connection, stream) → how many different rejected rows are kept."""
        table = rejected_rows.c
        query = select(table.connection, table.stream, func.count()).group_by(table.connection, table.stream)
        with self._database.reading() as database:
            return {(a, b): n for a, b, n in database.execute(query)}

    # ── absorb ───────────────────────────────────────────────────────────────────────────────────────

    def waiting(self, connection: str | None = None, stream: str | None = None) -> list[StoredPage]:
        """Pages that are committed but not absorbed yet, oldest first."""
        query = select(pages).where(pages.c.state == "committed").order_by(pages.c.id)
        if connection is not None:
            query = query.where(pages.c.connection == connection)
        if stream is not None:
            query = query.where(pages.c.stream == stream)
        with self._database.reading() as database:
            return [
                StoredPage(r.id, r.connection, r.stream, r.sequence, self._folder / r.file, r.rows)
                for r in database.execute(query)
            ]

    def absorbed(self, done: Sequence[StoredPage]) -> None:
        """The lake holds these pages now. Their files go with the next `sweep`, not before: a database
        that lost its last second must still find them."""
        ids = [page.id for page in done]
        with self._database.writing() as database:
            for start in range(0, len(ids), 500):
                part = ids[start : start + 500]
                database.execute(update(pages).where(pages.c.id.in_(part)).values(state="absorbed"))

    def sweep(self, *, now_s: float) -> int:
        """Remove files of absorbed pages and files that no page names (a crash between file and row).

        `now_s` is the time in seconds since 1970; files younger than an hour without a row are left alone,
        for they may be another process's page. Returns how many files went.
        """
        with self._database.writing() as database:
            waiting = set(
                database.execute(select(pages.c.file).where(pages.c.state == "committed")).scalars()
            )
            gone = select(pages.c.id, pages.c.file).where(pages.c.state == "absorbed")
            absorbed = {row.file: row.id for row in database.execute(gone)}
        removed = 0
        for path in self._folder.iterdir():
            if path.name in waiting:
                continue
            if path.name in absorbed or path.stat().st_mtime < now_s - _YOUNG_S:
                path.unlink(missing_ok=True)
                removed += 1
        with self._database.writing() as database:
            # the newest page of each stream stays, so that sequences never start again
            newest = select(func.max(pages.c.id)).group_by(pages.c.connection, pages.c.stream)
            database.execute(pages.delete().where(pages.c.state == "absorbed", pages.c.id.not_in(newest)))
        return removed

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _next_sequence(self, database: Connection, connection: str, stream: str) -> int:
        query = select(func.coalesce(func.max(pages.c.sequence), 0)).where(
            pages.c.connection == connection, pages.c.stream == stream
        )
        return int(database.execute(query).scalar_one()) + 1

    def _move(
        self,
        database: Connection,
        connection: str,
        stream: str,
        values: dict[str, object],
        *,
        fresh: dict[str, object] | None = None,
    ) -> None:
        insert = upsert(database, checkpoints).values(
            connection=connection,
            stream=stream,
            **{"rows_last": 0, **(fresh if fresh is not None else values)},
        )
        database.execute(insert.on_conflict_do_update(index_elements=["connection", "stream"], set_=values))


def _keep_rejected(
    database: Connection, connection: str, stream: str, rejected: Sequence[Rejected], run_id: int | None
) -> None:
    rows = {
        (_plain(row.where, 500), _plain(row.reason, 500)): _plain(row.raw, 20_000) if row.raw else None
        for row in rejected
    }
    if not rows:
        return
    insert = upsert(database, rejected_rows)
    statement = insert.on_conflict_do_update(
        index_elements=["connection", "stream", "where_", "reason"],
        set_={"last_seen_run": insert.excluded.last_seen_run, "raw": insert.excluded.raw},
    )
    database.execute(
        statement,
        [
            {
                "connection": connection,
                "stream": stream,
                "where_": where,
                "reason": reason,
                "raw": raw,
                "first_seen_run": run_id,
                "last_seen_run": run_id,
            }
            for (where, reason), raw in rows.items()
        ],
    )


def _plain(text: str, limit: int) -> str:
    """Text a database takes: no NUL, no lone surrogates, not longer than its column."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:limit]


def _write(rows: pa.Table, path: Path) -> None:
    """Arrow IPC with lz4; the name appears only when every byte is on the disk."""
    temporary = path.with_suffix(".writing")
    try:
        with temporary.open("wb") as sink:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            with pa.ipc.new_file(sink, rows.schema, options=options) as writer:
                writer.write_table(rows)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
