"""Step 4 of a run: look at what the destinations hold, settle what a crash left open, make the plan.

Reads platforms, writes none: a missing audience is only made when its first batch is sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap

from connectors.base import AudienceKind, Connector, Features
from connectors.errors import ConnectorError
from rules.ruleset import Drift, RuleSet, Segment, Target
from sync.audience import Usual
from sync.brakes import LEARN_FROM, BrakeLimits, SourceCount, usual
from sync.errors import UserError
from sync.look import Look, Sought, remembered, unsettled_by_audience
from sync.plan import AudienceInput, Plan, make
from sync.progress import SILENT, Progress
from sync.push import CARRIER
from sync.quarantine import LeftOut, left_out
from sync.store import Store
from sync.store.decisions import Pause
from sync.store.ledger import AudienceRow
from sync.store.plans import Brake, PlannedBatch
from sync.store.refused import NOT_ARRIVED, NOT_REMOVED
from sync.whereabouts import Whereabouts


@dataclass(frozen=True, slots=True)
class Wanted:
    """A segment that a rule sends to a destination."""

    segment: Segment
    target: Target
    connection: str
    kind: AudienceKind
    name: str

    @property
    def sought(self) -> Sought:
        """What to look at."""
        return Sought(self.segment.id, self.kind, self.name, self.target.include_suppressed)


@dataclass(slots=True)
class Intended:
    """The plan, and the destinations that could not be looked at (their part is not planned)."""

    plan: Plan
    failed: dict[str, str] = field(default_factory=dict)  # connection → why, in a sentence
    renames: dict[int, str] = field(default_factory=dict)  # audience → the name it has on the platform


def wanted_audiences(
    rules: RuleSet,
    destinations: Mapping[str, Features],
    *,
    prefix: str,
    without: Collection[str] = (),
) -> tuple[Wanted, ...]:
    """Every (segment, destination) pair of the rules. UserError naming all that cannot be.

    `without`: destinations that do not answer now; their part is left out.
    """
    wanted: list[Wanted] = []
    problems: list[str] = []
    names: dict[tuple[str, str, str], str] = {}
    for segment in rules.segments.values():
        for target in segment.to:
            if target.connection in without:
                continue
            where = f"{segment.place.file}:{segment.place.line}:{segment.place.column}: {segment.id}"
            features = destinations.get(target.connection)
            if features is None or not features.audiences:
                problems.append(f"{where}: {target.connection} is not a destination that can be written to")
                continue
            kind = AudienceKind(target.kind) if target.kind else next(iter(features.audiences))
            if kind not in features.audiences:
                some = ", ".join(features.audiences)
                problems.append(
                    f"{where}: {target.connection} has no audiences of kind {kind}; it has {some}"
                )
                continue
            name = f"{prefix}{target.name or segment.name}"
            if len(name) > features.name_limit:
                limit = features.name_limit
                problems.append(f'{where}: the name "{name}" is longer than the {limit} characters allowed')
            key = (target.connection, kind.value, name.casefold())
            by_name = kind not in (AudienceKind.FIELD, AudienceKind.TABLE)  # those go by the segment's id
            if by_name and names.setdefault(key, segment.id) != segment.id:
                other = names[key]
                problems.append(f'{where}: "{name}" is the audience of {other} already; give it another name')
            wanted.append(Wanted(segment, target, target.connection, kind, name))
    if problems:
        raise UserError("some segments cannot be sent where the rules say", problems=tuple(problems))
    return tuple(wanted)


def intend(
    store: Store,
    wanted: Sequence[Wanted],
    *,
    connectors: Mapping[str, Connector],
    members: Mapping[str, BitMap],
    suppressed: BitMap,
    people: int,
    whereabouts: Whereabouts,
    sources: Sequence[SourceCount],
    limits: BrakeLimits,
    at: dt.datetime,
    quota: Callable[[str], int | None] = lambda _: None,
    due: Callable[[dt.time], dt.datetime] | None = None,
    known: Mapping[str, Features] | None = None,
    progress: Progress = SILENT,
) -> Intended:
    """Look, settle, plan. `members`: segment → people. The plan is not stored yet (see `save`).

    `quota`: how many calls the connection's day has left, asked when we have looked there; None: not told.
    `due`: the instant that a rule's time of day means; `at`: now, for how long somebody has been refused.
    `known`: what the destinations can do, if none is to be asked: the plan follows from the ledger alone.
    """
    failed: dict[str, str] = {}
    renames: dict[int, str] = {}
    inputs: list[AudienceInput] = []
    open_batches = unsettled_by_audience(store)
    quotas: dict[str, int] = {}
    pauses = store.decisions.paused()
    for connection in dict.fromkeys(one.connection for one in wanted):
        ours = [one for one in wanted if one.connection == connection]
        sought = [one.sought for one in ours]
        if known is not None:
            rows, shapes = remembered(store, connection, sought), known[connection].audiences
        else:
            progress.step(f"look at {connection}")
            look = Look(store, connection, connectors[connection], whereabouts, open_batches)
            try:
                rows = look.at(sought)
            except ConnectorError as error:
                failed[connection] = str(error)
                continue
            renames |= look.renames
            shapes = connectors[connection].features.audiences
        left = quota(connection)
        if left is not None:
            quotas[connection] = left
        reachable = whereabouts.reachable(connection)
        carrier = next((row.id for row in rows if row.segment == CARRIER), None)
        by_key = {(row.segment, row.kind): row for row in rows}
        types = {
            prefix: whereabouts.record_types(connection, prefix)
            for prefix in {shapes[one.kind].type_prefix for one in ours}
            if prefix
        }
        refused = left_out(store, connection, whereabouts, at=at)
        for one in ours:
            row = _without_the_gone(
                store, by_key[one.segment.id, one.kind.value], wanted=members[one.segment.id] & reachable
            )
            pause = _pause(store, pauses.get(row.id), one.segment)
            if one.target.drift is Drift.ADOPT and row.actual - row.owned and pause is None:
                store.ledger.adopt(row.id, row.actual)
                row = store.ledger.get(row.id)
            tried = refused.get(row.id if one.kind is not AudienceKind.FIELD else carrier or 0, LeftOut())
            inputs.append(
                AudienceInput(
                    audience=row.id,
                    connection=connection,
                    segment=one.segment.id,
                    name=one.name,
                    kind=one.kind,
                    mode=one.segment.mode,
                    shape=shapes[one.kind],
                    desired=members[one.segment.id],
                    owned=row.owned,
                    actual=row.actual,
                    reachable=reachable,
                    not_mailable=suppressed,
                    include_suppressed=one.target.include_suppressed,
                    drift=one.target.drift,
                    readded=row.readded,
                    expect=one.segment.expect,
                    people=people,
                    carrier=carrier if one.kind is AudienceKind.FIELD else None,
                    record_types=types.get(shapes[one.kind].type_prefix, ()),
                    first=not row.written,
                    usual=_usual(store, one.segment.id, limits, row=row, wanted=members[one.segment.id]),
                    paused=pause,
                    resting=tried.resting,
                    riding=tried.riding,
                    due=due(one.target.by) if due is not None and one.target.by is not None else None,
                )
            )
    return Intended(make(inputs, sources=sources, limits=limits, quotas=quotas), failed, renames)


def _pause(store: Store, pause: Pause | None, segment: Segment) -> str | None:
    """Why the audience is to stay as it is; a rule that was edited since ends the pause."""
    if pause is None:
        return None
    if pause.version != segment.version:
        store.decisions.resume([pause.audience_id])
        return None
    return (
        f"paused since run {pause.run_id} has undone run {pause.undone_run}; it goes on when the rule is "
        f"edited, or with `segsync resume {segment.id}`"
    )


def _usual(
    store: Store, segment: str, limits: BrakeLimits, *, row: AudienceRow, wanted: BitMap
) -> Usual | None:
    """What the segment usually loses; looked up only where enough are leaving to be held."""
    if not limits.learn or len((row.owned & row.actual) - wanted) <= limits.removals_min:
        return None
    return usual(store.segments.losses(segment, limit=LEARN_FROM))


def _without_the_gone(store: Store, row: AudienceRow, *, wanted: BitMap) -> AudienceRow:
    """Whom others took out and no rule wants there any more is no longer ours; nor who cannot be reached."""
    gone = (row.owned - row.actual) - wanted
    if not gone:
        return row
    store.ledger.observed(row.id, actual=row.actual, remote_mark=row.remote_mark, gone=gone)
    return store.ledger.get(row.id)


def save(
    store: Store,
    plan: Plan,
    *,
    run_id: int,
    as_of: dt.datetime,
    summary: Mapping[str, object],
    scope: str = "",
    rejected: Sequence[PlannedBatch] = (),
    approved_at: dt.datetime | None = None,
) -> int:
    """Store the plan with all its batches; returns its id. Open plans of its scope are superseded.

    `rejected`: rows of the plan that a person turned down, kept so that nobody takes them for new ones.
    """
    stored = store.plans.save(
        run_id=run_id,
        as_of=as_of,
        created_at=as_of,
        plan_hash=plan.hash,
        batches_=[*(PlannedBatch(b.audience, b.adds, b.removes, b.held) for b in plan.batches), *rejected],
        brakes_=[
            Brake(b.kind.value, b.message, b.audience, {"holds": b.holds.value, "connection": b.connection})
            for b in plan.brakes
        ],
        opt_outs=plan.opt_outs,
        summary=summary,
        scope=scope,
        approved_at=approved_at,
    )
    _forget_refusals(store, plan)
    return stored.id


def _forget_refusals(store: Store, plan: Plan) -> None:
    """Whom a platform once refused and no rule wants there now is not waiting for another try any more."""
    wanted = {one.source.audience: BitMap() for one in plan.audiences}
    wanted |= {one.source.carrier: BitMap() for one in plan.audiences if one.source.carrier is not None}
    for batch in plan.batches:
        wanted[batch.audience] |= batch.adds | batch.removes
    for part in plan.audiences:
        carrier = part.source.carrier
        wanted[part.source.audience if carrier is None else carrier] |= part.refused
    contested = {one.source.audience: one.contested & one.source.desired for one in plan.audiences}
    foreign = {one.source.audience: one.foreign for one in plan.audiences}
    refused: dict[int, BitMap] = {}
    for one in store.ledger.refusals():
        kept = {NOT_ARRIVED: contested, NOT_REMOVED: foreign}.get(one.code, {}).get(one.audience_id)
        if kept is None or one.person not in kept:
            refused.setdefault(one.audience_id, BitMap()).add(one.person)
    for audience, people in refused.items():
        if audience in wanted and people - wanted[audience]:
            store.ledger.forget_refusals(audience, people - wanted[audience])
