"""`segsync serve` for tests: in this process, or in processes of its own that may be killed."""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from sync.run.workspace import Workspace
from sync.serve.hooks import Hooks
from sync.serve.service import Service
from sync.store import RunState, Store
from sync.store.tables import runs, schedules
from tests.patience import PATIENCE_S
from tests.scenarios.lives import nursery
from tests.scenarios.works import TERMS, Works, until

HOURLY = '[schedules.hourly]\nevery = "1 hour"\n'
HOUR_MS = 3_600_000


def schedule(works: Works, text: str = HOURLY) -> None:
    """Add sections to the config."""
    works.config.write_text(works.config.read_text() + text)


def make_due(store: Store, name: str = "hourly") -> int:
    """As if the last full hour were the slot it waits for; that slot, in milliseconds."""
    slot = store.schedules.now_ms() // HOUR_MS * HOUR_MS
    with store.database.writing() as connection:
        row = update(schedules).where(schedules.c.name == name)
        assert connection.execute(row.values(next_slot=slot, next_at=slot)).rowcount == 1
    return slot


def run_states(store: Store) -> list[tuple[int, RunState, int]]:
    """(id, state, fence) of every run, oldest first."""
    with store.database.reading() as connection:
        found = connection.execute(runs.select().order_by(runs.c.id)).all()
    return [(row.id, RunState(row.state), row.fence) for row in found]


def over(store: Store, count: int = 1) -> None:
    """Wait until so many runs have ended, and none is at work."""

    def done() -> bool:
        states = [state for _, state, _ in run_states(store)]
        return len(states) >= count and not {RunState.OPEN, RunState.RUNNING} & set(states)

    until(done, f"{count} runs to end")


@contextmanager
def service(workspace: Workspace, hooks: Hooks | None = None) -> Iterator[Service]:
    """A service on a thread of this process; drained at the end of the block."""
    made = Service(workspace, hooks=hooks)
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(made.run()))
    thread.start()
    try:
        assert made.listening.wait(PATIENCE_S)
        yield made
    finally:
        made.stop()
        thread.join(PATIENCE_S)
    assert ended == [True]


def asked(address: str, path: str) -> tuple[int, str]:
    """(status, body) of one of its pages."""
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def document(address: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked(address, path)[1])
    return found


def metrics(address: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name without segsync_, values of its labels in the order of their names) → value."""
    status, text = asked(address, "/metrics")
    assert status == 200
    return {
        (
            sample.name.removeprefix("segsync_"),
            tuple(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@dataclass
class Served:
    """`segsync serve` in a process of its own; its log is a file."""

    process: ForkServerProcess
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged; each line must be JSON."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    @property
    def address(self) -> str:
        """Where it answers over HTTP, as it said itself."""
        said = next(line["message"] for line in self.lines if "serving at " in line["message"])
        return str(said.split("serving at ")[1].split(": ")[0])

    def says(self, words: str) -> bool:
        return any(words in line["message"] for line in self.lines)

    def ended(self) -> int | None:
        """Wait for its end; its exit code."""
        self.process.join(PATIENCE_S)
        return self.process.exitcode


@contextmanager
def serve(works: Works, *words: str) -> Iterator[Served]:
    """Start `segsync serve` with these options and wait until it serves."""
    log = works.folder / f"serve{len(list(works.folder.glob('serve*.log')))}.log"
    process = nursery().Process(target=_serve, args=(works.config, str(log), words))
    process.start()
    served = Served(process, log)
    try:
        until(lambda: served.says("serving at") or not process.is_alive(), "the service")
        yield served
    finally:
        if process.is_alive():
            process.kill()
            process.join()


def _serve(config: Path, log: str, words: tuple[str, ...]) -> None:
    from sync.cli import main

    with open(log, "a", buffering=1) as told:
        os.dup2(told.fileno(), 2)
        sys.stderr = told
        Store.open = _with_short_leases(Store.open)  # type: ignore[method-assign]
        sys.argv = ["segsync", "--config", str(config), "serve", "--port", "0", *words]
        main()


def _with_short_leases(opened: Any) -> Any:
    def open_(*args: Any) -> Store:
        store: Store = opened(*args)
        store.database.terms = TERMS
        return store

    return open_
