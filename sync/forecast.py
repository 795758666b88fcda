"""What a plan costs before it is carried out: write calls and time by connection, if nothing fails.

A forecast is a promise: carrying out the plan takes exactly these calls. It reads; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from connectors.base import Audience, AudienceKind, Features, Prepares
from connectors.errors import ConnectorError
from sync.plan import Plan, PlannedBatch
from sync.push import CARRIER
from sync.store.ledger import AudienceRow


class Featured(Protocol):
    """A connector, or what stands for one that nobody asks."""

    @property
    def features(self) -> Features: ...


@dataclass(frozen=True, slots=True)
class Forecast:
    """One connection's part of a plan."""

    calls: int = 0  # write calls that carry changes
    preparing_calls: int = 0  # those that make or rename audiences and declare values
    seconds: float = 0.0
    ready_s: Mapping[int, float] = field(default_factory=dict)
    """Our id of an audience → seconds until its changes are done, in the order in which they are sent."""

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "calls": self.calls,
            "preparing_calls": self.preparing_calls,
            "seconds": self.seconds,
        }


def forecast(
    plan: Plan,
    rows: Iterable[AudienceRow],
    *,
    connector: Featured,
    renames: int = 0,
) -> Forecast:
    """`rows`: the ledger's audiences of the connection."""
    known = {row.id: row for row in rows}
    ours = [batch for batch in plan.batches if batch.audience in known and not batch.held]
    sent: dict[int, list[PlannedBatch]] = {}
    values: set[str] = set()
    for batch in ours:
        row = known[batch.audience]
        if row.kind != AudienceKind.FIELD or row.segment == CARRIER:
            sent.setdefault(batch.audience, []).append(batch)
        elif batch.adds:
            values.add(row.segment)
    missing = [
        Audience(known[id_].segment, known[id_].name, AudienceKind(known[id_].kind))
        for id_ in sent
        if known[id_].remote_id is None
    ]
    preparing = renames + (_preparation(connector, missing, values) if sent else 0)
    features = connector.features
    kinds = {id_: AudienceKind(known[id_].kind) for id_ in sent}
    calls, seconds, ready_s = 0, 0.0, {}
    paced_s = preparing * features.seconds_per_call
    for id_, batches in sent.items():
        calls += sum(batch.calls for batch in batches)
        paced_s += audience_s(features, kinds[id_], batches)
        at_most_s = (calls + preparing) / features.calls_per_s if features.calls_per_s else 0.0
        seconds = round(max(paced_s, at_most_s), 1)
        ready_s[id_] = seconds
    if not sent:
        seconds = round(paced_s, 1)
    return Forecast(calls, preparing, seconds, ready_s)


def audience_s(features: Features, kind: AudienceKind, batches: Sequence[PlannedBatch]) -> float:
    """Seconds for the batches of one audience, side by side as far as the connection allows.

    A batch's own calls follow one another, except where the platform takes one person per call.
    """
    shape = features.audiences[kind]
    side_by_side = max(1, features.concurrency)
    work_s = [batch.calls * features.seconds_per_call + batch.jobs * shape.job_s for batch in batches]
    longest_s = max(work_s, default=0.0) / (side_by_side if shape.calls_per_change else 1)
    return max(longest_s, sum(work_s) / side_by_side)


def _preparation(connector: Featured, missing: Sequence[Audience], values: set[str]) -> int:
    """One call for each audience, unless the platform knows better; it may be silent just now."""
    if isinstance(connector, Prepares):
        try:
            return connector.preparation(missing, values)
        except ConnectorError:
            pass
    return len(missing)
