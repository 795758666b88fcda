"""The archive's form: a plain tar of files that are compressed one by one, the manifest last.

So a backup that was cut short has no manifest and is refused, and every file is checked against the
manifest's checksum before anything is restored. Readable without segsync: `tar -xf`, then `gunzip`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sync.store.errors import StoreError, no_space_is_told
from sync.store.files import GONE

FORMAT = 2
_READS = (1, 2)
"""Format 1 has no files of positions."""
MANIFEST = "manifest.json"
_NAME = re.compile(r"(database|inbox|lake/[a-z_]+)/[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CHUNK = 1 << 20


class BadBackup(StoreError):
    """The file is no backup, not a whole one, or changed since it was written. Nothing was touched."""


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """Size in bytes and SHA-256 in hex."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchivedTable:
    """One table of the lake: its definition (Iceberg's metadata without history) and its Parquet files,
    name → [partition or None, rows]."""

    definition: Mapping[str, object]
    files: Mapping[str, tuple[str | None, int]]

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return sum(-rows if name.startswith(GONE) else rows for name, (_, rows) in self.files.items())


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `revision`: of the database's tables; `rows`: table → rows; `pages`: waiting."""

    format: int
    segsync: str
    revision: str
    made_at: dt.datetime
    database: str
    rows: Mapping[str, int]
    lake: Mapping[str, ArchivedTable]
    pages: int
    files: Mapping[str, ArchivedFile]

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files.values())

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {**asdict(self), "made_at": self.made_at.isoformat()}

    @classmethod
    def read(cls, found: dict[str, object]) -> Self:
        """What `document` made; KeyError, TypeError or ValueError if it is something else."""
        values: dict[str, object] = {name: found[name] for name in cls.__dataclass_fields__}
        values["made_at"] = dt.datetime.fromisoformat(str(found["made_at"]))
        lake, files = found["lake"], found["files"]
        if not isinstance(lake, dict) or not isinstance(files, dict):
            raise TypeError("lake and files are tables")
        values["lake"] = {
            name: ArchivedTable(
                one["definition"], {file: (p, rows) for file, (p, rows) in one["files"].items()}
            )
            for name, one in lake.items()
        }
        values["files"] = {name: ArchivedFile(**one) for name, one in files.items()}
        return cls(**values)  # type: ignore[arg-type]


class ArchiveWriter:
    """Writes beside `path`, for its owner's eyes only, and gives the file its name when it is whole."""

    def __init__(self, path: Path, *, at: dt.datetime) -> None:
        self.path = path
        self.files: dict[str, ArchivedFile] = {}
        self._at = at
        self._part = path.with_name(path.name + ".part")
        try:
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot write the backup {path}: {error.strerror}") from error
        os.fchmod(descriptor, 0o600)
        self._sink = os.fdopen(descriptor, "wb")
        self._tar = tarfile.open(fileobj=self._sink, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(self, name: str, source: Path) -> None:
        """Put a file in under `name`."""
        with source.open("rb") as file, no_space_is_told(f"the backup {self.path}"):
            hashed = _Hashed(file)
            size = os.fstat(file.fileno()).st_size
            self._tar.addfile(self._info(name, size), hashed)
        self.files[name] = ArchivedFile(size, hashed.sha256.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """The manifest, then the disk, then the name."""
        content = json.dumps(manifest.document(), indent=1).encode()
        with no_space_is_told(f"the backup {self.path}"):
            self._tar.addfile(self._info(MANIFEST, len(content)), io.BytesIO(content))
            self._tar.close()
            self._sink.flush()
            os.fsync(self._sink.fileno())
        self._sink.close()
        self._part.rename(self.path)

    def abandon(self) -> None:
        """Leave nothing behind; does nothing after `finish`."""
        self._sink.close()
        self._part.unlink(missing_ok=True)

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(self._at.timestamp())
        return info


class ArchiveReader:
    """Opens a backup and reads its manifest; raises `BadBackup` if there is none. A context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115
        except FileNotFoundError as error:
            raise BadBackup(f"there is no backup {path}") from error
        except (OSError, tarfile.TarError) as error:
            raise BadBackup(f"{path} is not a backup of segsync, or it was cut short") from error
        try:
            self._members = {member.name: member for member in self._tar.getmembers()}
            with self._file(MANIFEST) as file:
                found = json.load(file)
            if found["format"] not in _READS:
                raise BadBackup(
                    f"{path} has the backup format {found['format']} and this segsync reads {FORMAT};"
                    f" restore it with segsync {found['segsync']}"
                )
            self.manifest = Manifest.read(found)
        except (OSError, tarfile.TarError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._tar.close()
            raise BadBackup(
                f"{path} is not a whole backup of segsync: its manifest, written last, cannot be read;"
                " take another one"
            ) from error

    def verify(self) -> None:
        """Every file of the manifest is there with its size and checksum, and no other; else `BadBackup`."""
        others = set(self._members) - set(self.manifest.files) - {MANIFEST}
        if others:
            raise BadBackup(f"{self.path} holds {len(others)} files that its manifest does not name")
        for name, file in self.manifest.files.items():
            if not _NAME.fullmatch(name):
                raise BadBackup(f"{self.path} names a file that no backup of segsync has")
            try:
                with self._file(name) as source:
                    sha256 = _sum(source)
            except (KeyError, OSError, tarfile.TarError) as error:
                raise BadBackup(f"{self.path} lacks {name}; take another backup") from error
            if sha256 != file.sha256:
                raise BadBackup(f"{self.path}: {name} is damaged (checksum); take another backup")

    def open(self, name: str) -> IO[bytes]:
        """One file's bytes."""
        return self._file(name)

    def extract(self, name: str, target: Path) -> None:
        """Write one file to the disk; its name appears when every byte is there."""
        part = target.with_name(target.name + ".restoring")
        with no_space_is_told(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._file(name) as source, part.open("wb") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK)
                    sink.flush()
                    os.fsync(sink.fileno())
                part.rename(target)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._tar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _file(self, name: str) -> IO[bytes]:
        found = self._tar.extractfile(self._members[name])
        if found is None:
            raise BadBackup(f"{self.path} holds {name}, which is no file")
        return found


def _sum(source: IO[bytes]) -> str:
    summed = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        summed.update(chunk)
    return summed.hexdigest()


class _Hashed(io.RawIOBase):
    """Reads a file and sums it up on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.sha256.update(content)
        return content
