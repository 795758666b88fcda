"""Columns of the lake's table `facts`: whoever writes some of them leaves the others as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from rules.text import fold
from sync.store.lake import Lake
from sync.store.shapes import quoted
from sync.store.whole import amend

if TYPE_CHECKING:
    import duckdb


def put_columns(
    lake: Lake, database: duckdb.DuckDBPyConnection, table: pa.Table, *, of: Callable[[str], bool]
) -> None:
    """Make `table` (one row per person who is there) all that there is of the columns for which `of` is true.

    Who is not in it is taken out; where nothing differs, nothing is written.
    """
    lake.ensure("facts", {one.name: one.type for one in table.schema})
    there, stored = lake.relation("facts"), lake.columns("facts")
    others = [name for name in stored if name != "person" and not of(name)]
    if others:
        listed = ", ".join(f"there.{quoted(name)}" for name in others)
        database.register("given_facts", table)
        table = database.sql(
            f"SELECT given_facts.*, {listed} FROM given_facts LEFT JOIN {there} AS there USING (person)"
            " ORDER BY person"
        ).to_arrow_table()
        database.unregister("given_facts")
    before = database.sql(f"SELECT person FROM {there}").to_arrow_table()["person"]
    gone = BitMap(before.to_numpy().astype(np.uint32)) - BitMap(table["person"].to_numpy().astype(np.uint32))
    amend(lake, "facts", table, gone=gone)


def folded(texts: pa.Array) -> pa.Array:
    """Texts in the form in which rules compare them."""
    coded = texts.dictionary_encode()
    names = pa.array([fold(one) for one in coded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, names).cast(pa.string())
