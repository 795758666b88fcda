"""How what an evaluation went by is written down: everybody's values as Arrow, few people's as they lie in
memory, which is quicker for so little, bitmaps as roaring has them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyroaring import BitMap

from rules.engine.layers import Patch
from rules.engine.ranks import Values
from rules.engine.standing import Memory, Standing
from sync.store.arranging import whole

ALIGNED = 64
"""Bytes: where columns may begin."""
_PAGE = 4096
_WORDS = _PAGE // 8
_PATCH = struct.Struct("<qq8s")
"""How many people a patch is about, how many of them are compared, and the type of what they are compared by;
after it these values, and in 32 bits the people, those compared, their order, and their groups by number."""
_PERSON, _PLACE = np.dtype(np.uint32), np.dtype(np.int32)


def bound(pieces: list[bytes]) -> bytes:
    """The size of the first piece and all of them, each where columns may begin."""
    sized = [len(pieces[0]).to_bytes(ALIGNED, "little"), *pieces]
    return b"".join(piece.ljust(aligned(len(piece)), b"\0") for piece in sized)


def aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def checksum(content: bytes | pa.Buffer) -> int:
    """Of the sums of pages, in their order, and of what is left: several times as fast as over every byte."""
    pages = len(content) // _PAGE
    words = np.frombuffer(content, np.uint64, pages * _WORDS)
    sums = np.einsum("ij->i", words.reshape(pages, _WORDS))
    return zlib.crc32(memoryview(content)[pages * _PAGE :], zlib.crc32(sums))


def encoded(values: Values) -> list[pa.Buffer]:
    """As Arrow streams, the names of the groups after the values: also those that do not occur."""
    columns = {
        "person": pa.array(values.persons),
        "value": pa.array(values.values),
        "order": pa.array(values.order),
    }
    if values.codes is None:
        return [_stream(pa.table(columns))]
    columns["code"] = pa.array(values.codes)
    return [_stream(pa.table(columns)), _stream(pa.table({"name": pa.array(values.names)}))]


def encoded_patch(patch: Patch) -> bytes:
    """See `_PATCH`; the names of the groups at the end."""
    fresh = patch.fresh
    head = _PATCH.pack(len(patch.people), len(fresh.persons), fresh.values.dtype.str.encode())
    parts = [head, fresh.values.tobytes(), *(a.tobytes() for a in (patch.people, fresh.persons, fresh.order))]
    if fresh.codes is not None:
        parts += [fresh.codes.tobytes(), _stream(pa.table({"name": pa.array(fresh.names)}))]
    return b"".join(parts)


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def decoded(source: pa.BufferReader, *, grouped: bool) -> Values:
    columns = {name: column.to_numpy() for name, column in _columns(source).items()}
    persons, values, order = columns["person"], columns["value"], columns["order"]
    if not grouped:
        return Values(persons, values, placed=order)
    names = _columns(source)["name"]
    return Values(persons, values, columns["code"], tuple(names.to_pylist()), order)


def decoded_patch(content: pa.Buffer, *, grouped: bool) -> Patch:
    about, compared, type_ = _PATCH.unpack_from(content)
    start = _PATCH.size

    def column(dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        nonlocal start
        found = np.frombuffer(content, dtype, count, start)
        start += found.nbytes
        return found

    values = column(np.dtype(type_.rstrip(b"\0").decode()), compared)
    people, persons = column(_PERSON, about), column(_PERSON, compared)
    order = column(_PLACE, compared)
    if not grouped:
        return Patch(people, Values(persons, values, placed=order))
    codes = column(_PLACE, compared)
    names = _columns(pa.BufferReader(content[start:]))["name"]
    return Patch(people, Values(persons, values, codes, tuple(names.to_pylist()), order))


def _columns(source: pa.BufferReader) -> dict[str, pa.Array]:
    """The columns of the next stream."""
    table = pa.ipc.open_stream(source).read_all()
    return {name: whole(table[name]) for name in table.column_names}


def memory_listed(memory: Memory) -> tuple[list[list[str]], list[bytes]]:
    """Names and contents of its bitmaps."""
    found = {("held", key): bitmap for key, bitmap in memory.held.items()}
    for segment, one in memory.standing.items():
        found |= {("members", segment): one.members, ("recent", segment): one.held}
    return [list(name) for name in found], [bitmap.serialize() for bitmap in found.values()]


def memory_of(listed: Iterable[tuple[str, str, int]], content: bytes) -> Memory:
    found, start = dict[tuple[str, str], BitMap](), 0
    for sort, name, size in listed:
        found[sort, name] = BitMap.deserialize(content[start : start + size])
        start += size
    segments = [name for sort, name in found if sort == "members"]
    return Memory(
        {name: Standing(found["members", name], found["recent", name]) for name in segments},
        {name: bitmap for (sort, name), bitmap in found.items() if sort == "held"},
    )
