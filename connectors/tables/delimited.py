"""CSV files: any encoding, gzip or not, in blocks of bounded size, every line accounted for.

Values stay texts here; `values` gives them their types.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import csv as arrow_csv

from connectors.base import RejectedRow
from connectors.errors import BadSource
from connectors.tables.chunks import Chunk, need_columns
from connectors.tables.framing import LONGEST_RECORD, Frame, frame
from connectors.tables.settings import Origin

BLOCK = 16 * 1024 * 1024
"""Bytes read at a time: about 250,000 rows of 60 characters."""
DELIMITERS = (",", ";", "\t", "|")
_ONE_BYTE_LINE_FEEDS = ("utf-8", "utf-8-sig", "ascii", "iso8859-1", "cp1252")


class DelimitedFile:
    """One CSV file. Raises `BadSource` if it is missing, empty, damaged or in another encoding."""

    def __init__(self, path: Path, *, origin: Origin, block: int = BLOCK) -> None:
        self._path, self._origin, self._block = path, origin, block
        self._label = path.name

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """All rows with `columns` as texts; a missing value is an empty text."""
        with _open(self._path, self._origin) as stream:
            octets = _Utf8(stream, self._origin, self._label)
            rest = more = _read(octets, self._block)
            while more and len(rest) < LONGEST_RECORD and not _whole_line(rest):
                more = _read(octets, self._block)
                rest += more
            if not rest:
                raise BadSource(f"{self._origin.path}: {self._label} is empty, it has not even a header line")
            header, delimiter, length = self._header(rest, columns)
            need_columns(header, columns, label=self._label, path=self._origin.path)
            line, row = 1 + rest[:length].count(b"\n"), 0
            rest = rest[length:]
            while True:
                more = _read(octets, self._block)
                octets.check(rest, line, final=not more)
                framed = frame(rest, delimiter=delimiter, columns=len(header), line=line, final=not more)
                line += framed.newlines
                row += len(framed.lines) + len(framed.bad)
                if len(framed.lines) or framed.bad:
                    yield self._chunk(framed, header, delimiter, columns, row)
                if not more:
                    return
                rest = rest[framed.consumed :] + more

    def _header(self, head: bytes, columns: Sequence[str]) -> tuple[list[str], str, int]:
        """Column names, the delimiter and the header's length in bytes."""
        if b"\n" not in head and b"\r" in head:
            raise BadSource(
                f"{self._origin.path}: {self._label} ends its lines with carriage returns alone; "
                "save it with line feeds"
            )
        end = _whole_line(head) - 1
        line = head if end < 0 else head[: end + 1]
        try:
            text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise encoding_problem(self._origin, self._label, 1, error) from None
        choices = [self._origin.delimiter] if self._origin.delimiter else DELIMITERS
        parsed = [(_fields(text, choice), choice) for choice in choices]
        wanted = set(columns)
        names, delimiter = max(parsed, key=lambda found: (len(wanted & set(found[0])), len(found[0])))
        return [name.strip() for name in names] if not wanted <= set(names) else names, delimiter, len(line)

    def _chunk(
        self, framed: Frame, header: list[str], delimiter: str, columns: Sequence[str], read: int
    ) -> Chunk:
        rejected = tuple(
            RejectedRow(f"{self._label} line {bad.line}", bad.reason, bad.raw.decode("utf-8", "replace"))
            for bad in framed.bad
        )
        return Chunk(
            table=parse_frame(framed, header, delimiter, columns),
            origin=self._label,
            unit="line",
            places=framed.lines,
            raw=framed.raw,
            rejected=rejected,
            read=read,
        )


def is_plain(path: Path, origin: Origin) -> bool:
    """Whether the file's bytes are its text: not packed, and every line feed is one byte."""
    with path.open("rb") as probe:
        zipped = probe.read(2) == b"\x1f\x8b"
    return not zipped and codecs.lookup(origin.encoding).name in _ONE_BYTE_LINE_FEEDS


