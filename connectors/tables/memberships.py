"""What a destination of memberships can do, whatever keeps its rows: one row per segment and person.

Columns: segment (our id of it), external_id, address, since (UTC, when the row was added).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from connectors.base import Action, Batch, Change, Outcome, OutcomeState

COLUMNS = ("segment", "external_id", "address", "since")
MEMBER_COLUMNS = pa.schema([("external_id", pa.string()), ("address", pa.string())])


class Memberships(Protocol):
    """The rows of a destination."""

    def check(self) -> str | None:
        """Why rows cannot be kept there; None if they can."""

    def counts(self) -> Mapping[str, int] | None:
        """Segment → number of its rows; None: the table or file is not there."""

    def prepare(self) -> None:
        """Create the table or file if it is missing."""

    def members(self, segment: str) -> Iterator[pa.Table]:
        """Rows of a segment with `MEMBER_COLUMNS`; raises AudienceLost if the table or file is gone."""

    def change(self, segment: str, adds: Mapping[str, str], removes: Sequence[str], *, now: datetime) -> None:
        """Add (external id → address) and remove, all or nothing; repeating it changes nothing."""

    def forget(self, external_id: str) -> None:
        """Delete every row of one person."""


def write_batch(memberships: Memberships, batch: Batch, *, now: datetime) -> list[Outcome]:
    """Do what can be done, refuse the rest; one outcome per change. A later change of a person wins."""
    outcomes: list[Outcome] = []
    wanted: dict[str, Change] = {}
    for change in batch.changes:
        if not change.external_id.strip():
            reason = "the person has no id in this table"
            outcomes.append(Outcome(change, OutcomeState.REFUSED, "no_id", reason))
        elif "\0" in change.external_id or "\0" in change.address:
            reason = "the id or address holds a zero byte, which tables cannot hold"
            outcomes.append(Outcome(change, OutcomeState.REFUSED, "invalid_id", reason))
        elif change.action is Action.SET:
            reason = "a table holds who is a member, not values"
            outcomes.append(Outcome(change, OutcomeState.REFUSED, "unsupported_action", reason))
        else:
            wanted[change.external_id] = change
            outcomes.append(Outcome(change, OutcomeState.DONE))
    adds = {key: change.address for key, change in wanted.items() if change.action is Action.ADD}
    removes = [key for key, change in wanted.items() if change.action is Action.REMOVE]
    memberships.change(batch.audience.segment, adds, removes, now=now)
    return outcomes
