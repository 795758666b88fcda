"""A shop with the orders of Online Retail and models that are on; and the orders in pandas."""

from __future__ import annotations

import datetime as dt
import tomllib
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from sync.run.pipeline import run
from sync.run.report import Report
from sync.run.workspace import Workspace
from sync.store.shapes import quoted
from tests.shared import shared

CONFIG = """\
rules_dir = "rules"
[store]
database = "{database}"
lake = "lake"
[rules]
incremental = true
full_hours = 100000
[business]
zone = "Europe/London"
currency = "GBP"
{models}
[connections.shop]
platform = "tables"
url = "file:."
memberships = {{ to = "members.csv" }}
[connections.shop.contacts]                 # one row per order: the first one of a customer is kept
from = "orders.csv"
key = "CustomerID"
columns = {{ country = "country" }}
[[connections.shop.activity]]
name = "orders"
kind = "purchase"
from = "orders.csv"
key = "InvoiceNo"
contact = "CustomerID"
at = "date"
columns = {{ amount = "amount" }}
types = {{ amount = "money" }}
"""


class RetailShop:
    """The folder of an installation. The shop's times are taken for UTC. `orders`: another file of them."""

    def __init__(
        self,
        folder: Path,
        *,
        models: str,
        rules: str,
        database: str = "sqlite:///segsync.db",
        orders: Path | None = None,
    ) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        (folder / "orders.csv").symlink_to(orders or shared("data/online_retail/orders.csv"))
        self.configure(models, database)
        self.ruled(rules)

    def configure(self, models: str, database: str = "sqlite:///segsync.db") -> None:
        """Write the config with these sections."""
        self.config.write_text(CONFIG.format(models=models, database=database), encoding="utf-8")

    def ruled(self, rules: str) -> None:
        """Write the rules."""
        (self.folder / "rules").mkdir(exist_ok=True)
        (self.folder / "rules" / "rules.toml").write_text(rules, encoding="utf-8")

    def run(self, as_of: dt.datetime, *, whole: bool = False) -> Report:
        """A whole run at an instant."""
        with Workspace.open(self.config) as workspace:
            return run(workspace, as_of=as_of, whole=whole)

    def facts(self, *names: str) -> pd.DataFrame:
        """What models tell, by customer; with the activity's and people's tables nothing is done."""
        with Workspace.open(self.config) as workspace, closing(workspace.store.lake.connect()) as database:
            lake = workspace.store.lake
            columns = ", ".join(f"f.{quoted(name)}" for name in names)
            found = database.sql(
                f"SELECT l.external_id::BIGINT AS customer, {columns} FROM {lake.relation('links')} AS l"
                f" LEFT JOIN {lake.relation('facts')} AS f USING (person)"
            ).df()
        return found.set_index("customer").sort_index()

    def members(self) -> dict[str, set[int]]:
        """Segment → the customers who are in it since the last run."""
        with Workspace.open(self.config) as workspace, closing(workspace.store.lake.connect()) as database:
            lake = workspace.store.lake
            rows = database.sql(
                f"SELECT person, external_id::BIGINT FROM {lake.relation('links')}"
            ).fetchall()
            latest = workspace.store.segments.latest()
        return {
            name: {customer for person, customer in rows if person in one.members}
            for name, one in latest.items()
        }

    def written(self, segment: str) -> set[int]:
        """The customers that runs have written as members of it."""
        rows = pd.read_csv(self.folder / "members.csv")
        return set(rows.loc[rows["segment"] == segment, "external_id"])


@cache
def happened() -> pd.DataFrame:
    """Every line of the file: customer, at, day, pence."""
    raw = pd.read_csv(shared("data/online_retail/orders.csv"))
    at = pd.to_datetime(raw["date"]).dt.tz_localize("UTC")
    pence = (raw["amount"] * 100).round().astype("int64")
    day = (at - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(days=1)
    return pd.DataFrame({"customer": raw["CustomerID"], "at": at, "day": day, "pence": pence})


def orders() -> pd.DataFrame:
    """What was bought for more than nothing."""
    return happened()[happened()["pence"] > 0]


@cache
def customers() -> pd.Index:
    """Everybody, also who only gave things back."""
    return pd.Index(sorted(happened()["customer"].unique()), name="customer")


def totals(as_of: dt.datetime) -> pd.DataFrame:
    """recency, frequency, money (pence) of who had ordered by then."""
    known = orders()[orders()["at"] <= as_of].groupby("customer")
    return pd.DataFrame(
        {
            "recency": (as_of - known["at"].max()).dt.days,
            "frequency": known.size(),
            "money": known["pence"].sum(),
        }
    )


def ranked(values: pd.Series) -> pd.Series:
    """1 to 5 by pandas' average rank."""
    return np.ceil(5 * values.rank(method="average", pct=True)).astype(int)


def edges(values: pd.Series) -> list[int]:
    """The highest value of each rank but the last."""
    highest = values.groupby(ranked(values)).max()
    return [int(highest[highest.index <= rank].max()) for rank in (1, 2, 3, 4)]


def scores(of: pd.DataFrame, cut: pd.DataFrame) -> pd.DataFrame:
    """The scores of `of` by the fifths of `cut`, orders by 1, 2, 3, 4 to 6, and more."""

    def above(values: pd.Series, bounds: list[int]) -> pd.Series:
        return 1 + sum((values > bound).astype(int) for bound in bounds)

    return pd.DataFrame(
        {
            "recency": 6 - above(of["recency"], edges(cut["recency"])),
            "frequency": pd.cut(of["frequency"], [0, 1, 2, 3, 6, np.inf], labels=[1, 2, 3, 4, 5]).astype(int),
            "money": above(of["money"], edges(cut["money"])),
        }
    )


def named(scored: pd.DataFrame) -> pd.Series:
    """The first group of the shipped table that fits, row by row."""
    path = Path(__file__).parents[2] / "rules/models/rfm_groups.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))["group"]

    def inside(bounds: int | list[int] | None, value: int) -> bool:
        if bounds is None:
            return True
        low, high = (bounds, bounds) if isinstance(bounds, int) else bounds
        return low <= value <= high

    def first(row: pd.Series) -> str:
        return next(
            str(one["name"]) for one in table if all(inside(one.get(key), int(row[key])) for key in row.index)
        )

    return scored.apply(first, axis=1)
