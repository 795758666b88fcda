"""One number for what a record says, so that a record read again is known to be the same."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from sync.store.shapes import TEXTS, literal, quoted


def content_hash_sql(columns: Mapping[str, pa.DataType]) -> str:
    """SQL (BIGINT, 63 bits) of the hash over `columns` (column name → lake type).

    Missing values add nothing, so a column that is new and empty leaves old hashes as they are. Lists count
    as sets: platforms give them in any order. DuckDB's `hash` is 15 times as fast as its `md5`; should a
    version of DuckDB ever change it, records that are read again count as changed, once.

    `hash` of two values is linear in the hash of the second: without the outer one, two columns that hold
    the same value (an address and the e-mail field) would cancel each other, and a change of both be missed.
    """
    parts = []
    for name, kind in sorted(columns.items()):
        value = f"list_sort({quoted(name)})" if kind == TEXTS else quoted(name)
        parts.append(f"CASE WHEN {quoted(name)} IS NULL THEN 0 ELSE hash(hash({literal(name)}, {value})) END")
    mixed = parts[0] if parts else "hash(0)"
    for part in parts[1:]:
        mixed = f"xor({mixed}, {part})"
    return f"CAST(({mixed}) >> 1 AS BIGINT)"
