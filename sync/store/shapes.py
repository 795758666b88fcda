"""The fixed columns of the lake's tables, and how Arrow, Iceberg and DuckDB types correspond."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pyiceberg.types import (
    BooleanType,
    DateType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    StringType,
    TimestamptzType,
)

from rules.vocabulary import Type
from sync.store.errors import StoreError

INSTANT = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.string())

SHAPES: Mapping[str, Mapping[str, pa.DataType]] = {
    # the latest record per (connection, external_id), plus "connection.column" per platform field
    "contacts": {
        "contact": pa.int32(),
        "connection": pa.string(),
        "stream": pa.string(),
        "external_id": pa.string(),
        "address": pa.string(),
        "changed_at": INSTANT,
        "deleted": pa.bool_(),
        "email_consent": pa.string(),
        "lists": TEXTS,
        "content_hash": pa.int64(),
    },
    # what happened, once per (connection, event_id), plus a column per field and NAME__ci for texts
    "activity": {
        "person": pa.int32(),
        "connection": pa.string(),
        "event_id": pa.string(),
        "external_id": pa.string(),
        "email": pa.string(),  # in the spelling of a match key
        "kind": pa.string(),
        "at": INSTANT,
        "content_hash": pa.int64(),
    },
    # why a contact is that person
    "links": {
        "contact": pa.int32(),
        "connection": pa.string(),
        "external_id": pa.string(),
        "person": pa.int32(),
        "keys": TEXTS,
        "former_keys": TEXTS,
    },
    # one row per person, plus the vocabulary's fields and NAME__ci
    "people": {
        "person": pa.int32(),
        "suppressed": pa.bool_(),
        "consented_email": pa.bool_(),
        "in_lists": TEXTS,
    },
    # what models tell of each person: a column per fact, and NAME__ci for texts
    "facts": {
        "person": pa.int32(),
    },
}
NO_SNAPSHOT = 0
"""Stands for the state of a table that held nothing yet."""
PARTITIONS: Mapping[str, str] = {"contacts": "connection", "activity": "kind"}

PHYSICAL: Mapping[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.NUMBER: pa.int64(),
    Type.MONEY: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.DATE: pa.date32(),
    Type.DATETIME: INSTANT,
    Type.TEXTS: TEXTS,
}
"""How a value of the vocabulary is held in the lake (see `rules.vocabulary`)."""

_DUCKDB = {
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    INSTANT: "TIMESTAMPTZ",
    TEXTS: "VARCHAR[]",
}
_ICEBERG: Mapping[type, pa.DataType] = {
    IntegerType: pa.int32(),
    LongType: pa.int64(),
    StringType: pa.string(),
    BooleanType: pa.bool_(),
    DateType: pa.date32(),
    TimestamptzType: INSTANT,
    ListType: TEXTS,
}


def duckdb_type(kind: pa.DataType) -> str:
    """The DuckDB type a lake column of this Arrow type has."""
    return _DUCKDB[lake_type(kind)]


def lake_type(kind: pa.DataType) -> pa.DataType:
    """The Arrow type in which the lake holds values of `kind`; StoreError for types it has no use for."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return TEXTS
    if pa.types.is_timestamp(kind):
        return INSTANT
    if pa.types.is_null(kind):
        return pa.string()
    if kind not in _DUCKDB:
        raise StoreError(f"the lake holds no values of type {kind}")
    return kind


def arrow_type(kind: IcebergType) -> pa.DataType:
    """The Arrow type of an Iceberg column."""
    return _ICEBERG[type(kind)]


def iceberg_type(kind: pa.DataType, *, element_id: int = -1) -> IcebergType:
    """The Iceberg type of an Arrow column."""
    kind = lake_type(kind)
    if kind == TEXTS:
        return ListType(element_id=element_id, element_type=StringType(), element_required=False)
    made: IcebergType = next(made for made, arrow in _ICEBERG.items() if arrow == kind)()
    return made


def quoted(name: str) -> str:
    """A name as SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"
