"""Triggers that runs themselves tell: failures, rejected rows, how long they took, and that none came."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterator, Sequence
from typing import Any, cast

from sync.alerts.finding import Finding, counted, minute, spell
from sync.config import Settings
from sync.config.alerting import AlertKind, Level
from sync.slots import next_due, passed
from sync.store import Run, RunState, Store
from sync.store.signs import Signs

LOOKED_AT = 50
"""So many runs back a connection's last part in one is looked for."""
REJECTED_SHARE = 0.05
SLOW = 3
COMPARED = 10
"""A run's time is set against the median of so many before it."""
FEWEST, SHORTEST_S = 5, 60.0
"""… of at least so many, and what ends within a minute is not called slow."""
LATE, TOO_LATE = 2, 3
"""Intervals without a good run."""

_ENDED = (RunState.DONE, RunState.HELD, RunState.FAILED)
_UNATTENDED = ("run", "schedule", "run-now", "pull")
_BY_HAND = "KeyboardInterrupt"


def findings(store: Store, settings: Settings, *, now: dt.datetime) -> Iterator[Finding]:
    """Of every kind this module knows."""
    runs = [run for run in store.runs.latest(limit=LOOKED_AT) if run.state in _ENDED]
    yield from _failed(runs)
    yield from _connections(store, settings, runs)
    yield from _rejected(store, runs)
    yield from _slow(runs)
    yield from _missing(store, settings, now=now)


def _failed(runs: Sequence[Run]) -> Iterator[Finding]:
    for run in runs:
        error = run.stats.get("error")
        if run.trigger not in _UNATTENDED or error == _BY_HAND:
            continue
        bad = run.state is RunState.FAILED and error is not None
        held = cast("dict[str, str]", run.stats.get("held_facts", {}))
        what = f"Run {run.id} broke off." if bad else f"Run {run.id} came to its end."
        if held and not bad:
            what = f"{what[:-1]}; the facts of {', '.join(held)} stay as they were: something cannot be read."
        advice = f"`segsync status` and the log of run {run.id} say why; mend it and run again."
        level = Level.CRITICAL if bad else Level.WARNING if held else Level.OK
        yield Finding(AlertKind.RUN_FAILED, "", level, run.id, what, advice)
        return
    yield Finding(AlertKind.RUN_FAILED, "", None, 0)


def _connections(store: Store, settings: Settings, runs: Sequence[Run]) -> Iterator[Finding]:
    """A platform that stopped answering, took back its token, or left changes without an answer."""
    freezes = {str(freeze) for freeze in store.decisions.freezes()}
    for name in settings.connections:
        run, part = next(
            ((run, part) for run in runs if (part := _parts(run).get(name)) is not None), (None, {})
        )
        if run is None:
            yield Finding(AlertKind.CONNECTION_FAILED, name, None, 0)
            continue
        stopped = part.get("stopped")
        frozen = stopped in freezes | set(cast("list[str]", run.stats.get("frozen", [])))
        unknown = int(part.get("unknown", 0))
        bad = (stopped is not None and not frozen) or unknown > 0
        what = f"The connection {name} did its part in run {run.id}."
        if bad:
            what = f"The connection {name} stopped in run {run.id}."
            if unknown:
                what = f"{what[:-1]}; {counted(unknown, 'change')} got no answer and go out again."
        advice = (
            f"`segsync connections check` says what {name} lacks; what it missed, the next run makes up for."
        )
        level = Level.CRITICAL if bad else Level.OK
        yield Finding(AlertKind.CONNECTION_FAILED, name, level, run.id, what, advice)


def _rejected(store: Store, runs: Sequence[Run]) -> Iterator[Finding]:
    for run in runs:
        if not {"pull", "push"} & set(cast("dict[str, float]", run.stats.get("seconds", {}))):
            continue  # it had nothing to do with either
        parts = _parts(run).values()
        rows, read = int(cast("int", run.stats.get("rejected", 0))), sum(int(p.get("read", 0)) for p in parts)
        refused = sum(int(part.get("refused", 0)) for part in parts)
        changes = refused + sum(int(part.get("changes", 0)) for part in parts)
        open_ = Signs(store.database).refused()
        worst = max(refused / changes if changes else 0.0, rows / max(read, rows) if rows else 0.0)
        level = Level.OK
        if rows or refused or open_:
            level = Level.CRITICAL if worst >= REJECTED_SHARE else Level.WARNING
        what = (
            f"Run {run.id} rejected {counted(rows, 'row')} of {read:,} that it read; platforms refused"
            f" {refused:,} of {counted(changes, 'change')}; {counted(open_, 'refused change')} in all."
        )
        advice = "`segsync status` lists reasons; rows are mended at their source, refusals on the platform."
        yield Finding(AlertKind.REJECTED, "", level, run.id, what, advice)
        return
    yield Finding(AlertKind.REJECTED, "", None, 0)


def _slow(runs: Sequence[Run]) -> Iterator[Finding]:
    """By schedule: runs of one kind are compared with each other."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.state in (RunState.DONE, RunState.HELD) and run.trigger in _UNATTENDED:
            groups.setdefault(run.schedule or run.trigger, []).append(run)
    for name, (newest, *before) in groups.items():
        times = [_seconds(run) for run in before[:COMPARED]]
        if len(times) < FEWEST:
            continue
        usual, took = statistics.median(times), _seconds(newest)
        slow = took > max(SLOW * usual, SHORTEST_S)
        what = f"Run {newest.id} ({name}) took {took:,.0f} s; the {len(times)} before it took {usual:,.0f} s."
        advice = f"`segsync status --format json` shows the seconds of each step of run {newest.id}."
        level = Level.WARNING if slow else Level.OK
        yield Finding(AlertKind.RUN_TIME, name, level, newest.id, what, advice)


def _missing(store: Store, settings: Settings, *, now: dt.datetime) -> Iterator[Finding]:
    """Slots that passed since the last good run: two intervals are late, three are bad."""
    signs, rows = Signs(store.database), store.schedules.all()
    for name, schedule in settings.schedules.items():
        row = rows.get(name)
        if schedule.follows or row is None:
            continue
        last = signs.good_run(name)
        if last is None and row.next_slot is not None:
            last = dt.datetime.fromtimestamp(row.next_slot / 1000, dt.UTC) - dt.timedelta(milliseconds=1)
        due = next_due(schedule, after=last) if last is not None else None
        count = 0
        if due is not None and due.slot <= now and not row.paused:
            count = passed(schedule, first=due.slot, now=now).count
        yield _late(name, f"the schedule {name} ({schedule.when})", count, last, now)
    every_s = settings.alerts.expect_run_every_s
    last = signs.good_run() or signs.first_run()
    if every_s is not None and last is not None:
        count = int((now - last).total_seconds() // every_s)
        yield _late("", "segsync", count, last, now)


def _late(subject: str, who: str, count: int, last: dt.datetime | None, now: dt.datetime) -> Finding:
    level = Level.CRITICAL if count >= TOO_LATE else Level.WARNING if count >= LATE else Level.OK
    what = f"The last good run of {who} is as recent as it should be."
    if level is not Level.OK and last is not None:
        what = f"No good run of {who} for {spell(now - last)}: {counted(count, 'time')} it should have run."
    advice = "`segsync status` shows the last runs; see that `segsync serve` or your own timer is at work."
    return Finding(AlertKind.NO_RUN, subject, level, minute(now), what, advice)


def _parts(run: Run) -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", run.stats.get("connections", {}))


def _seconds(run: Run) -> float:
    return (run.ended_at - run.started_at).total_seconds() if run.ended_at else 0.0
