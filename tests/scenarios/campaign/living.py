"""One life of segsync: a process forked from the warm driver, which may be killed at any point of its own."""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenarios.campaign.bugs import put_in
from tests.scenarios.campaign.clock import SharedClock
from tests.scenarios.commits import die_at_commits, tell_commits

DISK = "SEGSYNC_CAMPAIGN_DISK"
"""No file of the life may grow beyond so many bytes."""
SKEW = "SEGSYNC_CAMPAIGN_SKEW"
"""How many seconds its time of day is wrong."""
EVERYTHING = (
    *(f"connectors.{name}.connector" for name in ("hubspot", "klaviyo", "mailchimp", "salesforce")),
    *("alembic.command", "klaviyo_api", "openapi_client.api_client", "phonenumbers", "pyarrow.csv"),
    *("pyiceberg.catalog.sql", "pyiceberg.io.pyarrow", "rich.progress", "rich.table", "tzdata"),
)
WITH_ALL_IN_THEM = (
    *("sync", "rules", "connectors.tables", "hubspot.discovery.crm"),
    *(f"hubspot.crm.{name}" for name in ("associations", "contacts", "lists", "objects", "properties")),
)
"""Modules and packages that are imported where they are first needed."""
PATIENCE_S = 240.0
"""A life that takes longer is stuck."""


def import_everything() -> None:
    """So that a fork has nothing left to import, which costs more than all else it does. Opens nothing."""
    for name in EVERYTHING:
        importlib.import_module(name)
    for name in WITH_ALL_IN_THEM:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                importlib.import_module(found.name)


@dataclass
class Life:
    """A process that was started, and what it said until its end. `code` is negative for a signal."""

    pid: int
    pipe: int
    code: int | None = None
    output: bytearray = field(default_factory=bytearray)

    def wait(self, *, at: Mapping[float, Callable[[], None]] | None = None) -> int:
        """Until it ends. `at`: seconds from now → what happens then, if it still lives."""
        started, due = time.monotonic(), sorted((at or {}).items())
        open_pipe = True
        while self.code is None or open_pipe:
            passed = time.monotonic() - started
            while due and due[0][0] <= passed:
                _, act = due.pop(0)
                if self.code is None:
                    act()
            if passed > PATIENCE_S:
                os.kill(self.pid, signal.SIGABRT)
            soon = min([due[0][0] - passed] if due else [], default=0.2)
            if open_pipe and select.select([self.pipe], [], [], max(0.0, min(soon, 0.2)))[0]:
                some = os.read(self.pipe, 65_536)
                self.output += some
                open_pipe = bool(some)
            if self.code is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG if open_pipe else 0)
                if pid:
                    self.code = os.waitstatus_to_exitcode(status)
        os.close(self.pipe)
        return self.code


def fork(work: Callable[[], int], environment: Mapping[str, str] | None = None) -> Life:
    """Start `work` in a process of its own; what it writes goes to its life's output."""
    sys.stdout.flush()
    sys.stderr.flush()
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return Life(pid, read)
    code = 70
    try:
        os.dup2(write, 1)
        os.dup2(write, 2)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        os.environ.update(environment or {})
        code = work()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def segsync(config: Path, clock: SharedClock, *arguments: str, queued: bool = False) -> int:
    """The command line as its user has it, with the campaign's clock; `queued`: a run is put in the queue."""
    import sync.run.workspace

    class Given:
        """`SystemClock()` gives the campaign's."""

        def __new__(cls) -> Any:
            return clock

    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    sync.run.workspace.SystemClock = Given  # type: ignore[misc,assignment]
    clock.skew_s = float(os.environ.get(SKEW, "0"))
    put_in()
    die_at_commits()
    _fill_disk()
    if queued:
        from sync.store import StoreError

        try:
            with sync.run.workspace.Workspace.open(config) as workspace:
                if workspace.store.runs.running() is None and not _waiting(workspace):
                    workspace.store.runs.enqueue("campaign", now=clock.utc_now())
        except StoreError as error:
            print(error)
            return 1
    sys.argv = ["segsync", "--config", str(config), *arguments]
    from sync.cli import main

    try:
        main()
    finally:
        tell_commits()
    return 0


def _waiting(workspace: Any) -> bool:
    return any(run.state == "open" for run in workspace.store.runs.latest(limit=5))


def _fill_disk() -> None:
    size = os.environ.get(DISK)
    if size:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
