"""Why these contacts are one person: each contact with its keys, and which others each key joins it to.

For people to read, so keys are masked; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb

from sync.identify.keys import EMAIL, MatchRules, is_blocked


@dataclass(frozen=True, slots=True)
class KeyLink:
    """One key of a contact. `joins`: the other contacts of the person that hold it."""

    kind: str
    masked: str
    former: bool
    joins: tuple[int, ...]
    blocked: str | None  # why the key links nobody; None: it may link


@dataclass(frozen=True, slots=True)
class LinkedContact:
    """A contact of the person, with why it belongs there."""

    contact: int
    connection: str
    external_id: str
    keys: tuple[KeyLink, ...]


def masked_key(key: str) -> tuple[str, str]:
    """(kind, value fit to be shown): of an address the domain only, of an id its last two characters."""
    kind, _, value = key.partition(":")
    if kind == EMAIL:
        return kind, f"***@{value.rpartition('@')[2]}"
    return kind, f"***{value[-2:]}" if len(value) > 4 else "***"


class Links(Protocol):
    """Where contacts and their keys are looked up. The lake's copies are one, a `Relation` is another."""

    def of(self, person: int) -> Sequence[Mapping[str, Any]]:
        """The person's contacts: contact, connection, external_id, keys, former_keys."""
        ...

    def holders(self, keys: Collection[str]) -> Mapping[str, int]:
        """Key → how often it stands in everybody's keys and former keys."""
        ...

    def persons(self, key: str) -> Sequence[int]:
        """Whoever has the key now, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Relation:
    """Links as a relation that is searched each time."""

    database: duckdb.DuckDBPyConnection
    links: str

    def of(self, person: int) -> list[dict[str, Any]]:
        """As `Links` has it."""
        query = f"SELECT * FROM {self.links} WHERE person = {int(person)}"
        found: list[dict[str, Any]] = self.database.sql(query).to_arrow_table().to_pylist()
        return found

    def holders(self, keys: Collection[str]) -> dict[str, int]:
        """As `Links` has it."""
        rows = self.database.execute(
            f"""SELECT key, count(*) FROM (SELECT unnest(list_concat(keys, former_keys)) AS key
            FROM {self.links}) WHERE list_contains(?, key) GROUP BY key""",
            [list(keys)],
        ).fetchall()
        return dict(rows)

    def persons(self, key: str) -> list[int]:
        """As `Links` has it."""
        query = f"SELECT DISTINCT person FROM {self.links} WHERE list_contains(keys, ?) ORDER BY person"
        return [person for (person,) in self.database.execute(query, [key]).fetchall()]


def explain_links(links: Links, person: int, *, rules: MatchRules) -> list[LinkedContact]:
    """The contacts of `person`, oldest first. Empty for a person there is not."""
    theirs = sorted(links.of(person), key=lambda row: row["contact"])
    held: dict[str, list[int]] = {}
    for row in theirs:
        for key in _keys(row):
            held.setdefault(key[1], []).append(row["contact"])
    counts = links.holders(held)

    def link(contact: int, key: str, *, former: bool) -> KeyLink:
        blocked = None
        if is_blocked(key, rules):
            blocked = "a blocked value"
        elif counts[key] > rules.max_contacts_per_key:
            blocked = f"held by {counts[key]} contacts, more than {rules.max_contacts_per_key}"
        others = () if blocked else tuple(sorted(other for other in held[key] if other != contact))
        return KeyLink(*masked_key(key), former, others, blocked)

    return [
        LinkedContact(
            row["contact"],
            row["connection"],
            row["external_id"],
            tuple(link(row["contact"], key, former=former) for former, key in sorted(_keys(row))),
        )
        for row in theirs
    ]


def _keys(row: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """(whether it is a former one, key)."""
    lists = ((False, row.get("keys")), (True, row.get("former_keys")))
    return [(former, key) for former, keys in lists for key in keys or ()]
