"""One person's activity as it lies in columns: made into rows only where they are looked at one by one.

How many there are in a window, the first and the last of them, and what a column has in it are told without.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, overload

from rules.engine.periods import Range, instant_of

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from rules.engine.activity import Row

_HELD = 2**63


class Stretch(Protocol):
    """Rows of one person that lie side by side, in order of time."""

    @property
    def instants(self) -> NDArray[np.int64]:
        """When they happened, in microseconds, ascending."""
        ...

    def known(self, name: str, start: int, end: int) -> list[object]:
        """What the column has in it from one place to before another, in order, without what is missing."""
        ...

    def rows(self, names: Collection[str], start: int, end: int) -> list[dict[str, object]]:
        """The rows from one place to before another, with those of the columns that there are."""
        ...


class TooMany(Exception):
    """More would have to be looked at one by one than was allowed."""


@dataclass(slots=True)
class Allowance:
    """So many values may still be looked at one by one."""

    left: int

    def use(self, count: int) -> None:
        """TooMany, if there are not so many left."""
        self.left -= count
        if self.left < 0:
            raise TooMany


class Lying(Sequence["Row"]):
    """A stretch as the rows of a person. `names`: the columns that anybody will ask a row for."""

    __slots__ = ("_allowed", "_inside", "_made", "_names", "_stretch")

    def __init__(
        self, stretch: Stretch, names: Collection[str], allowed: Allowance, inside: range | None = None
    ) -> None:
        self._stretch, self._names, self._allowed = stretch, names, allowed
        self._inside = range(len(stretch.instants)) if inside is None else inside
        self._made: list[dict[str, object]] | None = None

    def __len__(self) -> int:
        return len(self._inside)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows())

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        return self._rows()[place]

    def inside(self, found: Range) -> Lying:
        """Those in a range; only of all of a person's rows."""
        start = 0 if found.start is None else self._place(found.start)
        end = len(self._inside) if found.end is None else self._place(found.end)
        return Lying(self._stretch, self._names, self._allowed, range(start, max(start, end)))

    def _place(self, us: int) -> int:
        """Of the first that happened no earlier."""
        held = us if -_HELD <= us < _HELD else max(-_HELD, min(_HELD - 1, us))
        return int(self._stretch.instants.searchsorted(held))

    def known(self, name: str) -> list[object]:
        """What a column has in it, in order, without what is missing."""
        self._allowed.use(len(self))
        return self._stretch.known(name, self._inside.start, self._inside.stop)

    def ends(self) -> list[dt.datetime]:
        """When the first and the last of them happened."""
        places = [self._inside[0], self._inside[-1]] if self._inside else []
        return [instant_of(int(self._stretch.instants[place])) for place in places]

    def _rows(self) -> list[dict[str, object]]:
        if self._made is None:
            self._allowed.use(len(self) * len(self._names))
            self._made = self._stretch.rows(self._names, self._inside.start, self._inside.stop)
        return self._made


def listed(column: pa.Array | pa.ChunkedArray) -> list[object]:
    """The values of a column as `to_pylist` has them; instants many times as fast."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.unit == "us":
        return [None if us is None else instant_of(us) for us in column.cast(pa.int64()).to_pylist()]
    found: list[object] = column.to_pylist()
    return found


def rows_of(names: Sequence[str], columns: Iterable[list[object]]) -> list[dict[str, object]]:
    """Rows with these names of columns that are as long as each other."""
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
