"""Values that lie in order, and what few people have instead: order statistics without looking at everybody.

How many are below a number is told by the places of the number among those who lie there, those of them who
are elsewhere by now, and what these have come to. A cut point that moved is looked for among its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rules.engine.ranks import Group, Number, Values, plain

if TYPE_CHECKING:
    from pyroaring import BitMap

Bounds: TypeAlias = tuple[Number | None, Number | None, Number | None]
"""at least, above, at most"""

_NOBODY = np.array([], np.uint32)


@dataclass(frozen=True, slots=True)
class Patch:
    """What these people (ascending) have now; who has nothing is compared no more."""

    people: NDArray[np.uint32]
    fresh: Values

    def then(self, other: Patch) -> Patch:
        """This, and another one after it."""
        people = np.union1d(self.people, other.people)
        return Patch(people, self.fresh.renewed(other.people, other.fresh))


class Layers:
    """Values as they lie, and what differs from them."""

    def __init__(self, values: Values, patch: Patch | None) -> None:
        self.values, self.patch = values, patch
        self._came = values.only(_NOBODY) if patch is None else patch.fresh

    @cached_property
    def _gone(self) -> Values:
        """What lies there of people who are elsewhere by now."""
        return self.values.only(_NOBODY if self.patch is None else self.patch.people)

    @cached_property
    def _there(self) -> NDArray[np.bool_]:
        """Whether what lies in a place is still so."""
        gone, _ = self.values.places(self._gone.persons)
        there = np.ones(len(self.values.persons), bool)
        there[gone] = False
        return there

    @property
    def names(self) -> tuple[object, ...]:
        """Of all groups, in the order of `whole`."""
        return tuple(dict.fromkeys((*self.values.names, *self._came.names)))

    def whole(self) -> Values:
        """All values in one."""
        return self.values if self.patch is None else self.values.renewed(self.patch.people, self.patch.fresh)

    def groups_of(self, people: NDArray[np.uint32]) -> set[Group]:
        """At least the groups of these people."""
        return self.values.groups_of(people) | self._came.groups_of(people)

    def size(self, group: Group) -> int:
        """How many are compared within a group."""
        lying, gone, came = (end - start for start, end in (one.span(group) for one in self._all()))
        return lying - gone + came

    def at(self, group: Group, place: int, near: Number | None) -> Number:
        """The value at a place within a group, in ascending order from 0. `near`: a value not far from it."""
        if near is None or near != near:
            return plain(np.partition(self._of(group), place)[place])
        below, through = (self._count(group, near, through=through) for through in (False, True))
        if below <= place < through:
            return near
        came = self._came.before(group, near, through=place >= through)
        first, last = self._came.span(group)
        if place >= through:
            some = place - through + 1
            start, end = self.values.before(group, near, through=True), self.values.span(group)[1]
            gone = self._gone.span(group)[1] - self._gone.before(group, near, through=True)
            near_by = self._lying(start, min(end, start + some + gone))
            return plain(_sorted(near_by, self._coming(came, last))[some - 1])
        some = below - place
        start, end = self.values.span(group)[0], self.values.before(group, near)
        gone = self._gone.before(group, near) - self._gone.span(group)[0]
        near_by = self._lying(max(start, end - some - gone), end)
        return plain(_sorted(near_by, self._coming(first, came))[-some])

    def between(self, group: Group, one: Bounds | None, other: Bounds | None) -> BitMap:
        """Who in a group is inside of one of these bounds, and not of the other. None: nobody is inside."""
        from pyroaring import BitMap

        found = BitMap()
        for values in (self.values, self._came):
            (a0, a1), (b0, b1) = (_inside(values, group, bounds) for bounds in (one, other))
            apart = a0 >= a1 or b0 >= b1 or a1 <= b0 or b1 <= a0
            pieces = [(a0, a1), (b0, b1)] if apart else [sorted((a0, b0)), sorted((a1, b1))]
            for start, end in pieces:
                places = values.order[start:end]
                if values is self.values:
                    places = places[self._there[places]]
                found |= BitMap(values.persons[places])
        return found

    def _all(self) -> tuple[Values, Values, Values]:
        return self.values, self._gone, self._came

    def _count(self, group: Group, number: Number, *, through: bool) -> int:
        """How many in a group are less than a number; `through`: or equal."""
        lying, gone, came = (
            one.before(group, number, through=through) - one.span(group)[0] for one in self._all()
        )
        return lying - gone + came

    def _lying(self, start: int, end: int) -> NDArray[Any]:
        """Of what lies there in order, what is still so."""
        places = self.values.order[start:end]
        return self.values.values[places[self._there[places]]]

    def _coming(self, start: int, end: int) -> NDArray[Any]:
        return self._came.values[self._came.order[start:end]]

    def _of(self, group: Group) -> NDArray[Any]:
        lying = self._lying(*self.values.span(group))
        return np.concatenate([lying, self._coming(*self._came.span(group))])


def _sorted(some: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    return np.sort(np.concatenate([some, others]))


def _inside(values: Values, group: Group, bounds: Bounds | None) -> tuple[int, int]:
    """From where in order to where values are inside."""
    if bounds is None:
        return 0, 0
    (start, end), (least, above, most) = values.span(group), bounds
    if least is not None:
        start = max(start, values.before(group, least))
    if above is not None:
        start = max(start, values.before(group, above, through=True))
    if most is not None:
        end = min(end, values.before(group, most, through=True))
    return start, end
