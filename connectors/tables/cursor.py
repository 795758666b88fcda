"""The position of a read as JSON: which files are done, how far the present one is, the highest values seen.

A cursor of other settings, or one that cannot be understood, is expired: everything is read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.errors import BadSource, CursorExpired

VERSION = 1
SAMPLE = 64 * 1024
READ = 1024 * 1024
EXPIRED = "the table's settings were changed since the last read: it is read from its start"
WENT_BACK = (
    "the table holds nothing as late as what was read before: an older state of it was put back, "
    "and it is read from its start"
)


@dataclass(frozen=True, slots=True)
class Done:
    """A file that was read to its end: what it was then, its highest incremental value, and (`Whole`) what
    tells whether a longer file begins with it."""

    identity: str
    high: str | None = None
    whole: Whole | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """Every byte of a file as it was."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class FilesCursor:
    """Files read to their end, and the `current` one, of which `rows` rows were dealt with."""

    done: Mapping[str, Done] = field(default_factory=dict)
    current: str | None = None
    identity: str = ""
    rows: int = 0
    listing: str | None = None  # of a listing of everybody that is under way
    spoilt: bool = False  # a row of that listing was refused, so it does not name everybody

    def text(self, fingerprint: str) -> str:
        """As stored."""
        content: dict[str, object] = {
            "version": VERSION,
            "settings": fingerprint,
            "done": {name: _entry(done) for name, done in self.done.items()},
        }
        if self.current is not None:
            content["current"] = [self.current, self.identity, self.rows]
        if self.listing is not None:
            content["listing"] = [self.listing, self.spoilt]
        return json.dumps(content, sort_keys=True, ensure_ascii=False)


def _entry(done: Done) -> list[object]:
    whole = [done.whole.size, done.whole.digest] if done.whole is not None else []
    return [done.identity, done.high, *whole]


def read_files_cursor(text: str | None, fingerprint: str) -> FilesCursor:
    """The stored cursor, an empty one for None; raises `CursorExpired`."""
    content = stored(text, fingerprint)
    try:
        done = {
            str(name): Done(str(v[0]), v[1], Whole(int(v[2]), str(v[3])) if len(v) > 2 else None)
            for name, v in dict(content.get("done", {})).items()
        }
        current, identity, rows = content.get("current") or (None, "", 0)
        listing, spoilt = content.get("listing") or (None, False)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        raise CursorExpired(EXPIRED) from None
    return FilesCursor(done, current, str(identity), int(rows), listing, bool(spoilt))


def stored(text: str | None, fingerprint: str) -> dict[str, Any]:
    """The cursor's content; raises `CursorExpired` if it does not belong to these settings."""
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    fits = isinstance(content, dict) and (content.get("version"), content.get("settings")) == (
        VERSION,
        fingerprint,
    )
    if not fits:
        raise CursorExpired(EXPIRED)
    return dict(content)


def fingerprint(settings: object) -> str:
    """Short hash of the settings of one table: another mapping means another content."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def identity(path: Path) -> str:
    """Size, time of change and a hash of both ends of a file: what tells that it is still the same."""
    try:
        facts = path.stat()
        with path.open("rb") as file:
            ends = hashlib.sha256(file.read(SAMPLE))
            file.seek(max(0, facts.st_size - SAMPLE))
            ends.update(file.read(SAMPLE))
    except OSError as error:
        raise BadSource(f"{path.name} cannot be opened: {error.strerror}") from None
    return f"{facts.st_size}-{facts.st_mtime_ns}-{ends.hexdigest()[:16]}"


def whole(path: Path) -> Whole | None:
    """The file's bytes as they are now; None if it is empty or does not end its last line."""
    size = path.stat().st_size
    digest, _, ended = _front(path, size)
    return Whole(size, digest) if ended else None


def lines_before(path: Path, was: Whole) -> int:
    """How many lines the file began with when it was `was`, if it still begins with just these; else 0."""
    if path.stat().st_size <= was.size:
        return 0
    digest, lines, _ = _front(path, was.size)
    return lines if digest == was.digest else 0


def _front(path: Path, size: int) -> tuple[str, int, bool]:
    """Of the first `size` bytes: their hash, their line feeds, whether one is the last of them."""
    digest, lines, last = hashlib.sha256(), 0, b""
    with path.open("rb") as file:
        while size and (block := file.read(min(size, READ))):
            digest.update(block)
            lines += block.count(b"\n")
            last = block[-1:]
            size -= len(block)
    return digest.hexdigest(), lines, last == b"\n"
