"""Parquet files in batches of bounded size, only the columns that are wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from connectors.errors import BadSource
from connectors.tables.chunks import CHUNK_ROWS, Chunk, need_columns
from connectors.tables.settings import Origin


class ParquetFile:
    """One Parquet file. Raises `BadSource` if it is missing or damaged."""

    def __init__(self, path: Path, *, origin: Origin, rows: int = CHUNK_ROWS) -> None:
        self._path, self._origin, self._rows = path, origin, rows

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """All rows with `columns` in the types the file gives them."""
        label, row = self._path.name, 0
        try:
            with parquet.ParquetFile(self._path) as file:
                need_columns(file.schema_arrow.names, columns, label=label, path=self._origin.path)
                for batch in file.iter_batches(batch_size=self._rows, columns=list(columns)):
                    table = pa.Table.from_batches([batch]).select(list(columns))
                    places = np.arange(row + 1, row + 1 + len(batch), dtype=np.int64)
                    row += len(batch)
                    yield Chunk(table, label, "row", places, RawRow(table), (), row)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise BadSource(f"{self._origin.path}: {label} cannot be opened: {error.strerror}") from None
            raise BadSource(
                f"{self._origin.path}: {label} is damaged or no Parquet file; export it again"
            ) from None


class RawRow:
    """The text of a row, made only for the few that are refused."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __call__(self, row: int) -> str:
        return raw_row(self._table, row)


def raw_row(table: pa.Table, row: int) -> str:
    """One row as JSON."""
    return json.dumps(table.slice(row, 1).to_pylist()[0], default=str, ensure_ascii=False)
