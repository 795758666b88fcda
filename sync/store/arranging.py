"""Rows of a file of the lake put in order of their persons and written down, to be read in place."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

PERSON = "person"
PLACE, AT, WHOSE = "lake place", "lake at", "lake whose"
"""A copy's own columns: where a row lies in the file; all instants in order, and whose they are. With the
name of a date or an instant of people after the latter two: its values in order, and whose they are."""
_NEVER_READ = frozenset({"content_hash", "email", "external_id", "kind"})
"""Columns of activity that neither rules nor explanations ask for. People's fields may have such names."""
_SEVERAL, _SAMPLE = 4, 4_000
"""Texts of which each occurs so often on average, among the first ones too, are stored once each."""


def arranged(rows: pa.Table, by: str = PERSON) -> pa.Table:
    """The rows of a file (as they lie there) in order of persons and instants, with all that a copy has.
    `by`: the column of numbers that stands for the person."""
    rows = rows.append_column(PLACE, pa.array(np.arange(len(rows), dtype=np.int32)))
    rows = rows.filter(pc.is_valid(rows[by])).combine_chunks()
    order = np.arange(len(rows))
    dated = "at" in rows.column_names
    if dated:
        at = numbers(rows["at"])
        if np.any(np.diff(at) < 0):  # files are in order of time, nearly always
            order = np.argsort(at, kind="stable")
        ordered, whose = at[order], numbers(rows["person"])[order]
    order = order[np.argsort(numbers(rows[by])[order], kind="stable")]
    compact = pa.table({name: _compact(rows[name]) for name in rows.column_names})
    found = compact.take(pa.array(order)).combine_chunks()
    if dated:
        found = found.append_column(AT, pa.array(ordered)).append_column(WHOSE, pa.array(whose))
    return found


def _with_order(rows: pa.Table) -> pa.Table:
    """People with, for each of their dates and instants, all of them in order and whose they are: those who
    have none at the end."""
    for one in rows.schema:
        if not pa.types.is_date32(one.type) and not pa.types.is_timestamp(one.type):
            continue
        known = pc.is_valid(rows[one.name])
        values, whose = (numbers(rows[name].filter(known)) for name in (one.name, PERSON))
        order = np.argsort(values, kind="stable")
        for name, found in ((AT, values[order]), (WHOSE, whose[order])):
            padded = np.append(found, np.zeros(len(rows) - len(found), found.dtype))
            rows = rows.append_column(f"{name} {one.name}", pa.array(padded))
    return rows


def copied(columns: Collection[str]) -> list[str]:
    """The columns of a file that its copy has."""
    return [name for name in columns if "at" not in columns or name not in _NEVER_READ]


def make(file: str, copy: Path, by: str = PERSON) -> None:
    """Write the copy of a Parquet file. It is there whole or not at all."""
    source = pq.ParquetFile(file)
    found = arranged(source.read(columns=copied(source.schema_arrow.names)), by)
    write(_with_order(found) if by == PERSON and "at" not in found.column_names else found, copy)


def mapped(path: Path) -> pa.Table:
    """A written table, read in place."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write(table: pa.Table, copy: Path) -> None:
    """Write a table as a file that is there whole or not at all."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    beside = copy.with_name(f"{copy.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("wb") as sink:
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            sink.flush()
            os.fsync(sink.fileno())
        beside.replace(copy)
    finally:
        beside.unlink(missing_ok=True)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """In one piece, where it lies if it is."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Whole numbers, dates or instants in place."""
    array = whole(column)
    plain = {pa.types.is_timestamp: pa.int64(), pa.types.is_date32: pa.int32()}
    for is_it, type_ in plain.items():
        if is_it(array.type):
            array = array.view(type_)
    found: NDArray[np.int64] = array.to_numpy(zero_copy_only=False)
    return found


def _compact(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """One piece; texts that occur often are numbered."""
    if not pa.types.is_string(column.type) or len(pc.unique(column[:_SAMPLE])) * _SEVERAL > _SAMPLE:
        return column
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray) or len(coded.dictionary) * _SEVERAL > len(coded):
        return column
    return pa.chunked_array([coded])
