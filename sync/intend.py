"""Step 4 of a run: look at what the destinations hold, settle what a crash left open, make the plan.

Reads platforms, writes none: a missing audience is only made when its first batch is sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyroaring import BitMap

from connectors.base import (
    Audience,
    AudienceKind,
    Connector,
    Features,
    ManagesAudiences,
    RemoteAudience,
)
from connectors.errors import ConnectorError
from connectors.naming import only_one_named
from connectors.owned_field import names_in
from rules.ruleset import Drift, RuleSet, Segment, Target
from sync.brakes import BrakeLimits, SourceCount
from sync.errors import UserError
from sync.marks import mark_of
from sync.observe import field_rows, looked, must_look
from sync.plan import AudienceInput, Plan, make
from sync.progress import SILENT, Progress
from sync.push import CARRIER
from sync.store import Store
from sync.store.ledger import AudienceRow
from sync.store.plans import Brake, PlannedBatch, StoredBatch
from sync.store.unsettled import settled, unsettled
from sync.whereabouts import Whereabouts


@dataclass(frozen=True, slots=True)
class Wanted:
    """A segment that a rule sends to a destination."""

    segment: Segment
    target: Target
    connection: str
    kind: AudienceKind
    name: str


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
    progress: Progress = SILENT,
) -> Intended:
    """Look, settle, plan. `members`: segment → people. The plan is not stored yet (see `save`)."""
    failed: dict[str, str] = {}
    renames: dict[int, str] = {}
    inputs: list[AudienceInput] = []
    open_batches = unsettled_by_audience(store)
    for connection in dict.fromkeys(one.connection for one in wanted):
        progress.step(f"look at {connection}")
        ours = [one for one in wanted if one.connection == connection]
        look = _Look(store, connection, connectors[connection], whereabouts, open_batches)
        try:
            rows = look.at(ours)
        except ConnectorError as error:
            failed[connection] = str(error)
            continue
        renames |= look.renames
        reachable = whereabouts.reachable(connection)
        carrier = next((row.id for row in rows if row.segment == CARRIER), None)
        by_key = {(row.segment, row.kind): row for row in rows}
        shapes = connectors[connection].features.audiences
        types = {
            prefix: whereabouts.record_types(connection, prefix)
            for prefix in {shapes[one.kind].type_prefix for one in ours}
            if prefix
        }
        for one in ours:
            row = _without_the_gone(
                store, by_key[one.segment.id, one.kind.value], wanted=members[one.segment.id] & reachable
            )
            if one.target.drift is Drift.ADOPT and row.actual - row.owned:
                store.ledger.adopt(row.id, row.actual)
                row = store.ledger.get(row.id)
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
                )
            )
    return Intended(make(inputs, sources=sources, limits=limits), failed, renames)


def _without_the_gone(store: Store, row: AudienceRow, *, wanted: BitMap) -> AudienceRow:
    """Whom others took out and no rule wants there any more is no longer ours; nor who cannot be reached."""
    gone = (row.owned - row.actual) - wanted
    if not gone:
        return row
    store.ledger.observed(row.id, actual=row.actual, remote_mark=row.remote_mark, gone=gone)
    return store.ledger.get(row.id)


def unsettled_by_audience(store: Store) -> dict[int, list[StoredBatch]]:
    """Audience → batches whose outcome nobody knows."""
    found: dict[int, list[StoredBatch]] = {}
    for batch in unsettled(store.database):
        found.setdefault(batch.audience_id, []).append(batch)
    return found


@dataclass(slots=True)
class _Look:
    """Brings the ledger of one connection's audiences up to date with the platform."""

    store: Store
    connection: str
    connector: Connector
    whereabouts: Whereabouts
    open_batches: Mapping[int, list[StoredBatch]]
    renames: dict[int, str] = field(default_factory=dict)

    def at(self, wanted: Sequence[Wanted]) -> list[AudienceRow]:
        """The ledger's rows of the wanted audiences, and of the owned field's carrier if there is one."""
        remote = self.connector.audiences()
        rows: list[AudienceRow] = []
        if any(one.kind is AudienceKind.FIELD for one in wanted):
            rows += self._field([one for one in wanted if one.kind is AudienceKind.FIELD], remote)
        for one in wanted:
            if one.kind is not AudienceKind.FIELD:
                rows.append(self._audience(one, remote))
        return rows

    def _row(self, segment: str, kind: AudienceKind, name: str, *, suppressed: bool = False) -> AudienceRow:
        return self.store.ledger.audience(
            self.connection, segment, kind.value, name=name, include_suppressed=suppressed
        )

    def _audience(self, one: Wanted, remote: Sequence[RemoteAudience]) -> AudienceRow:
        row = self._row(one.segment.id, one.kind, one.name, suppressed=one.target.include_suppressed)
        found = self._find(row, one.kind, remote)
        mark = mark_of(self.connector, found, segment=row.segment) if found is not None else None
        if (
            found is not None
            and self._goes_by_name(one.kind)
            and found.name.casefold() != row.name.casefold()
        ):
            self.renames[row.id] = found.name
        if found is None:
            if row.remote_id is not None:
                self.store.ledger.lost(row.id)
            self._settle(row.id, actual=BitMap())
        elif row.remote_id is None or row.id in self.open_batches or mark != row.remote_mark:
            self.store.ledger.ensured(row.id, remote_id=found.remote_id)
            audience = Audience(row.segment, row.name, one.kind, found.remote_id)
            actual = BitMap()
            for page in self.connector.members(audience):
                actual |= self.whereabouts.people(self.connection, page.rows)
            self._settle(row.id, actual=actual, remote_mark=mark)
        return self.store.ledger.get(row.id)

    def _goes_by_name(self, kind: AudienceKind) -> bool:
        return kind is not AudienceKind.TABLE and isinstance(self.connector, ManagesAudiences)

    def _field(self, wanted: Sequence[Wanted], remote: Sequence[RemoteAudience]) -> list[AudienceRow]:
        """The owned field, and which segment ids its values hold for whom."""
        carrier = self._row(CARRIER, AudienceKind.FIELD, "segments")
        rows = [self._row(one.segment.id, AudienceKind.FIELD, one.name) for one in wanted]
        found = self._find(carrier, AudienceKind.FIELD, remote)
        everyone = [carrier, *rows]
        if found is None:
            if carrier.remote_id is not None:
                for row in everyone:
                    self.store.ledger.lost(row.id)
            for row in everyone:
                self._settle(row.id, actual=BitMap())
            looked(self.store, self.connection, [row.segment for row in rows])
        elif (
            carrier.remote_id is None
            or any(row.id in self.open_batches for row in everyone)
            or must_look(self.store, self.connection, [row.segment for row in rows])
        ):
            self.store.ledger.ensured(carrier.id, remote_id=found.remote_id)
            held = self._field_values(Audience(CARRIER, carrier.name, AudienceKind.FIELD, found.remote_id))
            for row in rows:
                actual = held.get(row.segment, BitMap())
                self._settle(row.id, actual=actual)
            for row in field_rows(self.store, self.connection):
                if row.id not in {one.id for one in rows}:  # no rule fills them any more
                    self._settle(row.id, actual=held.get(row.segment, BitMap()))
            self._settle(carrier.id, actual=BitMap.union(BitMap(), *held.values()))
            looked(self.store, self.connection, [row.segment for row in rows])
        return [self.store.ledger.get(row.id) for row in everyone]

    def _field_values(self, audience: Audience) -> dict[str, BitMap]:
        held: dict[str, BitMap] = {}
        for page in self.connector.members(audience):
            rows: pa.Table = page.rows
            for value in set(rows.column("value").to_pylist()):
                theirs = rows.filter(pa.compute.equal(rows.column("value"), value))
                people = self.whereabouts.people(self.connection, theirs)
                for name in names_in(value):
                    held[name] = held.get(name, BitMap()) | people
        return held

    def _find(
        self, row: AudienceRow, kind: AudienceKind, remote: Sequence[RemoteAudience]
    ) -> RemoteAudience | None:
        same_kind = [one for one in remote if one.kind is kind]
        if row.remote_id is not None:
            return next((one for one in same_kind if one.remote_id == row.remote_id), None)
        if kind is AudienceKind.FIELD:
            return next(iter(same_kind), None)
        return only_one_named(same_kind, row.name)

    def _settle(self, audience_id: int, *, actual: BitMap, remote_mark: str | None = None) -> None:
        """Members were read: what was sent without an answer and is there came from us, and whom we were
        removing without an answer and who is not there is no longer ours."""
        batches = self.open_batches.get(audience_id, [])
        arrived = BitMap.union(BitMap(), *(batch.adds for batch in batches)) & actual
        removed = BitMap.union(BitMap(), *(batch.removes for batch in batches)) - actual
        if arrived:
            self.store.ledger.adopt(audience_id, arrived)
        self.store.ledger.observed(audience_id, actual=actual, remote_mark=remote_mark, gone=removed)
        settled(self.store.database, [batch.id for batch in batches])


