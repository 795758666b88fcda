"""The company's own truth: who its people are, what they buy, and which audiences they must be in.

Everything segsync has to bring about is computed here a second time, in plain Python, from the model alone.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLATFORMS = {"hub": "hubspot", "crm": "salesforce", "shop-mail": "klaviyo", "newsletter": "mailchimp"}
CONNECTIONS = (*PLATFORMS, "shop")
COUNTRIES = ("DE", "FR", "IT")
MOODS = ("keen", "cool")
DOMAIN = "canary.example"
"""Every address of the company is a canary: none may appear in a log, a message or an answer."""
PREFIX = "segsync: "

RULES = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = ["newsletter", { connection = "hub", as = "list" }, { connection = "shop-mail", as = "list" },
      { connection = "crm", as = "campaign" }, { connection = "shop", as = "table" }]

[[segment]]
id = "french"
name = "French"
when = 'country = "FR"'
to = [{ connection = "hub", as = "field" }, { connection = "crm", as = "field" },
      { connection = "shop-mail", as = "field" }, { connection = "newsletter", as = "field" }]

[[segment]]
id = "italians"
name = "Italians"
when = 'country = "IT"'
to = ["newsletter", { connection = "crm", as = "field" }]

[[segment]]
id = "spenders"
name = "Spenders"
when = "sum(purchase.amount) >= 100"
to = ["newsletter", { connection = "hub", as = "list" }, { connection = "shop", as = "table" }]

[[segment]]
id = "big-spenders"
name = "Big spenders"
when = "sum(purchase.amount) >= 200"
to = [{ connection = "hub", as = "field" }, { connection = "shop-mail", as = "field" }]

[[segment]]
id = "french-spenders"
name = "French spenders"
when = 'in segment "spenders" and country = "FR"'
to = ["newsletter", { connection = "newsletter", as = "field" }]

[[segment]]
id = "buyers"
name = "Buyers"
when = "count(purchase) >= 3"
to = [{ connection = "crm", as = "campaign" }]

[[segment]]
id = "keen-in-hub"
name = "Keen in hub"
when = 'hub_mood = "keen"'
to = ["newsletter", { connection = "crm", as = "campaign" }]

[[segment]]
id = "keen-in-crm"
name = "Keen in crm"
when = 'crm_mood = "keen"'
to = [{ connection = "hub", as = "list" }]

[[segment]]
id = "keen-in-shop-mail"
name = "Keen in shop-mail"
when = 'shop_mail_mood = "keen"'
to = [{ connection = "newsletter", as = "field" }]

[[segment]]
id = "keen-in-newsletter"
name = "Keen in newsletter"
when = 'newsletter_mood = "keen"'
to = [{ connection = "shop-mail", as = "list" }]

[[segment]]
id = "nobody-mails"
name = "Do not mail"
when = "suppressed"
to = [{ connection = "newsletter", include_suppressed = true }]
"""
NAMES = {
    "germans": "Germans",
    "spenders": "Spenders",
    "italians": "Italians",
    "french-spenders": "French spenders",
    "buyers": "Buyers",
    "keen-in-hub": "Keen in hub",
    "keen-in-crm": "Keen in crm",
    "keen-in-newsletter": "Keen in newsletter",
    "nobody-mails": "Do not mail",
}
"""Of the segments that become objects of their own."""
MEMBERS_OF: Mapping[str, tuple[str, ...]] = {
    "hub": ("germans", "spenders", "keen-in-crm"),
    "crm": ("germans", "buyers", "keen-in-hub"),
    "shop-mail": ("germans", "keen-in-newsletter"),
    "newsletter": ("germans", "italians", "spenders", "french-spenders", "keen-in-hub", "nobody-mails"),
    "shop": ("germans", "spenders"),
}
"""Connection → segments that are lists, tags, campaigns or tables there."""
FIELDS_OF: Mapping[str, tuple[str, ...]] = {
    "hub": ("french", "big-spenders"),
    "crm": ("french", "italians"),
    "shop-mail": ("french", "big-spenders"),
    "newsletter": ("french", "french-spenders", "keen-in-shop-mail"),
}
"""Connection → segments that stand in the owned field there."""
SEGMENTS = frozenset(s for some in (*MEMBERS_OF.values(), *FIELDS_OF.values()) for s in some)
SUPPRESSED_TOO = frozenset({"nobody-mails"})


