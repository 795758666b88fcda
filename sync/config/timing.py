"""When a schedule runs and what it then does, as settings: frozen values; no clock, no calculation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Missed(StrEnum):
    """What becomes of slots at which nothing could start: no process was there, or the last run went on.

    ONCE: one run makes up for all of them. SKIP: they are dropped. EACH: every one gets its run, in order.
    """

    ONCE = "once"
    SKIP = "skip"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Blackout:
    """Hours of the day at which nothing starts, in minutes since midnight; `start` > `end` spans midnight."""

    start: int
    end: int

    def has(self, minute: int) -> bool:
        """Whether this minute of the day is one of them; `end` is not."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """One `[schedules.NAME]`. Exactly one of `cron`, `every_s`, `after_pull` and `after_schedule` is set."""

    name: str
    cron: str | None = None  # five fields, in `zone`
    every_s: int | None = None  # counted from midnight UTC of 1 January 1970
    after_pull: str | None = None  # a connection
    after_schedule: str | None = None
    zone: str = "UTC"
    jitter_s: int = 0
    blackout: tuple[Blackout, ...] = ()  # in `zone`
    missed: Missed = Missed.ONCE
    pull: tuple[str, ...] | None = None  # connections; None: all sources
    segments: tuple[str, ...] | None = None  # ids, ids of tiers, patterns, rule files; None: all
    push: bool = True

    @property
    def follows(self) -> bool:
        """It has no times of its own: it runs after something else."""
        return self.after_pull is not None or self.after_schedule is not None

    @property
    def when(self) -> str:
        """The times, as the config has them."""
        if self.cron is not None:
            return f"{self.cron} ({self.zone})"
        if self.every_s is not None:
            return f"every {spell_seconds(self.every_s)}"
        return f"after pull of {self.after_pull}" if self.after_pull else f"after {self.after_schedule}"

    @property
    def definition(self) -> str:
        """Hash of what decides when it runs: if this changes, its next time is found anew."""
        times = {key: value for key, value in asdict(self).items() if key not in ("pull", "segments", "push")}
        return hashlib.sha256(json.dumps(times, sort_keys=True).encode()).hexdigest()


def spell_seconds(seconds: int) -> str:
    """`15 minutes`, `1 hour`: the biggest unit that is exact."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
