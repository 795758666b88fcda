"""Schedules of the config, and the ticker that looks whether one is due.

APScheduler only ticks: its own stores run a job twice when processes share them. A slot is a row of ours,
claimed by one process; any number of tickers does no harm. This is the only module that imports it.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import logging
from collections.abc import Callable, Iterable, Mapping

from apscheduler.schedulers.background import BackgroundScheduler

from rules.language import Sent
from sync.config import Missed, Problem, ScheduleSettings, Settings
from sync.slots import blackout_end, due_at, next_due, passed
from sync.store import Scope, Store
from sync.store.schedules import Found, Mine, Verdict

LATE_MS = 60_000
"""A slot that is skipped when missed counts as missed if it could not start for so long."""

logging.getLogger("apscheduler").setLevel(
    logging.CRITICAL
)  # a tick that lasts long is no news; ours are told


class Ticker:
    """Calls functions every so many seconds, each in one thread at a time, until it is stopped."""

    def __init__(self, jobs: Mapping[Callable[[], object], float]) -> None:
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for number, (job, seconds) in enumerate(jobs.items()):
            self._scheduler.add_job(job, "interval", seconds=seconds, id=str(number))

    def start(self) -> None:
        """Begin; the first call comes one interval later."""
        self._scheduler.start()

    def stop(self) -> None:
        """No call begins after this; one that is under way ends by itself."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


class Schedules:
    """The config's schedules on a store. `now_ms`: for a test that holds the time; else the database's."""

    def __init__(
        self,
        store: Store,
        schedules: Mapping[str, ScheduleSettings],
        *,
        segments: Iterable[Sent] = (),
        utc_now: Callable[[], dt.datetime],
        now_ms: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.schedules = schedules
        self._rows = store.schedules
        self._runs = store.runs
        self._sent = tuple(segments)
        self._utc_now = utc_now
        self._now_ms = now_ms

    def declare(self) -> None:
        """Make them known to the store; call it at the start and when the config has changed."""
        mine = {name: one.definition for name, one in self.schedules.items()}
        self._rows.declare(
            mine, lambda name, now_ms: first(self.schedules[name], now_ms), now_ms=self._now_ms()
        )

    def tick(self) -> list[int]:
        """Queue a run for each schedule that is due; their ids."""
        queued: list[int] = []
        for one in self.schedules.values():
            while (run_id := self._claim(one)) is not None:
                queued.append(run_id)
        return queued

    def run_now(self, name: str) -> int:
        """Queue a run as the schedule would, at no slot; its id."""
        run = self._runs.enqueue(
            "run-now", now=self._utc_now(), scope=self.scope(self.schedules[name]), schedule=name
        )
        assert run is not None  # noqa: S101 - only a slot can be taken
        return run.id

    def scope(self, one: ScheduleSettings) -> Scope:
        """What a run of it is to do; patterns of segments become the ids that the rules have now."""
        segments = None if one.segments is None else tuple(matching(one.segments, self._sent))
        return Scope.of(sources=one.pull, segments=segments, push=one.push)

    def _claim(self, one: ScheduleSettings) -> int | None:
        mine = Mine(
            one.name,
            one.definition,
            after_pull=one.after_pull,
            after_schedule=one.after_schedule,
            waits=one.missed is not Missed.SKIP,
        )
        decide = self._following if one.follows else self._timed
        return self._rows.claim(
            mine, lambda found: decide(one, found), now=self._utc_now(), now_ms=self._now_ms()
        )

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────

    def _timed(self, one: ScheduleSettings, found: Found) -> Verdict | None:
        """Of a schedule with times of its own, whose next slot is due."""
        now = instant(found.now_ms)
        waiting_for = instant(found.row.next_slot or 0)
        free = blackout_end(one, now)
        if free > now:
            return Verdict(next_slot=found.row.next_slot, next_at=millis(free))
        slots = passed(one, first=waiting_for, now=now)
        if one.missed is Missed.SKIP:
            due = due_at(one, slots.last)
            if due.at > now:
                return Verdict(next_slot=millis(due.slot), next_at=millis(due.at), missed=slots.count - 1)
            if found.busy or found.now_ms - millis(due.at) > LATE_MS:
                return self._then(one, slots.last, missed=slots.count)
        elif found.busy:
            return None
        if one.missed is Missed.EACH:
            return self._then(one, waiting_for, run=waiting_for, scope=self.scope(one))
        return self._then(one, slots.last, run=slots.last, missed=slots.count - 1, scope=self.scope(one))

    def _then(
        self,
        one: ScheduleSettings,
        after: dt.datetime,
        *,
        run: dt.datetime | None = None,
        missed: int = 0,
        scope: Scope | None = None,
    ) -> Verdict:
        due = next_due(one, after=after)
        if due is None:
            return Verdict(run, scope, missed=missed)
        return Verdict(run, scope, millis(due.slot), millis(due.at), missed)

    def _following(self, one: ScheduleSettings, found: Found) -> Verdict | None:
        """Of a schedule that runs after something else: that has ended, or it waits for its time since."""
        now, row = instant(found.now_ms), found.row
        at = row.next_at
        slot = instant(row.next_slot) if row.next_slot is not None else found.ended
        missed = int(row.next_slot is not None and found.ended is not None)
        if slot is None:
            return None
        if at is None:
            slot = instant(millis(slot))
            at = max(millis(due_at(one, slot).at), millis(slot))
        at = max(at, millis(blackout_end(one, instant(at))))
        wait = Verdict(next_slot=millis(slot), next_at=at, missed=missed)
        free = blackout_end(one, now)
        if at > found.now_ms:
            return wait
        if free > now:
            return Verdict(next_slot=millis(slot), next_at=millis(free), missed=missed)
        if not found.busy:
            return Verdict(slot, self.scope(one), missed=missed)
        return Verdict(missed=missed + 1) if one.missed is Missed.SKIP else wait


def first(one: ScheduleSettings, now_ms: int) -> Verdict:
    """When a schedule is due that is new, has changed, or was paused until now: never at once."""
    due = next_due(one, after=instant(now_ms))
    return Verdict() if due is None else Verdict(next_slot=millis(due.slot), next_at=millis(due.at))


def matching(patterns: Iterable[str], sent: Iterable[Sent]) -> list[str]:
    """Ids of segments that a pattern means: an id, the id of tiers, `winter-*`, or a rule file `b2b.toml`."""
    wanted = tuple(patterns)
    return sorted({one.segment for one in sent if any(_means(pattern, one) for pattern in wanted)})


def _means(pattern: str, one: Sent) -> bool:
    if pattern.endswith(".toml"):
        return fnmatch.fnmatchcase(one.file, pattern)
    return fnmatch.fnmatchcase(one.segment, pattern) or one.segment.startswith(f"{pattern}/")


def problems(settings: Settings, sent: Iterable[Sent], *, complete: bool) -> list[Problem]:
    """Schedules that name segments which no rule file sends anywhere. `complete`: all files were read."""
    sent = tuple(sent)
    if not complete:
        return []
    return [
        settings.problem(
            f"schedules.{name}.segments[{position}]",
            f'no rule sends a segment "{pattern}" anywhere; name its id, the id of tiers, a pattern such as'
            ' "winter-*", or a rule file such as "b2b.toml"',
        )
        for name, one in settings.schedules.items()
        for position, pattern in enumerate(one.segments or ())
        if not matching([pattern], sent)
    ]


def instant(milliseconds: int) -> dt.datetime:
    """Milliseconds since 1970 as a UTC time, exactly."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def millis(at: dt.datetime) -> int:
    """The inverse of `instant`; what is finer is cut off."""
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)
