"""What the last evaluation went by, beside the lake, for the next one to see of whom it is another.

Everybody's values that people are compared by, where the ranks cut, and what was told of before to rules with
a memory. The folder may be deleted at any time: without it everybody is asked once about such rules. Files
are never changed, and read only under the name and checksum that were noted with the evaluation's result.
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from rules.engine.layers import Layers, Patch
from rules.engine.order import Order, Sort, sort_of
from rules.engine.ranks import Group, Threshold, Values
from rules.engine.standing import Memory
from rules.engine.walk import Rank
from sync.store.recalled_form import (
    ALIGNED,
    aligned,
    bound,
    checksum,
    decoded,
    decoded_patch,
    encoded,
    encoded_patch,
    memory_listed,
    memory_of,
)

EVALUATED = "evaluated"
"""The note on the last evaluation; none while its result is being stored."""
FOLDER = "recalled"
_SUFFIX, _TOLD = ".arrow", ".told"
_LAYOUT = 4
_MOST_PATCHED = 10
"""While no more than one of so many people differs from a file, the file stays and the others lie beside."""
_SMALL = 1 << 16
"""Bytes: so little that differs from a file lies with all the rest in one; of more, each has its own."""
_SETTLED_S = 2.0
"""What was written so recently could be written once more without looking any different."""
_BOUNDS = ("at_least", "above", "at_most")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    """A file and the checksum of what is in it."""

    name: str
    checksum: int

    def document(self) -> list[object]:
        """As JSON."""
        return [self.name, self.checksum]


def named(note: object) -> File | None:
    """The file that the note on an evaluation names."""
    match note:
        case {"recalled": [str(name), int(checksum)]}:
            return File(name, checksum)
    return None


@dataclass(frozen=True, slots=True)
class Lying:
    """Where values lie: in a file, and what differs from it in another, if that is much."""

    values: Values
    whole: File
    patch: Patch | None = None
    patched: File | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """What an evaluation went by. `files`: where those of the values lie that were read from files."""

    order: Order = field(default_factory=Order)
    memory: Memory = field(default_factory=Memory)
    files: Mapping[Sort, Lying] = field(default_factory=dict)


class Recalled:
    """The files of a store. Call what writes or removes only while holding the run's lease."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._sound: dict[File, tuple[int, int, int, int]] = {}
        self._decoded: dict[File, Values] = {}

    def read(self, file: File | None) -> Recall:
        """Nothing, if there is no such file, or another one, or a part of it is not what it was."""
        if file is None:
            return Recall()
        try:
            return self._read(file)
        except (OSError, pa.ArrowException, ValueError, KeyError, IndexError, TypeError) as error:
            _log.warning("what the last evaluation went by cannot be read: %s", type(error).__name__)
            return Recall()

    def keep(self, order: Order, ranks: Iterable[Rank], memory: Memory, before: Recall) -> File | None:
        """Write it down, of these ranks; values that are those of `before` stay in their file. Numbers beyond
        64 bits are left out. None: there was no writing."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return self._keep(order, [rank for rank in ranks if order.knows(rank)], memory, before)
        except OSError as error:
            _log.warning("what this evaluation went by cannot be written: %s", error.strerror)
            return None

    def sweep(self, file: File | None) -> None:
        """Removes all that this one does not name."""
        named: set[str] = set()
        if file is not None:
            try:
                told, *_ = self._told(file)
                parts = [part for sort in told["sorts"] for part in sort[2:] if part]
                named = {file.name, *(name for name, _ in parts)}
            except (OSError, ValueError, KeyError, IndexError, TypeError):
                pass  # unreadable, so that nobody can use what it names
        for path in self._folder.glob("*"):
            if path.name not in named:
                path.unlink(missing_ok=True)
        self._sound = {one: touched for one, touched in self._sound.items() if one.name in named}
        self._decoded = {one: values for one, values in self._decoded.items() if one.name in named}

    def _keep(self, order: Order, ranks: list[Rank], memory: Memory, before: Recall) -> File:
        sorts: list[object] = []
        pieces: list[bytes] = []
        places: dict[Sort, Mapping[Group, int]] = {}
        for sort in dict.fromkeys(map(sort_of, ranks)):
            layers = order.layers(sort)
            whole, patched, patch = self._lay(layers, before.files.get(sort))
            sorts.append([*sort, whole.document(), None if patched is None else patched.document()])
            pieces.append(patch)
            places[sort] = {group: place for place, group in enumerate(layers.names)}
        cuts = {
            rank.key: [
                [places[sort_of(rank)][group], *(getattr(cut, bound) for bound in _BOUNDS)]
                for group, cut in order.cuts[rank.key].items()
            ]
            for rank in ranks
        }
        names, bitmaps = memory_listed(memory)
        told = {
            "layout": _LAYOUT,
            "sorts": sorts,
            "cuts": [[*sort_of(rank), rank.key, cuts[rank.key]] for rank in ranks],
            "memory": [[*name, len(bitmap)] for name, bitmap in zip(names, bitmaps, strict=True)],
            "pieces": [*map(len, pieces), sum(map(len, bitmaps))],
        }
        return self._write(_TOLD, [bound([json.dumps(told).encode(), *pieces, b"".join(bitmaps)])])

    def _read(self, file: File) -> Recall:
        told, *patches_, bitmaps = self._told(file)
        found: dict[Sort, Lying] = {}
        for (value, by, *parts), patch in zip(told["sorts"], patches_, strict=True):
            found[value, by] = self._lying(parts, patch, grouped=by is not None)
        patches = {sort: one.patch for sort, one in found.items() if one.patch is not None}
        order = Order({sort: one.values for sort, one in found.items()}, {}, patches)
        cuts: dict[str, Mapping[Group, Threshold]] = {}
        for value, by, rank, listed in told["cuts"]:
            names = order.layers((value, by)).names
            cuts[rank] = {names[place]: Threshold(*bounds) for place, *bounds in listed}
        remembered = memory_of(told["memory"], bitmaps.to_pybytes())
        return Recall(replace(order, cuts=cuts), remembered, found)

    def _lay(self, layers: Layers, before: Lying | None) -> tuple[File, File | None, bytes]:
        """The file from which the values can be read, and what differs from it: in another file, or as a
        piece. While few people differ from what lies there, only they are written."""
        patch = layers.patch
        if before is not None and layers.values is before.values:
            if patch is None or (patch is before.patch and before.patched is not None):
                return before.whole, before.patched, b""
            if len(patch.people) * _MOST_PATCHED < len(before.values.persons):
                piece = encoded_patch(patch)
                if len(piece) <= _SMALL:
                    return before.whole, None, piece
                return before.whole, self._write(_SUFFIX, [piece]), b""
        return self._write(_SUFFIX, encoded(layers.whole())), None, b""

    def _lying(self, parts: list[Any], piece: pa.Buffer, *, grouped: bool) -> Lying:
        """`parts`: the file, and the other one or None."""
        file, beside = File(*parts[0]), None if parts[1] is None else File(*parts[1])
        values = self._decoded.get(file)
        if values is None or self._sound.get(file) != self._touched(file):
            values = decoded(pa.BufferReader(self._bytes(file)), grouped=grouped)
            if file in self._sound:
                self._decoded[file] = values
        if beside is not None:
            piece = self._bytes(beside)
        patch = decoded_patch(piece, grouped=grouped) if len(piece) else None
        return Lying(values, file, patch, beside)

    def _told(self, file: File) -> tuple[Any, ...]:
        """What the file tells, and its pieces."""
        content = self._bytes(file)
        size = int.from_bytes(content[:ALIGNED].to_pybytes(), "little")
        told, start = json.loads(content[ALIGNED : ALIGNED + size].to_pybytes()), ALIGNED + aligned(size)
        if told["layout"] != _LAYOUT:
            raise ValueError("it is laid out otherwise")
        pieces: list[pa.Buffer] = []
        for size in told["pieces"]:
            pieces.append(content[start : start + size])
            start += aligned(size)
        return (told, *pieces)

    def _bytes(self, file: File) -> pa.Buffer:
        """What is in the file, mapped into memory; OSError if it is not what was written. What lies there for
        some time is looked through once, and again only if it was touched."""
        touched = self._touched(file)
        _, size, _, changed_ns = touched
        if not size:  # nothing cannot be mapped
            found = pa.py_buffer(b"")
        else:
            with pa.memory_map(str(self._folder / file.name)) as source:
                found = source.read_buffer()
        if self._sound.get(file) == touched:
            return found
        if checksum(found) != file.checksum:
            raise OSError("it is not what was written")
        self._decoded.pop(file, None)
        self._sound.pop(file, None)
        if size > _SMALL and changed_ns / 1e9 + _SETTLED_S < time.time():  # the file system's clock
            self._sound[file] = touched
        return found

    def _touched(self, file: File) -> tuple[int, int, int, int]:
        """What tells whether somebody wrote it anew: its number and size, when it was written and changed."""
        there = (self._folder / file.name).stat()
        return there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns

    def _write(self, suffix: str, parts: Iterable[bytes | pa.Buffer]) -> File:
        """Under a new name: it is there whole or not at all."""
        name, content = f"{uuid.uuid4().hex}{suffix}", b"".join(parts)
        beside = self._folder / f"{name}.new"
        try:
            with beside.open("wb") as sink:
                sink.write(content)
                sink.flush()
                os.fsync(sink.fileno())
            beside.replace(self._folder / name)
        finally:
            beside.unlink(missing_ok=True)
        return File(name, checksum(content))
