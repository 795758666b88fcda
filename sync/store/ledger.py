"""The ledger: per audience, what we wrote and may remove (`owned`), what is there, what was refused.

`owned` is the only set anything is ever removed from. It changes in the same transaction as the batch
whose outcome it records, so a crash leaves either both or neither.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Connection, Row, Select, bindparam, select, update

from sync.store.database import Database, upsert
from sync.store.refused import KeptRefusal as KeptRefusal
from sync.store.refused import Refusal as Refusal
from sync.store.refused import forget_refusals, mark_refusals, record_refusals
from sync.store.tables import audiences, batches, refusals

_EMPTY = BitMap()


@dataclass(frozen=True, slots=True)
class AudienceRow:
    """The platform's object for a segment, as we last knew it.

    `actual`: people of ours that were members at the last look. `remote_mark`: what the platform showed
    of the audience then; as long as it shows the same, nobody else changed it.
    """

    id: int
    connection: str
    segment: str
    kind: str
    name: str
    remote_id: str | None
    owned: BitMap
    actual: BitMap
    readded: BitMap
    remote_mark: str | None
    state: str
    include_suppressed: bool
    written: bool = False  # we changed it at least once


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of one batch. People in neither set and not refused stay open: their outcome is unknown."""

    batch_id: int
    done_adds: BitMap = field(default_factory=BitMap)
    done_removes: BitMap = field(default_factory=BitMap)
    refused: Sequence[Refusal] = ()
    calls: int = 0


