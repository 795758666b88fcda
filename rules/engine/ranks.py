"""Comparing people with people: thresholds by whole-number ranks, ties together, by group.

A rank never depends on the order of rows: every bound is the k-th smallest value, k worked out in
integers. No percentile of an engine is used: they take a float and round it differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rules.engine.walk import Rank
from rules.ir import Quintile, RankCount, RankShare, Side

if TYPE_CHECKING:
    import pyarrow as pa

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


@dataclass(frozen=True, slots=True)
class Values:
    """Of everybody who is compared, in order of persons: what they are compared by, and their group."""

    persons: NDArray[np.uint32]
    values: NDArray[Any]
    codes: NDArray[np.int32] | None = None
    names: tuple[object, ...] = (None,)

    def of(self, group: Group) -> NDArray[Any]:
        """The values within a group."""
        return self.values if self.codes is None else self.values[self.codes == self.names.index(group)]

    def groups_of(self, people: NDArray[np.uint32]) -> set[Group]:
        """The groups of these people."""
        if self.codes is None:
            return {None}
        places, there = self._places(people)
        return {self.names[code] for code in np.unique(self.codes[places[there]]).tolist()}

    def _places(self, people: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        places = np.searchsorted(self.persons, people)
        there = np.zeros(len(people), bool)
        inside = places < len(self.persons)
        there[inside] = self.persons[places[inside]] == people[inside]
        return places, there

    def renewed(self, people: NDArray[np.uint32], fresh: Values) -> Values:
        """With what these people (ascending) have now; who is not in `fresh` is compared no more."""
        places, there = self._places(people)
        if fresh.values.dtype != self.values.dtype:  # the numbers have become too large
            return replace(self, values=self.values.astype(object)).renewed(
                people, replace(fresh, values=fresh.values.astype(object))
            )
        names = dict.fromkeys((*self.names, *fresh.names))
        index = {name: number for number, name in enumerate(names)}
        codes = self.codes
        fresh_codes = None
        if fresh.codes is not None:
            fresh_codes = np.array([index[name] for name in fresh.names], np.int32)[fresh.codes]
        if np.array_equal(people[there], fresh.persons):
            values = self.values.copy()
            values[places[there]] = fresh.values
            if codes is not None and fresh_codes is not None:
                codes = codes.copy()
                codes[places[there]] = fresh_codes
            return Values(self.persons, values, codes, tuple(names))
        gone = places[there]
        persons, values = np.delete(self.persons, gone), np.delete(self.values, gone)
        into = np.searchsorted(persons, fresh.persons)
        if codes is not None and fresh_codes is not None:
            codes = np.insert(np.delete(codes, gone), into, fresh_codes)
        persons = np.insert(persons, into, fresh.persons)
        return Values(persons, np.insert(values, into, fresh.values), codes, tuple(names))

    def staying(
        self, cuts: Mapping[Group, Threshold], wanted: Callable[[int], Mapping[str, int] | None]
    ) -> set[Group]:
        """The groups of which all bounds still are at the wanted places among the values in ascending order;
        `wanted`: of so many people."""
        if self.codes is None or not len(self.values):
            return set()
        sizes = np.bincount(self.codes, minlength=len(self.names))
        found: set[Group] = set()
        spans: dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}
        for bound in ("at_least", "above", "at_most"):
            limits = [getattr(cuts.get(name), bound, None) for name in self.names]
            if any(limit is not None for limit in limits):
                placed = np.array([0 if limit is None else limit for limit in limits], self.values.dtype)
                limit = placed[self.codes]
                below = np.bincount(self.codes[self.values < limit], minlength=len(self.names))
                equal = np.bincount(self.codes[self.values == limit], minlength=len(self.names))
                spans[bound] = below, below + equal
        for code, name in enumerate(self.names):
            places, cut = wanted(int(sizes[code])), cuts.get(name)
            if places is None or cut is None:
                continue
            if all(
                getattr(cut, bound) is not None and spans[bound][0][code] <= place < spans[bound][1][code]
                for bound, place in places.items()
            ):
                found.add(name)
        return found

    def only(self, people: NDArray[np.uint32]) -> Values:
        """Those of these people."""
        some = np.isin(self.persons, people)
        codes = None if self.codes is None else self.codes[some]
        return Values(self.persons[some], self.values[some], codes, self.names)


def thresholds(ranks: Sequence[Rank], values: Values) -> dict[Rank, dict[Group, Threshold]]:
    """The thresholds of ranks that share value and group."""
    numbers_ = values.values
    if values.codes is None:
        bounds = {rank: positions(rank, len(numbers_)) for rank in ranks}
        needed = sorted({index for found in bounds.values() if found for index in found.values()})
        ordered = np.partition(numbers_, needed) if needed else numbers_
        return {rank: _bounded(ordered, {None: (0, found)}) for rank, found in bounds.items()}
    ordered = numbers_[np.lexsort((numbers_, values.codes))]
    sizes = np.bincount(values.codes, minlength=len(values.names))
    starts = np.cumsum(sizes) - sizes
    places = list(zip(values.names, starts.tolist(), sizes.tolist(), strict=True))
    return {
        rank: _bounded(ordered, {name: (start, positions(rank, size)) for name, start, size in places})
        for rank in ranks
    }


def _bounded(
    ordered: NDArray[Any], groups: Mapping[Group, tuple[int, dict[str, int] | None]]
) -> dict[Group, Threshold]:
    """The values at the positions of each group, which starts somewhere in `ordered`."""
    return {
        name: Threshold(**{bound: plain(ordered[start + index]) for bound, index in found.items()})
        for name, (start, found) in groups.items()
        if found is not None
    }


def plain(number: np.generic | int) -> Number:
    """A number of Python's own."""
    return number if isinstance(number, int) else number.item()


def numbers(values: pa.ChunkedArray) -> NDArray[Any]:
    """Whole numbers or doubles as numpy; 128-bit ones as int64 where they all fit, else Python's own."""
    import pyarrow as pa

    if not pa.types.is_decimal(values.type):
        found: NDArray[Any] = values.to_numpy()
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
