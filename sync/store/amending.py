"""Put rows in place of those with the same key, at the price of the rows and not of the table.

A table with a key lies in main files by its key (2^18 numbers a file) and in one file of newer rows (in each
partition); rows of main files that are not true any more are named in one file of positions. Once the newer
ones are more than an eighth of the main ones, the main files they belong to are written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from sync.store.files import FILE, NEWER, LakeFile, NewFile, placed, reading
from sync.store.lake import Lake
from sync.store.shapes import literal

KEYS = {"contacts": "contact", "links": "contact", "people": "person", "facts": "person"}
BUCKET = 18
"""Numbers of so many bits share a main file."""
_NEWER_SHARE = 8
"""One part in so many of the main rows may be newer rows, or gone: a change of one row in a hundred costs
about a tenth of writing everything anew, and reading hardly more."""
_NEWER_ALWAYS = 2_000
"""So few are kept beside however small the main files are."""


def put(
    lake: Lake,
    database: duckdb.DuckDBPyConnection,
    table: str,
    fresh: str,
    *,
    touched: str,
    partition: str | None = None,
) -> bool:
    """Commit: the rows whose key is in the relation `touched` go, the rows of the query `fresh` come.

    `touched` (one column, the table's key) holds all keys of `fresh`; the keys it has beyond are gone then.
    `fresh` has a key once, and some of the table's columns. False, and no commit, if `touched` is empty.
    """
    if not database.execute(f"SELECT 1 FROM {touched} LIMIT 1").fetchall():
        return False
    key, upon = KEYS[table], lake.snapshots().get(table)
    files, gone = lake.files(table, partition), lake.positions(table, partition)
    main = [file for file in files if not _is_newer(file)]
    newer = [file for file in files if _is_newer(file)]
    _find_positions(database, main, gone, touched=touched, key=key)
    beside = fresh
    if newer:
        kept = f"SELECT * FROM {reading(newer)} ANTI JOIN {touched} USING ({key})"
        beside = f"{kept} UNION ALL BY NAME {fresh}"
    rows = _one(database, f"SELECT count(*) FROM ({beside})")
    lost = _one(database, "SELECT count(*) FROM put_positions")
    old = [file.path for file in (*newer, *gone)]
    most = max(sum(file.rows for file in main) // _NEWER_SHARE, _NEWER_ALWAYS if main else 0)
    if max(rows, lost) > most:
        whole = beside
        if main:
            kept = f"SELECT * FROM {reading(main, gone)} ANTI JOIN {touched} USING ({key})"
            whole = f"{kept} UNION ALL BY NAME {beside}"
        removed, added = _rewritten(lake, database, table, main, whole, beside=beside, partition=partition)
        lake.replace(table, removed=[*old, *removed], added=added, upon=upon)
        return True
    added = []
    if rows:
        query = f"SELECT * FROM ({beside})"
        added.append(lake.write(database, table, query, partition=partition, order=key, prefix=NEWER))
    if lost:
        query = "SELECT file_path, pos FROM put_positions"
        added.append(lake.write_positions(database, table, query, partition=partition))
    lake.replace(table, removed=old, added=added, upon=upon)
    return True


def is_layered(lake: Lake, table: str) -> bool:
    """Whether the table has newer rows, or rows that are gone, beside its main files."""
    return bool(lake.positions(table)) or any(_is_newer(file) for file in lake.files(table))


def bucket_of(path: str, key: str) -> int:
    """The bucket whose rows a main file holds."""
    file = pq.ParquetFile(path)
    column = file.schema_arrow.get_field_index(key)
    return int(file.metadata.row_group(0).column(column).statistics.min) >> BUCKET


def _is_newer(file: LakeFile) -> bool:
    return Path(file.path).name.startswith(NEWER)


def _find_positions(
    database: duckdb.DuckDBPyConnection,
    main: Sequence[LakeFile],
    gone: Sequence[LakeFile],
    *,
    touched: str,
    key: str,
) -> None:
    """Temp table `put_positions` (file_path, pos): rows of main files that are no more, or will not be."""
    parts = ["SELECT NULL::VARCHAR AS file_path, NULL::BIGINT AS pos WHERE false"]
    if gone:
        listed = ", ".join(literal(file.path) for file in gone)
        parts.append(f"SELECT file_path, pos FROM read_parquet([{listed}])")
    if main:
        rows = placed(", ".join(literal(file.path) for file in main))
        parts.append(f"SELECT {FILE}, file_row_number FROM {rows} SEMI JOIN {touched} USING ({key})")
    database.execute(f"CREATE OR REPLACE TEMP TABLE put_positions AS {' UNION '.join(parts)}")


def _rewritten(
    lake: Lake,
    database: duckdb.DuckDBPyConnection,
    table: str,
    main: Sequence[LakeFile],
    whole: str,
    *,
    beside: str,
    partition: str | None,
) -> tuple[list[str], list[NewFile]]:
    """Main files of every bucket that lost a row or gets one, and those they replace."""
    key = KEYS[table]
    stored = {bucket_of(file.path, key): file.path for file in main}
    lost = {
        str(row[0]) for row in database.execute("SELECT DISTINCT file_path FROM put_positions").fetchall()
    }
    gets = database.execute(f"SELECT DISTINCT {key} >> {BUCKET} FROM ({beside})").fetchall()
    filled = {int(row[0]) for row in gets}
    removed: list[str] = []
    added: list[NewFile] = []
    for bucket in sorted(filled.union(bucket for bucket, path in stored.items() if path in lost)):
        inside = f"{key} >= {bucket << BUCKET} AND {key} < {(bucket + 1) << BUCKET}"
        query = f"SELECT * FROM ({whole}) WHERE {inside}"
        if bucket in filled or _one(database, f"SELECT count(*) FROM ({query})"):
            added.append(lake.write(database, table, query, partition=partition, order=key))
        if bucket in stored:
            removed.append(stored[bucket])
    return removed, added


def _one(database: duckdb.DuckDBPyConnection, query: str) -> int:
    # all rows are fetched: a result that is not read to its end keeps the connection busy
    return int(database.execute(query).fetchall()[0][0])
