"""The plan: desired − owned = the fewest writes; brakes hold what is risky. Pure: bitmaps in, bitmaps out.

Nothing here reads a clock, a database or a platform, and nothing here can widen what may be removed:
removals are always a subset of what we own *and* saw there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from pyroaring import BitMap

from rules.ruleset import Drift, Mode
from sync.audience import AudienceInput as AudienceInput
from sync.audience import Changes
from sync.brakes import (
    Brake,
    BrakeLimits,
    SourceCount,
    audience_brakes,
    cost_brakes,
    moved_brakes,
    source_brakes,
)
from sync.due import order, soonest

if TYPE_CHECKING:
    from sync.store.optouts import OptOut


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
    refused: BitMap  # due, but refused before, and left out for now
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
        """Every batch, in the fixed order in which they are sent: what is wanted soonest goes first."""
        wanted: dict[int, list[dt.datetime | None]] = {}
        groups: list[tuple[dt.datetime | None, tuple[PlannedBatch, ...]]] = []
        for one in self.audiences:
            groups.append((one.source.due, one.batches))
            if one.source.carrier is not None and one.batches:
                wanted.setdefault(one.source.carrier, []).append(one.source.due)
        groups += [(soonest(wanted.get(batch.audience, ())), (batch,)) for batch in self.fields]
        for _, some in sorted(groups, key=lambda group: order(group[0])):
            yield from some

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
    quotas: Mapping[str, int] | None = None,
) -> Plan:
    """The plan for all audiences, in their order. `quotas`: connection → calls left today, if it tells."""
    limits = limits or BrakeLimits()
    found = [(audience, _trying(audience, _due(audience))) for audience in audiences]
    brakes = [*source_brakes(sources, limits), *moved_brakes(found, limits)]
    for audience, due in found:
        brakes += audience_brakes(audience, due, target(audience), limits)
    plan = _held_by(brakes, found, limits)
    calls: dict[str, int] = {}
    names = {one.source.audience: one.source.connection for one in plan.audiences}
    names |= {
        one.source.carrier: one.source.connection for one in plan.audiences if one.source.carrier is not None
    }
    for batch in plan.batches:
        if not batch.held:
            name = names[batch.audience]
            calls[name] = calls.get(name, 0) + batch.calls
    costly = list(cost_brakes(calls, quotas or {}, limits))
    return _held_by([*brakes, *costly], found, limits) if costly else plan


def arranged(plan: Plan, audiences: Sequence[AudiencePlan]) -> Plan:
    """The plan with these parts instead, cut into batches; brakes that hold nothing any more are dropped."""
    parts = tuple(replace(one, batches=_own_batches(one)) for one in audiences)
    brakes = tuple(brake for brake in plan.brakes if holds_something(brake, parts))
    return replace(plan, audiences=parts, brakes=brakes, fields=tuple(_field_batches(parts)))


def target(audience: AudienceInput) -> BitMap:
    """Whom the audience should hold: desired, mailable unless suppressed people are asked for, reachable."""
    wanted = audience.desired if audience.include_suppressed else audience.desired - audience.not_mailable
    return wanted & audience.reachable


def _due(audience: AudienceInput) -> Changes:
    return changes(
        desired=target(audience),
        owned=audience.owned,
        actual=audience.actual,
        mode=audience.mode,
        drift=audience.drift,
        readded=audience.readded,
    )


def _trying(audience: AudienceInput, due: Changes) -> Changes:
    """Without whom the platform refused before and nothing calls for another try."""
    rest, ride = audience.resting, audience.riding
    return Changes(due.adds - rest.adds - ride.adds, due.removes - rest.removes - ride.removes)


def _held_by(
    brakes: Sequence[Brake], found: Sequence[tuple[AudienceInput, Changes]], limits: BrakeLimits
) -> Plan:
    empty = BitMap()
    parts: list[AudiencePlan] = []
    held: list[tuple[bool, bool]] = []
    for audience, due in found:
        theirs = [brake for brake in brakes if brake.touches(audience)]
        hold_removals = any(brake.holds_removals for brake in theirs)
        hold_adds = any(brake.holds_adds for brake in theirs) or (hold_removals and limits.hold_additions)
        part = AudiencePlan(
            source=audience,
            adds=empty if hold_adds else due.adds,
            removes=empty if hold_removals else due.removes,
            held_adds=due.adds if hold_adds else empty,
            held_removes=due.removes if hold_removals else empty,
            unreachable=audience.desired - audience.reachable,
            withheld=empty if audience.include_suppressed else audience.desired & audience.not_mailable,
            foreign=audience.actual - audience.owned,
            contested=audience.owned - audience.actual,
            refused=empty,
            batches=(),
        )
        parts.append(part)
        held.append((hold_adds, hold_removals))
    parts = [replace(one, batches=_own_batches(one)) for one in _with_riders(parts, held)]
    return Plan(audiences=tuple(parts), brakes=tuple(brakes), fields=tuple(_field_batches(parts)))


def _with_riders(parts: Sequence[AudiencePlan], held: Sequence[tuple[bool, bool]]) -> Iterator[AudiencePlan]:
    """Those who were refused before join where calls go out anyway and have room for them; the rest waits.

    `held`: whether adds and removals of each part wait for a person; nobody joins them.
    """
    written: dict[int, BitMap] = {}
    for part in parts:
        if part.source.carrier is not None:
            some = written.setdefault(part.source.carrier, BitMap())
            some |= part.adds | part.removes
    free = {}
    for part in parts:
        carrier = part.source.carrier
        if carrier is not None and carrier not in free:
            size = part.source.shape.adds
            riding = part.source.riding.adds - written[carrier]
            free[carrier] = BitMap(list(riding)[: -len(written[carrier]) % size])
    for part, (adds_wait, removes_wait) in zip(parts, held, strict=True):
        due, ride = _due(part.source), part.source.riding
        if part.source.carrier is not None:
            adds = removes = free[part.source.carrier]
        else:
            adds, removes = _rooms(part, Changes(due.adds & ride.adds, due.removes & ride.removes))
        joined = replace(
            part,
            adds=part.adds if adds_wait else part.adds | (due.adds & adds),
            removes=part.removes if removes_wait else part.removes | (due.removes & removes),
        )
        tried = joined.adds | joined.removes | joined.held_adds | joined.held_removes
        yield replace(joined, refused=(due.adds | due.removes) - tried)


def _rooms(part: AudiencePlan, waiting: Changes) -> tuple[BitMap, BitMap]:
    """As many of those who wait as the calls of this audience can take along, by half."""
    shape = part.source.shape
    calls = [-(-len(part.adds) // shape.adds), -(-len(part.removes) // shape.removes)]
    if shape.together:
        calls = [max(calls)] * 2
    rooms = calls[0] * shape.adds - len(part.adds), calls[1] * shape.removes - len(part.removes)
    return BitMap(list(waiting.adds)[: rooms[0]]), BitMap(list(waiting.removes)[: rooms[1]])


def holds_something(brake: Brake, parts: Sequence[AudiencePlan]) -> bool:
    """Also what only tells who is left out stays."""
    if not brake.holds_adds and not brake.holds_removals:
        return True
    theirs = [part for part in parts if brake.touches(part.source)]
    return any(part.held_adds or part.held_removes for part in theirs)


def _own_batches(part: AudiencePlan) -> tuple[PlannedBatch, ...]:
    audience = part.source
    if audience.carrier is not None:
        halves = ((part.adds, part.removes, False), (part.held_adds, part.held_removes, True))
        return tuple(
            PlannedBatch(audience=audience.audience, adds=adds, removes=removes, held=held, calls=0)
            for adds, removes, held in halves
            if adds or removes
        )
    return (
        *_batches(audience.audience, audience, part.adds, part.removes, held=False),
        *_batches(audience.audience, audience, part.held_adds, part.held_removes, held=True),
    )


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