class Ledger:
    """Audiences, outcomes and refusals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ── audiences ────────────────────────────────────────────────────────────────────────────────────

    def audience(
        self, connection: str, segment: str, kind: str, *, name: str, include_suppressed: bool = False
    ) -> AudienceRow:
        """The row of this audience, made if new (state "new"); its name and settings follow the config."""
        values = {"name": name, "include_suppressed": include_suppressed}
        fresh = {"connection": connection, "segment": segment, "kind": kind, "state": "new"}
        with self._database.writing() as database:
            statement = upsert(database, audiences).values(
                owned=_EMPTY, actual=_EMPTY, readded=_EMPTY, **fresh, **values
            )
            database.execute(
                statement.on_conflict_do_update(index_elements=["connection", "segment", "kind"], set_=values)
            )
            query = select(audiences).where(
                audiences.c.connection == connection,
                audiences.c.segment == segment,
                audiences.c.kind == kind,
            )
            return AudienceRow(**database.execute(query).mappings().one())

    def audiences(self, connection: str | None = None) -> list[AudienceRow]:
        """All audiences ever used, by connection, segment and kind."""
        order = (audiences.c.connection, audiences.c.segment, audiences.c.kind)
        query = select(audiences).order_by(*order)
        if connection is not None:
            query = query.where(audiences.c.connection == connection)
        with self._database.reading() as database:
            return [AudienceRow(**row) for row in database.execute(query).mappings()]

    def get(self, audience_id: int) -> AudienceRow:
        """The audience with this id."""
        with self._database.reading() as database:
            query = select(audiences).where(audiences.c.id == audience_id)
            return AudienceRow(**database.execute(query).mappings().one())

    def ensured(self, audience_id: int, *, remote_id: str) -> None:
        """The platform has the object under `remote_id`; state becomes "ready"."""
        self._set(audience_id, remote_id=remote_id, state="ready")

    def lost(self, audience_id: int) -> None:
        """The object was deleted on the platform: nobody is in it any more and it has no id; state "lost"."""
        self._set(
            audience_id,
            remote_id=None,
            owned=_EMPTY,
            actual=_EMPTY,
            readded=_EMPTY,
            remote_mark=None,
            state="lost",
            written=False,
        )

    def observed(
        self, audience_id: int, *, actual: BitMap, remote_mark: str | None, gone: BitMap | None = None
    ) -> None:
        """Members were read: `actual` are people of ours in there; `gone` (taken away) are not owned now."""
        with self._database.writing() as database:
            values: dict[str, object] = {"actual": actual, "remote_mark": remote_mark}
            if gone:
                values["owned"] = owned_now(database, audience_id) - gone
            database.execute(update(audiences).where(audiences.c.id == audience_id).values(values))

    def marked(self, audience_id: int, *, remote_mark: str | None) -> None:
        """What the platform shows of the audience now; another mark later means that members may differ."""
        self._set(audience_id, remote_mark=remote_mark)

    def added_again(self, audience_id: int, people: BitMap) -> None:
        """Others had taken these people out, and we have added them once more: it was the last time."""
        if people:
            self._set(audience_id, readded=self.get(audience_id).readded | people)

    def release(self, audience_id: int) -> None:
        """Its members are no longer ours, so nothing will ever be removed from it; state "released"."""
        self._set(audience_id, owned=_EMPTY, state="released")

    def adopt(self, audience_id: int, people: BitMap, *, sent: bool = False) -> None:
        """Members become ours: on request, or (`sent`) since we had sent them and they were seen there."""
        with self._database.writing() as database:
            values: dict[str, object] = {"owned": owned_now(database, audience_id) | people}
            if sent:
                values["written"] = True
            database.execute(update(audiences).where(audiences.c.id == audience_id).values(values))

    # ── outcomes ─────────────────────────────────────────────────────────────────────────────────────

    def record(self, outcomes: Sequence[BatchOutcome], *, at: dt.datetime) -> None:
        """Store what became of batches, in one transaction: batch state, owned, actual, refusals.

        A batch is "done" when every change is done or refused; else it stays as it was, "sent", for the
        people whose outcome is unknown. Recording an outcome twice changes nothing but the count of tries.
        """
        if not outcomes:
            return
        outcomes = _merged(outcomes)
        with self._database.writing() as database:
            ids = [outcome.batch_id for outcome in outcomes]
            rows = {
                row.id: row
                for start in range(0, len(ids), 500)
                for row in database.execute(select(batches).where(batches.c.id.in_(ids[start : start + 500])))
            }
            database.execute(_OF_BATCH, [_of_batch(rows[one.batch_id], one) for one in outcomes])
            touched: dict[int, list[BitMap]] = {}
            for outcome in outcomes:
                batch = rows[outcome.batch_id]
                sums = touched.setdefault(batch.audience_id, [BitMap(), BitMap()])
                # absolute writes in order: the later of an add and a remove is what holds
                sums[0] = (sums[0] - outcome.done_removes) | outcome.done_adds
                sums[1] = (sums[1] - outcome.done_adds) | outcome.done_removes
            for audience_id, (added, removed) in touched.items():
                _record_audience(database, audience_id, added, removed)
                refused = [
                    refusal
                    for outcome in outcomes
                    if rows[outcome.batch_id].audience_id == audience_id
                    for refusal in outcome.refused
                ]
                record_refusals(database, audience_id, added | removed, refused, at)

    def record_outcomes(
        self,
        batch_id: int,
        *,
        done_adds: BitMap,
        done_removes: BitMap,
        refused: Sequence[Refusal],
        at: dt.datetime,
        calls: int = 0,
    ) -> None:
        """As `record`, for one batch."""
        self.record([BatchOutcome(batch_id, done_adds, done_removes, refused, calls)], at=at)

    def refusals(self, audience_id: int | None = None, *, person: int | None = None) -> list[KeptRefusal]:
        """What is refused at present, by audience and person."""
        asked = {"audience_id": audience_id, "person": person}
        given = {name: number for name, number in asked.items() if number is not None}
        with self._database.reading() as database:
            return [KeptRefusal(**row) for row in database.execute(_refused(*given), given).mappings()]

    def mark_refusals(self, marked: Iterable[tuple[KeptRefusal, str]]) -> None:
        """Keep what the refused people and their rules were like when they were tried."""
        with self._database.writing() as database:
            mark_refusals(database, marked)

    def forget_refusals(self, audience_id: int, people: BitMap) -> None:
        """These people are no longer wanted here (or no longer ours to remove): nothing is refused."""
        with self._database.writing() as database:
            forget_refusals(database, audience_id, people)

    def _set(self, audience_id: int, **values: object) -> None:
        with self._database.writing() as database:
            database.execute(update(audiences).where(audiences.c.id == audience_id).values(values))


@cache
def _refused(*given: str) -> Select[Any]:
    """What is refused where these columns have the values given, by audience and person; made once each."""
    query = select(refusals).order_by(refusals.c.audience_id, refusals.c.person)
    return query.where(*(refusals.c[name] == bindparam(name) for name in given))


def _merged(outcomes: Sequence[BatchOutcome]) -> list[BatchOutcome]:
    """One outcome per batch: the parts of a batch that was carried by several calls, taken together."""
    merged: dict[int, BatchOutcome] = {}
    for outcome in outcomes:
        before = merged.get(outcome.batch_id)
        if before is not None:
            outcome = BatchOutcome(
                batch_id=outcome.batch_id,
                done_adds=before.done_adds | outcome.done_adds,
                done_removes=before.done_removes | outcome.done_removes,
                refused=[*before.refused, *outcome.refused],
                calls=before.calls + outcome.calls,
            )
        merged[outcome.batch_id] = outcome
    return list(merged.values())


def owned_now(database: Connection, audience_id: int) -> BitMap:
    query = select(audiences.c.owned).where(audiences.c.id == audience_id).with_for_update()
    return BitMap(database.execute(query).scalar_one())


_OF_BATCH = (
    update(batches)
    .where(batches.c.id == bindparam("batch"))
    .values(
        state=bindparam("new_state"),
        done_adds=bindparam("new_adds"),
        done_removes=bindparam("new_removes"),
        calls=batches.c.calls + bindparam("more_calls"),
    )
)
"""For all batches that are recorded together: to make it anew for each took longer than to run it."""


def _of_batch(batch: Row[tuple[object, ...]], outcome: BatchOutcome) -> dict[str, object]:
    """What `_OF_BATCH` sets."""
    adds: BitMap = batch.adds
    removes: BitMap = batch.removes
    done_adds = batch.done_adds | (outcome.done_adds & adds)
    done_removes = batch.done_removes | (outcome.done_removes & removes)
    refused_removes = BitMap(r.person for r in outcome.refused if r.action == "remove")
    refused_adds = BitMap(r.person for r in outcome.refused if r.action != "remove")
    left = len(adds - done_adds - refused_adds) + len(removes - done_removes - refused_removes)
    return {
        "batch": outcome.batch_id,
        "new_state": batch.state if left else "done",
        "new_adds": done_adds,
        "new_removes": done_removes,
        "more_calls": outcome.calls,
    }


def _record_audience(database: Connection, audience_id: int, added: BitMap, removed: BitMap) -> None:
    query = select(audiences.c.owned, audiences.c.actual).where(audiences.c.id == audience_id)
    row = database.execute(query.with_for_update()).one()
    values: dict[str, object] = {
        "owned": (row.owned | added) - removed,
        "actual": (row.actual | added) - removed,
    }
    if added or removed:
        values["written"] = True
    database.execute(update(audiences).where(audiences.c.id == audience_id).values(values))
