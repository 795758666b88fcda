"""Reads a declared table out of files: which files, which of them changed, and pages with their cursors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page, page_schema
from connectors.errors import BadSource, CursorExpired
from connectors.tables.chunks import Table
from connectors.tables.cursor import (
    WENT_BACK,
    Done,
    FilesCursor,
    fingerprint,
    identity,
    lines_before,
    read_files_cursor,
    whole,
)
from connectors.tables.delimited import DelimitedFile, is_plain
from connectors.tables.duplicates import SeenKeys
from connectors.tables.keys import nearest
from connectors.tables.mapping import Mapped, read_chunk, source_columns, stream_of
from connectors.tables.parquet import ParquetFile
from connectors.tables.settings import ActivityTable, ContactsTable, Origin

PARQUET = (".parquet", ".pq")


def read_files(folder: Path, table: ContactsTable | ActivityTable, after: str | None) -> Iterator[Page]:
    """Pages of every file that is new or changed since `after`; none if none is.

    A run that died goes on behind its last page. A file of activity that only grew, byte by byte, yields the
    rows that were added. With an incremental column, a changed file yields only rows at or above the highest
    value it had; a value that is missing is always yielded. Pages of contacts
    without an incremental column are a listing of everybody, unless a row of theirs was refused. Raises
    CursorExpired if a file has nothing as high any more: an older copy of it was put back.
    """
    settings = fingerprint(table)
    cursor = read_files_cursor(after, settings)
    files = {name: (path, identity(path)) for name, path in find_files(folder, table.origin).items()}
    done = {name: entry for name, entry in cursor.done.items() if name in files}
    changed = [n for n, (_, seen) in files.items() if n not in done or done[n].identity != seen]
    if not changed:
        return
    listing, spoilt = None, False
    if isinstance(table, ContactsTable) and table.incremental is None:
        # Only a list of everybody tells who is gone, so one changed file has them all read again.
        listing = fingerprint(sorted((name, seen) for name, (_, seen) in files.items()))
        if cursor.listing == listing:
            spoilt = cursor.spoilt
        else:
            changed, done = list(files), {}
    for name in changed:
        path, seen = files[name]
        resumed = cursor.rows if (cursor.current, cursor.identity) == (name, seen) else 0
        known = done.get(name)
        grows = _may_grow(path, table)
        # before it is read: what changes meanwhile must not pass for read
        now = whole(path) if grows else None
        reader = _FileRead(
            table,
            open_table(path, table.origin),
            since=known.high if known is not None else None,
            behind=lines_before(path, known.whole) if grows and known is not None and known.whole else 0,
        )
        held: tuple[Mapped, int] | None = None
        for mapped, read in reader.pages():
            if read <= resumed:  # read again for the keys only; what it spoilt, the cursor knows
                continue
            if reader.behind and not mapped.rows.num_rows and not mapped.rejected:
                continue
            if held is not None:
                partly = FilesCursor(done, name, seen, held[1], listing, spoilt)
                yield _page(held[0], partly, settings, listing)
            # A contact whose row was refused is not gone, so such a read does not list everybody.
            spoilt = spoilt or mapped.unnamed > 0
            held = (mapped, read)
        if reader.went_back:
            raise CursorExpired(WENT_BACK)
        done = {**done, name: Done(seen, reader.high, None if reader.quotes_refused else now)}
        last = (
            held[0] if held else Mapped(page_schema(stream_of(table, incremental=True)).empty_table(), (), 0)
        )
        rest = listing if name != changed[-1] else None
        yield _page(last, FilesCursor(done, listing=rest, spoilt=spoilt), settings, listing, spoilt=spoilt)


def _may_grow(path: Path, table: ContactsTable | ActivityTable) -> bool:
    """Whether lines can be counted in the file's bytes, and a part of it says something by itself."""
    if isinstance(table, ContactsTable) or table.incremental is not None or path.suffix.lower() in PARQUET:
        return False
    return is_plain(path, table.origin)


def _page(
    mapped: Mapped, cursor: FilesCursor, settings: str, listing: str | None, *, spoilt: bool | None = None
) -> Page:
    complete = not (cursor.spoilt if spoilt is None else spoilt)
    return Page(mapped.rows, cursor.text(settings), mapped.rejected, listing if complete else None)


