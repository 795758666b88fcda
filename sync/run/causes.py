"""What may have caused that something is held, as a hint for whoever approves.

Told from what the store kept: wordings of the rule, counts of the sources, and when the people's records last
changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import pyarrow as pa
from pyroaring import BitMap

from rules import ir
from rules.engine.walk import nodes
from rules.ruleset import Segment
from sync.quality.kept_out import KeptOut, remembered
from sync.store import Membership, Store

_MOVES = (
    ir.Last, ir.Next, ir.Ago, ir.Between, ir.Calendar, ir.DaysSince, ir.Anniversary, ir.InPeriod, ir.Earned,
    ir.Unless, ir.HeldSegment,
)  # fmt: skip
"""What makes a rule's answer change while no record does."""


class Cause(StrEnum):
    """What most of the held people have in common."""

    RULE_EDIT = "rule_edit"
    KEPT_OUT = "kept_out"
    SOURCE_SHRINK = "source_shrink"
    DATA = "data"
    WINDOW_SLIDE = "window_slide"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """A cause, in a sentence. `edits`: the versions of the rule that moved held people, newest first."""

    cause: Cause
    told: str
    edits: tuple[str, ...] = ()


def cause_of(
    store: Store,
    segment: Segment,
    adds: BitMap,
    removes: BitMap,
    shrunk: Sequence[str],
) -> Found:
    """Why these people are to enter and to leave. `shrunk`: what is told of sources that lost people."""
    people = adds | removes
    history = store.segments.history(segment.id, limit=20)
    by_version = _by_edit(history, adds, removes)
    edited = BitMap.union(BitMap(), *by_version.values())
    if 2 * len(edited) >= len(people):
        told = f"the rule was edited, and {len(edited)} of {len(people)} people moved with it"
        return Found(Cause.RULE_EDIT, told, tuple(by_version))
    return Found(*_without_edit(store, segment, history, adds, removes, shrunk))


def _without_edit(
    store: Store,
    segment: Segment,
    history: Sequence[Membership],
    adds: BitMap,
    removes: BitMap,
    shrunk: Sequence[str],
) -> tuple[Cause, str]:
    people = adds | removes
    kept, rules = _kept_out(store, removes)
    if 2 * kept >= len(people):
        said = (
            f"records of {kept} of {len(people)} people are kept out ([quality] refuse: {', '.join(rules)})"
        )
        return Cause.KEPT_OUT, f"{said}; segsync quality --rows FILE.csv lists them"
    if shrunk:
        return Cause.SOURCE_SHRINK, shrunk[0]
    since = _last_there(history, adds, removes)
    if since is None:
        return Cause.UNKNOWN, "nothing is known of these people from before"
    changed, untold = _changed(store, people, since=since)
    when = f"{since:%Y-%m-%d %H:%M} UTC"
    if 2 * changed >= len(people):
        return Cause.DATA, f"records or activity of {changed} of {len(people)} people changed since {when}"
    moves = any(isinstance(node, _MOVES) for node in nodes([segment.when]))
    if moves and 2 * untold < len(people):
        said = f"nothing changed for {len(people) - changed} of {len(people)} people since {when}"
        return Cause.WINDOW_SLIDE, f"{said}; the rule counts time, and time passed"
    if not moves and untold:
        return Cause.DATA, f"the rule is the same since {when} and counts no time, so the data changed"
    return Cause.UNKNOWN, f"the source does not tell when records changed; looked at what is new since {when}"


def _by_edit(history: Sequence[Membership], adds: BitMap, removes: BitMap) -> dict[str, BitMap]:
    """Version → those of them whose last move, out or in, came when the wording became this one."""
    found: dict[str, BitMap] = {}
    for after, before in pairwise(history):
        left, came = before.members - after.members, after.members - before.members
        moved = (removes & left) | (adds & came)
        if moved and after.version != before.version:
            found[after.version] = found.get(after.version, BitMap()) | moved
        adds, removes = adds - came, removes - left
    return found


def _last_there(history: Sequence[Membership], adds: BitMap, removes: BitMap) -> dt.datetime | None:
    """When most of them were last where they were before."""
    people = len(adds) + len(removes)
    for one in history:
        before = len(removes & one.members) + len(adds - one.members)
        if 2 * before > people:
            return one.as_of
    return None


def _kept_out(store: Store, leaving: BitMap) -> tuple[int, list[str]]:
    """(how many of them have a record that makes nobody a person, the rules that keep it out)."""
    kept = remembered(store) or KeptOut()
    if not kept.contacts or not leaving:
        return 0, []
    with closing(store.lake.connect()) as database:
        database.register("held_people", pa.table({"person": pa.array(list(leaving), pa.int32())}))
        query = (
            f"SELECT contact, person FROM {store.lake.relation('links')} SEMI JOIN held_people USING (person)"
        )
        theirs = {int(contact): int(person) for contact, person in database.execute(query).fetchall()}
    found = kept.contacts & BitMap(theirs)
    rules = [rule for rule, contacts in kept.by_rule.items() if contacts & found]
    return len({theirs[contact] for contact in found}), rules


def _changed(store: Store, people: BitMap, *, since: dt.datetime) -> tuple[int, int]:
    """(people of whom a record or an activity is newer, people whose sources tell no times at all)."""
    with closing(store.lake.connect()) as database:
        database.register("held_people", pa.table({"person": pa.array(list(people), pa.int32())}))
        contacts, links = store.lake.relation("contacts"), store.lake.relation("links")
        database.execute(
            f"""CREATE TEMP TABLE times AS SELECT person, max(changed_at) AS changed_at
            FROM {contacts} AS contacts JOIN {links} AS links USING (contact)
            WHERE person IN (SELECT person FROM held_people) GROUP BY person"""
        )
        query = f"""SELECT count(DISTINCT person) FROM (
            SELECT person FROM times WHERE changed_at > $since
            UNION SELECT person FROM {store.lake.relation("activity")}
            WHERE "at" > $since AND person IN (SELECT person FROM held_people))"""
        changed = database.execute(query, {"since": since}).fetchall()[0][0]
        told = database.execute("SELECT count(*) FROM times WHERE changed_at IS NOT NULL").fetchall()[0][0]
    return int(changed), len(people) - int(told)
