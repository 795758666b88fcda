"""The part of the links that changes can reach, and the keys that hold there now.

Keys of an earlier e-mail address stay with their contact: a changed address moves the contact, it does not
make a second person. They pass to another contact of the same connection that claims the address anew. It
decides nothing about persons; `sync.identify.numbers` does.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from sync.identify.keys import EMAIL, MatchRules, is_blocked_sql

LINKS_SCHEMA = pa.schema(
    [
        pa.field("contact", pa.int32(), nullable=False),
        pa.field("connection", pa.string(), nullable=False),
        pa.field("external_id", pa.string(), nullable=False),
        pa.field("person", pa.int32(), nullable=False),
        pa.field("keys", pa.list_(pa.string())),
        pa.field("former_keys", pa.list_(pa.string())),
    ]
)
"""The lake table `links`: why each contact belongs to its person."""

BLOCKED_SCHEMA = pa.schema(
    [
        pa.field("connection", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("keys", pa.int64()),
        pa.field("contacts", pa.int64()),
    ]
)
"""What is told of keys that link nobody."""


def build_reach(
    database: duckdb.DuckDBPyConnection, *, links: str, fresh: str, looked_at: str | None, full: bool
) -> None:
    """Temp tables identify_touched (contact, connection, old/new keys), identify_gone and identify_reach.

    `fresh` holds the present keys of the contacts looked at (`looked_at`: SQL of contact numbers; None:
    all). identify_reach has every contact whose component may differ: the touched ones, those that share
    a key with them now or before, and everybody who was one person with any of these. `full`: all.
    """
    looked = f"contact IN (SELECT contact FROM {looked_at})" if looked_at else "true"
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_gone AS
        SELECT contact, person, keys, former_keys FROM {links}
        WHERE {looked} AND contact NOT IN (SELECT contact FROM {fresh})"""
    )
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_touched AS
        SELECT fresh.contact, fresh.connection, fresh.external_id, links.person, fresh.keys,
            coalesce(links.keys, CAST([] AS VARCHAR[])) AS old_keys,
            coalesce(links.former_keys, CAST([] AS VARCHAR[])) AS old_former_keys
        FROM {fresh} AS fresh LEFT JOIN {links} AS links USING (contact)
        WHERE links.contact IS NULL OR links.keys IS DISTINCT FROM fresh.keys"""
    )
    if full:
        persons = f"SELECT person FROM {links}"
    else:
        persons = f"""
            WITH reached AS (
                SELECT unnest(list_concat(keys, list_concat(old_keys, old_former_keys))) AS key
                FROM identify_touched
                UNION SELECT unnest(list_concat(keys, former_keys)) FROM identify_gone
            ), held AS (
                SELECT person, unnest(list_concat(keys, former_keys)) AS key FROM {links}
            )
            SELECT person FROM held WHERE key IN (SELECT key FROM reached)"""
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_reach AS
        SELECT contact, connection, external_id, person, keys, former_keys, keys AS old_keys,
            former_keys AS old_former_keys, false AS touched
        FROM {links}
        WHERE person IN ({persons})
            AND contact NOT IN (SELECT contact FROM identify_touched)
            AND contact NOT IN (SELECT contact FROM identify_gone)
        UNION ALL
        SELECT contact, connection, external_id, person, keys,
            list_filter(list_concat(old_former_keys, old_keys),
                lambda key: starts_with(key, '{EMAIL}:') AND NOT list_contains(keys, key)),
            old_keys, old_former_keys, true
        FROM identify_touched"""
    )


def pass_claimed_keys(database: duckdb.DuckDBPyConnection) -> None:
    """Take former keys away that another contact of the same connection claims for the first time.

    Who has held the key all along claims nothing: those two were one person before, and stay one. Sets
    identify_reach.former_keys (sorted, distinct) and fills temp table identify_released (contact).
    """
    database.execute(
        """CREATE OR REPLACE TEMP TABLE identify_claims AS
        SELECT DISTINCT connection, key FROM (
            SELECT connection, unnest(list_filter(keys, lambda key:
                NOT list_contains(old_keys, key) AND NOT list_contains(old_former_keys, key))) AS key
            FROM identify_touched
        )"""
    )
    # A contact's former keys are never among the keys it claims itself, so a claim is always another's.
    database.execute(
        """CREATE OR REPLACE TEMP TABLE identify_formers AS
        SELECT contact, list_sort(list(DISTINCT former.key) FILTER (claim.key IS NULL)) AS former_keys,
            count(claim.key) AS released
        FROM (
            SELECT contact, connection, unnest(former_keys) AS key FROM identify_reach
        ) AS former
        LEFT JOIN identify_claims AS claim USING (connection, key)
        GROUP BY contact"""
    )
    database.execute(
        """CREATE OR REPLACE TEMP TABLE identify_reach AS
        SELECT reach.* REPLACE (coalesce(former.former_keys, CAST([] AS VARCHAR[])) AS former_keys)
        FROM identify_reach AS reach LEFT JOIN identify_formers AS former USING (contact)"""
    )
    database.execute(
        """CREATE OR REPLACE TEMP TABLE identify_released AS
        SELECT contact FROM identify_formers WHERE released > 0"""
    )


