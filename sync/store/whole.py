"""Put a whole table (`links`, `people`, `facts`), or some of its rows, in place of what is stored.

Main files hold rows by their key (2^18 numbers a file) in the order of the key, so a file is compared with
its part of the new table column by column, and an equal table leads to no commit at all: only what differs
is written.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sync.store.amending import BUCKET, KEYS, bucket_of, is_layered, put
from sync.store.files import NewFile
from sync.store.lake import Lake
from sync.store.shapes import lake_type, quoted


def overwrite(lake: Lake, table: str, rows: pa.Table) -> bool:
    """Make `rows` the content of `table` (one of `KEYS`); one commit. Returns whether it differed.

    `rows` has one row per key (`contact`, `person`) in any order; new columns are added to the table,
    columns that `rows` lacks read as missing afterwards.
    """
    key = KEYS[table]
    rows = _held(rows)
    lake.ensure(table, {field.name: field.type for field in rows.schema})
    if is_layered(lake, table):
        return _amend(lake, table, rows, gone=None)
    numbers = rows.column(key).to_numpy()
    if len(numbers) > 1 and not bool(np.all(numbers[1:] > numbers[:-1])):
        rows = rows.take(pc.sort_indices(rows, sort_keys=[(key, "ascending")]))
        numbers = rows.column(key).to_numpy()
    buckets = numbers >> BUCKET
    starts = np.flatnonzero(np.r_[True, buckets[1:] != buckets[:-1]]) if len(buckets) else np.zeros(0, int)
    ends = np.r_[starts[1:], len(numbers)] if len(starts) else starts
    stored = {bucket_of(file.path, key): file for file in lake.files(table)}
    removed: list[str] = []
    added: list[NewFile] = []
    database = lake.connect()
    try:
        for start, end in zip(starts, ends, strict=True):
            part = rows.slice(int(start), int(end - start))
            old = stored.pop(int(buckets[start]), None)
            if old is not None and old.rows == len(part) and _is_same(old.path, part):
                continue
            if old is not None:
                removed.append(old.path)
            database.register("part", _said(part, key))
            added.append(lake.write(database, table, "SELECT * FROM part", order=key))
        removed += [file.path for file in stored.values()]
        return lake.replace(table, removed=removed, added=added) is not None
    finally:
        database.close()


def amend(lake: Lake, table: str, rows: pa.Table, *, gone: Iterable[int] = ()) -> bool:
    """Put `rows` in place of those with the same key, and take the keys `gone` out; one commit.

    The table (one of `KEYS`) is then what `overwrite` with all rows would have made it. Rows that are
    there already are passed over. Returns whether anything differed.
    """
    rows = _held(rows)
    lake.ensure(table, {field.name: field.type for field in rows.schema})
    return _amend(lake, table, rows, gone=list(gone))


def _amend(lake: Lake, table: str, rows: pa.Table, *, gone: list[int] | None) -> bool:
    """`gone`: None: every key that `rows` does not have."""
    key = KEYS[table]
    rows = _said(rows, key)
    database = lake.connect()
    try:
        database.register("amended", rows)
        database.register("taken_out", pa.table({key: pa.array(gone or [], pa.int32())}))
        out = "SEMI JOIN taken_out" if gone is not None else "ANTI JOIN amended"
        database.execute(f"CREATE TEMP TABLE touched AS {_touched(lake, table, key, rows, out)}")
        fresh = f"SELECT * FROM amended SEMI JOIN touched USING ({key})"
        return put(lake, database, table, fresh, touched="touched")
    finally:
        database.close()


def _touched(lake: Lake, table: str, key: str, rows: pa.Table, out: str) -> str:
    """SQL of the keys whose row is new, different, or to be taken `out`."""
    different = [f"there.{key} IS NULL"]
    known = frozenset[str]().union(*(file.columns for file in lake.files(table)))
    for name in sorted(known.union(rows.column_names)):
        value = f"amended.{quoted(name)}" if name in rows.column_names else "NULL"
        different.append(f"there.{quoted(name)} IS DISTINCT FROM {value}")
    there = lake.relation(table)
    return f"""SELECT {key} FROM amended LEFT JOIN {there} AS there USING ({key})
        WHERE {" OR ".join(different)}
        UNION SELECT {key} FROM {there} AS there {out} USING ({key})"""


def _held(rows: pa.Table) -> pa.Table:
    typed = [field.name for field in rows.schema if not pa.types.is_null(field.type)]
    rows = rows.select(typed)  # a column of nothing but nulls says nothing, not even its type
    schema = pa.schema([pa.field(field.name, lake_type(field.type)) for field in rows.schema])
    return rows.cast(schema)


def _said(rows: pa.Table, key: str) -> pa.Table:
    """Without the columns that say nothing of anybody: platforms have hundreds of fields that nobody fills,
    and a file that lacks a column reads as missing."""
    empty = {name for name in rows.column_names if rows.column(name).null_count == len(rows)}
    return rows.select([name for name in rows.column_names if name == key or name not in empty])


def _is_same(path: str, rows: pa.Table) -> bool:
    there = set(pq.read_schema(path).names)
    for name in rows.column_names:
        new = rows.column(name)
        if name not in there:
            if new.null_count != len(new):
                return False
            continue
        old = pq.read_table(path, columns=[name], use_threads=False).column(name)
        if not old.cast(new.type).equals(new):
            return False
        there.discard(name)
    lost = sorted(there.difference(rows.column_names))
    return all(pq.read_table(path, columns=[name]).column(name).null_count == rows.num_rows for name in lost)
