"""Why these contacts are one person: each contact with its keys, and which others each key joins it to.

For people to read, so keys are masked; it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from sync.identify.keys import EMAIL, MatchRules, is_blocked_sql


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


def explain_links(
    database: duckdb.DuckDBPyConnection, person: int, *, links: str, rules: MatchRules
) -> list[LinkedContact]:
    """The contacts of `person`, oldest first. Empty for a person there is not."""
    rows = database.sql(
        f"""WITH theirs AS (
            SELECT contact, connection, external_id, keys, former_keys FROM {links}
            WHERE person = {int(person)}
        ), held AS (
            SELECT contact, unnest(keys) AS key, false AS former FROM theirs
            UNION ALL SELECT contact, unnest(former_keys), true FROM theirs
        ), everywhere AS (
            SELECT key, count(*) AS contacts FROM (
                SELECT unnest(list_concat(keys, former_keys)) AS key FROM {links}
            ) WHERE key IN (SELECT key FROM held) GROUP BY key
        )
        SELECT theirs.contact, theirs.connection, theirs.external_id, held.key, held.former,
            (SELECT list_sort(list(other.contact)) FROM held AS other
                WHERE other.key = held.key AND other.contact <> held.contact),
            {is_blocked_sql("held.key", rules)}, everywhere.contacts
        FROM theirs LEFT JOIN held USING (contact) LEFT JOIN everywhere USING (key)
        ORDER BY theirs.contact, held.former, held.key"""
    ).fetchall()
    contacts: dict[int, LinkedContact] = {}
    for contact, connection, external_id, key, former, others, is_blocked, count in rows:
        known = contacts.get(contact) or LinkedContact(contact, connection, external_id, ())
        keys = known.keys
        if key is not None:
            blocked = None
            if is_blocked:
                blocked = "a blocked value"
            elif count > rules.max_contacts_per_key:
                blocked = f"held by {count} contacts, more than {rules.max_contacts_per_key}"
            kind, masked = masked_key(key)
            joins = () if blocked else tuple(others or ())
            keys = (*keys, KeyLink(kind, masked, bool(former), joins, blocked))
        contacts[contact] = LinkedContact(contact, connection, external_id, keys)
    return list(contacts.values())
