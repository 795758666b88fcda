"""How the shares that segments have of people moved: a group as a whole, others against the rest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from pyroaring import BitMap

from rules.models.worth.moved import Moved, moved
from sync.run.worth import Worth

NONE = "in none of them"
NOT_IN = "everybody else"
_Counts = tuple[list[str], list[int], list[int]]


def shifted(
    worth: Sequence[Worth],
    *,
    before: Mapping[str, BitMap],
    members: Mapping[str, BitMap],
    people: BitMap,
    people_at: Callable[[dt.datetime], BitMap | None],
) -> tuple[dict[str, Moved], str | None]:
    """Of those that can be compared, and why some cannot.

    `before`: who was in each then. `people_at`: everybody at an instant, None if that is not kept. Segments
    of a group (`rfm/…`) are asked together if they share nobody, then as now, and are compared with one day.
    """
    since = {one.segment: one.growth.since for one in worth if one.growth is not None}
    groups: dict[str, list[str]] = {}
    for one in worth:
        if "/" in one.segment:
            groups.setdefault(one.segment.rsplit("/", 1)[0], []).append(one.segment)
    asked: dict[str, _Counts] = {}
    alone, unkept = set(since), set[str]()
    for group, names in sorted(groups.items()):
        days = {since.get(name) for name in names}
        (day,) = days if len(days) == 1 else (None,)
        if day is None or len(names) < 2 or not all(_apart(of, names) for of in (before, members)):
            continue
        alone -= set(names)
        asked[f"{group}/…"] = _together(names, before, members, people_at(day), people)
    for name in (one.segment for one in worth if one.segment in alone):
        then = people_at(since[name])
        if then is None:
            unkept.add(name)
        else:
            sides = ((before[name], then), (members[name], people))
            (was, was_not), (are, are_not) = ((len(one & all_), len(all_ - one)) for one, all_ in sides)
            asked[name] = [name, NOT_IN], [was, was_not], [are, are_not]
    why = None
    if unkept:
        why = (
            f"who everybody was then is not kept any more, so whether the shares of {len(unkept)} segments"
            " moved cannot be told; give fewer --days, or keep the lake longer"
        )
    return moved(asked), why


def _together(
    names: Sequence[str],
    before: Mapping[str, BitMap],
    members: Mapping[str, BitMap],
    then: BitMap | None,
    people: BitMap,
) -> _Counts:
    """Of the people in them alone, if it is not known who else there was."""
    were, are = ([len(of[name]) for name in names] for of in (before, members))
    if then is None:
        return [*names], were, are
    rest = (
        len(all_ - BitMap.union(*(of[name] for name in names)))
        for of, all_ in ((before, then), (members, people))
    )
    were_not, are_not = rest
    return [*names, NONE], [*were, were_not], [*are, are_not]


def _apart(of: Mapping[str, BitMap], names: Sequence[str]) -> bool:
    some = [of[name] for name in names]
    return len(BitMap.union(*some)) == sum(map(len, some))
