"""Comparing people with people: thresholds by whole-number ranks, ties together, by group.

A rank never depends on the order of rows: every bound is the k-th smallest value, k worked out in
integers. No percentile of an engine is used: they take a float and round it differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rules.engine.walk import Rank
from rules.ir import Quintile, RankCount, RankShare, Side

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Number: TypeAlias = int | float


@dataclass(frozen=True, slots=True)
class Threshold:
    """Who is in: at_least <= value, above < value, value <= at_most; None does not bind."""

    at_least: Number | None = None
    above: Number | None = None
    at_most: Number | None = None

    def holds(self, value: Number) -> bool:
        """Whether a known value is inside."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
        )


Group: TypeAlias = object
Thresholds: TypeAlias = Mapping[Group, Threshold]
"""By group (None: everyone); a group that is not there has no members."""


def positions(rank: Rank, population: int) -> dict[str, int] | None:
    """Which order statistics bound the members: name of the bound → index in ascending order.

    None: nobody is in. Derived from the definitions in `rules.ir`: the number of strictly greater values
    is below k exactly for values from the k-th largest upwards.
    """
    match rank:
        case RankShare() | RankCount():
            k = rank.n if isinstance(rank, RankCount) else -(-rank.ppm * population // 1_000_000)
            k = min(k, population)
            if k <= 0:
                return None
            return {"at_least": population - k} if rank.side is Side.TOP else {"at_most": k - 1}
        case Quintile(q):
            below, up_to = -(-(q - 1) * population // 5), -(-q * population // 5)
            if up_to <= below:
                return None
            return {"at_most": up_to - 1} | ({"above": below - 1} if below else {})


def thresholds(
    ranks: Sequence[Rank], values: pa.ChunkedArray, groups: pa.ChunkedArray | None
) -> dict[Rank, dict[Group, Threshold]]:
    """The thresholds of ranks that share value and group, from everyone's value (NULL: not ranked) and
    group (NULL: not ranked)."""
    import numpy as np
    import pyarrow.compute as pc

    if groups is None:
        numbers = _numbers(values.drop_null())
        bounds = {rank: positions(rank, len(numbers)) for rank in ranks}
        needed = sorted({index for found in bounds.values() if found for index in found.values()})
        ordered = np.partition(numbers, needed) if needed else numbers
        return {rank: _bounded(ordered, {None: (0, found)}) for rank, found in bounds.items()}
    known = pc.and_(pc.is_valid(values), pc.is_valid(groups))
    encoded = groups.filter(known).combine_chunks().dictionary_encode()
    numbers, codes = _numbers(values.filter(known)), encoded.indices.to_numpy(zero_copy_only=False)
    names = encoded.dictionary.to_pylist()
    ordered, sizes = numbers[np.lexsort((numbers, codes))], np.bincount(codes, minlength=len(names))
    starts = np.cumsum(sizes) - sizes
    places = list(zip(names, starts.tolist(), sizes.tolist(), strict=True))
    return {
        rank: _bounded(ordered, {name: (start, positions(rank, size)) for name, start, size in places})
        for rank in ranks
    }


def _bounded(
    ordered: NDArray[np.generic], groups: Mapping[Group, tuple[int, dict[str, int] | None]]
) -> dict[Group, Threshold]:
    """The values at the positions of each group, which starts somewhere in `ordered`."""
    return {
        name: Threshold(**{bound: _plain(ordered[start + index]) for bound, index in found.items()})
        for name, (start, found) in groups.items()
        if found is not None
    }


def _plain(number: np.generic | int) -> Number:
    """A number of Python's own."""
    return number if isinstance(number, int) else number.item()


def _numbers(values: pa.ChunkedArray) -> NDArray[np.generic]:
    """Whole numbers or doubles as numpy; 128-bit ones as int64 where they all fit, else Python's own."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_decimal(values.type):
        found: NDArray[np.generic] = values.to_numpy()
        return found
    try:
        return values.cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
    except pa.ArrowInvalid:
        return np.array([int(value) for value in values.to_pylist()], dtype=object)


@dataclass(frozen=True, slots=True)
class KnownRanks:
    """The ranks of an evaluation that was made, for looking at one person."""

    thresholds: Mapping[Rank, Thresholds]

    def holds(self, rank: Rank, value: object, group: object) -> bool:
        """Whether somebody with this known value (and group) is in."""
        threshold = self.thresholds[rank].get(group)
        return threshold is not None and threshold.holds(value)  # type: ignore[arg-type]
