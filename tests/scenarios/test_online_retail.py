"""Real invoices of a wholesaler through the whole run, every segment compared with pandas over the raw files.

The expected numbers are computed from the files as they were published: cancellations, lines without a
customer, repeated lines and prices with three decimals included. Nothing of segsync computes them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import pandas as pd
import pytest

from sync.run.pipeline import run
from sync.run.report import Report
from sync.run.workspace import Workspace
from tests.shared import shared

AS_OF = dt.datetime(2011, 12, 10, tzinfo=dt.UTC)
ORDERS, LINES = "orders.csv", "online_retail.parquet"

CONFIG = """\
rules_dir = "rules"
[store]
database = "sqlite:///segsync.db"
lake = "lake"
[business]
zone = "Europe/London"
currency = "GBP"

[connections.shop]
platform = "tables"
url = "file:."
memberships = { to = "members.csv" }
[connections.shop.contacts]                 # one row per order: the first one of a customer is kept
from = "orders.csv"
key = "CustomerID"
columns = { country = "country" }
[[connections.shop.activity]]
name = "orders"
kind = "purchase"
from = "orders.csv"
key = "InvoiceNo"
contact = "CustomerID"
at = "date"
zone = "Europe/London"
columns = { invoice = "InvoiceNo", amount = "amount", units = "units", lines = "lines" }
types = { amount = "money", units = "number", lines = "number" }
[[connections.shop.activity]]               # no key: equal lines are different lines
name = "lines"
kind = "line"
from = "online_retail.parquet"
contact = "CustomerID"
at = "InvoiceDate"
zone = "Europe/London"
columns = { invoice = "InvoiceNo", sku = "StockCode", quantity = "Quantity", price = "UnitPrice" }
types = { quantity = "number", price = "money" }
[[connections.shop.activity]]               # a key that is none: 10,684 articles stand twice on an invoice
name = "articles"
kind = "article"
from = "online_retail.parquet"
key = ["InvoiceNo", "StockCode"]
contact = "CustomerID"
at = "InvoiceDate"
zone = "Europe/London"
"""


@dataclass(frozen=True)
class Raw:
    """The raw files as pandas reads them, with what segments are about; one row of `people` per customer."""

    orders: pd.DataFrame
    lines: pd.DataFrame
    people: pd.DataFrame

    def ids(self, mask: pd.Series[bool]) -> set[str]:
        """The customers for whom `mask` (by customer; absent: false) is true."""
        return {str(customer) for customer in mask.index[mask.astype(bool)]}

    def sum(self, rows: pd.DataFrame, column: str) -> pd.Series[float]:
        """Sum per customer, 0 for those without rows."""
        return rows.groupby("CustomerID")[column].sum().reindex(self.people.index, fill_value=0)

    def having(self, rows: pd.DataFrame) -> pd.Series[bool]:
        """Whether a customer has such a row."""
        return self.people.index.to_series().isin(set(rows["CustomerID"].dropna()))


def cents(amounts: pd.Series[float]) -> pd.Series[int]:
    """Whole pence; what has more decimals is rounded half to even, from the shortest decimal spelling."""
    one = Decimal(1)
    return amounts.map(lambda x: int((Decimal(repr(x)) * 100).quantize(one, ROUND_HALF_EVEN))).astype("int64")


def read_raw() -> Raw:
    orders = pd.read_csv(shared(f"data/online_retail/{ORDERS}"), dtype={"InvoiceNo": str})
    orders["at"] = pd.to_datetime(orders["date"]).dt.tz_localize("Europe/London").dt.tz_convert("UTC")
    orders["pence"] = cents(orders["amount"])
    orders["cancelled"] = orders["InvoiceNo"].str.startswith("C")
    orders["days_ago"] = (AS_OF - orders["at"]) / pd.Timedelta(days=1)
    lines = pd.read_parquet(shared(f"data/online_retail/{LINES}"))
    people = orders.drop_duplicates("CustomerID").set_index("CustomerID")[["country"]]
    return Raw(orders, lines, people)


def spend(raw: Raw) -> pd.Series[float]:
    return raw.sum(raw.orders, "pence")


def quiet(raw: Raw) -> pd.Series[float]:
    return raw.orders.groupby("CustomerID")["days_ago"].min()


def top(values: pd.Series[float], percent: int) -> pd.Series[bool]:
    """Fewer than so many percent of all have more."""
    greater = values.rank(ascending=False, method="min") - 1
    return greater * 100 < percent * len(values)


def fifth(values: pd.Series[float], number: int) -> pd.Series[bool]:
    """The fifth of all people by value, counted from the lowest; equal values stay together."""
    less = values.rank(method="min") - 1
    first, last = -(-(number - 1) * len(values) // 5), -(-number * len(values) // 5)
    return (less >= first) & (less < last)


def sold(raw: Raw) -> pd.DataFrame:
    return raw.orders[~raw.orders["cancelled"]]


def tier(raw: Raw, at_least: float, below: float) -> pd.Series[bool]:
    latest = sold(raw).groupby("CustomerID")["days_ago"].min().reindex(raw.people.index)
    return (latest >= at_least) & (latest < below)


NOT_CANCELLED = 'purchase where invoice not starts with "C"'
SEGMENTS: dict[str, tuple[str, Callable[[Raw], pd.Series[bool]]]] = {
    "recent": ("purchase within last 30 days", lambda r: quiet(r) < 30),
    "quiet-60-to-90": (
        "purchase between 60 and 90 days ago",
        lambda r: r.having(r.orders[(r.orders["days_ago"] >= 60) & (r.orders["days_ago"] < 90)]),
    ),
    "half-a-year-quiet": ("days since purchase > 180", lambda r: quiet(r) > 180),
    "new": (
        "first purchase within last 45 days",
        lambda r: r.orders.groupby("CustomerID")["days_ago"].max() < 45,
    ),
    "frequent": (
        f"count({NOT_CANCELLED}) >= 10",
        lambda r: sold(r).groupby("CustomerID").size() >= 10,
    ),
    "once": ("count(purchase) = 1", lambda r: r.orders.groupby("CustomerID").size() == 1),
    "never-in-the-last-year-quarter": (
        "never purchase last 90 days",
        lambda r: ~r.having(r.orders[r.orders["days_ago"] < 90]),
    ),
    "big-spenders": ("sum(purchase.amount) >= 1000", lambda r: spend(r) >= 100_000),
    "to-the-penny": (
        "sum(purchase.amount) between 293.00 and 301.32",
        lambda r: (spend(r) >= 29_300) & (spend(r) <= 30_132),
    ),
    "nothing-left": ("sum(purchase.amount) <= 0", lambda r: spend(r) <= 0),
    "cancelled": (
        'purchase where invoice starts with "C"',
        lambda r: r.having(r.orders[r.orders["cancelled"]]),
    ),
    "never-cancelled": (
        'never purchase where invoice starts with "C"',
        lambda r: ~r.having(r.orders[r.orders["cancelled"]]),
    ),
    "money-back-lately": (
        "sum(purchase.amount where amount < 0, last 90 days) <= -100",
        lambda r: r.sum(r.orders[(r.orders["pence"] < 0) & (r.orders["days_ago"] < 90)], "pence") <= -10_000,
    ),
    # names of countries become codes; the shop's own spelling is still there under the shop's name
    # names of countries become codes; what the shop wrote is kept under the shop's name
    "uk": ('country = "GB"', lambda r: r.people["country"] == "United Kingdom"),
    "rest-of-world": ('shop.country != "united kingdom"', lambda r: r.people["country"] != "United Kingdom"),
    "german-speaking": (
        'country in ["DE", "AT", "CH"]',
        lambda r: r.people["country"].isin(["Germany", "Austria", "Switzerland"]),
    ),
    "top-tenth": ("sum(purchase.amount) in top 10%", lambda r: top(spend(r), 10)),
    "best-of-country": (
        "sum(purchase.amount) in top 10% by country",
        lambda r: spend(r).groupby(r.people["country"]).transform(lambda values: top(values, 10)),
    ),
    "top-500-units": (
        "sum(purchase.units) in top 500",
        lambda r: r.sum(r.orders, "units").rank(ascending=False, method="min") <= 500,
    ),
    "frequency-2": (
        "count(purchase) in quintile 2",
        lambda r: fifth(r.orders.groupby("CustomerID").size(), 2),
    ),
    "frequency-5": (
        "count(purchase) in quintile 5",
        lambda r: fifth(r.orders.groupby("CustomerID").size(), 5),
    ),
    "lapsed-best": (
        'in segment "top-tenth" and days since purchase > 60',
        lambda r: top(spend(r), 10) & (quiet(r) > 60),
    ),
    "average-order": (
        "avg(purchase.amount where amount > 0) >= 500",
        # compared without rounding: the sum with value × count
        lambda r: (
            r.orders[r.orders["pence"] > 0].groupby("CustomerID")["pence"].sum()
            >= 50_000 * r.orders[r.orders["pence"] > 0].groupby("CustomerID").size()
        ),
    ),
    "autumn": (
        "purchase from 2011-10-01 to 2011-10-31",
        lambda r: r.having(r.orders[r.orders["date"].str.startswith("2011-10")]),
    ),
    "last-calendar-month": (
        "count(purchase, last month) >= 2",
        lambda r: r.orders[r.orders["date"].str.startswith("2011-11")].groupby("CustomerID").size() >= 2,
    ),
    "wide-range": (
        "distinct(line.sku where quantity > 0) >= 100",
        # texts are compared without regard to case: 85123A and 85123a are one article
        lambda r: (
            r.lines[r.lines["Quantity"] > 0]
            .assign(sku=lambda rows: rows["StockCode"].str.lower())
            .groupby("CustomerID")["sku"]
            .nunique()
            >= 100
        ),
    ),
    "many-lines": ("count(line) >= 500", lambda r: r.lines.groupby("CustomerID").size() >= 500),
    "hearts": (
        'sum(line.quantity where sku = "85123a") >= 50',
        lambda r: r.sum(r.lines[r.lines["StockCode"].str.lower() == "85123a"], "Quantity") >= 50,
    ),
    "dear-things": (
        "max(line.price) >= 100",
        lambda r: r.lines.groupby("CustomerID")["UnitPrice"].max() >= 100,
    ),
    "free-padding": (
        # 0.001 a piece is no amount of money: kept in pence it is nothing
        'line where (sku = "PADS" and price = 0)',
        lambda r: r.having(r.lines[(r.lines["StockCode"] == "PADS") & (cents(r.lines["UnitPrice"]) == 0)]),
    ),
}
TIERS: dict[str, Callable[[Raw], pd.Series[bool]]] = {
    "life/active": lambda r: tier(r, 0, 60),
    "life/cooling": lambda r: tier(r, 60, 180),
    "life/lapsed": lambda r: tier(r, 180, 9999),
    "life/only-cancelled": lambda r: ~r.having(sold(r)),
}
RULES = (
    "".join(
        f"[[segment]]\nid = '{name}'\nwhen = '''{when}'''\nto = ['shop']\n"
        for name, (when, _) in SEGMENTS.items()
    )
    + f"""
