"""Memberships in one CSV or Parquet file, replaced as a whole: a reader sees the old one or the new one.

CSV texts that a spreadsheet would run as a formula get a quote before them, and lose it when read back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from connectors.errors import AudienceLost, BadSource, Unavailable
from connectors.tables.cursor import identity
from connectors.tables.memberships import COLUMNS, MEMBER_COLUMNS

PAGE_ROWS = 100_000
FORMULA = "'*[ \u00a0\ufeff]*[=+\\-@\t\r\n＝＋－＠]"
"""The start of a text that a spreadsheet may run, behind any quotes that were put there before."""
SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])


class MembershipFile:
    """The file `path`. Only this process may write it while it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[str, pa.Table] | None = None

    def check(self) -> str | None:
        folder = self._path.parent
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            return f"memberships.to: {self._path.name} cannot be written: no right to write in its folder"
        try:
            if self._path.exists():
                self._read()
        except BadSource as error:
            return str(error)
        return None

    def counts(self) -> Mapping[str, int] | None:
        if not self._path.exists():
            return None
        found = pc.value_counts(self._read().column("segment"))
        return {str(entry["values"]): entry["counts"].as_py() for entry in found}

    def prepare(self) -> None:
        if not self._path.exists():
            self._replace(SCHEMA.empty_table())

    def members(self, segment: str) -> Iterator[pa.Table]:
        rows = self._there().filter(pc.field("segment") == segment).select(MEMBER_COLUMNS.names)
        for start in range(0, rows.num_rows, PAGE_ROWS):
            yield rows.slice(start, PAGE_ROWS)

    def change(self, segment: str, adds: Mapping[str, str], removes: Sequence[str], *, now: datetime) -> None:
        rows = self._there()
        ours = pc.equal(rows.column("segment"), segment)
        ids = rows.column("external_id")
        present = rows.filter(pc.and_(ours, pc.is_in(ids, pa.array(list(adds), pa.string()))))
        since = dict(
            zip(present.column("external_id").to_pylist(), present.column("since").to_pylist(), strict=True)
        )
        same = dict(
            zip(present.column("external_id").to_pylist(), present.column("address").to_pylist(), strict=True)
        )
        new = {
            key: address
            for key, address in adds.items()
            if (same.get(key) or "") != address or key not in same
        }
        gone = pa.array([*removes, *(key for key in new if key in since)], pa.string())
        leaving = pc.and_(ours, pc.is_in(ids, gone))
        if not new and not pc.any(leaving).as_py():
            return
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        added = pa.table(
            [
                [segment] * len(new),
                list(new),
                list(new.values()),
                [since.get(key) or stamp for key in new],
            ],
            schema=SCHEMA,
        )
        self._replace(pa.concat_tables([rows.filter(pc.invert(leaving)), added]).combine_chunks())

    def forget(self, external_id: str) -> None:
        if self._path.exists():
            rows = self._read()
            self._replace(rows.filter(pc.field("external_id") != external_id))

    def _there(self) -> pa.Table:
        if not self._path.exists():
            raise AudienceLost(f"the file {self._path.name} is gone; it is made anew and filled again")
        return self._read()

    def _read(self) -> pa.Table:
        now = identity(self._path)
        if self._known is not None and self._known[0] == now:
            return self._known[1]
        try:
            rows = self._parse()
        except (pa.ArrowInvalid, OSError):
            raise BadSource(
                f"memberships.to: {self._path.name} is not a file of segsync's; name another"
            ) from None
        if tuple(rows.column_names) != COLUMNS:
            raise BadSource(
                f"memberships.to: {self._path.name} has other columns than {', '.join(COLUMNS)}; "
                "name another file"
            )
        rows = rows.cast(SCHEMA)
        self._known = (now, rows)
        return rows

    def _parse(self) -> pa.Table:
        if self._path.suffix == ".parquet":
            return parquet.read_table(self._path)
        raw = csv.read_csv(
            self._path,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types={name: pa.string() for name in COLUMNS}),
        )
        ours = [name for name in raw.column_names if name in COLUMNS]
        return pa.table({name: _unescaped(raw.column(name)) for name in ours})

    def _replace(self, rows: pa.Table) -> None:
        """Write beside, sync to disk, then rename over the old file."""
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                if self._path.suffix == ".parquet":
                    parquet.write_table(rows, file, compression="zstd")
                else:
                    escaped = pa.table({name: _escaped(rows.column(name)) for name in rows.column_names})
                    csv.write_csv(escaped, file, csv.WriteOptions(quoting_style="all_valid"))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise Unavailable(
                f"{self._path.name} cannot be written: {error.strerror or 'write failed'}"
            ) from None
        self._known = (identity(self._path), rows)


def _escaped(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(texts, f"^({FORMULA})", r"'\1")


def _unescaped(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(texts, f"^'({FORMULA})", r"\1")
