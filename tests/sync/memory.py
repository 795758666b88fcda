"""A destination in memory that keeps the connector contract: for speed figures and halving."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from connectors.base import (
    Action,
    Audience,
    AudienceKind,
    Batch,
    BatchShape,
    Features,
    Outcome,
    OutcomeState,
    Page,
    RemoteAudience,
    Stream,
)
from connectors.errors import BatchRefused
from connectors.health import Health, Needs


class MemoryDestination:
    """Sets of external ids by audience. `poison` ids make it refuse the whole batch, as some platforms do."""

    def __init__(self, *, poison: frozenset[str] = frozenset(), size: int = 10_000) -> None:
        self.sets: dict[str, set[str]] = {}
        self.poison = poison
        self.calls = 0
        self.size = size

    @property
    def features(self) -> Features:
        shape = BatchShape(self.size, self.size, together=True)
        return Features(streams=(), audiences={AudienceKind.TAG: shape})

    def check(self, needs: Needs | None = None) -> Health:
        return Health(ok=True, account="memory")

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        yield from ()

    def audiences(self) -> list[RemoteAudience]:
        return [RemoteAudience(n, n, AudienceKind.TAG, len(s)) for n, s in self.sets.items()]

    def ensure(self, audience: Audience) -> str:
        self.sets.setdefault(audience.name, set())
        return audience.name

    def members(self, audience: Audience) -> Iterator[Page]:
        ids = sorted(self.sets[audience.name])
        yield Page(pa.table({"external_id": ids, "address": ids}), None)

    def write(self, batch: Batch) -> list[Outcome]:
        self.calls += 1
        if self.poison and any(change.external_id in self.poison for change in batch.changes):
            raise BatchRefused("a record of this batch cannot be taken", code="poison")
        members = self.sets[batch.audience.name]
        for change in batch.changes:
            if change.action is Action.REMOVE:
                members.discard(change.external_id)
            else:
                members.add(change.external_id)
        return [Outcome(change, OutcomeState.DONE) for change in reversed(batch.changes)]

    def erase(self, external_id: str) -> Outcome:
        raise AssertionError("not part of these tests")

    def usage(self) -> Mapping[str, int]:
        return {"reads": 0, "writes": self.calls, "retries": 0, "rate_limited": 0}

    def close(self) -> None:
        self.sets.clear()
