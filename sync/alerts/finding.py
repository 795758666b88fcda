"""What was found of one trigger: how bad it is, by what it was judged, and the words for it.

Words carry ids of connections, segments, schedules, runs and plans, and counts; nothing that a person, a
platform or a file has said.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sync.config.alerting import AlertKind, Level


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` None: nothing new is known, the state stays. `evidence`: a run's id, or the minute."""

    kind: AlertKind
    subject: str
    level: Level | None
    evidence: int
    what: str = ""
    advice: str = ""

    @property
    def trigger(self) -> str:
        """The trigger's name."""
        return f"{self.kind}:{self.subject}"


def minute(now: dt.datetime) -> int:
    """The evidence of what time alone decides: one judgement a minute."""
    return int(now.timestamp() // 60)


def counted(number: int, noun: str) -> str:
    """`1 run`, `2,000 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def spell(span: dt.timedelta) -> str:
    """`5 minutes`, `3 hours`, `2 days`: rounded down, so that it is never said to be longer than it is."""
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 120:
        return counted(minutes, "minute")
    if minutes < 48 * 60:
        return counted(minutes // 60, "hour")
    return counted(minutes // 1440, "day")
