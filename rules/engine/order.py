"""Everybody's values that people are compared by, kept so that few need be asked again.

Where a value is how long ago something was, what is kept is the instant: by that everybody stays in place as
time passes. Cut points are found among what is kept and then told as values at an instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rules import ir
from rules.engine.periods import Clock
from rules.engine.ranks import Group, Number, Threshold, Values, numbers, plain, positions, thresholds
from rules.engine.walk import Rank
from rules.vocabulary import NUMBER_SCALE, Type

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap

Sort: TypeAlias = tuple[str, str | None]
"""What people are compared by, and within what: the keys of value and group."""
_MILLIONTH_US = 86_400
_EACH, _FEW_GROUPS = 2, 32
"""So many groups are looked at one by one; of more those that need it, and if these are more, all at once."""


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
class Patch:
    """What these people (ascending) have now; who has nothing is compared no more."""

    people: NDArray[np.uint32]
    fresh: Values

    def then(self, other: Patch) -> Patch:
        """This, and another one after it."""
        people = np.union1d(self.people, other.people)
        return Patch(people, self.fresh.renewed(other.people, other.fresh))


@dataclass(frozen=True, slots=True)
class Order:
    """All values that people are compared by, and where each rank cuts: by group, among what is kept."""

    values: Mapping[Sort, Values] = field(default_factory=dict)
    cuts: Mapping[str, Mapping[Group, Threshold]] = field(default_factory=dict)  # by the key of the rank
    patches: Mapping[Sort, Patch] = field(default_factory=dict)  # by which values differ from those before

    def knows(self, rank: Rank) -> bool:
        """Whether the rank's cut points are here, and everybody's values."""
        found = self.values.get(sort_of(rank))
        return rank.key in self.cuts and found is not None and found.values.dtype != object

    def renewed(
        self, ranks: Iterable[Rank], people: Mapping[Sort, NDArray[np.uint32]], fresh: Mapping[Sort, Values]
    ) -> Order:
        """With what these people have now, and with the cut points that follow, of these ranks alone."""
        wanted = list(ranks)
        kept = {sort_of(rank): self.values[sort_of(rank)] for rank in wanted}
        patches = {sort: Patch(people[sort], found) for sort, found in fresh.items()}
        values = kept | {sort: kept[sort].renewed(p.people, p.fresh) for sort, p in patches.items()}
        cuts: dict[str, Mapping[Group, Threshold]] = {}
        for rank in wanted:
            sort, before = sort_of(rank), self.cuts[rank.key]
            if sort not in fresh:
                cuts[rank.key] = before
                continue
            groups = kept[sort].groups_of(people[sort]) | values[sort].groups_of(people[sort])
            if len(groups) > _EACH:
                groups = groups - values[sort].staying(before, partial(positions, rank))
            if len(groups) > _FEW_GROUPS:
                cuts[rank.key] = thresholds([rank], values[sort])[rank]
                continue
            moved = {group: _cut(rank, values[sort].of(group), before.get(group)) for group in groups}
            together = {**before, **moved}
            cuts[rank.key] = {group: cut for group, cut in together.items() if cut is not None}
        return Order(values, cuts, patches)

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
        found, values = BitMap(), self.values[sort_of(rank)]
        for group in {group for group in {*old, *new} if old.get(group) != new.get(group)}:
            inside = [_inside(values.values, bounds.get(group)) for bounds in (old, new)]
            differ = inside[0] != inside[1]
            if values.codes is not None:
                if group not in values.names:
                    continue
                differ &= values.codes == values.names.index(group)
            found |= BitMap(values.persons[differ])
        return found


_Bounds: TypeAlias = tuple[Number | None, Number | None, Number | None]
"""at least, above, at most"""


def _inside(values: NDArray[Any], bounds: _Bounds | None) -> NDArray[np.bool_]:
    if bounds is None:
        return np.zeros(len(values), bool)
    least, above, most = bounds
    inside = np.ones(len(values), bool)
    if least is not None:
        inside &= values >= least
    if above is not None:
        inside &= values > above
    if most is not None:
        inside &= values <= most
    return inside


def _cut(rank: Rank, values: NDArray[Any], before: Threshold | None) -> Threshold | None:
    """Where a rank cuts among the values of a group; `before`: looked at first."""
    wanted = positions(rank, len(values))
    if wanted is None:
        return None
    if before is not None and all(_stays(values, getattr(before, name), i) for name, i in wanted.items()):
        return before
    ordered = np.partition(values, sorted({*wanted.values()}))
    return Threshold(**{name: plain(ordered[index]) for name, index in wanted.items()})


def _stays(values: NDArray[Any], cut: Number | None, index: int) -> bool:
    """Whether the cut is at that place among the values in ascending order."""
    if cut is None:
        return False
    below = int(np.count_nonzero(values < cut))
    return below <= index < below + int(np.count_nonzero(values == cut))


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


def _bounds(rank: Rank, cut: Threshold, clock: Clock) -> _Bounds:
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
