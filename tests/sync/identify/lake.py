"""Contacts and links as the lake holds them, small, for the tests of identification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from rules.vocabulary import Type
from sync.fields import FieldSpec
from sync.identify import BLOCKED_SCHEMA, LINKS_SCHEMA, Identified, MatchRules, identify, match_rules

EMAILS = FieldSpec("email", Type.TEXT, sources=(("shop", "mail"), ("news", "email")))
RULES = match_rules(
    [EMAILS],
    shared_ids={"crm id": [("shop", "crm"), ("news", "crm")]},
    blocked=["info@", "@blocked.example", "ann@one.example"],
    max_contacts_per_key=4,
)
TABLE = pa.schema(
    [
        ("contact", pa.int32()),
        ("connection", pa.string()),
        ("external_id", pa.string()),
        ("deleted", pa.bool_()),
        ("shop.mail", pa.string()),
        ("shop.crm", pa.string()),
        ("news.email", pa.string()),
        ("news.crm", pa.int64()),  # a number there: millionths
    ]
)


@dataclass
class Contact:
    """One record; even contacts lie in `shop`, odd ones in `news`."""

    contact: int
    email: str | None = None
    crm: int | None = None
    deleted: bool = False

    @property
    def connection(self) -> str:
        return "news" if self.contact % 2 else "shop"

    def row(self) -> dict[str, object]:
        base: dict[str, object] = {
            "contact": self.contact,
            "connection": self.connection,
            "external_id": f"x{self.contact}",
            "deleted": self.deleted,
        }
        if self.connection == "news":
            number = None if self.crm is None else self.crm * 1_000_000
            return base | {"news.email": self.email, "news.crm": number}
        return base | {"shop.mail": self.email, "shop.crm": None if self.crm is None else str(self.crm)}


@dataclass
class Numbers:
    """Person numbers, each block handed out once."""

    upcoming: int = 1
    blocks: list[tuple[int, int]] = field(default_factory=list)

    def reserve(self, count: int) -> int:
        first = self.upcoming
        self.upcoming += count
        self.blocks.append((first, count))
        return first


class Lake:
    """The tables in an in-memory DuckDB; `step` absorbs changed contacts and identifies."""

    def __init__(self, rules: MatchRules = RULES) -> None:
        self.database = duckdb.connect()
        self.rules = rules
        self.numbers = Numbers()
        self.contacts: dict[int, Contact] = {}
        self.links = LINKS_SCHEMA.empty_table()
        self.blocked = BLOCKED_SCHEMA.empty_table()

    def identify(self, changed: Sequence[int] | None = None, *, full: bool = False) -> Identified:
        rows = [{name: contact.row().get(name) for name in TABLE.names} for contact in self.contacts.values()]
        self.database.register("contacts", pa.Table.from_pylist(rows, schema=TABLE))
        self.database.register("links", self.links)
        if changed is not None:
            self.database.register("changed", pa.table({"contact": pa.array(changed, pa.int32())}))
        return identify(
            self.database,
            contacts="contacts",
            links="links",
            rules=self.rules,
            reserve=self.numbers.reserve,
            changed=None if changed is None else "changed",
            blocked=self.blocked,
            full=full,
        )

    def step(self, *contacts: Contact) -> Identified:
        """Incremental: only these contacts are new, different or deleted."""
        self.contacts |= {contact.contact: contact for contact in contacts}
        result = self.identify([contact.contact for contact in contacts])
        self.links, self.blocked = result.whole(self.database, "links"), result.blocked
        return result

    def persons(self) -> dict[int, int]:
        """Contact → person."""
        return persons_of(self.links)


def persons_of(links: pa.Table) -> dict[int, int]:
    return dict(zip(links["contact"].to_pylist(), links["person"].to_pylist(), strict=True))


def row_by_contact(links: pa.Table) -> Mapping[int, dict[str, object]]:
    return {row["contact"]: row for row in links.to_pylist()}
