"""The lake's side of a backup: what a table is without its history, and how it rises in another folder.

Iceberg's metadata names files by absolute paths, so it is not copied: a restored table has the same columns
under the same numbers (which the Parquet files carry), and the data files are committed to it anew.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalogBaseTable
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil

from sync.store.backup.archive import ArchivedTable
from sync.store.catalog import NAMESPACE, StoreCatalog
from sync.store.database import Database
from sync.store.files import GONE, LakeFile, NewFile, lake_file, snapshot_files
from sync.store.lake import Lake
from sync.store.shapes import literal

_HISTORY = (
    "snapshots",
    "snapshot-log",
    "metadata-log",
    "refs",
    "current-snapshot-id",
    "statistics",
    "partition-statistics",
)


def files_at(
    catalog: StoreCatalog, table: str, location: str
) -> tuple[Mapping[str, object], tuple[LakeFile, ...]]:
    """(definition, files) of a table as the metadata at `location` has it; FileNotFoundError if a part of it
    is gone."""
    loaded = catalog.table_at(table, location)
    current = loaded.current_snapshot()
    found = snapshot_files(loaded, current.snapshot_id).values() if current is not None else ()
    return _definition(loaded.metadata), tuple(lake_file(loaded, file) for file in found)


def data_path(folder: Path, table: str, file: str) -> Path:
    """Where a table's data file lies in the lake `folder`."""
    return folder / NAMESPACE / table / "data" / file


def rebuild(folder: Path, tables: Mapping[str, ArchivedTable]) -> dict[str, str]:
    """Make the tables in `folder`, whose data files are there already. Table → location of its metadata.

    Nobody sees them before those locations stand in the control database's catalog.
    """
    with tempfile.TemporaryDirectory(prefix="segsync-restore-") as temporary:
        database = Database(str(Path(temporary) / "catalog.db"))
        lake = Lake(database, folder)
        try:
            SqlCatalogBaseTable.metadata.create_all(database.writer)
            catalog = StoreCatalog(database, folder.absolute().as_uri())
            catalog.create_namespace(NAMESPACE)
            for name, table in tables.items():
                catalog.register_table((NAMESPACE, name), _fresh_metadata(lake.folder, name, table))
                lake.replace(name, added=[*_files(lake, name, table)])
            return {name: str(catalog.location_of(name)) for name in tables}
        finally:
            lake.close()
            database.close()


def _files(lake: Lake, name: str, table: ArchivedTable) -> Iterator[NewFile]:
    """The table's files where they lie now; positions, which name files by their paths, are written anew."""
    with closing(lake.connect()) as database:
        for file, (partition, _) in table.files.items():
            path = data_path(lake.folder, name, file)
            if not file.startswith(GONE):
                yield NewFile(str(path), partition)
                continue
            named = f"{literal(str(path.parent))} || '/' || regexp_extract(file_path, '[^/]*$')"
            query = f"SELECT {named} AS file_path, pos FROM read_parquet({literal(str(path))})"
            yield lake.write_positions(database, name, query, partition=partition)
            path.unlink()


def _definition(metadata: TableMetadata) -> dict[str, object]:
    found: dict[str, object] = json.loads(metadata.model_dump_json(exclude_none=True))
    for key in _HISTORY:
        found.pop(key, None)
    found["last-sequence-number"] = 0
    return found


def _fresh_metadata(folder: Path, name: str, table: ArchivedTable) -> str:
    place = folder / NAMESPACE / name
    metadata = TableMetadataUtil.parse_obj({**table.definition, "location": place.as_uri()})
    path = place / "metadata" / f"00000-{uuid.uuid4()}.metadata.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(metadata.model_dump_json(exclude_none=True), encoding="utf-8")
    return path.as_uri()
