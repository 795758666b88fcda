"""Connected components: which contacts are joined, directly or through others, by the keys they hold.

Rounds of hooking and pointer jumping (Shiloach and Vishkin, J. Algorithms 3, 1982) in SQL: every root hooks
onto its smallest neighbour, chains are flattened, edges between equal roots vanish. A few rounds for a
million contacts; a long chain needs only logarithmically many flattenings.
"""

from __future__ import annotations

import duckdb


def build_components(database: duckdb.DuckDBPyConnection, pairs: str, *, into: str) -> None:
    """Temp table `into`: contact, label (smallest contact joined with it), for contacts not alone.

    `pairs` has a row per contact and key that may link: contact int32, key string. Contacts missing from
    `into` are joined with nobody.
    """
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE identify_edges AS
        SELECT DISTINCT contact AS node, first AS lower
        FROM {pairs} JOIN (
            SELECT key, min(contact) AS first FROM {pairs} GROUP BY key HAVING min(contact) < max(contact)
        ) USING (key)
        WHERE contact <> first"""
    )
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT node AS contact, node AS label FROM identify_edges
        UNION SELECT lower, lower FROM identify_edges"""
    )
    while database.execute("SELECT count(*) FROM identify_edges").fetchall()[0][0]:
        database.execute(
            """CREATE OR REPLACE TEMP TABLE identify_parents AS
            SELECT node, min(lower) AS parent FROM identify_edges GROUP BY node"""
        )
        _flatten(database)
        database.execute(
            f"""CREATE OR REPLACE TEMP TABLE {into} AS
            SELECT contact, coalesce(parent, label) AS label
            FROM {into} LEFT JOIN identify_parents ON label = node"""
        )
        database.execute(
            """CREATE OR REPLACE TEMP TABLE identify_edges AS
            SELECT DISTINCT greatest(a, b) AS node, least(a, b) AS lower FROM (
                SELECT coalesce(p.parent, e.node) AS a, coalesce(q.parent, e.lower) AS b
                FROM identify_edges AS e
                LEFT JOIN identify_parents AS p ON p.node = e.node
                LEFT JOIN identify_parents AS q ON q.node = e.lower
            ) WHERE a <> b"""
        )
    database.execute("DROP TABLE IF EXISTS identify_parents")
    database.execute("DROP TABLE identify_edges")


def _flatten(database: duckdb.DuckDBPyConnection) -> None:
    """Jump over parents until each parent is a root. A parent is smaller than its node: no cycles."""
    while database.execute(
        """SELECT count(*) FROM identify_parents AS child
        JOIN identify_parents AS middle ON child.parent = middle.node"""
    ).fetchall()[0][0]:
        database.execute(
            """CREATE OR REPLACE TEMP TABLE identify_parents AS
            SELECT child.node, coalesce(middle.parent, child.parent) AS parent
            FROM identify_parents AS child
            LEFT JOIN identify_parents AS middle ON child.parent = middle.node"""
        )
