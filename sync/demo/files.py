"""The demo's data as a shop would export it, the config that reads it, the newsletter account's content."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sync.demo.data import DemoData

if TYPE_CHECKING:
    from connectors.mailchimp.simulator import MailchimpSimulator

CUSTOMERS, ORDERS, CONFIG = "customers.csv", "orders.csv", "config.toml"
KEY_VARIABLE = "SEGSYNC_DEMO_KEY"
"""Environment variable that the config names for the newsletter's key."""

_CONFIG = """\
# The demo: a shop's two exports, and a newsletter account that is simulated on this machine.
rules_dir = "rules"

[store]
database = "sqlite:///segsync.db"
lake = "lake"

[business]
zone = "America/New_York"
currency = "USD"

[trust]
order = ["shop", "newsletter"]     # where both know a fact, the shop's word counts

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

[connections.newsletter]
platform = "mailchimp"
api_key = "env:KEY_VARIABLE"
base_url = "MAILCHIMP_URL"
"""


def demo_config(folder: Path, mailchimp_url: str) -> str:
    """Write `config.toml` into `folder`; returns its text. The key comes from KEY_VARIABLE."""
    if '"' in mailchimp_url or "\\" in mailchimp_url:
        raise ValueError("the address of the simulator is no URL")
    text = _CONFIG.replace("KEY_VARIABLE", KEY_VARIABLE).replace("MAILCHIMP_URL", mailchimp_url)
    (folder / CONFIG).write_text(text, encoding="utf-8")
    return text


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


def seed_newsletter(simulator: MailchimpSimulator, data: DemoData) -> None:
    """Fill the simulator's first audience with the demo's members, campaigns and what they did."""
    for member in data.members:
        simulator.add_member(
            member.address,
            status=member.status,
            merge={"FNAME": member.first_name, "LNAME": member.last_name},
            tags=member.tags,
            changed_at=member.changed_at,
            language=member.language,
            country_code=member.country,
            timestamp_signup=int(member.joined_at.timestamp()),
            left_by=member.left_by,
        )
    for sending in data.campaigns:
        campaign = simulator.add_campaign(sending.title, sent_at=sending.sent_at, to=sending.recipients)
        for did in sending.activity:
            kind = "hard" if did.action == "bounce" else ""
            simulator.add_activity(campaign, did.address, did.action, at=did.at, url=did.url, type=kind)
        campaign.left.update((address, int(at.timestamp())) for address, at in sending.left)
