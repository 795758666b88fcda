"""Step 5 of a run: send a stored plan's open batches, and store each outcome with its batch.

A batch is marked as sent *before* its call. What has no recorded outcome after a crash is read back by the
next run (`sync.intend.settle`), so nothing is lost and nothing we added is taken for somebody else's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pyroaring import BitMap

from connectors.base import Audience, AudienceKind, Connector, Prepares
from connectors.errors import AudienceLost, ConnectorError, Frozen
from sync.deliver import Address, Delivery, FieldChange, deliver
from sync.marks import unseen
from sync.progress import SILENT, Progress
from sync.store import Store
from sync.store.ledger import AudienceRow, BatchOutcome, Refusal
from sync.store.plans import StoredBatch

_WINDOW = 8
"""Batches marked and recorded in one transaction; after a crash so many at most are read back."""
CARRIER = "*"
"""The `segment` of the audience that stands for a connection's owned field."""

Addresses = Callable[[str, BitMap], Mapping[int, Address]]
"""(connection, people) → how the connection names those of them it knows."""
MaySend = Callable[[str], None]
"""Raises if nothing may go to this connection any more."""


@dataclass(slots=True)
class Pushed:
    """What became of one connection's part of a plan."""

    connection: str
    adds: int = 0
    removes: int = 0
    refused: int = 0
    unknown: int = 0
    created: int = 0  # audiences that were made
    calls: int = 0  # write calls that carried changes
    preparing_calls: int = 0  # those that made audiences and declared values
    stopped: str | None = None  # why the rest was not sent, in a sentence
    frozen: bool = False  # … and that a person stopped all writes
    lost: list[int] = field(default_factory=list)  # audiences that were deleted on the platform

    @property
    def changes(self) -> int:
        """Changes that the platform took."""
        return self.adds + self.removes


@dataclass(frozen=True, slots=True)
class _Work:
    """A batch on its way: what is to be sent, and (owned fields) what changes in whose value."""

    batch: StoredBatch
    audience: Audience
    adds: BitMap
    removes: BitMap
    values: Mapping[int, FieldChange] | None = None


def push(
    store: Store,
    plan_id: int,
    *,
    connectors: Mapping[str, Connector],
    addresses: Addresses,
    at: dt.datetime,
    progress: Progress = SILENT,
    only: str | None = None,
    may_send: MaySend = lambda _: None,
) -> list[Pushed]:
    """Send everything of the plan that is open and not held; one `Pushed` per connection with work.

    Connections work beside each other; one that fails stops alone and says why. `only`: this connection's
    part, of which there is always a `Pushed`; what the plan's state is then is the caller's business.
    `may_send` is asked before each batch, and raises to stop a connection.
    """
    rows = {row.id: row for row in store.ledger.audiences()}
    work: dict[str, list[StoredBatch]] = {}
    open_batches = store.plans.open_batches(plan_id)
    for batch in open_batches:
        work.setdefault(rows[batch.audience_id].connection, []).append(batch)
    if only is not None:
        part = work.get(only, [])
        return [
            _push_connection(store, only, part, rows, connectors[only], addresses, at, progress, may_send)
        ]
    progress.step("push", sum(len(b.adds) + len(b.removes) for b in open_batches))
    with ThreadPoolExecutor(max_workers=max(1, len(work))) as pool:
        sent = [
            pool.submit(
                _push_connection,
                store,
                name,
                batches,
                rows,
                connectors[name],
                addresses,
                at,
                progress,
                may_send,
            )
            for name, batches in work.items()
        ]
        done = [one.result() for one in sent]
    store.plans.settle(plan_id)
    return done


