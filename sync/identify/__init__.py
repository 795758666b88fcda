"""Step 2 of a run: one person out of many platform contacts.

`identify` links contacts to persons by shared keys; `build_people` (sync.identify.people) then makes one row
per person. Tables in, tables out: nothing here knows the store, the network or the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from sync.identify.components import build_components
from sync.identify.keys import MatchRules, build_keys, key_columns, match_rules
from sync.identify.links import (
    BLOCKED_SCHEMA,
    LINKS_SCHEMA,
    blocked_report,
    build_pairs,
    build_reach,
    pass_claimed_keys,
)
from sync.identify.numbers import Reserve, events_sql, number_components

__all__ = ["BLOCKED_SCHEMA", "LINKS_SCHEMA", "Identified", "MatchRules", "Reserve", "identify", "match_rules"]


@dataclass(frozen=True, slots=True)
class Identified:
    """What one pass of `identify` found. Nothing changed: all tables but `blocked` are empty."""

    links: pa.Table
    """New or different rows of `links` (LINKS_SCHEMA); they replace the rows of the same contact."""
    gone: pa.Table
    """contact int32: rows to take out of `links` (deleted contacts)."""
    moved: pa.Table
    """contact, connection, external_id, old_person, new_person: activity to attach anew.
    old_person null: a new contact. new_person null: the contact is gone."""
    events: pa.Table
    """Merges and splits: action, person, into, reason, kind, contact, other_contact (see `events_sql`)."""
    blocked: pa.Table
    """Keys that link nobody, counted (BLOCKED_SCHEMA)."""

    def whole(self, database: duckdb.DuckDBPyConnection, links: str) -> pa.Table:
        """The complete new `links` table, by contact, from the relation `links` it was computed on."""
        if not database.execute(f"SELECT 1 FROM {links} LIMIT 1").fetchall():
            return self.links
        database.register("identify_new_links", self.links)
        database.register("identify_gone_links", self.gone)
        columns = ", ".join(LINKS_SCHEMA.names)
        table = database.sql(
            f"""SELECT {columns} FROM {links}
            WHERE contact NOT IN (SELECT contact FROM identify_new_links)
                AND contact NOT IN (SELECT contact FROM identify_gone_links)
            UNION ALL SELECT {columns} FROM identify_new_links ORDER BY contact"""
        ).to_arrow_table()
        database.unregister("identify_new_links")
        database.unregister("identify_gone_links")
        return table.cast(LINKS_SCHEMA)


def identify(
    database: duckdb.DuckDBPyConnection,
    *,
    contacts: str,
    links: str,
    rules: MatchRules,
    reserve: Reserve,
    changed: str | None = None,
    blocked: pa.Table | None = None,
    full: bool = False,
) -> Identified:
    """Link contacts to persons; only components that changes can reach are computed anew.

    `contacts`, `links` and `changed` are table names or `(select …)` that `database` can read: the lake's
    contacts, the links of the last pass, and the numbers (column `contact`) of contacts that are new,
    different or deleted since then (None: compare them all). Set `full` (and no `changed`) when the rules
    themselves have changed. `blocked` is what was found blocked when `links` were made (None: all keys are
    counted). The result is the same as that of a full computation. `reserve` is called at most once. Uses
    temp tables named identify_* on `database`.
    """
    whole = full or not changed or blocked is None
    if changed:
        columns = ", ".join(key_columns(database, contacts, rules))
        database.execute(
            f"""CREATE OR REPLACE TEMP TABLE identify_looked AS SELECT {columns} FROM {contacts}
            WHERE contact IN (SELECT contact FROM {changed})"""
        )
    build_keys(database, "identify_looked" if changed else contacts, rules=rules, into="identify_fresh")
    build_reach(database, links=links, fresh="identify_fresh", looked_at=changed, full=full)
    if blocked is not None and not whole and _reaches_nobody(database):
        _drop(database, _LOOKING)
        return _unchanged(blocked)
    pass_claimed_keys(database)
    build_pairs(database, links=links, rules=rules, whole=whole)
    build_components(database, "identify_pairs", into="identify_components")
    number_components(database, links=links, components="identify_components", reserve=reserve)
    result = Identified(
        links=database.sql(
            """SELECT contact, connection, external_id, number AS person, keys, former_keys
            FROM identify_state
            WHERE person IS DISTINCT FROM number OR keys IS DISTINCT FROM old_keys
                OR former_keys IS DISTINCT FROM old_former_keys
            ORDER BY contact"""
        )
        .to_arrow_table()
        .cast(LINKS_SCHEMA),
        gone=database.sql("SELECT contact FROM identify_gone ORDER BY contact").to_arrow_table(),
        moved=database.sql(
            f"""SELECT contact, connection, external_id, person AS old_person, number AS new_person
            FROM identify_state WHERE person IS DISTINCT FROM number
            UNION ALL
            SELECT contact, connection, external_id, person, NULL
            FROM {links} WHERE contact IN (SELECT contact FROM identify_gone)
            ORDER BY contact"""
        ).to_arrow_table(),
        events=database.sql(events_sql()).to_arrow_table(),
        blocked=blocked_report(database, rules, before=None if whole else blocked),
    )
    _drop(database, (*_LOOKING, *_LINKING))
    return result


def _reaches_nobody(database: duckdb.DuckDBPyConnection) -> bool:
    """No contact looked at came, went or has other keys, so links, and the keys that link nobody, are as they
    were. Most changes of a record are of other columns."""
    query = """SELECT NOT EXISTS (SELECT 1 FROM identify_touched)
        AND NOT EXISTS (SELECT 1 FROM identify_gone)"""
    return bool(database.execute(query).fetchall()[0][0])


def _unchanged(blocked: pa.Table) -> Identified:
    return Identified(
        links=LINKS_SCHEMA.empty_table(),
        gone=_GONE_SCHEMA.empty_table(),
        moved=_MOVED_SCHEMA.empty_table(),
        events=_EVENTS_SCHEMA.empty_table(),
        blocked=blocked.cast(BLOCKED_SCHEMA),
    )


def _drop(database: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    database.execute("".join(f"DROP TABLE IF EXISTS identify_{name};" for name in names))


_GONE_SCHEMA = pa.schema([("contact", pa.int32())])
_MOVED_SCHEMA = pa.schema(
    [
        ("contact", pa.int32()),
        ("connection", pa.string()),
        ("external_id", pa.string()),
        ("old_person", pa.int32()),
        ("new_person", pa.int32()),
    ]
)
_EVENTS_SCHEMA = pa.schema(
    [
        ("action", pa.string()),
        ("person", pa.int32()),
        ("into", pa.int32()),
        ("reason", pa.string()),
        ("kind", pa.string()),
        ("contact", pa.int32()),
        ("other_contact", pa.int32()),
    ]
)

_LOOKING = ("looked", "fresh", "gone", "touched", "reach")
_LINKING = (
    "claims", "formers", "released", "asked", "before", "holders", "crowded", "was_crowded", "pairs",
    "components", "labels", "homes", "numbers", "state",
)  # fmt: skip
