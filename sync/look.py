"""What is on a platform now: brings the ledger of its audiences up to date. Writes nothing there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyroaring import BitMap

from connectors.base import (
    Audience,
    AudienceKind,
    Connector,
    ManagesAudiences,
    Page,
    RemoteAudience,
)
from connectors.naming import only_one_named
from connectors.owned_field import names_in
from sync.marks import is_unseen, mark_of
from sync.observe import field_rows, looked, must_look
from sync.push import CARRIER
from sync.store import Store
from sync.store.arrivals import arrived, not_arrived, not_removed
from sync.store.ledger import AudienceRow
from sync.store.plans import StoredBatch
from sync.store.unsettled import answered, late, settled, unsettled
from sync.whereabouts import Whereabouts

PORTION = 65_536
"""Rows of members for which it is found out together who they are."""


@dataclass(frozen=True, slots=True)
class Sought:
    """An audience to look at."""

    segment: str
    kind: AudienceKind
    name: str
    include_suppressed: bool = False


def unsettled_by_audience(store: Store) -> dict[int, list[StoredBatch]]:
    """Audience → batches whose outcome nobody knows."""
    found: dict[int, list[StoredBatch]] = {}
    for batch in unsettled(store.database):
        found.setdefault(batch.audience_id, []).append(batch)
    return found


def remembered(store: Store, connection: str, wanted: Sequence[Sought]) -> list[AudienceRow]:
    """As `Look.at`, by the ledger alone: nobody is asked."""
    kinds = [(CARRIER, AudienceKind.FIELD, "segments", False)] if _has_field(wanted) else []
    kinds += [(one.segment, one.kind, one.name, one.include_suppressed) for one in wanted]
    return [
        store.ledger.audience(connection, segment, kind.value, name=name, include_suppressed=suppressed)
        for segment, kind, name, suppressed in kinds
    ]


def _has_field(wanted: Sequence[Sought]) -> bool:
    return any(one.kind is AudienceKind.FIELD for one in wanted)


def portions(pages: Iterable[Page]) -> Iterator[pa.Table]:
    """The rows of pages, many pages together: to find out who they are costs much the same for one."""
    waiting: list[pa.Table] = []
    for page in pages:
        waiting.append(page.rows)
        if sum(rows.num_rows for rows in waiting) >= PORTION:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


@dataclass(slots=True)
class Look:
    """Brings the ledger of one connection's audiences up to date with the platform."""

    store: Store
    connection: str
    connector: Connector
    whereabouts: Whereabouts
    open_batches: Mapping[int, list[StoredBatch]]
    renames: dict[int, str] = field(default_factory=dict)

    def at(self, wanted: Sequence[Sought]) -> list[AudienceRow]:
        """The ledger's rows of the wanted audiences, and of the owned field's carrier if there is one."""
        remote = self.connector.audiences()
        rows: list[AudienceRow] = []
        if _has_field(wanted):
            rows += self._field([one for one in wanted if one.kind is AudienceKind.FIELD], remote)
        for one in wanted:
            if one.kind is not AudienceKind.FIELD:
                rows.append(self._audience(one, remote))
        return rows

    def _row(self, segment: str, kind: AudienceKind, name: str, *, suppressed: bool = False) -> AudienceRow:
        return self.store.ledger.audience(
            self.connection, segment, kind.value, name=name, include_suppressed=suppressed
        )

    def _audience(self, one: Sought, remote: Sequence[RemoteAudience]) -> AudienceRow:
        row = self._row(one.segment, one.kind, one.name, suppressed=one.include_suppressed)
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
        elif (
            row.remote_id is None
            or row.id in self.open_batches
            or mark != row.remote_mark
            or (row.actual | row.owned) - self.whereabouts.reachable(self.connection)
        ):  # whose record is gone has left, though one who came may have made the mark the same again
            self.store.ledger.ensured(row.id, remote_id=found.remote_id)
            audience = Audience(row.segment, row.name, one.kind, found.remote_id)
            unlisted = self.connector.features.unlisted
            actual = row.actual & self.whereabouts.of_consent(self.connection, unlisted)
            for rows in portions(self.connector.members(audience)):
                actual |= self.whereabouts.people(self.connection, rows)
            if is_unseen(row.remote_mark):
                self._see(row, actual)
            self._settle(row.id, actual=actual, remote_mark=mark)
        return self._with_late(row.id)

    def _see(self, row: AudienceRow, actual: BitMap) -> None:
        """Whether what the platform said it did was done. Whoever is not there at this first look has not
        arrived, and is sent once more; whoever is there still may be there by somebody else's hand by now, so
        nobody is taken out a second time. Both are told.
        """
        batches = answered(self.store.database, row.id)
        if batches:
            added = BitMap.union(BitMap(), *(batch.done_adds for batch in batches))
            removed = BitMap.union(BitMap(), *(batch.done_removes for batch in batches))
            at = self.store.plans.get(batches[-1].plan_id).as_of
            arrived(self.store.database, row.id, added & actual)
            not_arrived(self.store.database, row.id, (added - actual) & row.owned, at=at)
            not_removed(self.store.database, row.id, removed & actual, at=at)

    def _goes_by_name(self, kind: AudienceKind) -> bool:
        return kind is not AudienceKind.TABLE and isinstance(self.connector, ManagesAudiences)

    def _field(self, wanted: Sequence[Sought], remote: Sequence[RemoteAudience]) -> list[AudienceRow]:
        """The owned field, and which segment ids its values hold for whom."""
        carrier = self._row(CARRIER, AudienceKind.FIELD, "segments")
        rows = [self._row(one.segment, AudienceKind.FIELD, one.name) for one in wanted]
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
        return [self._with_late(row.id) for row in everyone]

    def _field_values(self, audience: Audience) -> dict[str, BitMap]:
        held: dict[str, BitMap] = {}
        for rows in portions(self.connector.members(audience)):
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

    def _with_late(self, audience_id: int) -> AudienceRow:
        """The audience's row; whoever of ours turned up there after an earlier look is ours."""
        row = self.store.ledger.get(audience_id)
        foreign = row.actual - row.owned
        came = foreign & late(self.store.database, audience_id) if foreign else foreign
        if not came:
            return row
        self.store.ledger.adopt(audience_id, came, sent=True)
        return self.store.ledger.get(audience_id)

    def _settle(self, audience_id: int, *, actual: BitMap, remote_mark: str | None = None) -> None:
        """Members were read: what was sent without an answer and is there came from us, and whom we were
        removing without an answer and who is not there is no longer ours."""
        batches = self.open_batches.get(audience_id, [])
        arrived = BitMap.union(BitMap(), *(batch.adds for batch in batches)) & actual
        removed = BitMap.union(BitMap(), *(batch.removes for batch in batches)) - actual
        if arrived:
            self.store.ledger.adopt(audience_id, arrived, sent=True)
        self.store.ledger.observed(audience_id, actual=actual, remote_mark=remote_mark, gone=removed)
        settled(self.store.database, batches, actual=actual)
