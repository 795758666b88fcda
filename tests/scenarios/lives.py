"""Runs of segsync in processes of their own that may be killed, forked cheaply from a warm parent."""

from __future__ import annotations

import os
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from tests.scenarios.commits import COMMIT, die_at_commits

_PRELOAD = [
    "tests.scenarios.lives",
    "sync.run.pipeline",
    "sync.run.workspace",
    "connectors.mailchimp.connector",
    "connectors.tables.connector",
    "sync.store.lake",
    "rules.language.files",
]


class Child(ForkServerProcess):
    """Has the environment that the test has when it makes it. The parent that it is forked from may be of an
    earlier test, and lack what this one set."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._environment = dict(os.environ)

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)
        super().run()


class _Nursery(ForkServerContext):
    Process = Child


def nursery() -> ForkServerContext:
    """A context whose processes start in milliseconds: everything is imported, nothing is open."""
    context = _Nursery()
    context.set_forkserver_preload(_PRELOAD)
    return context


def live(config: Path, commit: str = "") -> None:
    """One whole run, as the command line does it; ends with the run's exit code.

    `commit`: where it dies, such as `inside:17` (see commits.py).
    """
    os.environ[COMMIT] = commit or "none:0"
    die_at_commits()
    from sync.run.pipeline import run
    from sync.run.workspace import Workspace

    with Workspace.open(config) as workspace:
        report = run(workspace)
    raise SystemExit(int(report.exit_code))


def begin(context: ForkServerContext, config: Path, *, commit: str = "") -> ForkServerProcess:
    """Start a run; its pid is known, it may be killed."""
    process = context.Process(target=live, args=(config, commit))
    process.start()
    return process
