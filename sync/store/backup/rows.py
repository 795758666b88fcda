"""A control database's rows in a form that both databases read: JSON lines, one array per row.

The tables are looked up in the database itself, not in the code, so that a store of any earlier version can
be written down and read back as it was. Bytes are base64, instants ISO 8601 in UTC, JSON is itself.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Protocol

from sqlalchemy import Connection, DateTime, LargeBinary, MetaData, Table, func, insert, select, text

VERSION_TABLE = "alembic_version"


class Sink(Protocol):
    """What rows are written to."""

    def write(self, line: bytes, /) -> int: ...


_MANY, _FEW = 1000, 20
"""Rows held in memory at a time; fewer if they carry bitmaps, which may be megabytes each."""


def stored_tables(connection: Connection) -> dict[str, Table]:
    """Every table that is there, parents before those that refer to them; not the migrations' own."""
    found = MetaData()
    found.reflect(connection)
    return {table.name: table for table in found.sorted_tables if table.name != VERSION_TABLE}


def dump(connection: Connection, table: Table, sink: Sink) -> int:
    """Write the columns' names and all rows in the order of their keys. Returns how many rows."""
    columns = list(table.columns)
    sink.write(_line([column.name for column in columns]))
    query = select(table).order_by(*table.primary_key.columns)
    rows = connection.execution_options(yield_per=_at_a_time(table)).execute(query)
    count = 0
    for row in rows:
        sink.write(_line([_plain(value) for value in row]))
        count += 1
    return count


def load(connection: Connection, table: Table, source: Iterable[bytes]) -> int:
    """Insert what `dump` wrote into the table of the same version. Returns how many rows."""
    lines = iter(source)
    names = json.loads(next(lines))
    types = [table.columns[name].type for name in names]
    is_bytes = [isinstance(kind, LargeBinary) for kind in types]
    is_time = [isinstance(kind, DateTime) for kind in types]
    naive = connection.dialect.name == "sqlite"  # it keeps UTC without saying so
    count = 0
    for part in _parts(lines, _at_a_time(table)):
        values = []
        for line in part:
            row = json.loads(line)
            for index, value in enumerate(row):
                if value is None:
                    continue
                if is_bytes[index]:
                    row[index] = base64.b64decode(value)
                elif is_time[index]:
                    at = dt.datetime.fromisoformat(value)
                    row[index] = at.replace(tzinfo=None) if naive else at
            values.append(dict(zip(names, row, strict=True)))
        connection.execute(insert(table), values)
        count += len(values)
    return count


def number_on(connection: Connection, tables: Iterable[Table]) -> None:
    """PostgreSQL: new rows are numbered after those that were read back. SQLite does so by itself."""
    if connection.dialect.name == "sqlite":
        return
    for table in tables:
        if "id" not in table.columns:
            continue
        highest = connection.execute(select(func.max(table.columns.id))).scalar()
        if highest is not None:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :highest)"),
                {"name": table.name, "highest": highest},
            )


def _at_a_time(table: Table) -> int:
    return _FEW if any(isinstance(column.type, LargeBinary) for column in table.columns) else _MANY


def _parts(lines: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for line in lines:
        part.append(line)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _plain(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()
    return value


def _line(values: list[object] | list[str]) -> bytes:
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
