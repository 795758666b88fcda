"""The lake: Iceberg tables over Parquet files that DuckDB writes and reads as plain files.

Files never change: a change writes new ones, and one atomic commit puts them beside or in place of the old
ones. Single rows of a file that are no more stand in files of positions (see `sync.store.commits`), so a
relation is the files of a snapshot without those rows. Old snapshots stay until `tidy` drops them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.manifest import DataFileContent
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table import Transaction as IcebergTransaction
from pyiceberg.table.update.snapshot import _MergeAppendFiles
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import ListType, NestedField

from sync.store.catalog import NAMESPACE, StoreCatalog
from sync.store.commits import MOST_MANIFESTS, POSITION_IDS, Overwrite, Transaction, data_file, positions_file
from sync.store.copies import Copies
from sync.store.database import Database
from sync.store.engines import engine_of, enough
from sync.store.errors import StoreError, no_space_is_told
from sync.store.files import GONE, LakeFile, NewFile, lake_file, reading, snapshot_files
from sync.store.shapes import (
    NO_SNAPSHOT,
    PARTITIONS,
    SHAPES,
    arrow_type,
    duckdb_type,
    iceberg_type,
    lake_type,
    literal,
    quoted,
)

ROW_GROUP = 122_880
"""Rows per row group: DuckDB's own unit, so that both cores find work in one file."""
_PROPERTIES = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": str(MOST_MANIFESTS + 1),
    "write.metadata.metrics.default": "counts",  # no address of a person in a manifest
    "write.metadata.metrics.column.at": "full",
    "write.metadata.metrics.column.contact": "full",
    "write.metadata.metrics.column.person": "full",
}


