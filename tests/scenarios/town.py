"""A small made-up town for crash tests: shop files, a newsletter, rules, and what must come of them.

The expected members are computed here in plain Python from the town's own state, not by segsync.
"""

from __future__ import annotations

import csv
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

from connectors.mailchimp.simulator import MailchimpSimulator

KEY = "SEGSYNC_TOWN_KEY"
FOREIGN_TAG = "put by hand"
COUNTRIES = ("DE", "FR", "IT")

RULES = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = ["newsletter"]

[[segment]]
id = "spenders"
name = "Spenders"
when = "sum(purchase.amount) >= 100 and not suppressed"
to = ["newsletter"]

[[segment]]
id = "french-spenders"
name = "French spenders"
when = 'in segment "spenders" and country = "FR"'
to = ["newsletter", { connection = "newsletter", as = "field" }]

[[segment]]
id = "nobody-mails"
name = "Do not mail"
when = "suppressed"
to = [{ connection = "newsletter", include_suppressed = true }]
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
[[connections.shop.activity]]
kind = "purchase"
from = "orders.csv"
key = "id"
contact = "customer"
at = "at"
columns = {{ amount = "total" }}
types = {{ amount = "money" }}
[connections.newsletter]
platform = "mailchimp"
api_key = "env:{key}"
base_url = "{address}"
"""


@dataclass
class Customer:
    """`status` is what the newsletter says; None: not on it."""

    id: str
    email: str
    country: str
    status: str | None


@dataclass
class Town:
    """Everything outside segsync. `step` changes it; `expected` is what must hold after a run."""

    folder: Path
    seed: int = 1
    people: int = 60
    customers: list[Customer] = field(default_factory=list)
    orders: list[tuple[str, str, int]] = field(default_factory=list)  # id, customer, cents
    simulator: MailchimpSimulator = field(default_factory=lambda: MailchimpSimulator(people=0))

    def __post_init__(self) -> None:
        self.choice = random.Random(self.seed)
        for number in range(self.people):
            status = self.choice.choice(["subscribed", "subscribed", "subscribed", "unsubscribed", None])
            email = f"person{number}@example.com"
            customer = Customer(f"c{number}", email, self.choice.choice(COUNTRIES), status)
            self.customers.append(customer)
            if status is not None:
                tags = [FOREIGN_TAG] if number % 3 == 0 else []
                self.simulator.add_member(customer.email, status=status, tags=tags)
        self.orders = [
            (f"o{n}", f"c{self.choice.randrange(self.people)}", self.choice.randrange(500, 9000))
            for n in range(self.people * 2)
        ]
        (self.folder / "rules").mkdir(parents=True)
        (self.folder / "rules" / "town.toml").write_text(RULES)
        self.write()

    def configure(self, address: str, database: str = "sqlite:///segsync.db") -> Path:
        """Write the config; the key goes into this process's environment, and so to its children."""
        os.environ[KEY] = str(self.simulator.credentials["api_key"])
        path = self.folder / "config.toml"
        path.write_text(CONFIG.format(database=database, key=KEY, address=address))
        return path

    def step(self) -> None:
        """A day passes: orders come in, some people move; nobody's consent changes."""
        first = len(self.orders)
        for n in range(first, first + 6):
            customer = f"c{self.choice.randrange(self.people)}"
            self.orders.append((f"o{n}", customer, self.choice.randrange(500, 9000)))
        for customer in self.choice.sample(self.customers, 8):
            customer.country = self.choice.choice(COUNTRIES)
        self.write()

    def write(self) -> None:
        """The shop's export as it is now."""
        with (self.folder / "customers.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "email", "country"])
            writer.writerows([c.id, c.email, c.country] for c in self.customers)
        with (self.folder / "orders.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "customer", "at", "total"])
            writer.writerows(
                [number, customer, "2026-01-01T10:00:00Z", f"{cents / 100:.2f}"]
                for number, customer, cents in self.orders
            )

    def expected(self) -> dict[str, set[str]]:
        """Tag → addresses that must have it after a run."""
        spent = dict.fromkeys((c.id for c in self.customers), 0)
        for _, customer, cents in self.orders:
            spent[customer] += cents
        listed = [c for c in self.customers if c.status is not None]
        mailable = [c for c in listed if c.status == "subscribed"]
        spenders = {c.id for c in mailable if spent[c.id] >= 10_000}
        return {
            "segsync: Germans": {c.email for c in mailable if c.country == "DE"},
            "segsync: Spenders": {c.email for c in mailable if c.id in spenders},
            "segsync: French spenders": {c.email for c in mailable if c.id in spenders and c.country == "FR"},
            "segsync: Do not mail": {c.email for c in listed if c.status != "subscribed"},
            FOREIGN_TAG: {c.email for n, c in enumerate(self.customers) if c.status and n % 3 == 0},
        }

    def found(self) -> dict[str, set[str]]:
        """Tag → addresses that have it on the platform."""
        return {name: self.simulator.tagged(name) for name in self.expected()}

    def statuses(self) -> dict[str, str]:
        """Address → status on the platform."""
        members = self.simulator.audience.members.values()
        return {member.address: member.status for member in members}

    def field_values(self) -> dict[str, str]:
        """Address → value of the owned field on the platform, where it is not empty."""
        members = self.simulator.audience.members.values()
        values = {member.address: str(member.merge.get("SEGMENTS", "")) for member in members}
        return {address: value for address, value in values.items() if value}
