"""Stable person numbers: which component keeps which number, who merged, who was split, and why.

A component keeps the number of the person that had most contacts before; of equals the smallest. A person
that falls apart keeps its number where its oldest contact is. A number is never used twice.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from sync.identify.keys import EMAIL
from sync.identify.sql import text_literal

Reserve = Callable[[int], int]
"""The first number of a block of so many, reserved for ever (even if the run dies and leaves a gap)."""


def number_components(
    database: duckdb.DuckDBPyConnection, *, links: str, components: str, reserve: Reserve
) -> None:
    """Temp tables identify_state (the reach with `label` and `number`) and identify_homes (person, label,
    number): `number` is the person a contact belongs to from now on."""
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_labels AS
        SELECT reach.contact, reach.person, coalesce(component.label, reach.contact) AS label
        FROM identify_reach AS reach LEFT JOIN {components} AS component USING (contact)"""
    )
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_homes AS
        SELECT person, arg_min(label, contact) AS label, any_value(contacts) AS contacts
        FROM identify_labels JOIN (
            SELECT person, count(*) AS contacts FROM {links}
            WHERE person IN (SELECT person FROM identify_labels) GROUP BY person
        ) USING (person)
        GROUP BY person"""
    )
    database.execute(
        """CREATE OR REPLACE TEMP TABLE identify_numbers AS
        SELECT label, arg_min(person, (-contacts, person)) AS number FROM identify_homes GROUP BY label"""
    )
    unnumbered = """FROM identify_labels WHERE contact = label
        AND label NOT IN (SELECT label FROM identify_numbers)"""
    wanted = int(database.execute(f"SELECT count(*) {unnumbered}").fetchall()[0][0])
    if wanted:
        database.execute(
            f"""INSERT INTO identify_numbers
            SELECT label, CAST(? + row_number() OVER (ORDER BY label) - 1 AS INTEGER) {unnumbered}""",
            [reserve(wanted)],
        )
    database.execute(
        """CREATE OR REPLACE TEMP TABLE identify_state AS
        SELECT reach.*, labels.label, numbers.number
        FROM identify_reach AS reach
        JOIN identify_labels AS labels USING (contact)
        JOIN identify_numbers AS numbers USING (label)"""
    )


def events_sql() -> str:
    """SQL of what became of old persons: action, person, into, reason, kind, contact, other_contact.

    action `merge`: `person` is now part of `into`; the kind of key that `contact` (of person) shares with
    `other_contact` is the reason. action `split`: some contacts of `person`, the oldest of them `contact`,
    belong to `into` now. No key is shown: `links` has the keys of the contacts named.
    """
    return f"""
        WITH merged AS (
            SELECT home.person, numbers.number AS into_number
            FROM identify_homes AS home JOIN identify_numbers AS numbers USING (label)
            WHERE home.person <> numbers.number
        ), joining AS (
            SELECT mine.person, arg_min(
                {{'kind': regexp_extract(mine.key, '^[^:]*'), 'contact': mine.contact,
                  'other': other.contact}},
                (mine.key, mine.contact, other.contact)) AS shared
            FROM identify_pairs AS mine JOIN identify_pairs AS other
                ON mine.key = other.key AND mine.person IS DISTINCT FROM other.person
            WHERE mine.person IN (SELECT person FROM merged)
            GROUP BY mine.person
        ), parts AS (
            SELECT state.person, state.number AS into_number, min(state.contact) AS contact
            FROM identify_state AS state JOIN identify_homes AS home USING (person)
            WHERE state.label <> home.label
            GROUP BY ALL
        ), causes AS (
            SELECT person, bool_or(contact IN (SELECT contact FROM identify_released)) AS released,
                bool_or(touched) AS changed,
                bool_or(list_has_any(list_concat(old_keys, old_former_keys),
                    (SELECT coalesce(list(key), CAST([] AS VARCHAR[])) FROM identify_crowded))) AS crowded
            FROM identify_state WHERE person IN (SELECT person FROM parts)
            GROUP BY person
        )
        SELECT 'merge' AS action, person, into_number AS "into",
            'same ' || CASE shared.kind WHEN {text_literal(EMAIL)} THEN 'e-mail address'
                ELSE shared.kind END AS reason,
            shared.kind AS kind, CAST(shared.contact AS INTEGER) AS contact,
            CAST(shared.other AS INTEGER) AS other_contact
        FROM merged LEFT JOIN joining USING (person)
        UNION ALL
        SELECT 'split', person, into_number,
            CASE WHEN released THEN 'another contact of the connection uses the former e-mail address now'
                 WHEN person IN (SELECT person FROM identify_gone) THEN 'the contact between them is gone'
                 WHEN changed THEN 'a declared id has changed'
                 WHEN crowded THEN 'too many contacts hold the key they shared'
                 ELSE 'the value they shared is blocked or no longer a key' END,
            NULL, contact, NULL
        FROM parts LEFT JOIN causes USING (person)
        ORDER BY action, person, "into\""""
