"""After a push: what the platform says of the audiences now is what the next look compares with."""

from __future__ import annotations

from collections.abc import Collection

from connectors.base import Connector, MarksMembers
from connectors.errors import ConnectorError
from sync.marks import mark_of
from sync.push import CARRIER
from sync.store import Store


def mark_audiences(store: Store, connection: str, connector: Connector, *, pushed: Collection[int]) -> None:
    """Remember the marks of the connection's audiences; `pushed`: those that changes went to."""
    rows = [row for row in store.ledger.audiences(connection) if row.segment != CARRIER]
    if isinstance(connector, MarksMembers):  # a mark costs calls, and the others were not touched by us
        rows = [row for row in rows if row.id in pushed]
    try:
        remote = {one.remote_id: one for one in connector.audiences()}
        marks = {
            row.id: mark_of(connector, remote[row.remote_id], segment=row.segment)
            for row in rows
            if row.remote_id in remote
        }
    except ConnectorError:
        return  # the next look reads the members instead
    for audience, mark in marks.items():
        store.ledger.marked(audience, remote_mark=mark)