def build_pairs(database: duckdb.DuckDBPyConnection, *, links: str, rules: MatchRules, whole: bool) -> None:
    """Temp tables identify_pairs (contact, key, person, blocked) of the reach, and identify_crowded (key).

    A key is crowded when more contacts hold it, over all connections, than the limit. Of who holds which key
    there are two more: identify_before as the links have it, identify_holders as it is now; unless `whole`
    only for the keys that the reach holds, or held.
    """
    asked = ""
    if not whole:
        asked = "SEMI JOIN identify_asked USING (key)"
        database.execute(
            """CREATE OR REPLACE TEMP TABLE identify_asked AS
            SELECT unnest(list_concat(list_concat(keys, former_keys), list_concat(old_keys, old_former_keys)))
                AS key FROM identify_reach
            UNION SELECT unnest(list_concat(keys, former_keys)) FROM identify_gone"""
        )
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_before AS
        SELECT contact, connection, key FROM (
            SELECT contact, connection, unnest(list_concat(keys, former_keys)) AS key FROM {links}
        ) {asked}"""
    )
    database.execute(
        """CREATE OR REPLACE TEMP TABLE identify_holders AS
        SELECT contact, connection, unnest(list_concat(keys, former_keys)) AS key
        FROM identify_reach
        UNION ALL
        SELECT contact, connection, key FROM identify_before
        WHERE contact NOT IN (SELECT contact FROM identify_reach)
            AND contact NOT IN (SELECT contact FROM identify_gone)"""
    )
    for holders, into in (
        ("identify_holders", "identify_crowded"),
        ("identify_before", "identify_was_crowded"),
    ):
        database.execute(
            f"""CREATE OR REPLACE TEMP TABLE {into} AS
            SELECT key, count(*) AS contacts FROM {holders} GROUP BY key HAVING count(*) > ?""",
            [rules.max_contacts_per_key],
        )
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_pairs AS
        SELECT contact, key, person FROM (
            SELECT contact, person, unnest(list_concat(keys, former_keys)) AS key FROM identify_reach
        )
        WHERE NOT {is_blocked_sql("key", rules)} AND key NOT IN (SELECT key FROM identify_crowded)"""
    )


def blocked_report(
    database: duckdb.DuckDBPyConnection, rules: MatchRules, *, before: pa.Table | None
) -> pa.Table:
    """Per connection, kind of key and reason: how many keys link nobody, and how many contacts hold them.

    BLOCKED_SCHEMA; no key is shown. `before`: the report on the links as they were, if the holders at hand
    are only those of the reach; what became different there is added to it.
    """
    if before is None:
        holding = _holding("identify_holders", "identify_crowded", rules)
        counted = f"""SELECT connection, kind, reason, count(DISTINCT key) AS keys,
            count(DISTINCT contact) AS contacts FROM ({holding}) GROUP BY ALL"""
        return database.sql(f"{counted} ORDER BY ALL").to_arrow_table().cast(BLOCKED_SCHEMA)
    database.register("identify_reported", before)
    # Whoever gained or lost a key is in the reach, and so is everybody who holds a key that became crowded,
    # or is not crowded any more. Of the keys all holders count, also those outside.
    parts = [
        f"""SELECT connection, kind, reason, {sign} count(DISTINCT key) AS keys,
            {sign} count(DISTINCT contact) FILTER (contact IN (SELECT contact FROM identify_reach
                UNION ALL SELECT contact FROM identify_gone)) AS contacts
        FROM ({_holding(holders, crowded, rules)}) GROUP BY connection, kind, reason"""
        for sign, holders, crowded in (
            ("+", "identify_holders", "identify_crowded"),
            ("-", "identify_before", "identify_was_crowded"),
        )
    ]
    table = database.sql(
        f"""SELECT connection, kind, reason, sum(keys) AS keys, sum(contacts) AS contacts
        FROM (SELECT * FROM identify_reported UNION ALL BY NAME {" UNION ALL BY NAME ".join(parts)})
        GROUP BY ALL HAVING sum(keys) > 0 ORDER BY ALL"""
    ).to_arrow_table()
    database.unregister("identify_reported")
    return table.cast(BLOCKED_SCHEMA)


def _holding(holders: str, crowded: str, rules: MatchRules) -> str:
    """SQL: who holds a key that links nobody."""
    return f"""SELECT connection, contact, key, regexp_extract(key, '^[^:]*') AS kind,
            CASE WHEN {is_blocked_sql("key", rules)} THEN 'a blocked value'
                 ELSE 'held by more than {rules.max_contacts_per_key} contacts' END AS reason
        FROM {holders}
        WHERE {is_blocked_sql("key", rules)} OR key IN (SELECT key FROM {crowded})"""
