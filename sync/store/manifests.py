"""What the lake's manifests say: the files of a snapshot, by PyIceberg's classes but without its waste.

Manifests and lists of manifests never change, so what this process has read of one is kept. Most of reading
one is making sense of the schema in its head, which is the same for all of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from pyiceberg.avro.decoder import new_decoder
from pyiceberg.avro.file import _SCHEMA_KEY, AvroFile, AvroFileHeader, D
from pyiceberg.avro.reader import Reader
from pyiceberg.avro.resolver import resolve_reader
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    MANIFEST_LIST_FILE_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    PartitionFieldSummary,
    _inherit_from_manifest,
)
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import Record

_FILES = PyArrowFileIO()
_KEPT = 128
"""Files that are kept: of current snapshots, of five tables with less than ten manifests each."""


@dataclass(frozen=True, eq=False, slots=True)
class _Kind:
    """Of file: its schema as we read it, and the classes of its records and enumerations by field id."""

    schema: Schema
    records: Mapping[int, type[Record]]
    enums: Mapping[int, Callable[..., Enum]]


_MANIFEST = _Kind(
    MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION],
    {-1: ManifestEntry, 2: DataFile},
    {0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
)
_LIST = _Kind(
    MANIFEST_LIST_FILE_SCHEMAS[DEFAULT_READ_VERSION],
    {-1: ManifestFile, 508: PartitionFieldSummary},
    {517: ManifestContent},
)


class _File(AvroFile[D]):
    """As PyIceberg's, with the reader that was made for others of the same schema."""

    __slots__ = ("_kind",)

    def __init__(self, path: str, kind: _Kind) -> None:
        super().__init__(_FILES.new_input(path), kind.schema)
        self._kind = kind

    def __enter__(self) -> _File[D]:
        with self.input_file.open() as file:
            self.decoder = new_decoder(file.read())
        self.header = self._read_header()
        self.schema, self.reader = _reader(self.header.meta[_SCHEMA_KEY], self._kind)
        return self


@lru_cache(maxsize=32)
def _reader(schema: str, kind: _Kind) -> tuple[Schema, Reader]:
    """For files with this schema, as Avro's JSON; readers keep nothing of what they read."""
    theirs = AvroFileHeader(b"", {_SCHEMA_KEY: schema}, b"").get_schema()
    return theirs, resolve_reader(theirs, kind.schema, dict(kind.records), dict(kind.enums))


def read(manifest: ManifestFile) -> list[ManifestEntry]:
    """Its entries of files that are there: those that it says are deleted left out."""
    with _File[ManifestEntry](manifest.manifest_path, _MANIFEST) as entries:
        return [
            _inherit_from_manifest(entry, manifest)
            for entry in entries
            if entry.status is not ManifestEntryStatus.DELETED
        ]


@lru_cache(maxsize=_KEPT)
def entries(manifest: ManifestFile) -> tuple[ManifestEntry, ...]:
    """As `read`, kept for the next time. Manifests are equal if they are the same file."""
    return tuple(read(manifest))


def read_list(path: str) -> tuple[ManifestFile, ...]:
    """All manifests of the snapshot whose list of manifests that is."""
    with _File[ManifestFile](path, _LIST) as manifests:
        return tuple(manifests)


_listed = lru_cache(maxsize=_KEPT)(read_list)


def manifests(snapshot: Snapshot | None, content: ManifestContent | None = None) -> Iterator[ManifestFile]:
    """Those of the snapshot (of this content) that name files which are there."""
    for manifest in _listed(snapshot.manifest_list) if snapshot is not None else ():
        if content in (None, manifest.content) and (
            manifest.has_added_files() or manifest.has_existing_files()
        ):
            yield manifest