def _push_connection(
    store: Store,
    connection: str,
    batches: Sequence[StoredBatch],
    rows: Mapping[int, AudienceRow],
    connector: Connector,
    addresses: Addresses,
    at: dt.datetime,
    progress: Progress,
    may_send: MaySend,
) -> Pushed:
    pushed = Pushed(connection)
    all_before, before = writes(connector), changing_writes(connector)
    carried = [b for b in batches if _is_carried(rows[b.audience_id])]
    fields = _Fields(rows, carried, batches)
    by_audience: dict[int, list[StoredBatch]] = {}
    for batch in batches:
        if not _is_carried(rows[batch.audience_id]):
            by_audience.setdefault(batch.audience_id, []).append(batch)
    people = BitMap.union(BitMap(), *(b.adds | b.removes for some in by_audience.values() for b in some))
    known = addresses(connection, people)
    for audience_id, some in by_audience.items():
        try:
            audience = _ensured(store, connector, rows[audience_id], pushed)
            if audience.kind is AudienceKind.FIELD and isinstance(connector, Prepares) and fields.arriving:
                connector.declare(fields.arriving)
            if audience.kind is not AudienceKind.FIELD:
                mark = "0" if rows[audience_id].remote_id is None else rows[audience_id].remote_mark
                store.ledger.marked(audience_id, remote_mark=unseen(mark))
            window = max(_WINDOW, connector.features.concurrency)
            for start in range(0, len(some), window):
                store.go_on()
                work = [_work(b, audience, fields) for b in some[start : start + window]]
                _send_window(store, connector, work, known, fields, pushed, at, progress, may_send)
        except AudienceLost:
            store.ledger.lost(audience_id)
            pushed.lost.append(audience_id)
        except ConnectorError as error:
            pushed.stopped, pushed.frozen = str(error), isinstance(error, Frozen)
            break
    pushed.calls = changing_writes(connector) - before - pushed.preparing_calls
    pushed.preparing_calls = writes(connector) - all_before - pushed.calls
    return pushed


def writes(connector: Connector) -> int:
    """Write calls so far."""
    return connector.usage().get("writes", 0)


def changing_writes(connector: Connector) -> int:
    """Those of them that may have carried changes."""
    return writes(connector) - connector.usage().get("preparing", 0)


def _is_carried(row: AudienceRow) -> bool:
    return row.kind == AudienceKind.FIELD and row.segment != CARRIER


def _ensured(store: Store, connector: Connector, row: AudienceRow, pushed: Pushed) -> Audience:
    audience = Audience(row.segment, row.name, AudienceKind(row.kind), row.remote_id)
    if row.remote_id is not None:
        return audience
    before = changing_writes(connector)
    remote_id = connector.ensure(audience)
    store.ledger.ensured(row.id, remote_id=remote_id)
    pushed.created += 1
    pushed.preparing_calls += changing_writes(connector) - before
    return Audience(row.segment, row.name, AudienceKind(row.kind), remote_id)


def _work(batch: StoredBatch, audience: Audience, fields: _Fields) -> _Work:
    adds, removes = batch.adds - batch.done_adds, batch.removes - batch.done_removes
    values = fields.values(adds) if audience.kind is AudienceKind.FIELD else None
    return _Work(batch, audience, adds, removes, values)


def _send_window(
    store: Store,
    connector: Connector,
    work: Sequence[_Work],
    known: Mapping[int, Address],
    fields: _Fields,
    pushed: Pushed,
    at: dt.datetime,
    progress: Progress,
    may_send: MaySend,
) -> None:
    """Mark, send side by side, record. Outcomes of calls that did answer are kept if another one failed."""
    store.plans.mark_sent([*(one.batch.id for one in work), *fields.sent_with(work)])

    def send(one: _Work) -> Delivery | ConnectorError:
        try:
            may_send(pushed.connection)
            return deliver(
                connector,
                one.audience,
                adds=one.adds,
                removes=one.removes,
                addresses=known,
                values=one.values,
            )
        except ConnectorError as error:
            return error

    concurrency = min(connector.features.concurrency, len(work))
    if concurrency == 1:
        answers = []
        for one in work:
            answers.append(send(one))
            if isinstance(answers[-1], ConnectorError):
                break
    else:
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            answers = list(pool.map(send, work))
    outcomes: list[BatchOutcome] = []
    failed: ConnectorError | None = None
    for one, answer in zip(work, answers, strict=False):  # after a failure the rest was not sent
        if isinstance(answer, ConnectorError):
            failed = failed or answer
            continue
        outcomes.append(_outcome(one.batch.id, answer))
        outcomes.extend(fields.outcomes(one, answer))
        _count(pushed, one, answer, fields)
        progress.advance(len(one.adds) + len(one.removes))
    store.ledger.record(outcomes, at=at)
    fields.note_added_again(store, outcomes)
    if failed is not None:
        raise failed


