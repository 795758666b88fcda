"""A file of the lake without a copy in order of persons, and what lies in a range."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rules.engine.periods import Range
from rules.engine.tables import Span
from sync.store.arranging import numbers


class Loose:
    """A file without a copy: read and searched each time, which is the cheaper the smaller it is."""

    def __init__(self, path: str, count: int) -> None:
        self._path, self.count = path, count

    def crossed(self, found: Range) -> NDArray[np.int32]:
        """As `Copy` has it."""
        rows = pq.read_table(self._path, columns=["person", "at"])
        rows = rows.filter(pc.is_valid(rows["person"]))
        return numbers(rows["person"])[lying_in(rows["at"], found)].astype(np.int32)

    def valued(self, field: str, type_: pa.DataType, found: Range) -> NDArray[np.int32]:
        """As `Copy` has it."""
        there = [name for name in pq.read_schema(self._path).names if name in ("person", field)]
        rows = pq.read_table(self._path, columns=there)
        return valued(rows.filter(pc.is_valid(rows["person"])), field, type_, found)

    def take(
        self, people: NDArray[np.int32], span: Span, columns: Collection[str], gone: NDArray[np.int64] | None
    ) -> pa.Table:
        """As `Copy` has it; all that lies in the range, not only its ends."""
        file = pq.ParquetFile(self._path)
        there = [name for name in file.schema_arrow.names if name in columns]
        whose = file.read(columns=["person"])["person"]
        inside = pc.is_in(whose, pa.array(people)).to_numpy()
        if gone is not None:
            inside[gone] = False
        if inside.any() and span.range != Range(None, None):
            inside &= lying_in(file.read(columns=["at"])["at"], span.range)
        if not inside.any():
            return pa.table({})
        return file.read(columns=there).filter(pa.array(inside))


def valued(rows: pa.Table, field: str, type_: pa.DataType, found: Range) -> NDArray[np.int32]:
    """Who has a value of the type in the range."""
    if field not in rows.column_names:
        return np.array([], np.int32)
    persons, values = rows["person"], rows[field].cast(type_)
    if values.null_count:
        known = pc.is_valid(values)
        persons, values = persons.filter(known), values.filter(known)
    return numbers(persons)[lying_in(values, found)].astype(np.int32)


def lying_in(at: pa.ChunkedArray, found: Range) -> NDArray[np.bool_]:
    """Which instants, or days, lie in a range."""
    us = numbers(at)
    inside = np.ones(len(us), bool)
    if found.start is not None:
        inside &= us >= held(found.start)
    if found.end is not None:
        inside &= us < held(found.end)
    return inside


def held(us: int) -> int:
    """An instant as the engine can store it."""
    return max(-(2**63), min(2**63 - 1, us))
