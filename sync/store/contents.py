"""One 64-bit number for what a record says, so that a record read again is known to be the same."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from sync.store.shapes import TEXTS, literal, quoted


def content_hash_sql(columns: Mapping[str, pa.DataType]) -> str:
    """SQL of the hash over `columns` (column name → lake type): 64 bits of MD5, stable over versions.

    Missing values add nothing, so a column that is new and empty leaves old hashes as they are. Lists count
    as sets: platforms give them in any order.
    """
    parts = []
    for name, kind in sorted(columns.items()):
        value = quoted(name) if kind == pa.string() else f"CAST({quoted(name)} AS VARCHAR)"
        if kind == TEXTS:
            value = f"CAST(list_sort({quoted(name)}) AS VARCHAR)"
        parts.append(f"coalesce({literal(f'|{name}=')} || {value}, '')")
    text = " || ".join(parts) if parts else "''"
    return f"CAST(CAST(md5_number_lower({text}) AS HUGEINT) - 9223372036854775808 AS BIGINT)"
