"""What the lake's manifests say: the files of a snapshot, by PyIceberg's classes but without its waste.

A manifest never changes, so what this process has read of one is kept. Most of reading one is making sense of
the schema in its head, which is the same for all manifests of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache

from pyiceberg.avro.decoder import new_decoder
from pyiceberg.avro.file import _SCHEMA_KEY, AvroFile, AvroFileHeader
from pyiceberg.avro.reader import Reader
from pyiceberg.avro.resolver import resolve_reader
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    _inherit_from_manifest,
)
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import StructProtocol

_FILES = PyArrowFileIO()
_SCHEMA = MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION]
_TYPES: dict[int, Callable[..., StructProtocol]] = {-1: ManifestEntry, 2: DataFile}
_ENUMS: dict[int, Callable[..., Enum]] = {0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent}
_KEPT = 128
"""Manifests whose entries are kept: those of current snapshots, five tables with less than ten each."""


class _Manifest(AvroFile[ManifestEntry]):
    """As PyIceberg's, with the reader that was made for others of the same schema."""

    def __enter__(self) -> _Manifest:
        with self.input_file.open() as file:
            self.decoder = new_decoder(file.read())
        self.header = self._read_header()
        self.schema, self.reader = _reader(self.header.meta[_SCHEMA_KEY])
        return self


@lru_cache(maxsize=32)
def _reader(schema: str) -> tuple[Schema, Reader]:
    """For files with this schema, as Avro's JSON; readers keep nothing of what they read."""
    theirs = AvroFileHeader(b"", {_SCHEMA_KEY: schema}, b"").get_schema()
    return theirs, resolve_reader(theirs, _SCHEMA, _TYPES, _ENUMS)


def read(manifest: ManifestFile) -> list[ManifestEntry]:
    """Its entries of files that are there: those that it says are deleted left out."""
    with _Manifest(_FILES.new_input(manifest.manifest_path), _SCHEMA, _TYPES, _ENUMS) as reader:
        return [
            _inherit_from_manifest(entry, manifest)
            for entry in reader
            if entry.status is not ManifestEntryStatus.DELETED
        ]


@lru_cache(maxsize=_KEPT)
def entries(manifest: ManifestFile) -> tuple[ManifestEntry, ...]:
    """As `read`, kept for the next time. Manifests are equal if they are the same file."""
    return tuple(read(manifest))


def manifests(snapshot: Snapshot | None, content: ManifestContent | None = None) -> Iterator[ManifestFile]:
    """Those of the snapshot (of this content) that name files which are there."""
    for manifest in snapshot.manifests(_FILES) if snapshot is not None else ():
        if content in (None, manifest.content) and (
            manifest.has_added_files() or manifest.has_existing_files()
        ):
            yield manifest
