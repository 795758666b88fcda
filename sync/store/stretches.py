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

from rules.engine.periods import instant_of
from rules.engine.stretches import TooMany, listed, rows_of
from rules.engine.tables import Span
from sync.store.arranging import numbers
from sync.store.by_person import Copy, Part, taken

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
        for copy, low, high in self._between(start, end) if name in self._types else ():
            column = copy.column(name)
            if column is not None and pa.types.is_integer(column.type):
                piece = column.slice(low, high - low)
                known = piece.drop_null() if piece.null_count else piece
                found += known.to_numpy(zero_copy_only=False).tolist()  # much the fastest
            else:
                found += [one for one in _values(copy, name, low, high, self._types[name]) if one is not None]
        return found

    def rows(self, names: Collection[str], start: int, end: int) -> list[dict[str, object]]:
        """The rows with those of the columns that there are."""
        there = [name for name in names if name in self._types]
        pieces = list(self._between(start, end))
        columns = (
            [one for copy, low, high in pieces for one in _values(copy, name, low, high, self._types[name])]
            for name in there
        )
        return rows_of(there, columns)

    def _between(self, start: int, end: int) -> Iterator[Piece]:
        """The pieces from one place to before another."""
        before = 0
        for copy, low, high in self._pieces:
            first, last = max(start - before, 0), min(end - before, high - low)
            before += high - low
            if first < last:
                yield copy, low + first, low + last


_NONE = np.array([], np.int64)


def _values(copy: Copy, name: str, low: int, high: int, type_: pa.DataType) -> Sequence[object]:
    """A column from one row to before another, in a type."""
    if name == "at":
        return [instant_of(us) for us in copy.instants[low:high].tolist()]
    column = copy.column(name)
    if column is None:
        return [None] * (high - low)
    piece = column.slice(low, high - low)
    if pa.types.is_dictionary(column.type) and column.type.value_type == type_:
        words = copy.words(name)
        return [None if number is None else words[number] for number in piece.indices.to_pylist()]
    return listed(piece if piece.type == type_ else piece.cast(type_))


def stretches(
    parts: Sequence[Part], types: Mapping[str, pa.DataType], people: NDArray[np.int32]
) -> list[Stretch]:
    """The rows of each of these people (ascending), of files of which `types` are all columns. TooMany, if
    too many of them lie otherwise than they are wanted."""
    found: list[list[Piece]] = [[] for _ in people]
    apart = np.zeros(len(people), bool)  # whose rows must be taken out
    for part in parts:
        if not isinstance(part.rows, Copy):
            rows = part.rows.take(people, Span(), ["person"], part.gone)
            if len(rows):
                apart |= np.isin(people, numbers(rows["person"]))
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
        if sum(high - low for number in some.tolist() for _, low, high in found[number]) > _MOST_TAKEN:
            raise TooMany
        copy = Copy.of(taken(parts, types, people[some], Span(), None))
        low, high = copy.places(people[some])
        for place, number in enumerate(some.tolist()):
            found[number] = [(copy, int(low[place]), int(high[place]))]
    return [Stretch(pieces, types) for pieces in found]