def parse_frame(framed: Frame, header: list[str], delimiter: str, columns: Sequence[str]) -> pa.Table:
    """Arrow splits the good records into texts; it must find exactly as many rows as were framed."""
    names = [str(number) for number in range(len(header))]
    wanted = [names[header.index(column)] for column in columns]
    if not len(framed.lines):
        return pa.table({column: pa.array([], pa.string()) for column in columns})
    table = arrow_csv.read_csv(
        pa.BufferReader(framed.data),
        read_options=arrow_csv.ReadOptions(
            column_names=names, block_size=max(len(framed.data) + 1, 1 << 20), use_threads=True
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=framed.multiline, ignore_empty_lines=False
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            include_columns=wanted or names[:1],
            check_utf8=False,  # checked already, with the line
        ),
    )
    if table.num_rows != len(framed.lines):
        raise BadSource(f"a block of CSV was framed as {len(framed.lines)} rows but read as {table.num_rows}")
    return table.select(wanted).rename_columns(list(columns))


def _whole_line(head: bytes) -> int:
    """Length of the first record with its line feed, which may hold quoted ones; 0: it is not complete."""
    end = head.find(b"\n")
    while end >= 0 and head.count(b'"', 0, end) % 2:
        end = head.find(b"\n", end + 1)
    return end + 1


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _open(path: Path, origin: Origin) -> IO[bytes] | gzip.GzipFile:
    try:
        with path.open("rb") as probe:
            zipped = probe.read(2) == b"\x1f\x8b"
        return gzip.open(path, "rb") if zipped else path.open("rb")
    except OSError as error:
        raise BadSource(f"{origin.path}: {path.name} cannot be opened: {error.strerror}") from None


def _read(stream: _Utf8, size: int) -> bytes:
    try:
        return stream.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadSource(
            f"{stream.label} is cut off or damaged inside its gzip data; fetch it again"
        ) from None


def encoding_problem(origin: Origin, label: str, line: int, error: UnicodeDecodeError) -> BadSource:
    """Names the line of the first byte that does not fit, and the mend."""
    octet = error.object[error.start]
    if octet in (0xFF, 0xFE) and line == 1 and error.start < 2:
        hint = 'set encoding = "utf-16"'
    elif origin.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        hint = 'set encoding = "latin-1" (or "cp1252" if it comes from Windows)'
    else:
        hint = 'set encoding to the one it was saved in, e.g. "utf-8"'
    return BadSource(
        f"{origin.path}: {label} line {line} has a byte 0x{octet:02x} that is not {origin.encoding}; {hint}"
    )


class _Utf8:
    """A file's text as UTF-8 bytes without byte-order mark, whatever its encoding."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, origin: Origin, label: str) -> None:
        self._stream, self._origin, self.label = stream, origin, label
        name = codecs.lookup(origin.encoding).name
        self._plain = name in ("utf-8", "utf-8-sig", "ascii")
        self._decoder = codecs.getincrementaldecoder(name)("strict")
        self._lines = 1
        self._fresh = True

    def read(self, size: int) -> bytes:
        """Up to about `size` bytes; empty at the end."""
        while True:
            octets = self._stream.read(max(size, 4) if self._fresh else size)
            found = octets if self._plain else self._decode(octets)
            if self._fresh and found:
                found = found.removeprefix(codecs.BOM_UTF8)
                self._fresh = False
            if found or not octets:
                return found

    def check(self, block: bytes, line: int, *, final: bool) -> None:
        """Raise `BadSource` unless `block`, which begins on `line`, is UTF-8; it may end inside a letter."""
        if not self._plain or block.isascii():
            return
        try:
            codecs.utf_8_decode(block, "strict", final)
        except UnicodeDecodeError as error:
            at = line + block.count(b"\n", 0, error.start)
            raise encoding_problem(self._origin, self.label, at, error) from None

    def _decode(self, octets: bytes) -> bytes:
        try:
            text = self._decoder.decode(octets, final=not octets)
        except UnicodeDecodeError as error:
            at = self._lines + error.object.count(b"\n", 0, error.start)
            raise encoding_problem(self._origin, self.label, at, error) from None
        self._lines += text.count("\n")
        return text.encode("utf-8", "surrogatepass")
