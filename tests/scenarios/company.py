"""A small company for scenario tests: a shop's two exports, a simulated newsletter, one rule file.

Commands run in this process through the real entry point, so that exit codes, messages and tracebacks are
those of the command line. Time is a clock that stands still unless a test moves it; nothing sleeps.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.simulation import serve
from sync.cli import main
from sync.run.workspace import Workspace
from tests.databases import furnish

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
KEY = "SCENARIO_KEY"
CUSTOMERS = ("customer_id", "email", "country")
ORDERS = ("order_id", "customer_id", "ordered_at", "total")

DATABASE = "sqlite:///segsync.db"
STORE = f"""\
rules_dir = "rules"
[store]
database = "{DATABASE}"
lake = "lake"
"""
SHOP = """
[connections.shop]
platform = "tables"
destination = false
url = "file:exports"
[connections.shop.contacts]
from = "customers.csv"
key = "customer_id"
columns = { email = "email", country = "country" }
[[connections.shop.activity]]
kind = "purchase"
from = "orders.csv"
key = "order_id"
contact = "customer_id"
at = "ordered_at"
columns = { amount = "total" }
types = { amount = "money" }
"""
NEWSLETTER = """
[connections.NAME]
platform = "mailchimp"
api_key = "env:KEY"
base_url = "ADDRESS"
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything a person at a terminal would see."""
        return self.out + self.err

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


def command(*words: str | Path, config: Path | None = None) -> Answer:
    """Run `segsync …` in this process. An exception that reaches us would be a traceback for the user."""
    out, err = io.StringIO(), io.StringIO()
    named = [] if config is None else ["--config", str(config)]
    before = sys.argv
    sys.argv = ["segsync", *named, *map(str, words)]
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    finally:
        sys.argv = before
    return Answer(code, out.getvalue(), err.getvalue())


@dataclass(slots=True)
class Company:
    """One installation in `folder`, with the newsletters it is connected to."""

    folder: Path
    clock: ManualClock
    newsletters: dict[str, MailchimpSimulator] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def newsletter(self) -> MailchimpSimulator:
        """The first newsletter."""
        return next(iter(self.newsletters.values()))

    def write_config(self, *more: str, shop: str = SHOP) -> None:
        """The store, the shop, every newsletter, and whatever a test adds."""
        parts = [STORE, *more, shop]
        for name, address in self.addresses.items():
            text = NEWSLETTER.replace("NAME", name).replace("KEY", KEY).replace("ADDRESS", address)
            parts.append(text)
        self.config.write_text("".join(parts), encoding="utf-8")

    def customers(self, rows: Iterable[Sequence[object]]) -> None:
        """Rows of customer_id, email, country."""
        self._export("customers.csv", CUSTOMERS, rows)

    def orders(self, rows: Iterable[Sequence[object]]) -> None:
        """Rows of order_id, customer_id, ordered_at, total."""
        self._export("orders.csv", ORDERS, rows)

    def _export(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        folder = self.folder / "exports"
        folder.mkdir(exist_ok=True)
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    def rules(self, text: str) -> None:
        """The one rule file."""
        folder = self.folder / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "segments.toml").write_text(text, encoding="utf-8")

    def segsync(self, *words: str | Path) -> Answer:
        """One command with this company's config."""
        return command(*words, config=self.config)

    def run(self, code: int = 0) -> dict[str, Any]:
        """`segsync run`, which must end with `code`; its report."""
        database = self.folder / "segsync.db"
        if not database.exists() and DATABASE in self.config.read_text(encoding="utf-8"):
            furnish(database)
        answer = self.segsync("run", "--format", "json")
        assert answer.code == code, answer.said
        document: dict[str, Any] = answer.document
        return document

    def open(self) -> Workspace:
        return Workspace.open(self.config, clock=self.clock)

    def tagged(self, segment: str, *, on: str | None = None) -> set[str]:
        """Who carries the segment's tag on a newsletter, whoever put it there."""
        simulator = self.newsletter if on is None else self.newsletters[on]
        return simulator.tagged(f"segsync: {segment}")

    def later(self, **how_much: float) -> None:
        """Let time pass."""
        self.clock.advance(dt.timedelta(**how_much).total_seconds())


@contextmanager
def company(
    folder: Path, patch: pytest.MonkeyPatch, *, newsletters: Sequence[str] = ("newsletter",)
) -> Iterator[Company]:
    """An empty company whose newsletters answer while the block runs; its config is written."""
    clock = ManualClock(NOW)
    patch.setattr("sync.run.workspace.SystemClock", lambda: clock)
    patch.setenv(KEY, MailchimpSimulator(now=clock.utc_now).key)
    made = Company(folder, clock)
    with ExitStack() as served:
        for name in newsletters:
            made.newsletters[name] = MailchimpSimulator(now=clock.utc_now)
            made.addresses[name] = served.enter_context(serve(made.newsletters[name]))
        made.write_config()
        yield made


def email(number: int) -> str:
    return f"person{number}@example.com"


def people(numbers: Iterable[int], *, country: str = "DE") -> list[tuple[str, str, str]]:
    """Customers c1, c2, … of one country."""
    return [(f"c{n}", email(n), country) for n in numbers]


def join(simulator: MailchimpSimulator, numbers: Iterable[int], **more: Any) -> None:
    """Members of the newsletter with the customers' addresses, since ten seconds."""
    for n in numbers:
        simulator.add_member(email(n), **more)


def segment(id: str, when: str, *, to: str = '["newsletter"]', **more: str) -> str:
    """A rule; `more` are further keys with their TOML values."""
    lines = [f'id = "{id}"', f'name = "{id}"', f"when = '{when}'", f"to = {to}"]
    lines += [f"{key} = {value}" for key, value in more.items()]
    return "[[segment]]\n" + "\n".join(lines) + "\n"


def emails(numbers: Iterable[int]) -> set[str]:
    return {email(n) for n in numbers}


def part(report: Mapping[str, Any], connection: str = "newsletter") -> dict[str, Any]:
    """One connection's part of a report."""
    found: dict[str, Any] = report["connections"][connection]
    return found
