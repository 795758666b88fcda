"""Counts and remembers what a simulated platform was asked. Safe for threads."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Logged:
    """One request and what came of it. `status` 0: no answer was sent."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    status: int
    fault: str | None


class Traffic:
    """Calls by operation, reads, writes, most requests open at once per key, and the last requests."""

    def __init__(self, *, remember: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._remember = remember
        self._open: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Start counting anew; requests that are open stay open."""
        with self._lock:
            self.operations: Counter[str] = Counter()
            self.statuses: Counter[int] = Counter()
            self.reads = 0
            self.writes = 0
            self.most_open = 0
            self.connections = 0
            self.log: deque[Logged] = deque(maxlen=self._remember)

    def connected(self) -> None:
        """A client opened a socket."""
        with self._lock:
            self.connections += 1

    def opened(self, key: str, operation: str, *, write: bool) -> int:
        """Counts a request that came in; the number of requests this key has open now."""
        with self._lock:
            self.operations[operation] += 1
            if write:
                self.writes += 1
            else:
                self.reads += 1
            self._open[key] += 1
            self.most_open = max(self.most_open, self._open[key])
            return self._open[key]

    def closed(self, key: str) -> None:
        """The request is over on the platform's side, whether or not the client waited for it."""
        with self._lock:
            self._open[key] -= 1
            if self._open[key] <= 0:
                del self._open[key]

    def answered(self, logged: Logged) -> None:
        """Remember a request with its answer."""
        with self._lock:
            self.statuses[logged.status] += 1
            self.log.append(logged)

    def counts(self) -> dict[str, object]:
        """All counts as one JSON-ready mapping."""
        with self._lock:
            return {
                "reads": self.reads,
                "writes": self.writes,
                "most_open": self.most_open,
                "connections": self.connections,
                "operations": dict(self.operations),
                "statuses": {str(k): v for k, v in self.statuses.items()},
            }