[[tiers]]
id = "life"
to = ["shop"]
  [[tiers.tier]]
  id = "active"
  when = '{NOT_CANCELLED} within last 60 days'
  [[tiers.tier]]
  id = "cooling"
  when = '{NOT_CANCELLED} within last 180 days'
  [[tiers.tier]]
  id = "lapsed"
  when = '{NOT_CANCELLED}'
  [[tiers.tier]]
  id = "only-cancelled"
  otherwise = true
"""
)


@dataclass(frozen=True)
class Shop:
    """Two runs over the same files, and what they left: the file of members, the lake's activity."""

    first: Report
    second: Report
    members: pd.DataFrame
    activity: pd.DataFrame
    rejected: dict[tuple[str, str], int]  # by connection and stream


pytestmark = pytest.mark.xdist_group("online retail")  # half a million lines are read once


@pytest.fixture(scope="module")
def raw() -> Raw:
    return read_raw()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("retail")
    for name in (ORDERS, LINES):
        (folder / name).symlink_to(shared(f"data/online_retail/{name}"))
    (folder / "rules").mkdir()
    (folder / "rules" / "rules.toml").write_text(RULES, encoding="utf-8")
    config = folder / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    with Workspace.open(config) as workspace:
        first = run(workspace, as_of=AS_OF)
    members = pd.read_csv(folder / "members.csv", dtype=str)
    written = (folder / "members.csv").read_bytes()
    with Workspace.open(config) as workspace:
        second = run(workspace, as_of=AS_OF)
        store = workspace.store
        database = store.lake.connect()
        activity = database.sql(
            "SELECT kind, count(*) AS rows, count(person) AS known, sum(amount) AS amount,"
            f" sum(price) AS price FROM {store.lake.relation('activity')} GROUP BY kind"
        ).df()
        database.close()
        rejected = dict(store.inbox.rejected_counts())
    assert (folder / "members.csv").read_bytes() == written
    return Shop(first, second, members, activity.set_index("kind"), rejected)


