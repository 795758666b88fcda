"""A worker: takes what waits in the store's queue, and helps with what others have begun.

Any number of worker processes may share a PostgreSQL store and its lake's folder; on SQLite there is one. A
worker that is asked to stop begins nothing more, records what is under way, and lets go of its claims.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from connectors.errors import ConnectorError
from sync.errors import UserError
from sync.progress import SILENT, Progress
from sync.run.pipeline import carry_out
from sync.run.report import Report
from sync.run.sharing import POLL_S, perform
from sync.run.workspace import Workspace
from sync.store import LeaseLost, NoSpaceLeft, Stopped, StoreError
from sync.store.sole import worker as may_work

THREADS = 2
"""Tasks of one run that a worker takes at a time, so that something is left for the others."""

MOST_FAILURES = 8
"""So often nothing at all can be done, with longer and longer pauses (a minute and a half in all)."""
LONGEST_PAUSE_S = 30.0

Ended = Callable[[Workspace, Report], object]
"""Told of a run that is over: its workspace and its report."""

_log = logging.getLogger(__name__)


def _nothing(workspace: Workspace, report: Report) -> None:
    """Nobody wants to be told."""


class Worker:
    """Works on one store until it is stopped. `opened` checks that it may."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        threads: int | None = THREADS,
        stopping: threading.Event | None = None,
        progress: Progress = SILENT,
        ended: Ended = _nothing,
    ) -> None:
        self.workspace = workspace
        self.threads = threads
        self.stopping = stopping or threading.Event()
        self._progress = progress
        self._ended = ended
        self._unable: set[int] = set()
        self._failing: list[StoreError | ConnectorError] = []  # one after the other, without anything done

    @classmethod
    @contextmanager
    def opened(cls, workspace: Workspace, *, threads: int | None = THREADS) -> Iterator[Self]:
        """A worker that has the right to work here; `NotShared` if a second one on SQLite."""
        with may_work(workspace.store):
            yield cls(workspace, threads=threads)

    def stop(self) -> None:
        """Begin nothing more; may be called from a signal handler or another thread."""
        self.stopping.set()

    def run(self, *, until_idle: bool = False) -> None:
        """Work until `stop` is called, or (`until_idle`) nothing waits and nobody is at work.

        `until_idle`: what goes on failing is raised in the end, a full disk at once: to wait does not help.
        """
        while not self.stopping.is_set():
            if self.once():
                failing = self._failing
                full = failing and isinstance(failing[-1], NoSpaceLeft)
                if until_idle and (full or len(failing) > MOST_FAILURES):
                    raise failing[-1]
                continue
            if until_idle and self.workspace.store.runs.running() is None:
                return
            self.stopping.wait(POLL_S)

    def once(self) -> bool:
        """Do one task of the run that is at work, or the next run that waits; whether there was one.

        What goes wrong in it is recorded with the run and logged; the worker lives on.
        """
        failing, self._failing = self._failing, []
        try:
            return work_once(
                self.workspace,
                stopping=self.stopping,
                threads=self.threads,
                unable=self._unable,
                progress=self._progress,
                ended=self._ended,
            )
        except Stopped as stopped:
            _log.info("%s", stopped)
        except LeaseLost as lost:
            _log.warning("%s", lost)
        except UserError as mistake:
            _log.error("%s", mistake)
        except (StoreError, ConnectorError) as error:
            _log.error("%s: %s", type(error).__name__, error)
            self._failing = [*failing[-MOST_FAILURES:], error]
            # a database that is away, or a disk that is full, is not tried without a pause
            self.stopping.wait(min(POLL_S * 2 ** len(failing), LONGEST_PAUSE_S))
        return True


def work_once(
    workspace: Workspace,
    *,
    stopping: threading.Event | None = None,
    threads: int | None = None,
    unable: set[int] | None = None,
    progress: Progress = SILENT,
    ended: Ended = _nothing,
) -> bool:
    """Do one task that waits, else carry out the next queued run; False if there is neither.

    `unable` collects the tasks that this process failed at, so that it leaves them to others. `ended` is told
    of every run that came to its end here.
    """
    stopping = stopping or threading.Event()
    unable = set() if unable is None else unable
    task = workspace.store.tasks.claim(without=unable)
    if task is not None:
        try:
            perform(workspace, task, stopping=stopping, progress=progress)
        except (UserError, ConnectorError):
            unable.add(task.id)
            raise
        return True
    run = workspace.store.runs.claim_next(now=workspace.clock.utc_now())
    if run is None:
        return False
    report = carry_out(workspace, run, stopping=stopping, threads=threads, progress=progress)
    _log.info("run %d (%s) ended with exit code %d", run.id, run.trigger, report.exit_code)
    ended(workspace, report)
    return True