class Lake:
    """Its tables (see `SHAPES`) are made on first use, columns added as they appear."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder.absolute()
        if any(sign in str(self.folder) for sign in "*?["):
            raise StoreError(f"the lake's folder must not have *, ? or [ in its path: {self.folder}")
        with no_space_is_told(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.memory_limit: str | None = None
        """For DuckDB, e.g. "2GB"; None: 60 % of the machine's memory, 1.5 GiB at most."""
        self.threads: int | None = None
        self._engines: dict[tuple[str, int | None], duckdb.DuckDBPyConnection] = {}
        self._starting = threading.Lock()
        self._database = database
        self._catalog = StoreCatalog(database, self.folder.as_uri())
        self._tables: dict[str, tuple[str, Table]] = {}
        self._files: dict[tuple[str, int], tuple[LakeFile, ...]] = {}
        self.copies = Copies(self)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def connect(self, *, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
        """A session, with temporary tables of its own, of a DuckDB in memory that spills into the folder;
        UTC, and no extension is ever fetched."""
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        limit = memory_limit or self.memory_limit or enough()
        with self._starting:  # an engine takes a thousand times as long to start as a session
            engine = self._engines.get((limit, self.threads))
            if engine is None:
                engine = self._engines[limit, self.threads] = engine_of(temporary, limit, self.threads)
        session = engine.cursor()
        session.execute("SET TimeZone = 'UTC'")
        session.execute("SET enable_progress_bar = false")
        return session

    def close(self) -> None:
        """Let go of memory. Sessions that are open are of no use then."""
        with self._starting:
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()

    def relation(
        self,
        table: str,
        kind: str | None = None,
        *,
        snapshot: int | None = None,
        only: Collection[str] | None = None,
    ) -> str:
        """SQL to put after FROM: the files of the current (or the given) snapshot; `kind`: one partition.

        Has every column of the table, or `only` those named (a table has hundreds, and each costs as much to
        plan as to read a few rows); a table, partition or column without data reads as typed nothing.
        """
        found = self._all(table, kind, snapshot)  # of one snapshot, whatever others commit now
        files = [file for file in found if not file.positions]
        columns = {name: t for name, t in self.columns(table).items() if only is None or name in only}
        if not files:
            nothing = ", ".join(f"NULL::{duckdb_type(t)} AS {quoted(n)}" for n, t in columns.items())
            return f"(SELECT {nothing} WHERE false)"
        there = frozenset().union(*(file.columns for file in files))
        read = reading(files, (file for file in found if file.positions))
        missing = [f"NULL::{duckdb_type(t)} AS {quoted(n)}" for n, t in columns.items() if n not in there]
        if only is not None:
            wanted = [quoted(name) for name in columns if name in there]
            return f"(SELECT {', '.join([*wanted, *missing])} FROM {read})"
        return f"(SELECT *, {', '.join(missing)} FROM {read})" if missing else read

    def files(
        self, table: str, partition: str | None = None, *, snapshot: int | None = None
    ) -> tuple[LakeFile, ...]:
        """The files with rows of the current (or the given) snapshot, in the order of their paths."""
        return tuple(file for file in self._all(table, partition, snapshot) if not file.positions)

    def positions(
        self, table: str, partition: str | None = None, *, snapshot: int | None = None
    ) -> tuple[LakeFile, ...]:
        """The files that name rows which are no more. Each such row is named once, and is in `files`."""
        return tuple(file for file in self._all(table, partition, snapshot) if file.positions)

    def _all(self, table: str, partition: str | None, snapshot: int | None) -> tuple[LakeFile, ...]:
        loaded = self._load(table)
        if loaded is None or snapshot == NO_SNAPSHOT:
            return ()
        if snapshot is None:
            current = loaded.current_snapshot()
            if current is None:
                return ()
            snapshot = current.snapshot_id
        found = self._files.get((table, snapshot))
        if found is None:
            found = tuple(lake_file(loaded, file) for file in snapshot_files(loaded, snapshot).values())
            self._files[(table, snapshot)] = found
        if partition is None:
            return found
        return tuple(file for file in found if file.partition == partition)

    def partitions(self, table: str) -> dict[str, int]:
        """Partition (a connection, a kind of activity) → rows in it."""
        rows: dict[str, int] = {}
        for file in self._all(table, None, None):
            if file.partition is not None:
                rows[file.partition] = rows.get(file.partition, 0) + file.counted
        return rows

    def rows(self, table: str) -> int:
        """Rows of the current snapshot, without reading any."""
        return sum(file.counted for file in self._all(table, None, None))

    def columns(self, table: str) -> dict[str, pa.DataType]:
        """Column → Arrow type, in the table's order."""
        loaded = self._load(table)
        if loaded is None:
            return dict(SHAPES[table])
        return {field.name: arrow_type(field.field_type) for field in loaded.schema().fields}

    def snapshots(self) -> dict[str, int]:
        """Table → id of its current snapshot; a run keeps this to say what it read."""
        found, locations = {}, self._catalog.locations()
        for name in SHAPES:
            loaded = self._loaded(name, locations.get(name))
            current = loaded.current_snapshot() if loaded is not None else None
            if current is not None:
                found[name] = int(current.snapshot_id)
        return found

    def keeps(self, table: str, snapshot: int) -> bool:
        """Whether that state of the table can still be read."""
        if snapshot == NO_SNAPSHOT:
            return True
        loaded = self._load(table)
        return loaded is not None and loaded.metadata.snapshot_by_id(snapshot) is not None

    def table(self, name: str) -> Table | None:
        """PyIceberg's view of a table, e.g. for other engines and for `tidy`; None if not made yet."""
        return self._load(name)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────

    def ensure(self, table: str, columns: Mapping[str, pa.DataType]) -> None:
        """Make the table if it is new and add the columns it lacks. A column never changes its type."""
        with no_space_is_told(f"the lake {self.folder}"):
            loaded = self._load(table) or self._create(table)
            there = {field.name: arrow_type(field.field_type) for field in loaded.schema().fields}
            for name, kind in columns.items():
                if name in there and there[name] != lake_type(kind):
                    raise StoreError(
                        f"the column {name} of {table} holds {there[name]} and cannot take {lake_type(kind)};"
                        " give the field another name"
                    )
            new = {name: kind for name, kind in columns.items() if name not in there}
            if new:
                with Transaction(loaded) as transaction, transaction.update_schema() as change:
                    for name, kind in new.items():
                        change.add_column((name,), iceberg_type(kind))

    def write(
        self,
        database: duckdb.DuckDBPyConnection,
        table: str,
        query: str,
        *,
        partition: str | None = None,
        order: str | None = None,
        prefix: str = "",
    ) -> NewFile:
        """Write the rows of `query` (columns of `table`, any subset) as one Parquet file, not committed.
        `prefix`: of its name."""
        loaded = self._load(table)
        if loaded is None:
            raise StoreError(f"the lake has no table {table}")
        names = [str(row[0]) for row in database.execute(f"DESCRIBE {query}").fetchall()]
        ids = ", ".join(f"{literal(name)}: {_field_id(loaded.schema(), name)}" for name in names)
        if order:
            query = f"{query} ORDER BY {order}"
        return NewFile(self._copy(database, table, query, f"{{{ids}}}", prefix), partition)

    def write_positions(
        self, database: duckdb.DuckDBPyConnection, table: str, query: str, *, partition: str | None = None
    ) -> NewFile:
        """Write the positions that `query` gives (file_path VARCHAR, pos BIGINT) as a file, not committed."""
        query = f"{query} ORDER BY file_path, pos"
        return NewFile(self._copy(database, table, query, POSITION_IDS, GONE), partition, positions=True)

    def _copy(
        self, database: duckdb.DuckDBPyConnection, table: str, query: str, ids: str, prefix: str
    ) -> str:
        folder = self.folder / NAMESPACE / table / "data"
        path = folder / f"{prefix}{uuid.uuid4().hex}.parquet"
        with no_space_is_told(f"the lake {self.folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                database.execute(
                    f"COPY ({query}) TO {literal(str(path))}"
                    f" (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP},"
                    f" FIELD_IDS {ids})"
                )
                _flush(path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return str(path)

    def replace(
        self,
        table: str,
        *,
        removed: Iterable[str] = (),
        added: Sequence[NewFile] = (),
        upon: int | None = None,
    ) -> int | None:
        """One atomic commit: the files `removed` go, the files `added` come, both of rows or of positions.

        `upon`: the snapshot they were made from, if it must still be the current one. Returns the new
        snapshot's id; None (and no commit) if there is nothing to do.
        """
        gone = set(removed)
        if not gone and not added:
            return None
        loaded = self._load(table)
        if loaded is None:
            raise StoreError(f"the lake has no table {table}")
        with no_space_is_told(f"the lake {self.folder}"):
            try:
                current = loaded.current_snapshot()
                if upon is not None and (current is None or current.snapshot_id != upon):
                    raise CommitFailedException("the table has changed")
                with Transaction(loaded) as transaction:
                    self._stage(loaded, transaction, gone, added)
            except CommitFailedException as error:
                self._database.prove()  # whoever was taken over is told just that
                raise StoreError(
                    f"another process changed the lake's table {table} at the same moment; run again"
                ) from error
        self._tables.pop(table, None)
        made = loaded.metadata.current_snapshot_id
        return None if made is None else int(made)

    def _stage(
        self, table: Table, transaction: IcebergTransaction, gone: set[str], added: Sequence[NewFile]
    ) -> None:
        rows = [data_file(table, file.path, file.partition) for file in added if not file.positions]
        positions = [positions_file(table, file.path, file.partition) for file in added if file.positions]
        current = table.current_snapshot()
        there = snapshot_files(table, current.snapshot_id) if current and gone else {}
        if not gone <= there.keys():
            raise CommitFailedException("the table has changed")
        going = [there[path] for path in gone]
        old = [file for file in going if file.content is DataFileContent.DATA]
        forgotten = [file.file_path for file in going if file.content is not DataFileContent.DATA]
        change: Overwrite | _MergeAppendFiles
        if gone or positions:
            change = Overwrite(transaction, table, positions=positions, forgotten=forgotten)
        else:
            change = transaction.update_snapshot().merge_append()
        with change:
            for file in old:
                change.delete_data_file(file)
            for file in rows:
                change.append_data_file(file)

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _load(self, table: str) -> Table | None:
        return self._loaded(table, self._catalog.location_of(table))

    def _loaded(self, table: str, location: str | None) -> Table | None:
        if location is None:
            return None
        known = self._tables.get(table)
        if known is None or known[0] != location:
            try:
                known = (location, self._catalog.load_table((NAMESPACE, table)))
            except NoSuchTableError:
                return None
            except FileNotFoundError as error:
                raise StoreError(
                    f"the lake's folder {self.folder} does not hold what the database says;"
                    " give the store its own folder again, or restore a backup of it"
                ) from error
            self._tables[table] = known
            self._files = {key: files for key, files in self._files.items() if key[0] != table}
        return known[1]

    def _create(self, table: str) -> Table:
        fields = []
        for number, (name, kind) in enumerate(SHAPES[table].items(), start=1):
            made = iceberg_type(kind, element_id=100 + number)
            fields.append(NestedField(field_id=number, name=name, field_type=made, required=False))
        spec = UNPARTITIONED_PARTITION_SPEC
        if table in PARTITIONS:
            source = next(field.field_id for field in fields if field.name == PARTITIONS[table])
            spec = PartitionSpec(PartitionField(source, 1000, IdentityTransform(), PARTITIONS[table]))
        self._catalog.create_namespace_if_not_exists(NAMESPACE)
        with contextlib.suppress(TableAlreadyExistsError):  # another process was quicker
            self._catalog.create_table(
                (NAMESPACE, table),
                Schema(*fields),
                location=(self.folder / NAMESPACE / table).as_uri(),
                partition_spec=spec,
                properties=_PROPERTIES,
            )
        loaded = self._load(table)
        if loaded is None:
            raise StoreError(f"the lake's table {table} could not be made")
        return loaded


def _field_id(schema: Schema, name: str) -> str:
    field = next(field for field in schema.fields if field.name == name)
    if isinstance(field.field_type, ListType):
        return f"{{__duckdb_field_id: {field.field_id}, element: {field.field_type.element_id}}}"
    return str(field.field_id)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
