"""Opens a `tables` connection on a folder or database and reads a stream to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.base import Page, RejectedRow, page_schema
from connectors.pacing import ManualClock
from connectors.tables.connector import TablesConnector, open_tables

CONTACTS: dict[str, Any] = {"from": "people.csv", "key": "id", "columns": {"email": "mail", "city": "town"}}
ORDERS: dict[str, Any] = {
    "kind": "purchase",
    "from": "orders.csv",
    "key": "order",
    "contact": "customer",
    "at": "when",
    "columns": {"amount": "total"},
    "types": {"amount": "money"},
}


def connect(where: Path | str, **parts: Any) -> TablesConnector:
    """A connection; `where` is a folder or a database URL, `parts` are contacts, activity, memberships."""
    url = f"file:{where}" if isinstance(where, Path) else where
    settings: Mapping[str, Any] = {"platform": "tables", "url": url, **parts}
    return open_tables(settings, ManualClock())


def pages(connector: TablesConnector, after: str | None = None, *, stream: int = 0) -> list[Page]:
    declared = connector.features.streams[stream]
    found = list(connector.read(declared, after))
    assert all(page.rows.schema.equals(page_schema(declared)) for page in found)
    return found


def rows_of(found: list[Page]) -> list[dict[str, Any]]:
    return [row for page in found for row in page.rows.to_pylist()]


def rejected_of(found: list[Page]) -> list[RejectedRow]:
    return [row for page in found for row in page.rejected]


def read_contacts(folder: Path, text: str | bytes, **settings: Any) -> list[Page]:
    """Pages of a file of contacts with this content."""
    octets = text.encode() if isinstance(text, str) else text
    (folder / "people.csv").write_bytes(octets)
    return pages(connect(folder, contacts={**CONTACTS, **settings}))


def read_orders(folder: Path, text: str, **settings: Any) -> list[Page]:
    (folder / "orders.csv").write_text(text)
    entry = {key: value for key, value in {**ORDERS, **settings}.items() if value is not None}
    return pages(connect(folder, activity=[entry]))


def ids(found: list[Page]) -> list[str]:
    return [row["external_id"] for row in rows_of(found)]


def total(found: list[Page]) -> int:
    return sum(page.rows.num_rows for page in found)


def table_of(found: list[Page]) -> pa.Table:
    return pa.concat_tables([page.rows for page in found])
