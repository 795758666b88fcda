"""Booleans of rows, packed eight to a byte as Arrow has them, and the sets of people that they stand for.

And, Or and Not of whole columns cost next to nothing there. A set is written down as roaring's own portable
form (https://github.com/RoaringBitmap/RoaringFormatSpec), whose larger containers are packed bits too.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyroaring import BitMap

    Bits: TypeAlias = NDArray[np.uint8]

_WITHOUT_RUNS = 12346
_CONTAINER = 1 << 16
_LONGEST_ARRAY = 4096
_SPARSE = 16
"""Sets of fewer than one in so many numbers are made of their members one by one. Measured: cheaper then."""


def bits_of(column: pa.ChunkedArray) -> Bits:
    """The booleans of a column, NULL as false. What the last byte has beyond them means nothing."""
    import numpy as np

    chunks = [chunk for chunk in column.chunks if len(chunk)]
    if all(len(chunk) % 8 == 0 for chunk in chunks[:-1]):
        parts = [_bits(chunk) for chunk in chunks]
    else:
        flat = [np.unpackbits(_bits(chunk), count=len(chunk), bitorder="little") for chunk in chunks]
        parts = [np.packbits(np.concatenate(flat), bitorder="little")]
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.uint8), *parts])


def _bits(chunk: pa.BooleanArray) -> Bits:
    import numpy as np

    def buffer(number: int) -> Bits:
        return np.frombuffer(chunk.buffers()[number], np.uint8)

    end = chunk.offset + len(chunk)
    found = buffer(1) if chunk.null_count == 0 else buffer(0)[: -(-end // 8)] & buffer(1)[: -(-end // 8)]
    if chunk.offset % 8:
        rows = np.unpackbits(found, count=end, bitorder="little")[chunk.offset :]
        return np.packbits(rows, bitorder="little")
    return found[chunk.offset // 8 : -(-end // 8)]


class Rows:
    """Whose the rows of a selection are: makes sets of people out of the bits of rows."""

    def __init__(self, people: NDArray[np.uint32]) -> None:

        self.people = people
        self._end = int(people.max()) + 1 if len(people) else 0
        self._row_of: NDArray[np.intp] | None = None

    def everyone(self) -> BitMap:
        """All of them."""
        return _picked(self.people)

    def set_of(self, bits: Bits) -> BitMap:
        """Those whose bit is set."""
        import numpy as np

        rows = np.unpackbits(bits, count=len(self.people), bitorder="little").view(np.bool_)
        if np.count_nonzero(rows) * _SPARSE < self._end:
            return _picked(self.people[np.flatnonzero(rows)])
        numbers = np.zeros(-(-self._end // _CONTAINER) * _CONTAINER, np.bool_)
        numbers[: self._end] = np.append(rows, False).take(self._rows_of_numbers())
        return _written(numbers)

    def _rows_of_numbers(self) -> NDArray[np.intp]:
        """The row of every number; the one after the last of those that are nobody's."""
        import numpy as np

        if self._row_of is None:
            self._row_of = np.full(self._end, len(self.people), np.intp)
            self._row_of[self.people] = np.arange(len(self.people))
        return self._row_of


def _picked(people: NDArray[np.uint32]) -> BitMap:
    from pyroaring import BitMap

    return BitMap(array("I", people.tobytes()))  # measured: several times faster than from numpy


def _written(numbers: NDArray[np.bool_]) -> BitMap:
    """The set of the numbers that are true; there are whole containers of them."""
    import numpy as np
    from pyroaring import BitMap

    packed = np.packbits(numbers, bitorder="little").reshape(-1, _CONTAINER // 8)
    sizes = np.bitwise_count(packed.view(np.uint64)).sum(axis=1, dtype=np.int64)
    keys = np.flatnonzero(sizes)
    parts = [packed[key] if sizes[key] > _LONGEST_ARRAY else _listed(numbers, int(key)) for key in keys]
    lengths = np.array([part.nbytes for part in parts], np.int64)
    head = 8 + 8 * len(keys)
    described = np.stack([keys, sizes[keys] - 1], axis=1).astype("<u2")
    starts = (head + np.cumsum(lengths) - lengths).astype("<u4")
    pieces = [struct.pack("<II", _WITHOUT_RUNS, len(keys)), described.tobytes(), starts.tobytes()]
    found = BitMap.deserialize(b"".join([*pieces, *(part.tobytes() for part in parts)]))
    found.run_optimize()  # as pyroaring does with what it makes of members
    return found


def _listed(numbers: NDArray[np.bool_], key: int) -> NDArray[np.uint16]:
    import numpy as np

    return np.flatnonzero(numbers[key * _CONTAINER : (key + 1) * _CONTAINER]).astype("<u2")
