"""Faults by chance from a seed, for one platform: what its answers suffer, before or after the effect."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime

from connectors.simulation import Chance, Faults, Kind, Reply, Request, Simulation, When
from tests.scenarios.campaign.clock import SharedClock

ABSURD_S = 86_400
UNORDERED = ("members_added", "members_removed", "errors", "email_addresses", "recordIdsAdded")
LISTED = {"newsletter": "members", "hub": "results", "shop-mail": "data"}
"""The key of the rows in pages of contacts; Salesforce's queries have an order that a platform keeps."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of fault. `server`: how the simulation's own server makes it, else `Weather.dress` does."""

    kind: str
    probability: float
    server: Chance | None = None
    repeats: bool = True
    """Whether the call has to be sent again because of it."""
    only: str | None = None


def _server(kind: str, probability: float, what: Kind, when: When = When.BEFORE, **more: object) -> Row:
    return Row(kind, probability, Chance(what, 1.0, when=when, **more))  # type: ignore[arg-type]


TABLE = (
    Row("429 with seconds", 0.03),
    Row("429 with a date", 0.02),
    Row("429 without a time", 0.03),
    Row("429 with an absurd time", 0.001),
    Row("500 as JSON", 0.01),
    Row("500 as JSON after the effect", 0.01),
    _server("502 as HTML", 0.005, Kind.HTML_502),
    _server("502 as HTML after the effect", 0.01, Kind.HTML_502, When.AFTER),
    _server("503 without a body", 0.005, Kind.EMPTY_503),
    _server("503 without a body after the effect", 0.01, Kind.EMPTY_503, When.AFTER),
    _server("reset", 0.01, Kind.CUT),
    _server("reset after the effect", 0.02, Kind.CUT, When.AFTER),
    _server("truncated answer", 0.01, Kind.TRUNCATED_200, When.AFTER),
    Row("slow answer", 0.005, Chance(Kind.SLOW, 1.0, seconds=0.02), repeats=False),
    Row("token expired", 0.01),
    Row("rows of a page twice and in another order", 0.03, repeats=False),
    Row("partial batch", 0.05, repeats=False),
    Row("2xx with nothing written", 0.02, repeats=False),
)
REPEATED = sum(row.probability for row in TABLE if row.repeats)
"""The p of the bound: how likely a call has to be sent again."""


class Weather(Faults):
    """The faults of one simulation; calm until `on`. `counts`: what really happened, by kind."""

    def __init__(self, name: str, simulation: Simulation, clock: SharedClock, *, seed: int) -> None:
        super().__init__()
        self.name = name
        self.on = False
        self.counts: Counter[str] = Counter()
        self.random = random.Random(f"weather {name} {seed}")
        self.draws = threading.Lock()
        self._simulation = simulation
        self._clock = clock
        self._local = threading.local()

    @property
    def kind(self) -> str | None:
        """What was drawn for the call that this thread answers now."""
        found: str | None = getattr(self._local, "kind", None)
        return found

    def choose(self, operation: str) -> Chance | None:
        """The server asks here before each answer; what it cannot do itself waits for `dress`."""
        self._local.kind = None
        if not self.on:
            return None
        with self.draws:
            drawn = self.random.random()
        for row in TABLE:
            drawn -= row.probability
            if drawn < 0:
                if row.server is not None:
                    self.counts[row.kind] += 1
                    return row.server
                self._local.kind = row.kind
                return None
        return None

    def count(self) -> None:
        """The drawn fault has happened."""
        self.counts[str(self.kind)] += 1

    def instead(self, request: Request) -> Reply | None:
        """The answer if the fault comes before the effect."""
        kind = self.kind
        if kind is None or not (kind.startswith("429") or kind == "500 as JSON"):
            return None
        self.count()
        return self._broken() if kind.startswith("500") else self._limited(request, kind)

    def dress(self, reply: Reply) -> Reply:
        """The answer after the effect, as the fault leaves it."""
        if self.kind == "500 as JSON after the effect":
            self.count()
            return self._broken()
        if self.kind == "rows of a page twice and in another order" and reply.status == 200:
            return self._shuffled(reply)
        return reply

    def _limited(self, request: Request, kind: str) -> Reply:
        reply = self._simulation.too_many(request)
        after: str | None = None
        if kind == "429 with seconds":
            after = str(self.random.randrange(1, 30))
        elif kind == "429 with a date":
            moment = self._clock.true_now() + timedelta(seconds=self.random.randrange(1, 60))
            after = format_datetime(moment, usegmt=True)
        elif kind == "429 with an absurd time":
            after = str(ABSURD_S)
        return replace(reply, headers={**reply.headers, "Retry-After": after})

    def _broken(self) -> Reply:
        content = {"status": "error", "message": "internal error", "correlationId": "0"}
        return Reply(500, json.dumps(content).encode())

    def _shuffled(self, reply: Reply) -> Reply:
        try:
            content = json.loads(reply.body)
        except ValueError:
            return reply
        if not isinstance(content, dict):
            return reply
        changed = False
        for key in UNORDERED:
            if isinstance(content.get(key), list) and len(content[key]) > 1:
                content[key] = content[key][::-1]
                changed = True
        rows = content.get(LISTED.get(self.name, ""))
        if isinstance(rows, list) and len(rows) > 1:
            rows.insert(1, rows[0])
            changed = True
        if not changed:
            return reply
        self.count()
        return replace(reply, body=json.dumps(content).encode())