def _outcome(batch_id: int, delivery: Delivery) -> BatchOutcome:
    return BatchOutcome(
        batch_id=batch_id,
        done_adds=delivery.done_adds,
        done_removes=delivery.done_removes,
        refused=[Refusal(r.person, r.action.value, r.code, r.reason) for r in delivery.refused],
    )


def _count(pushed: Pushed, work: _Work, delivery: Delivery, fields: _Fields) -> None:
    pushed.refused += len(delivery.refused)
    pushed.unknown += delivery.unknown
    if work.values is None:
        pushed.adds += len(delivery.done_adds)
        pushed.removes += len(delivery.done_removes)
    else:
        entered, left = fields.moved(delivery.done_adds)
        pushed.adds += entered
        pushed.removes += left


class _Fields:
    """The segments carried by a connection's owned field: which go into whose value, and which out of it.

    Only changes are sent, never a whole value: what others put there, or took out, since we looked stays so.
    """

    def __init__(
        self,
        rows: Mapping[int, AudienceRow],
        carried: Sequence[StoredBatch],
        batches: Sequence[StoredBatch],
    ) -> None:
        self.batches = carried
        self._audience_of = {batch.id: batch.audience_id for batch in batches}
        self._taken_out = {id_: row.owned - row.actual for id_, row in rows.items()}
        self.arriving = sorted({rows[batch.audience_id].segment for batch in carried if batch.adds})
        self._segments = {batch.id: rows[batch.audience_id].segment for batch in carried}

    def values(self, people: BitMap) -> Mapping[int, FieldChange]:
        """What changes for each of them; segment ids in alphabetical order."""
        into: dict[int, list[str]] = {person: [] for person in people}
        out: dict[int, list[str]] = {person: [] for person in people}
        for batch in sorted(self.batches, key=lambda batch: self._segments[batch.id]):
            for person in batch.adds & people:
                into[person].append(self._segments[batch.id])
            for person in batch.removes & people:
                out[person].append(self._segments[batch.id])
        return {person: FieldChange(tuple(into[person]), tuple(out[person])) for person in people}

    def note_added_again(self, store: Store, outcomes: Sequence[BatchOutcome]) -> None:
        """Whom others had taken out and who is in again now: by "re-add once" this was the once."""
        for outcome in outcomes:
            audience = self._audience_of[outcome.batch_id]
            store.ledger.added_again(audience, outcome.done_adds & self._taken_out[audience])

    def sent_with(self, work: Sequence[_Work]) -> list[int]:
        """The carried batches that go out with these: their outcome is unknown from here on, too."""
        people = BitMap.union(BitMap(), *(one.adds for one in work if one.values is not None))
        return [b.id for b in self.batches if people.intersect(b.adds) or people.intersect(b.removes)]

    def outcomes(self, work: _Work, delivery: Delivery) -> Iterator[BatchOutcome]:
        """The carried batches move with the people whose field was written."""
        if work.values is None:
            return
        for batch in self.batches:
            adds, removes = batch.adds & delivery.done_adds, batch.removes & delivery.done_adds
            if adds or removes:
                yield BatchOutcome(batch_id=batch.id, done_adds=adds, done_removes=removes)

    def moved(self, people: BitMap) -> tuple[int, int]:
        """(entered, left), counted over the segments, for people whose field was written."""
        entered = sum(len(batch.adds & people) for batch in self.batches)
        return entered, sum(len(batch.removes & people) for batch in self.batches)
