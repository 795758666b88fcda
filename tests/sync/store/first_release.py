"""A store as the first release left it, written in plain SQL: every table has rows, a run died at work.

Independent of today's code on purpose: a change of the tables must not change what was released.
"""

from __future__ import annotations

import base64
import json

from pyroaring import BitMap
from sqlalchemy import text

from sync.store.database import Database
from sync.store.migrate import upgrade

FIRST = "0001"
AT = "2026-02-01 08:00:00"

_RUN = {"trigger": "run", "as_of": AT, "started_at": AT, "stats": {"people": 3}, "rules_hash": "r"}
_DEAD = {"host": "elsewhere", "pid": 1, "place": ["another boot", "1"], "started": "1"}
_BATCH = {"audience_id": 1, "removes": BitMap(), "done_removes": BitMap(), "calls": 1}

ROWS: dict[str, list[dict[str, object]]] = {
    "checkpoints": [
        {"connection": "old", "stream": "contacts", "cursor": "c1", "rows_last": 3, "rows_good": 3,
         "last_good_at": AT}
    ],
    "counters": [{"name": "person", "next": 700}, {"name": "contact", "next": 900}],
    "notes": [{"key": "good:old", "value": "3"}],
    "pages": [
        {"id": 1, "connection": "old", "stream": "contacts", "sequence": 1, "file": "gone.arrow", "rows": 3,
         "state": "absorbed", "cursor": "c1"}
    ],
    "person_events": [
        {"id": 1, "at": AT, "kind": "merge", "person": 1, "other_person": 2, "reason": "same id", "run_id": 1}
    ],
    "rejected_rows": [
        {"id": 1, "connection": "old", "stream": "contacts", "where_": "row 4", "reason": "no key",
         "raw": "{}", "first_seen_run": 1, "last_seen_run": 2}
    ],
    "runs": [
        {"id": 1, **_RUN, "ended_at": AT, "state": "held", "owner": {}, "lease_until": 0},
        {"id": 2, **_RUN, "ended_at": None, "state": "running", "owner": _DEAD, "lease_until": 1},
    ],
    "segment_versions": [
        {"segment": "germans", "version": "v1", "source": "country = DE", "name": "germans", "first_run": 1,
         "last_run": 2}
    ],
    "memberships": [
        {"segment": "germans", "run_id": 1, "last_run": 2, "version": "v1", "members": BitMap([1, 2]),
         "size": 2, "as_of": AT}
    ],
    "audiences": [
        {"id": 1, "connection": "newsletter", "segment": "germans", "kind": "tag", "name": "segsync: germans",
         "remote_id": None, "owned": BitMap([1, 2, 500]), "actual": BitMap([1, 2, 500]), "readded": BitMap(),
         "remote_mark": "3", "state": "active", "include_suppressed": False}
    ],
    "plans": [
        {"id": 1, "run_id": 1, "as_of": AT, "state": "held", "plan_hash": "h1", "created_at": AT,
         "approved_at": None, "summary": {"held": 1}},
        {"id": 2, "run_id": 2, "as_of": AT, "state": "open", "plan_hash": "h2", "created_at": AT,
         "approved_at": None, "summary": {"changes": 1}},
    ],
    "batches": [
        {"id": 1, "plan_id": 1, "sequence": 1, "held": True, "state": "pending", "adds": BitMap(),
         "done_adds": BitMap(), **_BATCH, "removes": BitMap([500])},
        {"id": 2, "plan_id": 2, "sequence": 1, "held": False, "state": "done", "adds": BitMap([1]),
         "done_adds": BitMap([1]), **_BATCH},
        {"id": 3, "plan_id": 2, "sequence": 2, "held": False, "state": "sent", "adds": BitMap([2]),
         "done_adds": BitMap(), **_BATCH},
    ],
    "brakes": [
        {"id": 1, "plan_id": 1, "audience_id": 1, "kind": "removals", "message": "1 of 3", "data": {"n": 1}}
    ],
    "refusals": [
        {"audience_id": 1, "person": 9, "action": "add", "code": "invalid", "reason": "not valid", "tries": 2,
         "first_at": AT, "last_at": AT}
    ],
    "iceberg_namespace_properties": [
        {"catalog_name": "segsync", "namespace": "lake", "property_key": "exists", "property_value": "true"}
    ],
}  # fmt: skip


def build(database: Database) -> None:
    """Make the first release's tables in an empty database and fill them."""
    with database.writing() as connection:
        upgrade(connection, to=FIRST)
        for table, rows in ROWS.items():
            for row in rows:
                given = {name: _given(value, sqlite=database.is_sqlite) for name, value in row.items()}
                names, values = ", ".join(given), ", ".join(f":{name}" for name in given)
                connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), given)
                if not database.is_sqlite and "id" in row:
                    connection.execute(text(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))"))


def told(database: Database) -> dict[str, list[dict[str, object]]]:
    """What the tables of the first release hold now, in its columns, as `ROWS` has it."""
    found: dict[str, list[dict[str, object]]] = {}
    with database.reading() as connection:
        for table, rows in ROWS.items():
            names = ", ".join(rows[0])
            result = connection.execute(text(f"SELECT {names} FROM {table}")).mappings()
            found[table] = in_order([{name: plain(value) for name, value in row.items()} for row in result])
    return found


def in_order(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows by their first two values, whichever way a database hands them out."""
    return sorted(rows, key=lambda row: str([*row.values()][:2]))


def plain(value: object) -> object:
    """One spelling for both databases' values and the fixture's."""
    if isinstance(value, BitMap):
        value = value.serialize()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, dict | int):
        return json.dumps(value, sort_keys=True)
    if value is not None and not isinstance(value, str):
        return str(value)[:19]
    if isinstance(value, str) and value[:1] in "{0123456789" and value[4:5] != "-":
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except ValueError:
            return value
    return value[:19] if isinstance(value, str) and value.startswith(AT) else value


def _given(value: object, *, sqlite: bool) -> object:
    if isinstance(value, BitMap):
        return value.serialize()
    if isinstance(value, dict):
        return json.dumps(value)
    if value == AT and not sqlite:
        return f"{AT}+00:00"
    return value
