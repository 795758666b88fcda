"""Reads a declared table out of a database: one streamed statement, chunk by chunk into Arrow.

PostgreSQL sends CSV (COPY), which the CSV reader's own machinery takes apart. Other databases hand over
rows, which are turned into columns a partition at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from connectors.base import Page, RejectedRow
from connectors.errors import CursorExpired
from connectors.tables.chunks import Chunk, need_columns
from connectors.tables.cursor import VERSION, WENT_BACK, fingerprint, stored
from connectors.tables.delimited import BLOCK, parse_frame
from connectors.tables.duplicates import SeenKeys
from connectors.tables.engine import Database, reaction
from connectors.tables.framing import frame
from connectors.tables.mapping import read_chunk, source_columns
from connectors.tables.parquet import RawRow
from connectors.tables.settings import ActivityTable, ContactsTable, Origin

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

NAMED = re.compile(r"(?<![:\\]):(?=\w)")
"""A colon that SQLAlchemy would take for a value's name."""
PARTITION = 100_000
"""Rows fetched at a time where the driver makes Python values of them."""


def read_query(database: Database, table: ContactsTable | ActivityTable, after: str | None) -> Iterator[Page]:
    """Pages of the table. With an incremental column: rows at or above the cursor's value, in its order.

    The row that had this value is among them. If there is none, an older state of the table was put back,
    and what changes in it until then would be missed: raises CursorExpired.
    """
    settings = fingerprint(table)
    high = _value(stored(after, settings).get("high"))
    went_back = table.incremental is not None and high is not None
    columns = source_columns(table)
    # Only a complete list of contacts tells who is gone; the name is one that no other read has.
    listing = None
    if isinstance(table, ContactsTable) and table.incremental is None:
        listing = f"{settings}-full"
    seen, counts, spoilt = SeenKeys(), dict[str, int](), False
    for chunk in _chunks(database, table, columns, high):
        if table.incremental:
            latest = chunk.table.column(table.incremental).drop_null()
            high = latest[-1].as_py() if len(latest) else high
            went_back = went_back and not len(latest)
        mapped = read_chunk(chunk, table, seen, counts)
        spoilt = spoilt or mapped.unnamed > 0
        cursor = json.dumps({"version": VERSION, "settings": settings, "high": _tagged(high)}, sort_keys=True)
        yield Page(mapped.rows, cursor, mapped.rejected, None if spoilt else listing)
    if went_back:
        raise CursorExpired(WENT_BACK)


def _tagged(value: object) -> list[object] | None:
    if value is None or isinstance(value, bool | int | float | str):
        return None if value is None else ["plain", value]
    if isinstance(value, datetime | date):
        return ["datetime" if isinstance(value, datetime) else "date", value.isoformat()]
    return ["decimal" if isinstance(value, Decimal) else "plain", str(value)]


def _value(tagged: Any) -> object:
    if not tagged:
        return None
    kind, value = tagged
    readers: dict[str, Callable[[str], object]] = {
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "decimal": Decimal,
    }
    return readers[kind](value) if kind in readers else value


def _select(
    connection: Connection, table: ContactsTable | ActivityTable, columns: Sequence[str], high: object
) -> Any:
    """`select columns from … where incremental >= high or incremental is null order by incremental`."""
    import sqlalchemy as sql

    origin = table.origin
    if origin.query is not None:
        query = NAMED.sub(r"\:", origin.query.strip().rstrip(";"))
        source: Any = sql.text(f"({query}) as source")
        probe = connection.execute(sql.select(sql.text("*")).select_from(source).where(sql.text("1 = 0")))
        there = list(probe.keys())
    else:
        schema, _, name = (origin.table or "").rpartition(".")
        source = sql.table(name, schema=schema or None)
        probe = connection.execute(sql.select(sql.text("*")).select_from(source).where(sql.text("1 = 0")))
        there = list(probe.keys())
    need_columns(there, columns, label=origin.label, path=origin.path)
    statement: Any = sql.select(*(sql.column(name) for name in columns)).select_from(source)
    if table.incremental is not None:
        increment: Any = sql.column(table.incremental)
        if high is not None:
            statement = statement.where(sql.or_(increment >= high, increment.is_(None)))
        statement = statement.order_by(increment)
    return statement


def _chunks(
    database: Database, table: ContactsTable | ActivityTable, columns: Sequence[str], high: object
) -> Iterator[Chunk]:
    from sqlalchemy import exc

    try:
        with database.engine.connect() as connection:
            statement = _select(connection, table, columns, high)
            if (database.engine.dialect.name, database.engine.dialect.driver) == ("postgresql", "psycopg"):
                yield from _copied(connection, statement, table.origin, columns)
            else:
                yield from _fetched(connection, statement, table.origin, columns)
    except exc.SQLAlchemyError as error:
        raise reaction(error) from None


def _fetched(
    connection: Connection, statement: Select[Any], origin: Origin, columns: Sequence[str]
) -> Iterator[Chunk]:
    result = connection.execution_options(stream_results=True, max_row_buffer=PARTITION).execute(statement)
    row = 0
    for part in result.partitions(PARTITION):
        arrays = [_array(values) for values in zip(*part, strict=True)]
        table = pa.Table.from_arrays(arrays, names=list(columns))
        places = np.arange(row + 1, row + 1 + len(part), dtype=np.int64)
        row += len(part)
        yield Chunk(table, origin.label, "row", places, RawRow(table), (), row)


def _array(values: Sequence[Any]) -> pa.Array:
    """A column of what the driver gave; SQLite may mix types in one, which are then all texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _copied(
    connection: Connection, statement: Select[Any], origin: Origin, columns: Sequence[str]
) -> Iterator[Chunk]:
    """PostgreSQL's own CSV, with times in UTC and ISO spelling."""
    import psycopg
    import sqlalchemy as sql
    from sqlalchemy.dialects import postgresql

    if len(columns) == 1:  # a null alone would be a blank line, which is no row
        statement = statement.add_columns(sql.literal_column("1"))
    header = [*columns, ""][: max(2, len(columns))]
    # Named, because the driver's own style would double every percent sign.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    text = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    driver: Any = connection.connection.driver_connection
    row, rest = 0, b""
    try:
        with driver.cursor() as cursor:
            cursor.execute(
                "set local timezone = 'UTC'; set local datestyle = 'ISO'; set local client_encoding = 'UTF8'"
            )
            with cursor.copy(f"copy ({text}) to stdout (format csv)".encode()) as copy:
                for block in _blocks(copy):
                    rest += block
                    framed = frame(rest, delimiter=",", columns=len(header), line=1, final=not block)
                    rest = rest[framed.consumed :]
                    count = len(framed.lines)
                    rejected = tuple(
                        RejectedRow(f"{origin.label} near row {row + count}", bad.reason)
                        for bad in framed.bad
                    )
                    places = np.arange(row + 1, row + 1 + count, dtype=np.int64)
                    row += count
                    if count or rejected:
                        table = parse_frame(framed, header, ",", columns)
                        yield Chunk(table, origin.label, "row", places, framed.raw, rejected, row)
    except psycopg.Error as error:
        raise reaction(error) from None


def _blocks(copy: Any) -> Iterator[bytes]:
    """The stream in large blocks, then an empty one."""
    parts: list[bytes] = []
    size = 0
    for part in copy:
        parts.append(bytes(part))
        size += len(part)
        if size >= BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)
    yield b""


def check_query(database: Database, table: ContactsTable | ActivityTable) -> None:
    """Raise `BadSource` if the table or query cannot be read or lacks a column. Reads no rows."""
    with database.transaction() as connection:
        _select(connection, table, source_columns(table), None)