def find_files(folder: Path, origin: Origin) -> dict[str, Path]:
    """Name (relative to the folder) → path of each file `origin` names, in the order of names."""
    name = origin.table or ""
    if any(sign in name for sign in "*?["):
        found = {str(p.relative_to(folder)): p for p in sorted(folder.glob(name)) if p.is_file()}
        if not found:
            raise BadSource(f"{origin.path}.from: no file in {folder.name}/ matches {name}")
        return found
    path = folder / name
    if not path.is_file():
        there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise BadSource(f"{origin.path}.from: there is no file {name}{nearest(path.name, there)}")
    return {name: path}


def open_table(path: Path, origin: Origin) -> Table:
    """The reader of a file, by its ending."""
    kind = ParquetFile if path.suffix.lower() in PARQUET else DelimitedFile
    return kind(path, origin=origin)


class Increment:
    """Lets rows through whose incremental value is missing or not below `since`; notes the highest."""

    def __init__(self, table: ContactsTable | ActivityTable, since: str | None) -> None:
        self._name = _page_column(table)
        self._since, self.high = since, since
        self.went_back = since is not None
        """No row is as high as the highest of the last read, which should be here still."""

    def filter(self, rows: pa.Table) -> pa.Table:
        if self._name is None or not rows.num_rows:
            return rows
        found = rows.column(self._name)
        highest = pc.max(found) if not pa.types.is_string(found.type) else pc.min_max(found)["max"]
        if highest.is_valid:
            known = None if self.high is None else pa.scalar(self.high).cast(found.type)
            self.went_back = (
                self.went_back and pc.less(highest, pa.scalar(self._since).cast(found.type)).as_py()
            )
            if known is None or pc.greater(highest, known).as_py():
                self.high = _as_text(highest)
        if self._since is None:
            return rows
        since = pa.scalar(self._since).cast(found.type)
        return rows.filter(pc.or_(pc.is_null(found), pc.fill_null(pc.greater_equal(found, since), False)))


def _as_text(value: pa.Scalar) -> str:
    """A scalar so that casting the text gives the same scalar."""
    python = value.as_py()
    return (
        python.isoformat()
        if isinstance(python, date)
        else repr(python)
        if isinstance(python, float)
        else str(python)
    )


def _page_column(table: ContactsTable | ActivityTable) -> str | None:
    if table.incremental is None:
        return None
    name, time = ("changed_at", table.changed_at) if isinstance(table, ContactsTable) else ("at", table.at)
    if time is not None and time.source == table.incremental:
        return name
    return next((f.name for f in table.fields if f.source == table.incremental), None)


class _FileRead:
    """One pass over one file from its start; rows on its first `behind` lines are only looked at for keys."""

    def __init__(
        self, table: ContactsTable | ActivityTable, source: Table, *, since: str | None, behind: int = 0
    ) -> None:
        self._table, self._source = table, source
        self.behind = behind
        self.quotes_refused = False
        """What follows may close a quote that is open now, and lines would be other rows then."""
        self._increment = Increment(table, since)

    @property
    def high(self) -> str | None:
        """Highest incremental value seen."""
        return self._increment.high

    @property
    def went_back(self) -> bool:
        """Nothing is as high as it was; known when all was read."""
        return self._increment.went_back

    def pages(self) -> Iterator[tuple[Mapped, int]]:
        """Each chunk's rows, and how many rows of the file are dealt with then."""
        seen, counts = SeenKeys(), dict[str, int]()
        for chunk in self._source.chunks(source_columns(self._table)):
            self.quotes_refused |= any('"' in (bad.raw or "") for bad in chunk.rejected)
            mapped = read_chunk(chunk, self._table, seen, counts, behind=self.behind)
            yield replace(mapped, rows=self._increment.filter(mapped.rows)), chunk.read


def check_files(folder: Path, table: ContactsTable | ActivityTable) -> None:
    """Raise `BadSource` if a file is missing, cannot be read, or lacks a column. Reads a first chunk only."""
    for path in find_files(folder, table.origin).values():
        next(iter(open_table(path, table.origin).chunks(source_columns(table))), None)
