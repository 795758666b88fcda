"""Who was in the segments that last (`leave_when`, `stay`), read from the history of memberships.

Membership before counts only if it was by the same `when`: whoever edits who enters asks everybody afresh,
while another `leave_when` or `stay` applies to those who are in. What people merged into was in as they were.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from pyroaring import BitMap

from rules import ir
from rules.engine.standing import Standing
from rules.ruleset import RuleSet, Segment
from sync.store import Store
from sync.store.segments import Spell
from sync.store.stays import Stay


def standing(
    store: Store,
    rules: RuleSet,
    *,
    as_of: dt.datetime,
    before_run: int | None = None,
    people_of: int | None = None,
) -> dict[str, Standing]:
    """Segment that lasts → who was in by the newest run (before `before_run`); people are meant as the run
    `people_of` knew them, or as they are now."""
    found = {}
    for segment in rules.segments.values():
        if isinstance(segment.when, ir.Lasting):
            spells = store.segments.spells(segment.id, before_run=before_run, people_of=people_of)
            before = _before(spells, segment, segment.when.stay, as_of)
            if before is not None:
                found[segment.id] = before
    return found


def _before(
    spells: Iterable[Spell], segment: Segment, stay: int | None, as_of: dt.datetime
) -> Standing | None:
    newest, longer = None, BitMap()
    for spell in spells:
        if newest is None:
            if not segment.lets_in_as(spell.version):
                return None
            newest = spell.members
            if stay is None:
                return Standing(newest, BitMap())
            longer = newest
        longer = longer & spell.members
        if not longer or spell.began + dt.timedelta(hours=stay or 0) <= as_of:
            return Standing(newest, newest - longer)
    return None if newest is None else Standing(newest, newest)


def entered(stays: Mapping[str, Stay], segment: Segment) -> dt.datetime | None:
    """The instant of the run that saw the person of these stays enter, if the newest run let people in as the
    segment does now; None: not in by the newest run, or by another rule."""
    stay = stays.get(segment.id)
    return stay.since if stay is not None and segment.lets_in_as(stay.version) else None
