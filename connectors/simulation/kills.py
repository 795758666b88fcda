"""Lets the simulated platform kill its client at an exact point of an exact call (crash tests).

The platform knows where a request stands; a timer does not. Only for pids that registered themselves.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Point(StrEnum):
    """Where the request stands when its client dies."""

    RECEIVED = "received"  # nothing applied
    APPLIED = "applied"  # took effect, the answer is never sent
    ANSWERED = "answered"  # the answer is on its way


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL at `point` of the `nth` call from now (from 1); only writes are counted if `writes`."""

    point: Point
    nth: int = 1
    writes: bool = True


class Kills:
    """The kills still to come, in order: the second is counted from the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._pending: list[Kill] = []
        self._seen = 0
        self.done = 0

    def register(self, pid: int) -> None:
        """The process that dies next. A restarted client registers its new pid."""
        with self._lock:
            self._pid = pid

    def arm(self, *kills: Kill) -> None:
        """Replace the pending kills and start counting anew."""
        with self._lock:
            self._pending, self._seen = list(kills), 0

    def next_for(self, *, write: bool) -> Kill | None:
        """Counts one call; the kill that belongs to it, if any."""
        with self._lock:
            if not self._pending or self._pid is None:
                return None
            kill = self._pending[0]
            if kill.writes and not write:
                return None
            self._seen += 1
            if self._seen < kill.nth:
                return None
            self._pending.pop(0)
            self._seen = 0
            return kill

    def execute(self) -> None:
        """Kill the registered process and return when it is gone, so that it never sees an answer."""
        with self._lock:
            pid, self._pid = self._pid, None
            self.done += 1
        if pid is None:
            return
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        for _ in range(500):
            if _is_gone(pid):
                return
            time.sleep(0.01)


def _is_gone(pid: int) -> bool:
    """Dead or a zombie: its parent may not have asked for it yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return True
        try:  # a system without /proc
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False
    except (OSError, IndexError):
        return True
    return state in "ZX"
