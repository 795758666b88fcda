"""Where each of a few people's rows lie in the copies in order of persons, without taking them out.

What does not lie in order of time, one copy's after another's, is taken out and put in order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rules.engine.stretches import TooMany
from rules.engine.tables import Span
from sync.store.by_person import Copy, Part, numbers, taken

Piece: TypeAlias = tuple[Copy, int, int]
"""A copy, and from which row of it to before which other."""
_MOST_TAKEN = 20_000
"""Rows that are taken out; of more, an engine is the quicker."""


class Stretch:
    """Rows of one person, as `rules.engine.stretches` has them: of copies, one after the other."""

    __slots__ = ("_pieces", "_types", "instants")

    def __init__(self, pieces: Sequence[Piece], types: Mapping[str, pa.DataType]) -> None:
        self._pieces, self._types = pieces, types
        each = [copy.instants[low:high] for copy, low, high in pieces]
        self.instants: NDArray[np.int64] = each[0] if len(each) == 1 else np.concatenate([_NONE, *each])

    def known(self, name: str, start: int, end: int) -> list[object]:
        """What the column has in it, without what is missing."""
        found: list[object] = []
        if name not in self._types:
            return found
        for piece in self._column(name, start, end):
            known = piece.drop_null() if piece.null_count else piece
            if pa.types.is_integer(known.type):
                found += known.to_numpy(zero_copy_only=False).tolist()  # much the fastest
            else:
                found += known.to_pylist()
        return found

    def rows(self, names: Collection[str], start: int, end: int) -> list[dict[str, object]]:
        """The rows with those of the columns that there are."""
        there = [name for name in names if name in self._types]
        columns = [
            [value for piece in self._column(name, start, end) for value in piece.to_pylist()]
            for name in there
        ]
        return [dict(zip(there, row, strict=True)) for row in zip(*columns, strict=True)]

    def _column(self, name: str, start: int, end: int) -> Iterator[pa.Array]:
        """A column from one place to before another, piece by piece."""
        type_, before = self._types[name], 0
        for copy, low, high in self._pieces:
            first, last = max(start - before, 0), min(end - before, high - low)
            before += high - low
            if first >= last:
                continue
            column = copy.column(name)
            if column is None:
                yield pa.nulls(last - first, type_)
                continue
            piece = column.slice(low + first, last - first)
            yield piece if piece.type == type_ else piece.cast(type_)


_NONE = np.array([], np.int64)


def stretches(
    parts: Sequence[Part], types: Mapping[str, pa.DataType], people: NDArray[np.int32]
) -> list[Stretch]:
    """The rows of each of these people (ascending), of files of which `types` are all columns. TooMany, if
    too many of them lie otherwise than they are wanted."""
    found: list[list[Piece]] = [[] for _ in people]
    apart = np.zeros(len(people), bool)  # whose rows must be taken out
    for part in parts:
        if not isinstance(part.rows, Copy):
            whose = numbers(part.rows.take(people, Span(), ["person"], part.gone)["person"])
            apart |= np.isin(people, whose)
            continue
        low, high = part.rows.places(people)
        for number in np.flatnonzero(high > low).tolist():
            start, end = int(low[number]), int(high[number])
            found[number].append((part.rows, start, end))
            if part.gone is not None and not apart[number]:
                apart[number] = np.isin(part.rows.lake_places[start:end], part.gone).any()
    for number, pieces in enumerate(found):
        if len(pieces) > 1:
            pieces.sort(key=lambda piece: int(piece[0].instants[piece[1]]))
            ends = pairwise(pieces)
            apart[number] |= any(
                one.instants[end - 1] > other.instants[start] for (one, _, end), (other, start, _) in ends
            )
    if apart.any():
        some = np.flatnonzero(apart)
        rows = sum(high - low for number in some.tolist() for _, low, high in found[number])
        if rows > _MOST_TAKEN:
            raise TooMany
        copy = Copy.of(taken(parts, types, people[some], Span(), None))
        low, high = copy.places(people[some])
        for place, number in enumerate(some.tolist()):
            found[number] = [(copy, int(low[place]), int(high[place]))]
    return [Stretch(pieces, types) for pieces in found]
