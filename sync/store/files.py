"""The files of a lake's snapshot, and SQL that reads their rows. No catalog and no commits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyiceberg.manifest import DataFile, DataFileContent
from pyiceberg.table import Table
from pyiceberg.types import ListType

from sync.store.manifests import entries, manifests
from sync.store.shapes import literal

GONE, NEWER = "gone-", "newer-"
"""How the names of files begin that hold positions, or newer rows of keys that main files have too."""
FILE = '"lake file"'


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file of a snapshot. `columns` are those it has; the others read as missing."""

    path: str
    partition: str | None
    rows: int
    columns: frozenset[str]
    positions: bool = False
    """It names rows of other files that are no more: file_path, pos (from 0)."""

    @property
    def counted(self) -> int:
        """What it adds to the rows of its table."""
        return -self.rows if self.positions else self.rows


@dataclass(frozen=True, slots=True)
class NewFile:
    """A Parquet file written and not committed yet. `positions`: see LakeFile."""

    path: str
    partition: str | None
    positions: bool = False


def reading(files: Iterable[LakeFile], positions: Iterable[LakeFile] = ()) -> str:
    """SQL to put after FROM: the rows of `files` that `positions` do not name; the columns that any has."""
    paths = ", ".join(literal(file.path) for file in files)
    gone = ", ".join(literal(file.path) for file in positions)
    if not gone:
        return f"read_parquet([{paths}], hive_partitioning=false, union_by_name=true)"
    return (
        f"(SELECT theirs.* EXCLUDE ({FILE}, file_row_number) FROM {placed(paths)} AS theirs"
        f" ANTI JOIN read_parquet([{gone}]) AS gone"
        f" ON gone.file_path = theirs.{FILE} AND gone.pos = theirs.file_row_number)"
    )


def placed(paths: str) -> str:
    """SQL to put after FROM: the rows of files (literals of paths) with FILE and file_row_number."""
    return (
        f"read_parquet([{paths}], hive_partitioning=false, union_by_name=true,"
        f" filename='{FILE[1:-1]}', file_row_number=true)"
    )


def snapshot_files(table: Table, snapshot: int) -> dict[str, DataFile]:
    """The snapshot's files, of rows and of positions: path (plain, not a URL) → file, by path."""
    files = [
        entry.data_file
        for manifest in manifests(table.metadata.snapshot_by_id(snapshot))
        for entry in entries(manifest)
    ]
    return dict(sorted((_path(file.file_path), file) for file in files))


def _path(location: str) -> str:
    return location.removeprefix("file://")


def lake_file(table: Table, file: DataFile) -> LakeFile:
    """Iceberg's entry as ours."""
    partition = file.partition[0] if len(table.spec().fields) else None
    path, rows = _path(file.file_path), int(file.record_count)
    if file.content is not DataFileContent.DATA:
        return LakeFile(path, partition, rows, frozenset(), positions=True)
    names = {}
    for field in table.schema().fields:
        names[field.field_id] = field.name
        if isinstance(field.field_type, ListType):
            names[field.field_type.element_id] = field.name
    columns = frozenset(names[key] for key in file.column_sizes if key in names)
    return LakeFile(path, partition, rows, columns)
