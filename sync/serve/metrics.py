"""Prometheus metrics, read from the store when they are asked for: they tell of all processes, not of one.

Labels are names of connections, segments, schedules, steps and states: never anything of a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sync.config import Settings
from sync.run.workspace import Workspace
from sync.schedule import instant
from sync.serve.state import State
from sync.serve.totals import Totals

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily
Rows: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
"""(values of the labels, value)."""


class Metrics(Collector):
    """All of them for one installation."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._totals = Totals()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """What /metrics answers."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Family]:
        """Nothing is read to be registered."""
        return ()

    def collect(self) -> Iterator[Family]:
        """One pass over the store."""
        workspace = self._state.workspace
        self._totals.update(workspace.store)
        yield from self._process()
        yield from self._runs(workspace)
        yield from self._schedules(workspace)
        yield from self._connections(workspace, self._state.settings)
        yield from self._segments()

    def _process(self) -> Iterator[Family]:
        state = self._state
        yield gauge(
            "config_ok",
            "1 if the newest config and rules are in use, 0 if they are wrong",
            [((), float(not state.problems))],
        )
        yield gauge(
            "tick_age_seconds", "since this process last looked for what is due", [((), state.tick_age_s)]
        )
        yield counter(
            "faults", "faults in this process that ended nothing but what it was at", [((), state.faults)]
        )

    def _runs(self, workspace: Workspace) -> Iterator[Family]:
        store, totals = workspace.store, self._totals
        found = store.runs.counts()
        yield gauge(
            "runs",
            "runs by state and trigger",
            (((state.value, trigger), n) for (state, trigger), n in found.items()),
            "state",
            "trigger",
        )
        yield gauge(
            "run_last_end_timestamp_seconds",
            "when the newest run of this trigger and state ended",
            (((trigger, state.value), at.timestamp()) for (trigger, state), at in totals.last_end.items()),
            "trigger",
            "state",
        )
        yield counter(
            "step_seconds",
            "time that the steps of runs took",
            (((step,), seconds) for step, seconds in totals.step_seconds.items()),
            "step",
        )
        yield counter("rejected_rows", "rows and values that were rejected", [((), totals.rejected)])
        age = store.runs.renewed_ago_s()
        yield gauge(
            "lease_age_seconds",
            "since the run at work renewed its lease; absent if none is",
            [((), age)] if age is not None else [],
        )
        plan = store.plans.unfinished()
        held = store.plans.batches(plan.id, held=True, done=False) if plan is not None else []
        yield gauge("held_plans", "plans of which something waits for an approval", [((), float(bool(held)))])
        yield gauge(
            "held_changes",
            "changes that wait for an approval",
            [((), sum(len(batch.adds) + len(batch.removes) for batch in held))],
        )

    def _schedules(self, workspace: Workspace) -> Iterator[Family]:
        running = workspace.store.runs.running()
        if running is not None:
            self._totals.note_start(running)
        known, now_ms = self._state.settings.schedules, self._state.now_ms()
        rows = {name: row for name, row in workspace.store.schedules.all().items() if name in known}
        late = {name: late_s for name, late_s in self._totals.late_s.items() if name in known}
        yield gauge(
            "schedule_lateness_seconds",
            "start minus slot of the schedule's newest run",
            (((name,), late_s) for name, late_s in late.items()),
            "schedule",
        )
        yield gauge(
            "schedule_overdue_seconds",
            "how long a slot has been waiting to start",
            (
                ((name,), max(0.0, (now_ms - row.next_at) / 1000) if row.next_at and not row.paused else 0.0)
                for name, row in rows.items()
            ),
            "schedule",
        )
        yield gauge(
            "schedule_next_timestamp_seconds",
            "when the schedule is due next",
            (((name,), row.next_at / 1000) for name, row in rows.items() if row.next_at),
            "schedule",
        )
        yield gauge(
            "schedule_paused",
            "1 if it was paused",
            (((name,), float(row.paused)) for name, row in rows.items()),
            "schedule",
        )
        yield counter(
            "schedule_missed_slots",
            "slots that had no run of their own",
            (((name,), row.missed) for name, row in rows.items()),
            "schedule",
        )

    def _connections(self, workspace: Workspace, settings: Settings) -> Iterator[Family]:
        sums: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for (name, connection), count in self._totals.by_connection.items():
            sums.setdefault(name, []).append(((connection,), count))
        for name, meaning in (
            ("rows_pulled", "rows that arrived from the connection"),
            ("refused", "changes that the platform refused"),
            ("opt_outs_recorded", "opt-outs from elsewhere that were recorded there"),
            ("write_calls", "calls that carried changes or prepared them, as runs report them"),
        ):
            yield counter(name, meaning, sums.get(name, []), "connection")
        changes = [((*label, what), n) for what in ("added", "removed") for label, n in sums.get(what, [])]
        yield counter(
            "changes", "people added to and removed from audiences", changes, "connection", "action"
        )
        calls = workspace.store.calls.all()
        yield counter(
            "calls",
            "requests to the platform",
            (((n,), sent) for n, (sent, _) in calls.items()),
            "connection",
        )
        yield counter(
            "rate_limited",
            "requests that the platform refused for being one too many (429)",
            (((name,), limited) for name, (_, limited) in calls.items()),
            "connection",
        )
        now = instant(self._state.now_ms())
        ages: dict[str, float] = {one.name: math.inf for one in settings.connections.values() if one.source}
        for point in workspace.store.inbox.checkpoints():
            if point.connection in ages and point.last_good_at is not None:
                age_s = (now - point.last_good_at).total_seconds()
                oldest = ages[point.connection]
                ages[point.connection] = age_s if math.isinf(oldest) else max(oldest, age_s)
        yield gauge(
            "connection_age_seconds",
            "since all that the connection has was last read; +Inf: never",
            (((name,), age_s) for name, age_s in ages.items()),
            "connection",
        )

    def _segments(self) -> Iterator[Family]:
        now, totals = instant(self._state.now_ms()), self._totals
        yield gauge(
            "segment_people",
            "members, as the newest run has them",
            (((name,), size) for name, size in totals.segments.items()),
            "segment",
        )
        ages = ((name, totals.sent_at.get(name)) for name in totals.segments)
        yield gauge(
            "segment_age_seconds",
            "since the segment's audiences were last brought up to date",
            (((name,), math.inf if at is None else (now - at).total_seconds()) for name, at in ages),
            "segment",
        )


def gauge(name: str, meaning: str, rows: Rows, *labels: str) -> GaugeMetricFamily:
    """A value that goes up and down."""
    family = GaugeMetricFamily(f"segsync_{name}", meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def counter(name: str, meaning: str, rows: Rows, *labels: str) -> CounterMetricFamily:
    """A value that only grows; its name gets the ending _total."""
    family = CounterMetricFamily(f"segsync_{name}", meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
