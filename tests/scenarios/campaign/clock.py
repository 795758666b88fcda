"""One time for the driver, the platforms and every life of segsync: it stands in memory that they share."""

from __future__ import annotations

import fcntl
import mmap
import struct
import tempfile
import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class SharedClock:
    """Moves when somebody sleeps on it or moves it. Make it before the first fork.

    `skew_s` is how wrong this process's time of day is; differences of `now_s` are right all the same.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)
        self._lock = threading.Lock()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as anybody has the time
        self.skew_s = 0.0

    def now_s(self) -> float:
        found: float = struct.unpack("d", self._memory[:8])[0]
        return found

    def utc_now(self) -> datetime:
        return START + timedelta(seconds=self.now_s() + self.skew_s)

    def true_now(self) -> datetime:
        """Without the skew of this process."""
        return START + timedelta(seconds=self.now_s())

    def sleep(self, seconds: float) -> None:
        self.advance(max(seconds, 0.0))

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody.

        Threads wait for one another by the lock, processes by the file: two that moved it at once would put
        it back by what the other one added. Whoever is killed lets go of a file.
        """
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                self._memory[:8] = struct.pack("d", self.now_s() + seconds)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
