"""Pages for the tests of the lake, and a slow, obvious second way to compute what must come of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import pyarrow as pa

from connectors.base import FieldType, Stream, StreamField, StreamKind, page_schema
from sync.store import Store

AT = dt.datetime(2026, 2, 1, 8, 30, tzinfo=dt.UTC)

MEMBERS = Stream(
    "members",
    StreamKind.CONTACTS,
    (
        StreamField("FNAME", FieldType.TEXT),
        StreamField("score", FieldType.NUMBER),
        StreamField("spent", FieldType.MONEY, currency_from="currency"),
        StreamField("currency", FieldType.TEXT),
        StreamField("interests", FieldType.TEXTS),
        StreamField("born", FieldType.DATE),
    ),
)
ORDERS = Stream(
    "orders",
    StreamKind.ACTIVITY,
    (
        StreamField("total", FieldType.MONEY),
        StreamField("quantity", FieldType.NUMBER),
        StreamField("product", FieldType.TEXT),
    ),
    activity_kinds=("purchase", "refund"),
)


def page(stream: Stream, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows with defaults for what a test does not care about."""
    if stream.kind is StreamKind.CONTACTS:
        usual: dict[str, object] = {
            "changed_at": AT,
            "deleted": False,
            "email_consent": "opted_in",
            "lists": [],
        }
    else:
        usual = {"kind": "purchase", "at": AT}
    schema = page_schema(stream)
    return pa.Table.from_pylist(
        [{name: {**usual, **row}.get(name) for name in schema.names} for row in rows], schema=schema
    )


def commit(
    store: Store, stream: Stream, rows: Sequence[Mapping[str, object]], *, connection: str = "mc"
) -> None:
    store.inbox.commit_page(connection, stream.name, page(stream, rows), "c")


def read(store: Store, table: str, *, kind: str | None = None, order: str) -> list[dict[str, object]]:
    """All rows of a lake table, ordered."""
    database = store.lake.connect()
    try:
        query = f"SELECT * FROM {store.lake.relation(table, kind)} ORDER BY {order}"
        rows: list[dict[str, object]] = database.sql(query).to_arrow_table().to_pylist()
        return rows
    finally:
        database.close()
