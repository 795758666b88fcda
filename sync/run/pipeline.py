"""A run from its claim to its end: under a lease that a thread renews, and whatever happens, recorded.

One run at a time is at work on a store. The only place below the command line, with the steps, that asks
the clock.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sync.doing import doing
from sync.errors import Busy, ExitCode, UserError
from sync.progress import SILENT, Progress
from sync.run.alerting import alerting
from sync.run.housekeeping import sweep_daily
from sync.run.report import Report
from sync.run.steps import Pipeline
from sync.run.workspace import Workspace
from sync.store import Run, RunInProgress, RunState, Scope, Stopped
from sync.store.leases import Stop
from sync.store.scope import EVERYTHING


@contextmanager
def begin(
    workspace: Workspace,
    trigger: str,
    *,
    as_of: dt.datetime | None = None,
    scope: Scope = EVERYTHING,
    progress: Progress = SILENT,
    whole: bool = False,
) -> Iterator[Pipeline]:
    """Claim the store for one run. Busy if another one is at work; the run's end is always recorded.

    Work with the pipeline's own `workspace` and `store`: they stop writing at once if the lease is lost.
    """
    now = workspace.clock.utc_now()
    try:
        run = workspace.store.runs.claim(trigger, as_of=as_of or now, now=now, scope=scope)
    except RunInProgress as error:
        raise Busy(str(error)) from error
    with attempt(workspace, run, progress=progress, whole=whole) as pipeline:
        yield pipeline


@contextmanager
def attempt(
    workspace: Workspace,
    run: Run,
    *,
    stopping: threading.Event | None = None,
    threads: int | None = None,
    progress: Progress = SILENT,
    whole: bool = False,
) -> Iterator[Pipeline]:
    """Work on a run that this process has claimed; at the end of the block the run is over or let go.

    `stopping`: set it to end early; the run is then `Stopped` between two calls, and whoever is there goes
    on with it. `threads`: how many tasks of the run this process takes at a time.
    """
    runs = workspace.store.runs
    lease = runs.lease(run)
    lease.stopping = Stop(stopping)
    with alerting(workspace), doing(run=run.id), lease.kept(), workspace.under(lease) as mine:
        pipeline = Pipeline(mine, run, lease=lease, threads=threads, progress=progress, whole=whole)
        try:
            yield pipeline
            sweep_daily(mine, pipeline.report.notices)
        except Stopped:
            lease.rest()
            runs.release(run, now=workspace.clock.utc_now(), stats=pipeline.report.document())
            raise
        except BaseException as error:
            stats = {**pipeline.report.document(), "error": _told(error)}
            runs.finish(run, RunState.FAILED, now=workspace.clock.utc_now(), stats=stats)
            raise
        code = pipeline.report.exit_code
        state = {ExitCode.HELD: RunState.HELD, ExitCode.DONE: RunState.DONE}.get(code, RunState.FAILED)
        runs.finish(run, state, now=workspace.clock.utc_now(), stats=pipeline.report.document())


def run(
    workspace: Workspace,
    *,
    as_of: dt.datetime | None = None,
    trigger: str = "run",
    scope: Scope = EVERYTHING,
    progress: Progress = SILENT,
    whole: bool = False,
) -> Report:
    """All steps. Raises UserError for problems in rules or config; platforms' failures are reported.

    `whole`: the rules are asked of everybody, whatever changed, and the answers compared.
    """
    with begin(workspace, trigger, as_of=as_of, scope=scope, progress=progress, whole=whole) as pipeline:
        pipeline.all_steps()
    return pipeline.report


def carry_out(
    workspace: Workspace,
    run: Run,
    *,
    stopping: threading.Event | None = None,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> Report:
    """As `run`, for a queued run that this process has claimed, from wherever others left it."""
    with attempt(workspace, run, stopping=stopping, threads=threads, progress=progress) as pipeline:
        pipeline.all_steps()
    return pipeline.report


def _told(error: BaseException) -> str:
    """A user's mistake in its words; of anything else only the kind, for its text may hold anything."""
    if isinstance(error, UserError):
        return " · ".join((str(error), *error.problems[:5]))
    return type(error).__name__
