"""Values of properties, which are all text, as typed values; and rows as Arrow tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from connectors.base import FieldType, Stream, page_schema
from connectors.hubspot.moments import moment


def table(stream: Stream, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = page_schema(stream)
    return pa.table({f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in schema}, schema=schema)


def value_of(value: object, type_: FieldType) -> Any:
    """A property's text as a value of `type_`; null for nothing and for what is not of that type."""
    text = text_of(value)
    if text is None:
        return None
    match type_:
        case FieldType.NUMBER:
            return _number(text)
        case FieldType.BOOLEAN:
            return {"true": True, "false": False}.get(text.lower())
        case FieldType.TEXTS:
            return [part for part in text.split(";") if part]
        case FieldType.DATE:
            found = moment(text)
            return None if found is None else date(found.year, found.month, found.day)
        case FieldType.DATETIME:
            return moment(text)
        case FieldType.MONEY:
            return money(text)
    return text


def money(value: object) -> Decimal | None:
    """Two decimals, exactly as written."""
    text = text_of(value)
    try:
        found = None if text is None else Decimal(text)
        return found.quantize(Decimal("0.01")) if found is not None and found.is_finite() else None
    except InvalidOperation:
        return None


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def text_of(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
