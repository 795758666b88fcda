"""The demo's data as a shop would export it, the config that reads it, and rules for all accounts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sync.demo.data import DemoData

CUSTOMERS, ORDERS, CONFIG, EVERYWHERE = "customers.csv", "orders.csv", "config.toml", "everywhere.toml"

_CONFIG = """\
# The demo: a shop's two exports, and accounts that are simulated on this machine.
rules_dir = "rules"

[store]
database = "sqlite:///segsync.db"
lake = "lake"

[business]
zone = "America/New_York"
currency = "USD"

[trust]
order = TRUST     # where several know a fact, the first one's word counts

[connections.shop]
platform = "tables"
destination = false
url = "file:."
[connections.shop.contacts]
from = "customers.csv"
key = "customer_id"
[connections.shop.contacts.columns]
email = "email"
first_name = "first_name"
last_name = "last_name"
country = "country"
city = "city"
language = "language"
birthday = "birthday"
signed_up = "signed_up"
[connections.shop.contacts.types]
birthday = "date"
signed_up = "datetime"
[[connections.shop.activity]]
kind = "purchase"
from = "orders.csv"
key = "order_id"
contact = "customer_id"
at = "ordered_at"
columns = { amount = "total", items = "items" }
types = { amount = "money", items = "number" }
"""

_EVERYWHERE = """\
# Segments for the demo's other accounts: each platform takes them in the shape it knows best.

[[segment]]
id = "personal-call"
name = "Worth a personal call"
why = "Big spenders gone quiet whom we may contact: sales sees them as a campaign, marketing as a list."
when = 'in segment "lapsed-vip"'
to = [
  { connection = "hub", as = "list" },
  { connection = "crm", as = "campaign" },
  { connection = "shop-mail", as = "list" },
]

[[segment]]
id = "best-customers"
name = "Best customers"
why = "The champions, as a value in a field that is ours, so that other tools can filter by it."
when = 'in tier "rfm/champions"'
to = [
  { connection = "hub", as = "field" },
  { connection = "crm", as = "field" },
  { connection = "shop-mail", as = "field" },
]

[[segment]]
id = "bring-back"
name = "Bring back"
why = "Whom the newsletter wins back, as lists and as a campaign."
when = 'in segment "win-back"'
to = [
  { connection = "hub", as = "list" },
  { connection = "crm", as = "campaign" },
  { connection = "shop-mail", as = "list" },
]

[[segment]]
id = "german-speaking"
name = "German-speaking countries"
why = "One newsletter in German: the second value in the same field."
when = 'in segment "dach"'
to = [
  { connection = "hub", as = "field" },
  { connection = "crm", as = "field" },
  { connection = "shop-mail", as = "field" },
]
"""


def write_config(folder: Path, accounts: Mapping[str, Mapping[str, str | bool]]) -> str:
    """Write `config.toml` into `folder`; returns its text. `accounts`: the settings of each, by name."""
    text = _CONFIG.replace("TRUST", _toml(["shop", *accounts]))
    for name, settings in accounts.items():
        lines = [f"{key} = {_toml(value)}" for key, value in settings.items()]
        text += "\n".join(["", f"[connections.{name}]", *lines, ""])
    (folder / CONFIG).write_text(text, encoding="utf-8")
    return text


def _toml(value: str | bool | Sequence[str]) -> str:
    """A value as TOML writes it, which for these is what JSON does."""
    return json.dumps(value)


def write_rules_for_all(folder: Path) -> None:
    """Write a rule file whose segments go to every account but the newsletter."""
    (folder / EVERYWHERE).write_text(_EVERYWHERE, encoding="utf-8")


def write_tables(data: DemoData, folder: Path) -> None:
    """Write `customers.csv` and `orders.csv` into `folder`, the rows that cannot be read at their ends."""
    people = [
        [c.id, c.email, c.first_name, c.last_name, c.country, c.city, c.language,
         c.birthday.isoformat() if c.birthday else "", f"{c.signed_up:%Y-%m-%dT%H:%M:%SZ}"]
        for c in data.customers
    ]  # fmt: skip
    _write(
        folder / CUSTOMERS,
        [
            "customer_id",
            "email",
            "first_name",
            "last_name",
            "country",
            "city",
            "language",
            "birthday",
            "signed_up",
        ],
        [*people, *people[-1:]],  # exported twice
    )
    orders = [
        [o.id, o.customer, f"{o.at:%Y-%m-%dT%H:%M:%SZ}", str(o.items), str(o.total)] for o in data.orders
    ]
    day, customer = data.orders[-1].at, data.orders[-1].customer
    bad = [
        ["bad-1", customer, f"{day.year}-02-30T10:00:00Z", "1", "14.96"],
        ["bad-2", customer, f"{day:%Y-%m-%dT%H:%M:%SZ}", "1", "free"],
        ["bad-3", customer, "", "2", "29.33"],
    ]
    _write(folder / ORDERS, ["order_id", "customer_id", "ordered_at", "items", "total"], [*orders, *bad])


def _write(path: Path, header: list[str], rows: Iterable[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
