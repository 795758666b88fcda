"""Whom a platform refused: who is tried again now, who rides along with others, who is left in peace.

What may pass by itself is tried by every run, for some runs or days. What the platform will say again is
tried when the person's data or the rule changed; else once a week, in calls that go out anyway. In the end
it is given up, which is told and alerted, until something changes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pyroaring import BitMap

from connectors.base import AudienceKind
from sync.audience import Changes
from sync.store import AudienceRow, KeptRefusal, Store
from sync.store.refused import NOT_ARRIVED, NOT_REMOVED
from sync.whereabouts import Whereabouts

PASSING = frozenset({"not_found", "not_processed", "unable_to_lock_row", "unreachable"})
"""Codes of what may be gone by the next run: a record not there yet, or in somebody else's hands."""
MOST_TRIES = 10
LONGEST = dt.timedelta(days=14)
PROBE_EVERY = dt.timedelta(days=7)
PROBED_FOR = 4 * PROBE_EVERY
_NEVER_AGAIN = 2
"""Not arrived so often: then it is left alone."""


class Standing(StrEnum):
    """What becomes of a refused change."""

    RETRY = "retry"
    QUARANTINED = "quarantined"
    GIVEN_UP = "given_up"


def standing(one: KeptRefusal, *, at: dt.datetime) -> Standing:
    """By the code, the tries and the time since it was refused first."""
    if one.code in (NOT_ARRIVED, NOT_REMOVED):
        over = one.code == NOT_REMOVED or one.tries >= _NEVER_AGAIN
        return Standing.GIVEN_UP if over else Standing.RETRY
    age = at - one.first_at
    if one.code in PASSING:
        return Standing.RETRY if one.tries < MOST_TRIES and age < LONGEST else Standing.GIVEN_UP
    return Standing.QUARANTINED if age <= PROBED_FOR else Standing.GIVEN_UP


@dataclass(frozen=True, slots=True)
class LeftOut:
    """People of one audience whom the plan leaves out: `resting` always, `riding` if no call has room."""

    resting: Changes = field(default_factory=lambda: Changes(BitMap(), BitMap()))
    riding: Changes = field(default_factory=lambda: Changes(BitMap(), BitMap()))


def left_out(
    store: Store, connection: str, whereabouts: Whereabouts, *, at: dt.datetime
) -> Mapping[int, LeftOut]:
    """Audience of the connection → whom to leave out; an owned field's people stand with its carrier."""
    kept = [one for one in store.ledger.refusals() if _rests(one, at=at)]
    if not kept:
        return {}
    known = {row.id: row for row in store.ledger.audiences(connection)}
    kept = [one for one in kept if one.audience_id in known]
    now = _marks(store, whereabouts, known, kept)
    found: dict[int, LeftOut] = {}
    for one in kept:
        if one.mark is None or one.mark != now[one.audience_id, one.person]:
            continue  # never marked, or something changed: as any other change
        due = standing(one, at=at) is Standing.QUARANTINED and at - one.last_at >= PROBE_EVERY
        mine = found.setdefault(one.audience_id, LeftOut())
        part = mine.riding if due else mine.resting
        for action, half in (("remove", part.removes), ("add", part.adds)):
            if one.action in (action, "set"):
                half.add(one.person)
    return found


def tried(store: Store, whereabouts: Whereabouts, *, at: dt.datetime) -> None:
    """Of whoever was refused in the run of `at`, keep what they and the rules were like then."""
    kept = [one for one in store.ledger.refusals() if one.last_at == at and one.code not in _LOOKED_AT]
    if not kept:
        return
    rows = {row.id: row for row in store.ledger.audiences()}
    marks = {
        key: mark
        for connection in {rows[one.audience_id].connection for one in kept}
        for key, mark in _marks(
            store,
            whereabouts,
            rows,
            [one for one in kept if rows[one.audience_id].connection == connection],
        ).items()
    }
    store.ledger.mark_refusals([(one, marks[one.audience_id, one.person]) for one in kept])


# ── inner ────────────────────────────────────────────────────────────────────────────────────────────

_LOOKED_AT = (NOT_ARRIVED, NOT_REMOVED)
"""Codes of what was not refused but not seen; `sync.look` says what becomes of them."""


def _rests(one: KeptRefusal, *, at: dt.datetime) -> bool:
    return one.code not in _LOOKED_AT and standing(one, at=at) is not Standing.RETRY


def _marks(
    store: Store,
    whereabouts: Whereabouts,
    rows: Mapping[int, AudienceRow],
    kept: Sequence[KeptRefusal],
) -> dict[tuple[int, int], str]:
    """(audience, person) → hash of the rules behind it and of what is known of the person."""
    if not kept:
        return {}
    connection = rows[kept[0].audience_id].connection
    people = whereabouts.states(
        connection, BitMap(one.person for one in kept), people=store.lake.relation("people")
    )
    versions = store.segments.current()
    carried = [
        row.segment
        for row in rows.values()
        if row.connection == connection and row.kind == AudienceKind.FIELD
    ]
    found = {}
    for one in kept:
        row = rows[one.audience_id]
        segments = sorted(carried) if row.kind == AudienceKind.FIELD else [row.segment]
        told = [*(f"{name}:{versions.get(name)}" for name in segments), people.get(one.person, "")]
        found[one.audience_id, one.person] = hashlib.sha256("\n".join(told).encode()).hexdigest()
    return found
