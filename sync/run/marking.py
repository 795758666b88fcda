"""After a push: what the platform says of the audiences now is what the next look compares with."""

from __future__ import annotations

from collections.abc import Collection

from pyroaring import BitMap

from connectors.base import Connector
from connectors.errors import ConnectorError
from sync.marks import is_unseen, mark_of, shows
from sync.push import CARRIER
from sync.store import Store
from sync.store.arrivals import arrived
from sync.store.unsettled import answered, unsettled


def mark_audiences(store: Store, connection: str, connector: Connector, *, pushed: Collection[int]) -> None:
    """Remember the marks of the audiences that changes went to, `pushed`.

    The others keep the mark of the last look: if theirs has moved since, somebody else has changed them.
    """
    rows = [row for row in store.ledger.audiences(connection) if row.segment != CARRIER and row.id in pushed]
    try:
        remote = {one.remote_id: one for one in connector.audiences()}
        marks = {
            row.id: mark_of(connector, remote[row.remote_id], segment=row.segment)
            for row in rows
            if row.remote_id in remote
        }
    except ConnectorError:
        return  # the next look reads the members instead
    open_ = {batch.audience_id for batch in unsettled(store.database)}
    before = {row.id: row.remote_mark for row in rows}
    for audience, mark in marks.items():
        if not is_unseen(before[audience]):
            store.ledger.marked(audience, remote_mark=mark)
            continue
        batches = answered(store.database, audience)
        added = BitMap.union(BitMap(), *(batch.done_adds for batch in batches))
        removed = BitMap.union(BitMap(), *(batch.done_removes for batch in batches))
        same = shows(mark, before=before[audience], added=len(added), removed=len(removed))
        if same and audience not in open_:  # else the next look reads who is there
            arrived(store.database, audience, added, remote_mark=mark)
