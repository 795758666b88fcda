"""A shop whose customers are of three kinds, as its orders show; and what segsync makes of them."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shlex
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from sync.cli.app import app
from sync.run.pipeline import run
from sync.run.report import Report
from sync.run.workspace import Workspace
from sync.store.shapes import quoted

CONFIG = """\
rules_dir = "rules"
[store]
database = "DATABASE"
lake = "lake"
[rules]
incremental = true
full_hours = 100000
[brakes]
removals_min = 1000000
[connections.shop]
platform = "tables"
url = "file:."
memberships = { to = "members.csv" }
[connections.shop.contacts]
from = "customers.csv"
key = "id"
columns = { country = "country" }
[[connections.shop.activity]]
name = "orders"
kind = "purchase"
from = "orders.csv"
key = "order"
contact = "id"
at = "date"
columns = { amount = "amount" }
types = { amount = "money" }
"""
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
KINDS: Mapping[str, tuple[int, float, float]] = {
    "hunters": (12, 8.0, 20.0),  # orders, amount of each, days since the last one
    "spenders": (3, 400.0, 40.0),
    "lapsed": (5, 60.0, 500.0),
}
VALUE = """
[[clustering]]
id = "value"
name = "By value"
when = "count(purchase) > 0"
k = 3
features.orders = "count(purchase)"
features.order_value = "avg(purchase.amount)"
features.days_quiet = "days since last purchase"
"""


@dataclass
class Planted:
    """The folder of an installation with `each` customers of every kind, and ten who never ordered."""

    folder: Path
    rules: str = VALUE
    each: int = 60
    seed: int = 1
    kind: dict[int, str] = field(default_factory=dict)
    orders: dict[int, list[tuple[dt.datetime, float]]] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    database: str = "sqlite:///segsync.db"

    def __post_init__(self) -> None:
        self.config.write_text(CONFIG.replace("DATABASE", self.database), "utf-8")
        (self.folder / "rules").mkdir()
        self.ruled(self.rules)
        random = np.random.default_rng(self.seed)
        for number in range(1, 3 * self.each + 1):
            kind = list(KINDS)[number % 3]
            self.kind[number] = kind
            count, amount, quiet = KINDS[kind]
            made = max(1, count + int(random.integers(-1, 2)))
            last = quiet * random.lognormal(0, 0.15)
            days = [last + 25 * place for place in range(made)]
            self.orders[number] = [
                (NOW - dt.timedelta(days=float(day)), round(amount * random.lognormal(0, 0.15), 2))
                for day in days
            ]
        self.export()

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def ruled(self, rules: str) -> None:
        """Write the rules."""
        (self.folder / "rules" / "rules.toml").write_text(rules, "utf-8")

    def edited(self, rules: str, name: str = "edited") -> Path:
        """A folder beside the rules, with others."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "rules.toml").write_text(rules, "utf-8")
        return folder

    def of(self, kind: str) -> set[int]:
        """The customers of a kind."""
        return {number for number, one in self.kind.items() if one == kind}

    def become(self, numbers: Iterable[int], like: Iterable[int]) -> None:
        """These customers have the orders of those."""
        for number, other in zip(numbers, like, strict=True):
            self.orders[number] = list(self.orders[other])
        self.export()

    def live_on(self, days: int) -> None:
        """So many days later everybody has ordered as they did before."""
        later = dt.timedelta(days=days)
        self.orders = {n: [(at + later, amount) for at, amount in made] for n, made in self.orders.items()}
        self.export()

    def export(self) -> None:
        """Write the shop's files."""
        people = [(number, "DE" if number % 2 else "FR") for number in range(1, 3 * self.each + 11)]
        with (self.folder / "customers.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "country"), *people])
        with (self.folder / "orders.csv").open("w", newline="") as file:
            rows = [
                (f"{number}-{at:%Y%m%d%H%M%S}", number, at.isoformat(), amount)
                for number, orders in self.orders.items()
                for at, amount in orders
            ]
            csv.writer(file).writerows([("order", "id", "date", "amount"), *rows])

    def run(self, as_of: dt.datetime = NOW, *, whole: bool = False) -> Report:
        """A whole run at an instant."""
        with Workspace.open(self.config) as workspace:
            return run(workspace, as_of=as_of, whole=whole)

    def told(self, command: str, *, code: int = 0) -> str:
        """What the command line prints."""
        done = CliRunner().invoke(app, ["--config", str(self.config), *shlex.split(command)])
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    def asked(self, command: str, *, code: int = 0) -> Any:
        """What the command line answers a script."""
        return json.loads(self.told(f"{command} --format json", code=code))

    def clusters(self) -> dict[str, dict[str, Any]]:
        """The clusters by the kind that most of their people are of, as `clusters show` tells them."""
        ids = self.facts("cluster.value__id")
        shown = {one["id"]: one for one in self.asked("clusters show value")["clusters"]}
        found = {}
        for kind in KINDS:
            inside = [ids[number] for number in self.of(kind)]
            found[kind] = shown[max(set(inside), key=inside.count)]
        return found

    def facts(self, name: str) -> dict[int, Any]:
        """A column of the lake's table of facts, by customer."""
        with Workspace.open(self.config) as workspace, closing(workspace.store.lake.connect()) as database:
            lake = workspace.store.lake
            rows = database.sql(
                f"SELECT l.external_id::BIGINT, f.{quoted(name)} FROM {lake.relation('links')} AS l"
                f" LEFT JOIN {lake.relation('facts')} AS f USING (person)"
            ).fetchall()
        return dict(rows)

    def written(self) -> dict[str, set[int]]:
        """Segment → the customers that runs wrote as its members."""
        file = self.folder / "members.csv"
        found: dict[str, set[int]] = {}
        if file.exists():
            with file.open(newline="") as rows:
                for row in csv.DictReader(rows):
                    found.setdefault(row["segment"], set()).add(int(row["external_id"]))
        return found
