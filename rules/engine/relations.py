"""People given as plain values, as the relations that the engine reads: for cases in rule files and tests.

The columns and types are those of the lake; texts get their folded copies here, as ingest makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rules.engine.activity import Row
from rules.engine.person import PersonFacts
from rules.engine.tables import Tables
from rules.text import fold
from rules.vocabulary import Field, Type, Vocabulary

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def arrow_type(type_: Type) -> pa.DataType:
    """The physical type of a column."""
    import pyarrow as pa

    return {
        Type.TEXT: pa.string(),
        Type.NUMBER: pa.int64(),
        Type.MONEY: pa.int64(),
        Type.BOOLEAN: pa.bool_(),
        Type.DATE: pa.date32(),
        Type.DATETIME: pa.timestamp("us", tz="UTC"),
        Type.TEXTS: pa.list_(pa.string()),
    }[type_]


def people_table(people: Sequence[PersonFacts], vocabulary: Vocabulary) -> pa.Table:
    """The `people` relation."""
    import pyarrow as pa

    columns: dict[str, pa.Array] = {
        "person": pa.array([one.person for one in people], pa.int32()),
        "suppressed": pa.array([one.suppressed for one in people], pa.bool_()),
        "consented_email": pa.array([one.consented.get("email") for one in people], pa.bool_()),
        "in_lists": pa.array([sorted(one.lists) for one in people], pa.list_(pa.string())),
    }
    return pa.table(columns | _field_columns(vocabulary.fields, [one.facts for one in people]))


def activity_table(people: Sequence[PersonFacts], vocabulary: Vocabulary, *, kind: str) -> pa.Table:
    """The relation of one kind of activity."""
    import pyarrow as pa

    rows = [(one.person, row) for one in people for row in one.activity.get(kind, ())]
    columns: dict[str, pa.Array] = {
        "person": pa.array([person for person, _ in rows], pa.int32()),
        "event_id": pa.array(
            [row.get("event_id") or f"{kind}-{number:09}" for number, (_, row) in enumerate(rows)],
            pa.string(),
        ),
        "at": pa.array([row["at"] for _, row in rows], arrow_type(Type.DATETIME)),
    }
    return pa.table(columns | _field_columns(vocabulary.kinds[kind].fields, [row for _, row in rows]))


def _field_columns(fields: Mapping[str, Field], rows: Sequence[Row]) -> dict[str, pa.Array]:
    import pyarrow as pa

    columns = {}
    for name, field in fields.items():
        values = [row.get(name) for row in rows]
        columns[name] = pa.array(values, arrow_type(field.type))
        if field.type in (Type.TEXT, Type.TEXTS):
            columns[name + "__ci"] = pa.array([_folded(value) for value in values], arrow_type(field.type))
    return columns


def _folded(value: object) -> object:
    if isinstance(value, str):
        return fold(value)
    return [fold(entry) for entry in value] if isinstance(value, list | tuple) else None


@contextmanager
def relations(
    connection: duckdb.DuckDBPyConnection, people: Sequence[PersonFacts], vocabulary: Vocabulary
) -> Iterator[Tables]:
    """The people as relations of the connection, for as long as the block lasts."""
    made = {"case_people": people_table(people, vocabulary)}
    kinds = [kind for kind in vocabulary.kinds if any(one.activity.get(kind) for one in people)]
    made |= {f"case_{kind}": activity_table(people, vocabulary, kind=kind) for kind in kinds}
    for name, table in made.items():
        connection.register(name, table)
    try:
        yield Tables(people="case_people", activity={kind: f'"case_{kind}"' for kind in kinds})
    finally:
        for name in made:
            connection.unregister(name)
