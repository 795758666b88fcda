"""What all runs did together, whoever did them: read from the store, each ended run once.

Runs end in the order of their ids, so what is new lies behind the newest that was read. Nothing of a person
is in here: names of connections, segments and schedules, and counts.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from sync.store import Run, RunState, Store

COUNTED = {
    "read": "rows_pulled",
    "adds": "added",
    "removes": "removed",
    "refused": "refused",
    "opt_outs_recorded": "opt_outs_recorded",
    "calls": "write_calls",
    "preparing_calls": "write_calls",
}
"""A connection's numbers in a report → our names of them."""


class Totals:
    """Sums over all runs that are over; call `update` before reading. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = 0
        self.by_connection: Counter[tuple[str, str]] = Counter()  # (name of the number, connection)
        self.rejected = 0
        self.step_seconds: Counter[str] = Counter()
        self.late_s: dict[str, float] = {}  # schedule → start − slot of its newest run
        self.segments: dict[str, int] = {}  # people, as the newest run has them
        self.sent_at: dict[str, dt.datetime] = {}  # segment → as_of of the newest run that brought it out
        self.last_end: dict[tuple[str, RunState], dt.datetime] = {}  # (trigger, state) → end of the newest

    def update(self, store: Store) -> None:
        """Read what has ended since."""
        with self._lock:
            for run in store.runs.ended_after(self._seen):
                self._seen = run.id
                self._add(run)

    def _add(self, run: Run) -> None:
        stats = cast("Mapping[str, Any]", run.stats)
        for connection, part in stats.get("connections", {}).items():
            for key, name in COUNTED.items():
                self.by_connection[name, connection] += part.get(key, 0)
        self.rejected += stats.get("rejected", 0)
        for step, seconds in stats.get("seconds", {}).items():
            self.step_seconds[step] += seconds
        if run.ended_at is not None:
            self.last_end[run.trigger, run.state] = run.ended_at
        self.note_start(run)
        segments = stats.get("segments", {})
        if segments:
            self.segments = dict(segments)
            self.sent_at = {name: at for name, at in self.sent_at.items() if name in segments}
        if run.state in (RunState.DONE, RunState.HELD) and run.scope.push:
            asked = run.scope.segments
            for name in segments:
                if asked is None or name in asked:
                    self.sent_at[name] = run.as_of

    def note_start(self, run: Run) -> None:
        """How late a run of a schedule began, its jitter and blackout hours included."""
        if run.schedule is not None and run.slot is not None:
            self.late_s[run.schedule] = (run.started_at - run.slot).total_seconds()
