"""Which person an activity belongs to, and mending that when persons change.

By the contact's id on its connection first; else by the e-mail, if exactly one person holds it (now, or
else formerly). A row that finds nobody keeps person NULL and is looked at again when links change.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from sync.store.files import NewFile
from sync.store.lake import Lake
from sync.store.shapes import literal

ORDER = '"at"'
"""Files of activity are sorted by time."""


def attach_ids(database: duckdb.DuckDBPyConnection, links: str, *, connection: str | None = None) -> None:
    """Temp table `attach_ids` from the relation `links`; `connection`: of this one only."""
    only = f"AND connection = {literal(connection)}" if connection is not None else ""
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE attach_ids AS
        SELECT connection, external_id, any_value(person) AS person FROM {links}
        WHERE person IS NOT NULL {only} GROUP BY connection, external_id"""
    )


def attach_emails(database: duckdb.DuckDBPyConnection, links: str) -> None:
    """Temp table `attach_emails` from the relation `links`."""
    # 0: holds it now, 1: held it formerly; of the better rank exactly one person must be left
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE attach_emails AS
        WITH held AS (
            SELECT unnest(keys) AS key, person, 0 AS rank FROM {links} WHERE person IS NOT NULL
            UNION ALL
            SELECT unnest(former_keys), person, 1 FROM {links} WHERE person IS NOT NULL
        ), best AS (
            SELECT key, rank, min(person) AS person, max(person) AS other FROM held
            WHERE starts_with(key, 'email:') GROUP BY key, rank
            QUALIFY rank = min(rank) OVER (PARTITION BY key)
        )
        SELECT substr(key, 7) AS email, person FROM best WHERE person = other"""
    )


def attach_sql(rows: str, *, emails: bool = True) -> str:
    """SQL of the query `rows` (activity without `person`) with `person`, from the two temp tables.

    `emails=False`: no row has an address, so the second table is not needed.
    """
    by_email = "LEFT JOIN attach_emails AS emails ON emails.email = event.email" if emails else ""
    person = "coalesce(ids.person, emails.person)" if emails else "ids.person"
    return f"""SELECT event.*, {person} AS person
        FROM ({rows}) AS event
        LEFT JOIN attach_ids AS ids
            ON ids.connection = event.connection AND ids.external_id = event.external_id
        {by_email}"""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Activity whose person may be another since links changed. No other row's can be: a row belongs to whom
    its id, or the holders of its address, say."""

    ids: pa.Table
    """connection, external_id: contacts that came, went or belong to somebody else."""
    emails: pa.Table
    """email: addresses, spelled like match keys, that these or contacts with other keys hold or held."""


def doubtful(database: duckdb.DuckDBPyConnection, *, links: str, new: pa.Table, moved: pa.Table) -> Doubtful:
    """What `new` rows of links and `moved` contacts (see `sync.identify.Identified`) put in doubt.

    `links`: the relation as it was before them.
    """
    database.register("doubtful_new", new)
    database.register("doubtful_moved", moved)
    emails = database.sql(
        f"""WITH touched AS (
            SELECT keys, former_keys FROM doubtful_new
            UNION ALL SELECT keys, former_keys FROM {links} WHERE contact IN (
                SELECT contact FROM doubtful_new UNION ALL SELECT contact FROM doubtful_moved)
        ), held AS (
            SELECT unnest(keys) AS key FROM touched UNION SELECT unnest(former_keys) FROM touched
        )
        SELECT substr(key, 7) AS email FROM held WHERE starts_with(key, 'email:')"""
    ).to_arrow_table()
    ids = database.sql("SELECT connection, external_id FROM doubtful_moved").to_arrow_table()
    database.unregister("doubtful_new")
    database.unregister("doubtful_moved")
    return Doubtful(ids, emails)


def reattach(lake: Lake, only: Doubtful | None = None) -> frozenset[str]:
    """Give activity the persons that `links` tells now; returns the kinds whose rows changed.

    `only`: rows that may have changed; None: all rows. Only files that hold a difference are written anew.
    """
    files = lake.files("activity")
    if not files:
        return frozenset()
    database = lake.connect()
    try:
        listed = ", ".join(literal(file.path) for file in files)
        rows = (
            "SELECT filename, person AS old, connection, external_id, email"
            f" FROM read_parquet([{listed}], filename=true)"
        )
        if only is not None:
            database.register("ids", only.ids)
            database.register("emails", only.emails)
            database.execute(
                f"""CREATE TEMP TABLE doubtful AS SELECT * FROM ({rows})
                WHERE (connection, external_id) IN (SELECT (connection, external_id) FROM ids)
                    OR email IN (SELECT email FROM emails)"""
            )
            if not database.execute("SELECT 1 FROM doubtful LIMIT 1").fetchall():
                return frozenset()
            rows = "SELECT * FROM doubtful"
        attach_ids(database, lake.relation("links"))
        attach_emails(database, lake.relation("links"))
        different = database.execute(
            f"SELECT DISTINCT filename FROM ({attach_sql(rows)}) WHERE old IS DISTINCT FROM person"
        ).fetchall()
        paths = {str(row[0]) for row in different}
        added: list[NewFile] = []
        kinds = set()
        for file in files:
            if file.path in paths and file.partition is not None:
                rows = f"SELECT * EXCLUDE (person) FROM read_parquet({literal(file.path)})"
                query = attach_sql(rows)
                added.append(lake.write(database, "activity", query, partition=file.partition, order=ORDER))
                kinds.add(file.partition)
        lake.replace("activity", removed=paths, added=added)
    finally:
        database.close()
    return frozenset(kinds)
