"""One run of the scale benchmark, in a process of its own.

`python -m tests.benchmarks.scale_run CONFIG AS_OF HOURS` prints one line of JSON: seconds and CPU seconds per
step, peak memory, what was read and changed. Waiting for a platform's pace is left out of the seconds and
counted apart: it says nothing of what we cost. HOURS: how far our clock is ahead of the machine's.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TypeVar


class _WithoutPandas(MetaPathFinder):
    """Tests have pandas, an installation has not; if it is there, pyarrow loads it: half a second, 40 MiB."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("no pandas in this process", name="pandas")


sys.meta_path.insert(0, _WithoutPandas())

from connectors.pacing import SystemClock  # noqa: E402
from sync.run.pipeline import begin  # noqa: E402
from sync.run.workspace import Workspace  # noqa: E402

Value = TypeVar("Value")
LONGEST_WAIT_S = 0.02


class Hurried(SystemClock):
    """The computer's clock for somebody who does not wait: time that is slept passes at once.

    `waited_s`: how much longer it would have taken with waiting. `ahead`: of the computer's.
    """

    def __init__(self, ahead: dt.timedelta) -> None:
        self.waited_s = 0.0
        self._ahead = ahead
        self._lock = threading.Lock()

    def utc_now(self) -> dt.datetime:
        return super().utc_now() + self._ahead

    def now_s(self) -> float:
        return super().now_s() + self.waited_s

    def sleep(self, seconds: float) -> None:
        until_s = self.now_s() + seconds
        with self._lock:  # threads that sleep at the same time wait only once
            self.waited_s = max(self.waited_s, until_s - super().now_s())
        time.sleep(min(max(seconds, 0.0), LONGEST_WAIT_S))


class Steps:
    """Wall-clock and CPU seconds by step, and the peak of memory when it ended."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.peak: dict[str, int] = {}

    def time(self, name: str, step: Callable[[], Value]) -> Value:
        """Run `step` and note what it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        value = step()
        self.seconds[name] = round(time.perf_counter() - wall, 2)
        self.cpu[name] = round(time.process_time() - cpu, 2)
        self.peak[name] = _peak_mib()
        return value


def measure(config: Path, as_of: dt.datetime, ahead: dt.timedelta) -> dict[str, object]:
    """All five steps."""
    steps, clock = Steps(), Hurried(ahead)
    start, start_cpu_s = time.perf_counter(), round(time.process_time(), 2)
    with (
        Workspace.open(config, clock=clock) as workspace,
        begin(workspace, "bench", as_of=as_of) as pipeline,
    ):
        steps.time("pull", pipeline.pull)
        steps.time("identify", pipeline.identify)
        rules, members = steps.time("assign", pipeline.assign)
        steps.time("plan", lambda: pipeline.plan(rules, members))
        plan = pipeline.report.plan_id
        if plan is not None:
            steps.time("push", lambda: pipeline.push(plan))
        report = pipeline.report
        changes = sum(part.changes for part in report.connections.values())
        activity = workspace.store.lake.rows("activity")
        read = sum(part.read for part in report.connections.values())
    used = os.times()
    return {
        "people": report.people,
        "activity": activity,
        "rows_read": read,
        "rows_changed": report.lake_rows_changed,
        "changes": changes,
        "stopped": {name: part.stopped for name, part in report.connections.items() if part.stopped},
        "held": report.held,
        "seconds": steps.seconds,
        "cpu_seconds": steps.cpu,
        "wall_s": round(time.perf_counter() - start, 2),
        "cpu_s": round(used.user + used.system, 2),
        "pace_s": round(clock.waited_s, 1),
        "start_cpu_s": start_cpu_s,
        "peak_mib": _peak_mib(),
        "peaks_mib": steps.peak,
    }


def _peak_mib() -> int:
    """Of the process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    hours = dt.timedelta(hours=float(sys.argv[3]))
    found = measure(Path(sys.argv[1]), dt.datetime.fromisoformat(sys.argv[2]), hours)
    sys.stdout.write(json.dumps(found) + "\n")
