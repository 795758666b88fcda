"""What the plan of one audience depends on. Values only: decided in `sync.plan`, judged in `sync.brakes`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from pyroaring import BitMap

from connectors.base import AudienceKind, BatchShape
from rules.ruleset import Drift, Expect, Mode


@dataclass(frozen=True, slots=True)
class Usual:
    """What a segment usually loses at a time, and from where on that is far outside. Shares of its size."""

    share: float
    limit: float
    changes: int


@dataclass(frozen=True, slots=True)
class Changes:
    """Who is to enter and to leave one audience."""

    adds: BitMap
    removes: BitMap


@dataclass(frozen=True, slots=True)
class AudienceInput:
    """Everything the plan of one audience depends on. Bitmaps hold person numbers."""

    audience: int  # our id of the audience
    connection: str
    segment: str
    name: str
    kind: AudienceKind
    mode: Mode
    shape: BatchShape
    desired: BitMap
    owned: BitMap
    actual: BitMap
    reachable: BitMap  # people with an id on the destination
    not_mailable: BitMap  # suppressed or unsubscribed people
    include_suppressed: bool = False
    drift: Drift = Drift.RESPECT
    readded: BitMap = field(default_factory=BitMap)
    expect: Expect | None = None
    people: int = 0  # all people, for shares
    carrier: int | None = None
    """FIELD audiences: our id of the field that carries all segments of the connection, and is sent."""
    record_types: tuple[BitMap, ...] = ()
    """People by the type of their record, where the platform takes the types in calls of their own."""
    first: bool = False  # nothing was ever written to it
    usual: Usual | None = None  # what the segment usually loses
    paused: str | None = None  # why nothing is to be changed, in a sentence
    resting: Changes = field(default_factory=lambda: Changes(BitMap(), BitMap()))
    """Whom the platform refused before, and who are left in peace for now."""
    riding: Changes = field(default_factory=lambda: Changes(BitMap(), BitMap()))
    """… and who are tried again if there is room for them in calls that go out anyway."""
    due: dt.datetime | None = None  # when its members are wanted there; the soonest is sent first
