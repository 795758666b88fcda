"""The plan: desired − owned = the fewest writes; brakes hold what is risky. Pure: bitmaps in, bitmaps out.

Nothing here reads a clock, a database or a platform, and nothing here can widen what may be removed:
removals are always a subset of what we own *and* saw there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from pyroaring import BitMap

from connectors.base import AudienceKind, BatchShape
from rules.ruleset import Drift, Expect, Mode

if TYPE_CHECKING:
    from sync.store.optouts import OptOut


@dataclass(frozen=True, slots=True)
class Changes:
    """Who is to enter and to leave one audience."""

    adds: BitMap
    removes: BitMap


def changes(
    *,
    desired: BitMap,
    owned: BitMap,
    actual: BitMap,
    mode: Mode,
    drift: Drift = Drift.RESPECT,
    readded: BitMap | None = None,
) -> Changes:
    """Adds whoever is desired and not there; removes only whom we own, who is there and not desired.

    `actual` is everybody of ours who is in the audience, whoever put them there; `owned` those we put
    there, so `owned - actual` are those whom others took out: they stay out, unless `drift` says that they
    are added once more (`readded`: those for whom that was done). In `append` mode nobody is ever removed.
    """
    taken_out = owned - actual
    if drift is Drift.READD:
        taken_out &= readded or BitMap()
    removes = (owned & actual) - desired if mode is Mode.MIRROR else BitMap()
    return Changes(adds=desired - actual - taken_out, removes=removes)


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """When a plan's risky part is held. Shares are fractions of 1."""

    removals_share: float = 0.10
    removals_min: int = 50
    shrink_share: float = 0.20


class BrakeKind(StrEnum):
    """Why something is held."""

    REMOVALS = "removals"
    EMPTIED = "emptied"
    SOURCE_SHRANK = "source_shrank"
    SOURCE_INCOMPLETE = "source_incomplete"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    OPT_OUTS = "opt_outs"


@dataclass(frozen=True, slots=True)
class Brake:
    """One reason to hold, in a sentence for the person who approves. `audience` None: the whole plan."""

    kind: BrakeKind
    message: str
    audience: int | None = None
    holds_adds: bool = False


@dataclass(frozen=True, slots=True)
class SourceCount:
    """Living contacts of a source: at the last good pull and now; `ended_early` if the pull failed."""

    connection: str
    before: int
    now: int
    ended_early: bool = False


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


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """One write call's worth. `held` batches wait for an approval.

    Batches of a FIELD audience (`calls` 0) are never sent: its carrier's batches are, and both are
    recorded together.
    """

    audience: int
    adds: BitMap
    removes: BitMap
    held: bool
    calls: int
    jobs: int = 0  # of these calls or after them: what the platform then works on for a while


