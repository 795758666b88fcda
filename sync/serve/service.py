"""The service: looks for what is due, works on it, answers over HTTP, until it is told to end.

Any number may run side by side on PostgreSQL; on SQLite one process at a time works, which the worker's lock
sees to. Told to end, it claims nothing more, finishes the calls under way, records what it did and lets go
of its run, so that another process goes on at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sync.errors import UserError
from sync.run.report import Report
from sync.run.sharing import POLL_S
from sync.run.working import THREADS, Worker
from sync.run.workspace import Workspace
from sync.schedule import Schedules, Ticker
from sync.serve.hooks import Hooks
from sync.serve.http import served
from sync.serve.reload import Watched
from sync.serve.state import State
from sync.store import StoreError
from sync.store.leases import steady_s
from sync.store.sole import worker as may_work

TICK_S = 1.0
MINUTE_S = 60.0
AFTER_FAULT_S = 5.0

_log = logging.getLogger(__name__)


class Service:
    """One process's service on `workspace`, which stays the caller's to close."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = THREADS,
        drain_s: float = 30.0,
        hooks: Hooks | None = None,
        now_ms: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.stopping = threading.Event()
        self.listening = threading.Event()
        """Set once it works and answers at `address`."""
        self.address = ""
        self._given = workspace
        self._place = (host, port)
        self._threads = threads
        self._drain_s = drain_s
        self._hooks = hooks or Hooks()
        self._now_ms = now_ms

    def stop(self) -> None:
        """Begin nothing more and come to an end; may be called by a signal handler or another thread."""
        self.stopping.set()

    def run(self) -> bool:
        """Serve until `stop`. False if what was under way did not end within the limit.

        UserError if the config, the rules or the schedules are wrong at the start, or the place is taken.
        """
        with may_work(self._given.store):
            watched = Watched(self._given)
            try:
                return self._serve(watched)
            finally:
                watched.close()

    def _serve(self, watched: Watched) -> bool:
        self._watched = watched
        self._current = self._given.having(watched.settings)
        self.state = State(self._current, watched.settings)
        self._worker = Worker(self._current, threads=self._threads, stopping=self.stopping, ended=self._ended)
        self._take_schedules()
        ticker = Ticker({self.tick: TICK_S, self._minute: MINUTE_S})
        labour = threading.Thread(target=self._labour, name="worker", daemon=True)
        host, port = self._place
        with served(self.state, host=host, port=port) as self.address:
            _log.info("serving at %s: %d schedules", self.address, len(watched.settings.schedules))
            ticker.start()
            labour.start()
            self.listening.set()
            self.stopping.wait()
            self.state.draining = True
            ticker.stop()
            _log.info("ending: finishing what is under way, for %g s at most", self._drain_s)
            labour.join(self._drain_s)
            drained = not labour.is_alive()
            if drained:
                self._current.disconnect()
                _log.info("ended")
            else:
                _log.warning("a call under way did not end in time; its run is resumed by another process")
            return drained

    # ── the ticker's threads ─────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Once a second: has the config changed, what is due?"""
        self.state.beat_s = steady_s()
        if self.stopping.is_set():
            return
        with self._told("a look at what is due"):
            before = self._watched.problems
            if self._watched.look():
                self._take_up()
            elif self._watched.problems and self._watched.problems != before:
                self.state.problems = self._watched.problems
                _log.error(
                    "the changed config or rules are wrong; those before stay in use",
                    extra={"problems": self._shown(self._watched.problems)},
                )
            for run_id in self._schedules.tick():
                run = self._given.store.runs.get(run_id)
                _log.info(
                    "run %d is due", run_id, extra={"run": run_id, "schedule": run.schedule, "slot": run.slot}
                )
        self.state.beat_s = steady_s()

    def _minute(self) -> None:
        if not self.stopping.is_set():
            with self._told("what is done every minute"):
                self._hooks.each_minute(self._current)

    def _take_up(self) -> None:
        """New settings: for schedules at once, for runs with the next one."""
        self.state.settings, self.state.problems = self._watched.settings, ()
        self._take_schedules()
        _log.info("the changed config and rules are in use")

    def _take_schedules(self) -> None:
        settings = self._watched.settings
        self._schedules = Schedules(
            self._given.store,
            settings.schedules,
            segments=self._watched.segments,
            utc_now=self._given.clock.utc_now,
            now_ms=self._now_ms,
        )
        self._schedules.declare()

    # ── the worker's thread ──────────────────────────────────────────────────────────────────────────

    def _labour(self) -> None:
        while not self.stopping.is_set():
            busy = False
            with self._told("the work on a run", wait_s=AFTER_FAULT_S):
                self._take_settings()
                busy = self._worker.once()
            if not busy:
                self.stopping.wait(POLL_S)

    def _take_settings(self) -> None:
        settings = self._watched.settings
        if settings is not self._current.settings:
            before, self._current = self._current, self._given.having(settings)
            self._worker.workspace = self.state.workspace = self._current
            before.disconnect()

    def _ended(self, workspace: Workspace, report: Report) -> None:
        with self._told("what follows a run"):
            self._hooks.after_run(workspace, report)

    def _told(self, what: str, *, wait_s: float = 0.0) -> _Told:
        return _Told(self, what, wait_s)

    @staticmethod
    def _shown(problems: tuple[str, ...]) -> list[str]:
        from sync.serve.logs import without_addresses

        return [without_addresses(problem) for problem in problems[:20]]


class _Told:
    """A block whose faults are logged and counted, and end nothing else."""

    def __init__(self, service: Service, what: str, wait_s: float) -> None:
        self._service = service
        self._what = what
        self._wait_s = wait_s

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        self._service.state.fault()
        if isinstance(error, UserError | StoreError):
            _log.error("%s failed: %s", self._what, error)
        else:
            _log.error("%s failed", self._what, exc_info=error)
        self._service.stopping.wait(self._wait_s)
        return True
