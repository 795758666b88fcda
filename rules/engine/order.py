"""Everybody's values that people are compared by, kept so that few need be asked again.

Where a value is how long ago something was, what is kept is the instant: by that everybody stays in place as
time passes. Cut points are found among what is kept and then told as values at an instant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rules import ir
from rules.engine.layers import Bounds, Layers, Patch
from rules.engine.periods import Clock
from rules.engine.ranks import Group, Number, Threshold, Values, numbers, positions, thresholds
from rules.engine.walk import Rank
from rules.vocabulary import NUMBER_SCALE, Type

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap

Sort: TypeAlias = tuple[str, str | None]
"""What people are compared by, and within what: the keys of value and group."""
_MILLIONTH_US = 86_400
_MANY_GROUPS = 2_000
"""If more groups than these have other values, all are sorted anew."""


def sort_of(rank: Rank) -> Sort:
    """The sort of a rank."""
    return rank.value.key, None if rank.by is None else rank.by.key


def aged(value: ir.Value) -> ir.Fact | ir.Aggregate | None:
    """What it is that time has passed since, if the value is nothing but that."""
    since = value.value if isinstance(value, ir.DaysSince) else None
    return since if isinstance(since, ir.Fact | ir.Aggregate) else None


def values_of(persons: pa.ChunkedArray, values: pa.ChunkedArray, groups: pa.ChunkedArray | None) -> Values:
    """From columns of everybody: whoever lacks a value (or a group) is not compared."""
    import pyarrow.compute as pc

    known = pc.is_valid(values)
    if groups is not None:
        known = pc.and_(known, pc.is_valid(groups))
    whose = persons.filter(known).to_numpy().astype(np.uint32)
    found = numbers(values.filter(known))
    order = slice(None) if np.all(whose[1:] > whose[:-1]) else np.argsort(whose)
    if groups is None:
        return Values(whose[order], found[order])
    coded = groups.filter(known).combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Values(whose[order], found[order], codes[order], tuple(coded.dictionary.to_pylist()))


@dataclass(frozen=True, slots=True)
class Order:
    """All values that people are compared by, and where each rank cuts: by group, among what is kept."""

    values: Mapping[Sort, Values] = field(default_factory=dict)
    cuts: Mapping[str, Mapping[Group, Threshold]] = field(default_factory=dict)  # by the key of the rank
    patches: Mapping[Sort, Patch] = field(default_factory=dict)  # what differs from `values` by now
    _layers: dict[Sort, Layers] = field(default_factory=dict, init=False, compare=False, repr=False)

    def layers(self, sort: Sort) -> Layers:
        """The values of a sort, with what differs from them."""
        if sort not in self._layers:
            self._layers[sort] = Layers(self.values[sort], self.patches.get(sort))
        return self._layers[sort]

    def knows(self, rank: Rank) -> bool:
        """Whether the rank's cut points are here, and everybody's values."""
        found = self.values.get(sort_of(rank))
        return rank.key in self.cuts and found is not None and found.values.dtype != object

    def renewed(
        self, ranks: Iterable[Rank], people: Mapping[Sort, NDArray[np.uint32]], fresh: Mapping[Sort, Values]
    ) -> Order:
        """With what these people have now, and with the cut points that follow, of these ranks alone."""
        wanted = list(ranks)
        values = {sort_of(rank): self.values[sort_of(rank)] for rank in wanted}
        patches = {sort: patch for sort, patch in self.patches.items() if sort in values}
        for sort, found in fresh.items():
            if found.values.dtype != values[sort].values.dtype:
                values[sort] = self.layers(sort).whole().renewed(people[sort], found)
                patches.pop(sort, None)
            else:
                patch = Patch(people[sort], found)
                patches[sort] = patches[sort].then(patch) if sort in patches else patch
        order = Order(values, {}, patches)
        cuts = {rank.key: self.cuts[rank.key] for rank in wanted}
        for rank in wanted:
            sort = sort_of(rank)
            if sort in fresh:
                groups = self.layers(sort).groups_of(people[sort]) | fresh[sort].groups_of(people[sort])
                cuts[rank.key] = _cuts(rank, order.layers(sort), groups, cuts[rank.key])
        return replace(order, cuts=cuts)

    def beside(self, other: Order) -> Order:
        """This and another one, which is about other ranks."""
        together = ({**other.values, **self.values}, {**other.cuts, **self.cuts})
        return Order(*together, {**other.patches, **self.patches})

    def thresholds(self, rank: Rank, clock: Clock) -> dict[Group, Threshold]:
        """The cut points of a rank as values at an instant."""
        age = _age(rank, clock)
        return {group: _told(cut, age) for group, cut in self.cuts[rank.key].items()}

    def moved(self, rank: Rank, before: Order, then: Clock, now: Clock) -> BitMap:
        """Those whose values are what they were, and who are now in where they were not, or the reverse."""
        from pyroaring import BitMap

        old = {group: _bounds(rank, cut, then) for group, cut in before.cuts[rank.key].items()}
        new = {group: _bounds(rank, cut, now) for group, cut in self.cuts[rank.key].items()}
        differ = [group for group in {**old, **new} if old.get(group) != new.get(group)]
        layers = self.layers(sort_of(rank))
        found = (layers.between(group, old.get(group), new.get(group)) for group in differ)
        return BitMap.union(BitMap(), *found)


def _cuts(
    rank: Rank, layers: Layers, groups: Collection[Group], before: Mapping[Group, Threshold]
) -> Mapping[Group, Threshold]:
    """Where a rank cuts, if it is known where it did before and only these groups have other values."""
    if len(groups) > _MANY_GROUPS:
        return thresholds([rank], layers.whole())[rank]
    moved = {group: _cut(rank, layers, group, before.get(group)) for group in groups}
    return {group: cut for group, cut in {**before, **moved}.items() if cut is not None}


def _cut(rank: Rank, layers: Layers, group: Group, before: Threshold | None) -> Threshold | None:
    """Where a rank cuts among the values of a group."""
    wanted = positions(rank, layers.size(group))
    if wanted is None:
        return None
    return Threshold(**{n: layers.at(group, i, getattr(before, n, None)) for n, i in wanted.items()})


_Age: TypeAlias = Callable[[Number], Number]


def _age(rank: Rank, clock: Clock) -> _Age | None:
    """From what is kept to the value; it never turns the order round. None: they are the same."""
    since = aged(rank.value)
    if since is None:
        return None
    if since.type is Type.DATE:
        return lambda day: (clock.today + int(day)) * NUMBER_SCALE
    return lambda us: (clock.now + int(us)) // _MILLIONTH_US


def _told(cut: Threshold, age: _Age | None) -> Threshold:
    if age is None:
        return cut
    found = ((name, getattr(cut, name)) for name in ("at_least", "above", "at_most"))
    return Threshold(**{name: None if bound is None else age(bound) for name, bound in found})


def _bounds(rank: Rank, cut: Threshold, clock: Clock) -> Bounds:
    """A cut as bounds of what is kept. Whoever's value is the same millionth of a day is in together, so that
    these bounds move with the clock."""
    since = aged(rank.value)
    if since is None or since.type is Type.DATE:
        return cut.at_least, cut.above, cut.at_most
    told = _told(cut, _age(rank, clock))
    lowest = [] if told.at_least is None else [int(told.at_least)]
    lowest += [] if told.above is None else [int(told.above) + 1]
    least = max(lowest) * _MILLIONTH_US - clock.now if lowest else None
    most = None if told.at_most is None else (int(told.at_most) + 1) * _MILLIONTH_US - clock.now - 1
    return least, None, most