def save(
    store: Store,
    plan: Plan,
    *,
    run_id: int,
    as_of: dt.datetime,
    summary: Mapping[str, object],
    scope: str = "",
) -> int:
    """Store the plan with all its batches; returns its id. Open plans of its scope are superseded."""
    stored = store.plans.save(
        run_id=run_id,
        as_of=as_of,
        created_at=as_of,
        plan_hash=plan.hash,
        batches_=[PlannedBatch(b.audience, b.adds, b.removes, b.held) for b in plan.batches],
        brakes_=[Brake(b.kind.value, b.message, b.audience) for b in plan.brakes],
        opt_outs=plan.opt_outs,
        summary=summary,
        scope=scope,
    )
    _forget_refusals(store, plan)
    return stored.id


def _forget_refusals(store: Store, plan: Plan) -> None:
    """Whom a platform once refused and no rule wants there now is not waiting for another try any more."""
    wanted = {one.source.audience: BitMap() for one in plan.audiences}
    wanted |= {one.source.carrier: BitMap() for one in plan.audiences if one.source.carrier is not None}
    for batch in plan.batches:
        wanted[batch.audience] |= batch.adds | batch.removes
    refused: dict[int, BitMap] = {}
    for one in store.ledger.refusals():
        refused.setdefault(one.audience_id, BitMap()).add(one.person)
    for audience, people in refused.items():
        if audience in wanted and people - wanted[audience]:
            store.ledger.forget_refusals(audience, people - wanted[audience])
