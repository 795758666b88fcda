"""Comparing people with people: thresholds by whole-number ranks, ties together, by group.

A rank never depends on the order of rows: every bound is the k-th smallest value, k worked out in
integers. No percentile of an engine is used: they take a float and round it differently.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rules.engine.walk import Rank
from rules.ir import Quintile, RankCount, RankShare, Side

if TYPE_CHECKING:
    import pyarrow as pa

Number: TypeAlias = int | float
_BITS = 63
"""Of a whole number that is not negative."""


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


@dataclass(frozen=True)
class Values:
    """Of everybody who is compared, in order of persons: what they are compared by, and their group.
    `placed`: `order`, if it is known."""

    persons: NDArray[np.uint32]
    values: NDArray[Any]
    codes: NDArray[np.int32] | None = None
    names: tuple[object, ...] = (None,)
    placed: NDArray[np.int32] | None = None

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """The places of all values, group by group, in ascending order."""
        if self.placed is not None:
            return self.placed
        order = _ascending(self.values)
        if self.codes is not None:
            codes = self.codes[order]
            few = len(self.names) <= np.iinfo(np.uint16).max
            order = order[np.argsort(codes.astype(np.uint16) if few else codes, kind="stable")]
        return order.astype(np.int32)

    @cached_property
    def _spans(self) -> dict[Group, tuple[int, int]]:
        if self.codes is None:
            return {None: (0, len(self.values))}
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.names))).tolist()
        return dict(zip(self.names, pairwise([0, *ends]), strict=True))

    @cached_property
    def _looked_up(self) -> dict[Group, tuple[int, int]]:
        return {}

    @cached_property
    def _codes(self) -> dict[Group, int]:
        return {name: code for code, name in enumerate(self.names)}

    def span(self, group: Group) -> tuple[int, int]:
        """From where in `order` to where a group is. Where the order is known, it is looked for there, which
        for few groups is quicker than to count them all."""
        codes, order = self.codes, self.placed
        if codes is None or order is None:
            return self._spans.get(group, (0, 0))
        found = self._looked_up.get(group)
        if found is None:
            code, places = self._codes.get(group), range(len(order))
            found = (0, 0)
            if code is not None:
                start = bisect_left(places, code, key=lambda place: codes[order[place]])
                found = start, bisect_right(places, code, start, key=lambda place: codes[order[place]])
            self._looked_up[group] = found
        return found

    def before(self, group: Group, number: Number, *, through: bool = False) -> int:
        """The place in `order` of the first value in a group that is not less than a number; `through`: that
        is more."""
        values, order = self._plain
        find = bisect_right if through else bisect_left
        return find(range(len(order)), number, *self.span(group), key=lambda place: values[order[place]])

    @cached_property
    def _plain(self) -> tuple[Any, Any]:
        """Values and order as what gives Python's own numbers one by one, which is quicker."""
        return self.values if self.values.dtype == object else self.values.data, self.order.data

    def groups_of(self, people: NDArray[np.uint32]) -> set[Group]:
        """The groups of these people."""
        if self.codes is None:
            return {None}
        places, there = self.places(people)
        return {self.names[code] for code in np.unique(self.codes[places[there]]).tolist()}

    def places(self, people: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where these people are, or would be; and which of them are there."""
        places = np.searchsorted(self.persons, people)
        there = np.zeros(len(people), bool)
        inside = places < len(self.persons)
        there[inside] = self.persons[places[inside]] == people[inside]
        return places, there

    def renewed(self, people: NDArray[np.uint32], fresh: Values) -> Values:
        """With what these people (ascending) have now; who is not in `fresh` is compared no more."""
        places, there = self.places(people)
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
        gone = places[there]
        persons, values = np.delete(self.persons, gone), np.delete(self.values, gone)
        into = np.searchsorted(persons, fresh.persons)
        if codes is not None and fresh_codes is not None:
            codes = np.insert(np.delete(codes, gone), into, fresh_codes)
        persons = np.insert(persons, into, fresh.persons)
        return Values(persons, np.insert(values, into, fresh.values), codes, tuple(names))

    def only(self, people: NDArray[np.uint32]) -> Values:
        """Those of these people."""
        places, there = self.places(people)
        some = places[there]
        codes = None if self.codes is None else self.codes[some]
        return Values(self.persons[some], self.values[some], codes, self.names)


def _ascending(values: NDArray[Any]) -> NDArray[np.intp]:
    """The places of values in ascending order. Whole numbers that lie near enough to each other are sorted
    with their places behind them, which is faster."""
    bits = len(values).bit_length()
    if values.dtype != np.int64 or not len(values):
        return np.argsort(values)
    least = int(values.min())
    if (int(values.max()) - least).bit_length() + bits > _BITS:
        return np.argsort(values)
    both = (values - least) << bits | np.arange(len(values))
    both.sort()
    return (both & ((1 << bits) - 1)).astype(np.intp)


def thresholds(ranks: Sequence[Rank], values: Values) -> dict[Rank, dict[Group, Threshold]]:
    """The thresholds of ranks that share value and group."""
    numbers_ = values.values
    if values.codes is None:
        bounds = {rank: positions(rank, len(numbers_)) for rank in ranks}
        needed = sorted({index for found in bounds.values() if found for index in found.values()})
        ordered = np.partition(numbers_, needed) if needed else numbers_
        return {rank: _bounded(ordered, {None: (0, found)}) for rank, found in bounds.items()}
    ordered = numbers_[values.order]
    places = [(name, *values.span(name)) for name in values.names]
    return {
        rank: _bounded(ordered, {name: (start, positions(rank, end - start)) for name, start, end in places})
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
