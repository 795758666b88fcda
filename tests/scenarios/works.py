"""Workers in processes of their own on one store with a shop and three newsletters, and what befalls them."""

from __future__ import annotations

import csv
import logging
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.simulation import Reply, Request, serve
from sync.run.workspace import Workspace
from sync.store import Lease, Step, Store, Task, TaskState, Terms
from sync.store.tables import metadata
from sync.store.tasks import Tasks
from tests.patience import PATIENCE_S
from tests.scenarios.lives import nursery

KEY = "SEGSYNC_WORKS_KEY"
TERMS = Terms(lease_s=6, heartbeat_s=1, request_s=2)
"""Short, so that a take-over need not be waited for long."""
RULE = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = ["n1", "n2", "n3"]
"""
CONFIG = """
rules_dir = "rules"
[store]
database = "{database}"
lake = "lake"
[brakes]
removals_min = 1000000
[connections.shop]
platform = "tables"
destination = false
url = "file:."
[connections.shop.contacts]
from = "customers.csv"
key = "id"
columns = {{ email = "email", country = "country" }}
"""


class Newsletter(MailchimpSimulator):
    """`before` is called with each request before it takes effect."""

    before: Callable[[Request], object] = staticmethod(lambda _: None)

    def answer(self, request: Request) -> Reply:
        self.before(request)
        return super().answer(request)


@dataclass
class Works:
    """Everything outside segsync."""

    folder: Path
    database: str = "sqlite:///segsync.db"
    seed: int = 1
    people: int = 40
    newsletters: dict[str, Newsletter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.choice = random.Random(self.seed)
        self.countries = [self.choice.choice(["DE", "FR"]) for _ in range(self.people)]
        for name in ("n1", "n2", "n3"):
            made = self.newsletters[name] = Newsletter(people=0)
            for number in range(self.people):
                if self.choice.random() < 0.8:
                    made.add_member(email(number), status="subscribed")
        (self.folder / "rules").mkdir(parents=True)
        (self.folder / "rules" / "rules.toml").write_text(RULE)
        self._export()

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @contextmanager
    def served(self) -> Iterator[None]:
        """The newsletters answer while the block runs; the config names them."""
        text = CONFIG.format(database=self.database)
        with ExitStack() as stack:
            for name, newsletter in self.newsletters.items():
                os.environ[KEY] = newsletter.key
                address = stack.enter_context(serve(newsletter))
                text += f'[connections.{name}]\nplatform = "mailchimp"\napi_key = "env:{KEY}"\n'
                text += f'base_url = "{address}"\n'
            self.config.write_text(text)
            yield

    def move(self) -> None:
        """Some people move to another country."""
        for number in self.choice.sample(range(self.people), 12):
            self.countries[number] = "FR" if self.countries[number] == "DE" else "DE"
        self._export()

    def _export(self) -> None:
        with (self.folder / "customers.csv").open("w", newline="") as file:
            rows = [(f"c{n}", email(n), country) for n, country in enumerate(self.countries)]
            csv.writer(file).writerows([("id", "email", "country"), *rows])

    def expected(self) -> dict[str, set[str]]:
        germans = {email(n) for n, country in enumerate(self.countries) if country == "DE"}
        return {
            name: {m.address for m in one.audience.members.values()} & germans
            for name, one in self.newsletters.items()
        }

    def found(self) -> dict[str, set[str]]:
        return {name: one.tagged("segsync: Germans") for name, one in self.newsletters.items()}

    def calls(self) -> int:
        """Requests so far, on all newsletters."""
        return sum(one.traffic.reads + one.traffic.writes for one in self.newsletters.values())

    @contextmanager
    def open(self) -> Iterator[Workspace]:
        """The installation, in this process."""
        with Workspace.open(self.config) as workspace:
            workspace.store.database.terms = TERMS
            yield workspace


def email(number: int) -> str:
    return f"person{number}@example.com"


def until(true: Callable[[], object], what: str) -> None:
    """Wait for the state of a database or a process."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def rows(store: Store) -> dict[str, list[str]]:
    """Everything in the database but what is left of the accounts' limits."""
    with store.database.reading() as connection:
        return {
            name: sorted(map(repr, connection.execute(table.select()).all()))
            for name, table in metadata.tables.items()
            if not name.startswith("budget")
        }


@dataclass
class Hand:
    """One worker process, and what it tells."""

    process: multiprocessing.Process
    pipe: Connection
    told: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def listen(self) -> list[tuple[str, ...]]:
        """All that it has told so far: ("ready",), ("log", text), ("begin" or "end", what, connection, s),
        and ("renewed", task, s) when its claim on a task was prolonged by a request sent at that time."""
        try:
            while self.pipe.poll():
                self.told.append(self.pipe.recv())
        except (EOFError, ConnectionResetError):
            pass  # it is dead
        return self.told

    def says(self, text: str) -> bool:
        return any(text in str(word) for message in self.listen() for word in message)


def hire(works: Works, *, labour: Callable[[Path, Connection], None] | None = None) -> Hand:
    """Start a worker process."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = nursery().Process(target=labour or _labour, args=(works.config, theirs))
    process.start()
    theirs.close()
    return Hand(process, ours)  # type: ignore[arg-type]


def dismiss(*hands: Hand) -> None:
    """Whatever state they are in."""
    for hand in hands:
        if hand.process.is_alive():
            hand.process.kill()
            hand.process.join()


class _Telling(logging.Handler):
    def __init__(self, tell: Callable[..., None]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell("log", record.getMessage())


def labour_until_all_is_sent(config: Path, pipe: Connection) -> None:
    """A worker that is killed when its last task of a push has sent all and is about to say so."""
    finish = Tasks.finish

    def finishing(tasks: Tasks, task: Task, result: Mapping[str, Any]) -> None:
        others = [one for one in tasks.of(task.run_id, Step.PUSH) if one.id != task.id]
        if task.step is Step.PUSH and all(one.state is TaskState.DONE for one in others):
            os.kill(os.getpid(), signal.SIGKILL)
        finish(tasks, task, result)

    Tasks.finish = finishing  # type: ignore[method-assign]
    _labour(config, pipe)


def _labour(config: Path, pipe: Connection) -> None:
    """A worker that tells what it does; ends on SIGTERM."""
    from sync.run import sharing
    from sync.run.working import Worker

    gate = threading.Lock()

    def tell(*message: object) -> None:
        with gate:
            pipe.send(message)

    def telling(what: str, done: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            connection = args[1] if what == "pull" else named["only"]
            tell("begin", what, connection, time.monotonic())
            try:
                return done(*args, **named)
            finally:
                tell("end", what, connection, time.monotonic())

        return call

    renew = Lease.renew

    def renewing(lease: Lease) -> None:
        sent_s = time.monotonic()
        renew(lease)
        if lease.task_id is not None:
            tell("renewed", str(lease.task_id), str(sent_s))

    Lease.renew = renewing  # type: ignore[method-assign]
    sharing.pull = telling("pull", sharing.pull)  # type: ignore[assignment]
    sharing.push = telling("push", sharing.push)  # type: ignore[assignment]
    logging.getLogger("sync").addHandler(_Telling(tell))
    logging.getLogger("sync").setLevel(logging.INFO)
    with Workspace.open(config) as workspace:
        workspace.store.database.terms = TERMS
        with Worker.opened(workspace, threads=1) as worker:
            signal.signal(signal.SIGTERM, lambda *_: worker.stop())
            tell("ready")
            worker.run()