@dataclass(frozen=True, slots=True)
class AudiencePlan:
    """What is intended for one audience, and who is left out for which reason."""

    source: AudienceInput
    adds: BitMap
    removes: BitMap
    held_adds: BitMap
    held_removes: BitMap
    unreachable: BitMap  # desired, but no id on this destination
    withheld: BitMap  # desired, but suppressed or unsubscribed
    foreign: BitMap  # there, put by others
    contested: BitMap  # ours, taken away by others
    batches: tuple[PlannedBatch, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All audiences, all brakes. `hash` names exactly these changes: an approval binds to it."""

    audiences: tuple[AudiencePlan, ...]
    brakes: tuple[Brake, ...]
    fields: tuple[PlannedBatch, ...] = ()
    """Batches of carriers: one write per person sets all segments of that person at once."""
    opt_outs: tuple[OptOut, ...] = ()
    """Opt-outs from elsewhere that are to be recorded; see `sync.optouts`."""

    @property
    def batches(self) -> Iterator[PlannedBatch]:
        """Every batch, in the fixed order in which they are sent."""
        for audience in self.audiences:
            yield from audience.batches
        yield from self.fields

    @property
    def changes(self) -> int:
        """Adds and removals that are not held."""
        return sum(len(a.adds) + len(a.removes) for a in self.audiences)

    @property
    def held(self) -> int:
        """Adds and removals that wait for an approval."""
        return sum(len(a.held_adds) + len(a.held_removes) for a in self.audiences)

    @property
    def hash(self) -> str:
        """16 hex digits over all changes."""
        digest = hashlib.sha256()
        for batch in self.batches:
            digest.update(f"{batch.audience}:{batch.held}".encode())
            digest.update(batch.adds.serialize())
            digest.update(batch.removes.serialize())
        for one in self.opt_outs:
            digest.update(f"{one.connection}:{one.contact}:{one.source_contact}:{one.held}".encode())
        return digest.hexdigest()[:16]


def make(
    audiences: Sequence[AudienceInput],
    *,
    sources: Sequence[SourceCount] = (),
    limits: BrakeLimits | None = None,
) -> Plan:
    """The plan for all audiences, in their order."""
    limits = limits or BrakeLimits()
    global_brakes = list(_source_brakes(sources, limits))
    plans: list[AudiencePlan] = []
    brakes: list[Brake] = list(global_brakes)
    for audience in audiences:
        plan, own_brakes = _plan_one(audience, limits=limits, hold_removals=bool(global_brakes))
        plans.append(plan)
        brakes.extend(own_brakes)
    return Plan(audiences=tuple(plans), brakes=tuple(brakes), fields=tuple(_field_batches(plans)))


def target(audience: AudienceInput) -> BitMap:
    """Whom the audience should hold: desired, mailable unless suppressed people are asked for, reachable."""
    wanted = audience.desired if audience.include_suppressed else audience.desired - audience.not_mailable
    return wanted & audience.reachable


def _plan_one(
    audience: AudienceInput, *, limits: BrakeLimits, hold_removals: bool
) -> tuple[AudiencePlan, list[Brake]]:
    wanted = target(audience)
    found = changes(
        desired=wanted,
        owned=audience.owned,
        actual=audience.actual,
        mode=audience.mode,
        drift=audience.drift,
        readded=audience.readded,
    )
    brakes = list(_audience_brakes(audience, found, wanted, limits))
    hold_removals = hold_removals or any(not brake.holds_adds for brake in brakes)
    hold_adds = any(brake.holds_adds for brake in brakes)
    empty = BitMap()
    plan = AudiencePlan(
        source=audience,
        adds=empty if hold_adds else found.adds,
        removes=empty if hold_removals else found.removes,
        held_adds=found.adds if hold_adds else empty,
        held_removes=found.removes if hold_removals else empty,
        unreachable=audience.desired - audience.reachable,
        withheld=empty if audience.include_suppressed else audience.desired & audience.not_mailable,
        foreign=audience.actual - audience.owned,
        contested=audience.owned - audience.actual,
        batches=(),
    )
    if audience.carrier is not None:
        parts = ((plan.adds, plan.removes, False), (plan.held_adds, plan.held_removes, True))
        carried = tuple(
            PlannedBatch(audience=audience.audience, adds=adds, removes=removes, held=held, calls=0)
            for adds, removes, held in parts
            if adds or removes
        )
        return replace(plan, batches=carried), brakes
    batches = (
        *_batches(audience.audience, audience, plan.adds, plan.removes, held=False),
        *_batches(audience.audience, audience, plan.held_adds, plan.held_removes, held=True),
    )
    return replace(plan, batches=batches), brakes


def _batches(
    audience: int, source: AudienceInput, adds: BitMap, removes: BitMap, *, held: bool
) -> Iterator[PlannedBatch]:
    """Slices in a fixed order of people: the same plan gives the same batches on every machine."""
    shape, none = source.shape, BitMap()
    add_slices = list(_slices(adds, shape.adds, source))
    remove_slices = list(_slices(removes, shape.removes, source))
    if shape.together:
        pairs = list(zip_longest(add_slices, remove_slices, fillvalue=none))
    else:
        pairs = [(s, none) for s in add_slices] + [(none, s) for s in remove_slices]
    for some_adds, some_removes in pairs:
        sent = [len(some & source.reachable) for some in (some_adds, some_removes)]
        types = [len(one & some_adds) + len(one & some_removes) for one in source.record_types]
        yield PlannedBatch(
            audience=audience,
            adds=some_adds,
            removes=some_removes,
            held=held,
            calls=shape.calls(sent[0], sent[1], types=types),
            jobs=shape.jobs(sent[0], sent[1], types=types),
        )


def _slices(people: BitMap, size: int, source: AudienceInput) -> Iterator[BitMap]:
    """By type of record, so that few batches hold several, then by number; who has no record comes last.

    Those without a record take no call, and must not push others into one call more.
    """
    there = people & source.reachable
    parts = [there & one for one in source.record_types]
    rest = BitMap.union(BitMap(), *parts)
    order = [*chain.from_iterable(parts), *(there - rest)] if parts else list(there)
    for some in (order, list(people - there)):
        for start in range(0, len(some), size):
            yield BitMap(some[start : start + size])


def _field_batches(plans: Sequence[AudiencePlan]) -> Iterator[PlannedBatch]:
    """One write per person and field, however many of its segments changed. `adds` are people to set."""
    carriers: dict[int, list[AudiencePlan]] = {}
    for plan in plans:
        if plan.source.carrier is not None:
            carriers.setdefault(plan.source.carrier, []).append(plan)
    for carrier, members in carriers.items():
        source, none = members[0].source, BitMap()
        now = BitMap.union(none, *(plan.adds | plan.removes for plan in members))
        later = BitMap.union(none, *(plan.held_adds | plan.held_removes for plan in members))
        yield from _batches(carrier, source, now, none, held=False)
        yield from _batches(carrier, source, later, none, held=True)


def _audience_brakes(
    audience: AudienceInput, found: Changes, wanted: BitMap, limits: BrakeLimits
) -> Iterator[Brake]:
    ours = len(audience.owned & audience.actual)
    leaving = len(found.removes)
    if leaving and not wanted:
        yield Brake(
            BrakeKind.EMPTIED,
            f"{audience.segment} → {audience.connection}: the segment has become empty; "
            f"all {ours} members would be removed",
            audience.audience,
        )
    elif leaving > limits.removals_min and leaving > limits.removals_share * ours:
        yield Brake(
            BrakeKind.REMOVALS,
            f"{audience.segment} → {audience.connection}: {leaving} of {ours} members would be removed "
            f"({leaving / ours:.0%}; the limit is {limits.removals_share:.0%} "
            f"and {limits.removals_min} people)",
            audience.audience,
        )
    if audience.expect is not None:
        yield from _size_brakes(audience, audience.expect, size=len(audience.desired))


def _size_brakes(audience: AudienceInput, expect: Expect, *, size: int) -> Iterator[Brake]:
    share = size / audience.people if audience.people else 0.0
    said = f"{audience.segment} → {audience.connection}: {size} people ({share:.1%} of all)"
    if expect.max is not None and size > expect.max:
        yield Brake(BrakeKind.TOO_LARGE, f"{said}, at most {expect.max} expected", audience.audience, True)
    if expect.max_share is not None and share > expect.max_share:
        limit = f"at most {expect.max_share:.1%} expected"
        yield Brake(BrakeKind.TOO_LARGE, f"{said}, {limit}", audience.audience, True)
    if expect.min is not None and size < expect.min:
        yield Brake(BrakeKind.TOO_SMALL, f"{said}, at least {expect.min} expected", audience.audience)
    if expect.min_share is not None and share < expect.min_share:
        limit = f"at least {expect.min_share:.1%} expected"
        yield Brake(BrakeKind.TOO_SMALL, f"{said}, {limit}", audience.audience)


def _source_brakes(sources: Sequence[SourceCount], limits: BrakeLimits) -> Iterator[Brake]:
    for source in sources:
        if source.ended_early:
            yield Brake(
                BrakeKind.SOURCE_INCOMPLETE,
                f"{source.connection}: the pull ended early, so people may only seem to have left",
            )
        elif source.now < source.before * (1 - limits.shrink_share):
            yield Brake(
                BrakeKind.SOURCE_SHRANK,
                f"{source.connection}: {source.now} contacts, {source.before} at the last good pull "
                f"(−{1 - source.now / source.before:.0%}; the limit is {limits.shrink_share:.0%})",
            )
