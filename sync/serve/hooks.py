"""Where others hang in: what happens after every run, and once a minute. A fault in there ends nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sync.run.alerting import evaluate_and_send
from sync.run.report import Report
from sync.run.workspace import Workspace


def after_run(workspace: Workspace, report: Report) -> None:
    """A run came to its end in this process. Runs of others are in the store: see `each_minute`."""


def each_minute(workspace: Workspace) -> None:
    """Once a minute in every process that serves: what it does must bear being done by several."""
    evaluate_and_send(workspace, workspace.clock.utc_now())


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is called; the functions above unless somebody says otherwise."""

    after_run: Callable[[Workspace, Report], object] = after_run
    each_minute: Callable[[Workspace], object] = each_minute