@dataclass
class Human:
    """One person. `on`: connections that know them; `out`: where they opted out; `moods`: by platform.

    Nothing ever changes about those who are `steady`, so edits by hand can be told apart from ours.
    """

    number: int
    on: frozenset[str]
    country: str | None
    moods: dict[str, str]
    out: set[str] = field(default_factory=set)
    steady: bool = False

    def address(self, connection: str) -> str:
        """Some platforms write addresses in capitals."""
        plain = f"human{self.number}@{DOMAIN}"
        return plain.upper() if connection in ("crm", "hub") and self.number % 5 == 0 else plain

    @property
    def phone(self) -> str:
        return f"+49301234{self.number:05d}"


@dataclass
class Company:
    """All humans and purchases. Platforms call back through `heard` when something changes there."""

    folder: Path
    people: int
    seed: int
    humans: list[Human] = field(default_factory=list)
    orders: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    """Where it was told → (event id, human, cents)."""

    def __post_init__(self) -> None:
        self.choice = random.Random(f"company {self.seed}")
        choose = self.choice
        for number in range(self.people):
            on = {name for name in CONNECTIONS if choose.random() < 0.75} or {"newsletter"}
            platforms = sorted(on & set(PLATFORMS))
            human = Human(
                number,
                frozenset(on),
                choose.choice(COUNTRIES) if "shop" in on else None,
                {name: choose.choice(MOODS) for name in platforms},
                {name for name in platforms if choose.random() < 0.06},
                steady=number % 3 == 0,
            )
            self.humans.append(human)
        self.orders = {"shop": [], "newsletter": [], "shop-mail": []}
        for _ in range(self.people):
            self.sell("shop", self.choice.choice(self.humans))

    # ---- what happens ----------------------------------------------------------------------------

    def sell(self, where: str, human: Human) -> tuple[str, int, int] | None:
        """An order; None if the place does not know the human."""
        if where not in human.on:
            return None
        sold = (f"{where}-order-{len(self.orders[where])}", human.number, self.choice.randrange(500, 9000))
        self.orders[where].append(sold)
        return sold

    def movers(self) -> list[Human]:
        """Those about whom something may change."""
        return [human for human in self.humans if not human.steady]

    def move(self, count: int) -> None:
        """So many change their country, as the shop knows it, and some buy."""
        movers = [human for human in self.movers() if human.country is not None]
        for human in self.choice.sample(movers, min(count, len(movers))):
            human.country = self.choice.choice(COUNTRIES)
        for human in self.choice.sample(self.movers(), min(count, len(self.movers()))):
            self.sell("shop", human)

    def write(self) -> None:
        """The shop's exports as they are now."""
        with (self.folder / "customers.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "email", "phone", "country"])
            writer.writerows(
                [f"c{h.number}", h.address("shop"), h.phone, h.country] for h in self.humans if "shop" in h.on
            )
        with (self.folder / "orders.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "customer", "at", "total"])
            writer.writerows(
                [event, f"c{human}", "2026-01-01T10:00:00Z", f"{cents / 100:.2f}"]
                for event, human, cents in self.orders["shop"]
            )

    # ---- what must hold --------------------------------------------------------------------------

    def segments(self) -> dict[str, set[int]]:
        """Segment → humans whom its rule fits, whether or not they may be mailed."""
        spent: dict[int, list[int]] = {human.number: [] for human in self.humans}
        for orders in self.orders.values():
            for _, number, cents in orders:
                spent[number].append(cents)

        def where(fits: Callable[[Human], bool]) -> set[int]:
            return {human.number for human in self.humans if fits(human)}

        spenders = where(lambda h: sum(spent[h.number]) >= 10_000)
        return {
            "germans": where(lambda h: h.country == "DE"),
            "french": where(lambda h: h.country == "FR"),
            "italians": where(lambda h: h.country == "IT"),
            "spenders": spenders,
            "big-spenders": where(lambda h: sum(spent[h.number]) >= 20_000),
            "french-spenders": spenders & where(lambda h: h.country == "FR"),
            "buyers": where(lambda h: len(spent[h.number]) >= 3),
            **{f"keen-in-{p}": where(lambda h, p=p: h.moods.get(p) == "keen") for p in PLATFORMS},  # type: ignore[misc]
            "nobody-mails": where(lambda h: bool(h.out)),
        }

    def desired(self, connection: str, segment: str, fitting: Mapping[str, set[int]]) -> set[int]:
        """Whom this audience must hold by the rules: known there, and mailable unless the rule says so."""
        return {
            human.number
            for human in self.humans
            if human.number in fitting[segment]
            and connection in human.on
            and (segment in SUPPRESSED_TOO or not human.out)
        }
