"""What a simulated platform has to offer the server: answers, and how its traffic is counted.

A `Simulation` knows nothing of sockets. The server calls `answer` from one thread at a time.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from connectors.simulation.faults import Faults
from connectors.simulation.kills import Kills
from connectors.simulation.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in. Header names are in lower case, the query is decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    address: str  # how the client called us, e.g. "http://127.0.0.1:8100"; for links in answers
    pairs: tuple[tuple[str, str], ...] = ()  # the query in its order, with names that come more than once


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. A header given as None is left out even if the server would have added it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    content_length: int | None = None  # more than the body has: the answer is cut short


class Simulation(ABC):
    """A simulated platform: state, rules, answers. Subclasses fill in what is theirs."""

    name: ClassVar[str]
    simultaneous: ClassVar[int | None] = None
    """Requests one key may have open at once; one more gets `too_many`. None: no limit."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.traffic = Traffic()
        self.kills = Kills()
        self.delay_s = 0.0
        """How long every call takes at least, as real platforms do."""
        self.lock = threading.RLock()
        """Held while `answer` runs; take it to change state from a test while the server runs."""
        self._now: Callable[[], datetime] = lambda: datetime.now(UTC)
        """The platform's time of day, which its answers tell in `Date`."""

    def now(self) -> datetime:
        """The platform's time of day."""
        return self._now()

    @property
    @abstractmethod
    def credentials(self) -> Mapping[str, str]:
        """Settings a connection to this simulation needs besides its address; printed at start."""

    @abstractmethod
    def operation(self, request: Request) -> str:
        """The request without its ids, e.g. `POST /lists/{id}/segments/{id}`; for counts and faults."""

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """Apply the request and answer it."""

    @abstractmethod
    def too_many(self, request: Request, *, retry_after_s: float | None = None) -> Reply:
        """The platform's own answer for 429."""

    def is_write(self, request: Request) -> bool:
        """Whether the call counts as a write; platforms that search by POST say so here."""
        return request.method not in ("GET", "HEAD")

    def key_of(self, request: Request) -> str:
        """Whose open requests this one counts towards."""
        return request.headers.get("authorization", "")
