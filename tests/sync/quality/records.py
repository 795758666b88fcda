"""Contacts of two connections as the lake holds them, small, for the tests of data quality."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from rules.vocabulary import Type
from sync.fields import FieldSpec
from sync.quality.finding import FINDINGS, build_findings, findings_alone
from sync.quality.said import Said, by_name
from sync.quality.together import Doings, findings_together

AS_OF = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
TEXTS = ("email", "phone", "country", "first_name", "last_name", "born", "postcode")
CONNECTIONS = ("shop", "news")
FIELDS = tuple(
    FieldSpec(name, kind, sources=tuple((connection, name) for connection in CONNECTIONS))
    for name, kind in (
        *((name, Type.TEXT) for name in TEXTS if name not in ("born", "postcode")),
        ("birthday", Type.DATE),
        ("signed_up", Type.DATETIME),
    )
)
SCHEMA = pa.schema(
    [
        ("contact", pa.int32()),
        ("connection", pa.string()),
        ("external_id", pa.string()),
        ("address", pa.string()),
        ("changed_at", pa.timestamp("us", tz="UTC")),
        ("deleted", pa.bool_()),
        ("email_consent", pa.string()),
        *(
            (f"{connection}.{name}", kind)
            for connection in CONNECTIONS
            for name, kind in (
                *((name, pa.string()) for name in TEXTS),
                ("birthday", pa.date32()),
                ("signed_up", pa.timestamp("us", tz="UTC")),
            )
        ),
    ]
)
LINKS = pa.schema([("contact", pa.int32()), ("person", pa.int32())])
EVENTS = pa.schema([("person", pa.int32()), ("kind", pa.string()), ("at", pa.timestamp("us", tz="UTC"))])
FIXED = ("email_consent", "changed_at", "deleted", "external_id")


def contact(number: int, connection: str = "shop", **said: Any) -> dict[str, Any]:
    """A living contact that says nothing but this; `person` is its own number unless told."""
    row: dict[str, Any] = {
        "contact": number,
        "connection": connection,
        "external_id": f"x{number}",
        "changed_at": AS_OF - dt.timedelta(days=3),
        "deleted": False,
        "person": said.pop("person", number),
    }
    return row | {name if name in FIXED else f"{connection}.{name}": value for name, value in said.items()}


def look_at(
    rows: Sequence[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]] = (),
    *,
    kinds: Iterable[str] = (),
    alone: bool = False,
) -> tuple[Said, dict[str, int]]:
    """All rules asked about these contacts: what they were asked of, and how many each looked at."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    linked = [row for row in rows if row["person"] is not None and not row["deleted"]]
    database.register("held", pa.Table.from_pylist(list(rows), schema=SCHEMA))
    database.register("linked", pa.Table.from_pylist(linked, schema=LINKS))
    database.register("happened", pa.Table.from_pylist(list(events), schema=EVENTS))
    said = Said(database, "held", by_name(FIELDS), None if alone else "linked")
    checked = dict(build_findings(said, findings_alone(said, as_of=AS_OF)))
    if not alone:
        doings = Doings("happened", frozenset(kinds))
        checked |= build_findings(said, findings_together(said, doings, as_of=AS_OF))
    return said, checked


def found(said: Said) -> dict[str, list[int]]:
    """Rule → the contacts it found, sorted."""
    query = f"SELECT rule, list_sort(list(DISTINCT contact)) FROM {FINDINGS} GROUP BY rule"
    return dict(said.database.sql(query).fetchall())
