"""Values of JSON answers as pages hold them, and the schemas of pages of members. Pure.

Platforms write numbers, amounts and times as whatever they like; what is none of the wanted type is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from connectors.base import Stream, page_schema

MEMBER_SCHEMA = pa.schema(
    [pa.field("external_id", pa.string(), nullable=False), pa.field("address", pa.string())]
)
"""Pages of who is in an audience."""
FIELD_SCHEMA = MEMBER_SCHEMA.append(pa.field("value", pa.string()))
"""Pages of who has something in the owned field."""


def table(stream: Stream, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows as a page of the stream; columns that a row does not have are null."""
    schema = page_schema(stream)
    return pa.table({f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in schema}, schema=schema)


def text(value: object) -> str | None:
    """A text; null for an empty one."""
    return None if value is None or value == "" else str(value)


def number(value: object) -> float | None:
    """A finite number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if abs(found) < float("inf") else None


def money(value: object) -> Decimal | None:
    """An amount in major units, to the cent."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        return Decimal(str(value)).quantize(Decimal("0.01"))
    except InvalidOperation:
        return None


def day(value: object) -> date | None:
    """A date, also of a time."""
    try:
        return None if not value else date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def moment(value: object) -> datetime | None:
    """An ISO 8601 time as aware UTC; one without an offset is UTC."""
    if not value:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
