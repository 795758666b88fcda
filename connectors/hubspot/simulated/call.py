"""One request on its way through the simulated account."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.hubspot.simulated.lists import Lists
from connectors.hubspot.simulated.problem import Json
from connectors.hubspot.simulated.records import Records
from connectors.hubspot.simulated.schema import TYPES, Schema


@dataclass(slots=True)
class Habits:
    """What HubSpot does in some accounts and versions and not in others; tests switch it."""

    errors_in_200: bool = False  # dated description: errors of a batch come with 200, not 207
    silent: bool = False  # batch writes answer 200 with nothing in it, and nothing is written
    report_unassociated: bool = False  # objects without associations come as errors
    associations_page: int = 500
    repeat_pages: bool = False  # a page of a list is delivered twice


@dataclass(slots=True)
class Account:
    """The state of the simulated account."""

    records: Records
    schema: Schema
    lists: Lists
    habits: Habits = field(default_factory=Habits)
    random: random.Random = field(default_factory=lambda: random.Random(1))
    unsubscribed: set[str] = field(default_factory=set)
    portal: int = 12345678
    forbidden: list[str] = field(default_factory=list)
    """Calls that could change anybody's consent; there must never be one."""

    def type_of(self, name: str) -> str:
        """The object type by any of its names: contacts, CONTACT, 0-1."""
        lowered = TYPES.get(name, name.lower())
        return {"contact": "contacts", "company": "companies", "deal": "deals"}.get(lowered, lowered)


@dataclass(frozen=True, slots=True)
class Call:
    """A request with its account."""

    account: Account
    pairs: Sequence[tuple[str, str]]
    query: Mapping[str, str]
    body: Json
    address: str

    def properties(self) -> list[str]:
        """`properties` of the query, joined by comma or repeated."""
        return [n for k, v in self.pairs if k == "properties" for n in v.split(",") if n]

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() == "true"
