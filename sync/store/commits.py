"""Commits of the lake that PyIceberg does not make by itself: files come and go, and rows go by position.

A changed row is written into a small file of newer rows, and its old position into a file of *position
deletes* (Iceberg's format v2), which PyIceberg and other engines read, but PyIceberg does not write.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import Table
from pyiceberg.table import Transaction as IcebergTransaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import (
    TableUpdate,
    _apply_table_update,
    _TableMetadataUpdateContext,
    _update_table_metadata_log,
)
from pyiceberg.table.update.snapshot import _OverwriteFiles
from pyiceberg.typedef import EMPTY_DICT, Record

from sync.store.manifests import entries, manifests

MOST_MANIFESTS = 4
"""Of rows, before they are made one: with few files in each, reading many takes longer than writing one."""
POSITION_IDS = "{'file_path': 2147483546, 'pos': 2147483545}"
"""The columns of a file of position deletes, with the numbers that Iceberg reserves for them."""


class Transaction(IcebergTransaction):
    """As PyIceberg's, which builds and copies the table's whole metadata each time somebody looks at it, a
    dozen times a commit. It is the same until something is staged."""

    _made: tuple[object, object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        if not self._updates:
            return self._table.metadata
        made = self._made
        if made is None or made[0] is not self._updates or made[1] is not self._table.metadata:
            now = updated(self._table.metadata, self._updates)
            made = self._made = (self._updates, self._table.metadata, now)
        return made[2]

    def _rebuild_snapshot_updates(self) -> None:
        """PyIceberg would put our files on top of what another process has committed meanwhile, though they
        were made from what was there before: its rows would be there twice, or files be missed."""
        raise CommitFailedException("the table has changed")


def updated(
    base: TableMetadata, updates: Sequence[TableUpdate], location: str | None = None
) -> TableMetadata:
    """PyIceberg's `update_table_metadata` without the deep copy at its end, which is most of what a commit
    costs: no part of metadata is ever changed where it is. `location`: of `base`, for the log."""
    context = _TableMetadataUpdateContext()
    made = base
    for update in updates:
        made = _apply_table_update(update, made, context)
    if context.has_changes():
        if location:
            made = _update_table_metadata_log(made, location, base.last_updated_ms)
        if base.last_updated_ms == made.last_updated_ms:
            made = made.model_copy(update={"last_updated_ms": time.time_ns() // 1_000_000})
    made.spec().check_compatible(made.schema())
    made.sort_order().check_compatible(made.schema())
    return made


class Overwrite(_OverwriteFiles):
    """Files come and go in one snapshot; `positions` are files of deleted rows that come, and the paths
    `forgotten` such files that go."""

    def __init__(
        self,
        transaction: IcebergTransaction,
        table: Table,
        *,
        positions: Sequence[DataFile],
        forgotten: Iterable[str],
    ) -> None:
        there = table.current_snapshot() is not None
        super().__init__(
            operation=Operation.OVERWRITE if there else Operation.APPEND, transaction=transaction, io=table.io
        )
        self._positions = list(positions)
        self._forgotten = set(forgotten)

    def _existing_manifests(self) -> list[ManifestFile]:
        """Manifests of rows that stay. PyIceberg would keep one more for every commit, for ever; here they
        become one as soon as there are too many."""
        intact: list[ManifestFile] = []
        others: list[ManifestEntry] = []
        there = list(manifests(self._parent(), ManifestContent.DATA))
        for manifest in there:
            live = entries(manifest)
            staying = [entry for entry in live if entry.data_file not in self._deleted_data_files]
            if len(staying) == len(live) and len(there) <= MOST_MANIFESTS:
                intact.append(manifest)
            else:
                others += staying
        if not others:
            return intact
        with self.new_manifest_writer(self._transaction.table_metadata.spec()) as writer:
            for entry in others:
                writer.add_entry(_entry(entry.data_file, entry.snapshot_id, entry))
        return [writer.to_manifest_file(), *intact]

    def _deleted_entries(self) -> list[ManifestEntry]:
        gone = [
            _entry(entry.data_file, self._snapshot_id, entry, ManifestEntryStatus.DELETED)
            for manifest in manifests(self._parent(), ManifestContent.DATA)
            for entry in entries(manifest)
            if entry.data_file in self._deleted_data_files
        ]
        self._validate_required_deletes(gone)
        return gone

    def _parent(self) -> Snapshot | None:
        """The snapshot that this one changes."""
        return self._transaction.table_metadata.snapshot_by_name(self._target_branch)

    def _process_manifests(self, written: list[ManifestFile]) -> list[ManifestFile]:
        metadata = self._transaction.table_metadata
        kept = [
            entry
            for manifest in manifests(self._parent(), ManifestContent.DELETES)
            for entry in entries(manifest)
            if entry.data_file.file_path not in self._forgotten
        ]
        if not kept and not self._positions:
            return written
        output = self.new_manifest_output()
        with _PositionsWriter(
            metadata.spec(), self.schema(), output, self._snapshot_id, self._compression
        ) as writer:
            for file in self._positions:
                writer.add(_entry(file, self._snapshot_id))
            for entry in kept:
                writer.add_entry(_entry(entry.data_file, entry.snapshot_id, entry))
        return [*written, writer.to_manifest_file()]

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        added = self._added_data_files
        self._added_data_files = [*added, *self._positions]  # they count in it, and are in no data manifest
        try:
            return super()._summary(snapshot_properties)
        finally:
            self._added_data_files = added


class _PositionsWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def _entry(
    file: DataFile,
    snapshot_id: int | None,
    known: ManifestEntry | None = None,
    status: ManifestEntryStatus = ManifestEntryStatus.EXISTING,
) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED if known is None else status,
        snapshot_id=snapshot_id,
        sequence_number=None if known is None else known.sequence_number,
        file_sequence_number=None if known is None else known.file_sequence_number,
        data_file=file,
    )


def data_file(table: Table, path: str, partition: str | None) -> DataFile:
    """Iceberg's entry for a Parquet file with rows of the table."""
    metadata = pq.read_metadata(path)
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=metadata,
        stats_columns=compute_statistics_plan(table.schema(), table.metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(table.schema()),
    )
    return _file(table, path, partition, DataFileContent.DATA, statistics.to_serialized_dict())


def positions_file(table: Table, path: str, partition: str | None) -> DataFile:
    """Iceberg's entry for a Parquet file with positions (file_path, pos) of rows that are no more."""
    statistics: dict[str, Any] = {"record_count": pq.read_metadata(path).num_rows}
    for name in ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts"):
        statistics[name] = {}
    return _file(table, path, partition, DataFileContent.POSITION_DELETES, statistics)


def _file(
    table: Table, path: str, partition: str | None, content: DataFileContent, statistics: dict[str, Any]
) -> DataFile:
    return DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(partition) if len(table.spec().fields) else Record(),
        file_size_in_bytes=os.path.getsize(path),
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics,
    )
