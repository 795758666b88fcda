"""What every kind of table hands on: a piece of it in Arrow, with the place each row came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.base import RejectedRow
from connectors.errors import BadSource
from connectors.tables.keys import nearest

CHUNK_ROWS = 250_000
"""Rows of a page of Parquet or SQL; a page of CSV is a block of `delimited.BLOCK` bytes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a table. `table` has the wanted source columns under their own names."""

    table: pa.Table
    origin: str  # file, table or query, for messages
    unit: str  # "line" or "row": what `places` counts
    places: npt.NDArray[np.int64]
    raw: Callable[[int], str | None]
    rejected: tuple[RejectedRow, ...]
    read: int  # rows of the file dealt with when this chunk is: good and rejected ones

    def where(self, row: int) -> str:
        """How messages name a row."""
        return f"{self.origin} {self.unit} {self.places[row]}"


class Table(Protocol):
    """One file or query that can be read in chunks, the same ones each time."""

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]: ...


def need_columns(there: Sequence[str], wanted: Sequence[str], *, label: str, path: str) -> None:
    """Raise `BadSource` naming every wanted column that is not there, or is there twice."""
    problems = [
        f'{path}: {label} has no column "{name}"{nearest(name, there)}'
        for name in wanted
        if name not in there
    ]
    problems += [
        f'{path}: {label} has {there.count(name)} columns "{name}"; rename all but one'
        for name in wanted
        if there.count(name) > 1
    ]
    if problems:
        if len(there) == 1 and len(wanted) > 1:
            problems.append(
                f"{path}: it has one column only; set delimiter if fields are not parted by , ; | or tab"
            )
        raise BadSource("\n".join(problems))