@pytest.mark.parametrize("name", [*SEGMENTS, *TIERS])
def test_the_members_are_those_that_pandas_finds(shop: Shop, raw: Raw, name: str) -> None:
    expected = raw.ids((SEGMENTS[name][1] if name in SEGMENTS else TIERS[name])(raw))
    assert 0 < len(expected) < len(raw.people)
    found = set(shop.members.loc[shop.members["segment"] == name, "external_id"])
    assert found == expected
    assert shop.first.segments[name] == len(expected)


def test_every_customer_is_a_person_and_the_later_rows_of_each_are_refused_and_counted(
    shop: Shop, raw: Raw
) -> None:
    repeated_customers = int(raw.orders["CustomerID"].duplicated().sum())
    repeated_articles = int(raw.lines.duplicated(["InvoiceNo", "StockCode"]).sum())
    assert (repeated_customers, repeated_articles) == (17_818, 10_684)
    assert shop.first.people == len(raw.people) == 4_372
    assert shop.first.rejected == repeated_customers + repeated_articles
    assert shop.rejected == {
        ("shop", "contacts"): repeated_customers,
        ("shop", "articles"): repeated_articles,
    }


def test_no_line_is_lost_whether_or_not_it_has_a_customer(shop: Shop, raw: Raw) -> None:
    without = int(raw.lines["CustomerID"].isna().sum())
    assert (len(raw.lines), without, int(raw.lines.duplicated().sum())) == (541_909, 135_080, 5_268)
    lines = shop.activity.loc["line"]
    assert (lines["rows"], lines["known"]) == (541_909, 541_909 - without)
    orders = shop.activity.loc["purchase"]
    assert (orders["rows"], orders["known"]) == (22_190, 22_190)


def test_money_is_exact_to_the_penny(shop: Shop, raw: Raw) -> None:
    """Four lines cost 0.001 a piece: amounts of money have two decimals, so these count as nothing."""
    assert (raw.lines["UnitPrice"].round(2) != raw.lines["UnitPrice"]).sum() == 4
    assert shop.activity.loc["purchase", "amount"] == raw.orders["pence"].sum()
    assert shop.activity.loc["line", "price"] == cents(raw.lines["UnitPrice"]).sum()


def test_a_second_run_over_unchanged_files_does_nothing(shop: Shop) -> None:
    part = shop.second.connections["shop"]
    assert (part.read, part.changes, part.calls) == (0, 0, 0)
    assert (shop.second.lake_rows_changed, shop.second.changes, shop.second.held) == (0, 0, 0)
    assert shop.second.segments == shop.first.segments
