"""What the service's parts know of each other: the settings in use, what is wrong, when it last ticked."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

from sync.config import Settings
from sync.run.workspace import Workspace
from sync.schedule import millis
from sync.store.leases import steady_s

LIVELY_S = 120.0
"""A process that did not tick for so long is stuck; a database that does not answer takes less."""


@dataclass(slots=True)
class State:
    """Written by the service's threads, read by its HTTP server. `workspace` is the newest in use."""

    workspace: Workspace
    settings: Settings
    problems: tuple[str, ...] = ()  # of the newest config and rules, which are not in use then
    draining: bool = False
    faults: int = 0
    beat_s: float = field(default_factory=steady_s)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def tick_age_s(self) -> float:
        """Seconds since the last tick."""
        return max(0.0, steady_s() - self.beat_s)

    @property
    def alive(self) -> bool:
        """The ticker beats."""
        return math.isfinite(self.beat_s) and self.tick_age_s < LIVELY_S

    def now_ms(self) -> int:
        """The workspace's clock, in milliseconds since 1970."""
        return millis(self.workspace.clock.utc_now())

    def fault(self) -> None:
        """One more; safe for threads."""
        with self._lock:
            self.faults += 1
