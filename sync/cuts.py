"""Where ranks cut, kept with the last evaluation's result, so that one person is placed without anybody else.

Beside everybody's values (`sync.store.recalled`), which are there only where few people are asked each run,
this is small, and kept by every run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rules.engine.order import Order
from rules.engine.periods import Clock
from rules.engine.ranks import Group, KnownRanks, Threshold
from rules.engine.walk import Rank
from sync.store.events import Notes

_NOTE = "cuts"
_BOUNDS = ("at_least", "above", "at_most")
_PLAIN = (str, int, float, bool, type(None))
_MOST_GROUPS = 5_000
"""Of a rank by more groups than these nothing is kept: everybody is asked then."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """`ranks`: as values at the instant they are asked for. `as_of`: the evaluation they were found in."""

    ranks: KnownRanks
    as_of: dt.datetime


def keep(notes: Notes, order: Order, *, as_of: dt.datetime, circumstances: str) -> None:
    """Note down where the ranks of an evaluation cut. `circumstances`: what gives the numbers meaning."""
    found = {rank: _listed(cuts) for rank, cuts in order.cuts.items()}
    told = {rank: listed for rank, listed in found.items() if listed is not None}
    notes.set(_NOTE, {"as_of": as_of.isoformat(), "circumstances": circumstances, "cuts": told})


def known(notes: Notes, wanted: Collection[Rank], clock: Clock, *, circumstances: str) -> Cuts | None:
    """Where these ranks cut by the last evaluation; None: that is not known of all of them."""
    note: Any = notes.get(_NOTE)
    if not isinstance(note, dict) or note["circumstances"] != circumstances:
        return None
    if any(rank.key not in note["cuts"] for rank in wanted):
        return None
    cuts = {
        rank.key: {group: Threshold(*bounds) for group, *bounds in note["cuts"][rank.key]} for rank in wanted
    }
    order = Order(cuts=cuts)
    ranks = KnownRanks({rank: order.thresholds(rank, clock) for rank in wanted})
    return Cuts(ranks, dt.datetime.fromisoformat(note["as_of"]))


def _listed(cuts: Mapping[Group, Threshold]) -> list[list[object]] | None:
    """As JSON; None: it has more than that can hold."""
    listed = [[group, *(getattr(cut, bound) for bound in _BOUNDS)] for group, cut in cuts.items()]
    plain = all(isinstance(one, _PLAIN) for entry in listed for one in entry)
    return listed if plain and len(listed) <= _MOST_GROUPS else None
