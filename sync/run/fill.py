"""How many people have each fact, for `segsync vocabulary`."""

from __future__ import annotations

from collections.abc import Mapping

from rules.vocabulary import Field, Type, Vocabulary
from sync.engines import tables
from sync.run.workspace import Workspace


def fill_rates(workspace: Workspace, vocabulary: Vocabulary) -> Mapping[str, float]:
    """Field → share of people (0 to 1) who have it; empty before the first pull."""
    lake = workspace.store.lake
    people = lake.rows("people")
    there = lake.columns("people")
    fields = [one for name, one in vocabulary.fields.items() if name in there or one.model is not None]
    if not people or not fields:
        return {}
    counts = ", ".join(_count(field) for field in fields)
    database = lake.connect()
    try:
        relation = tables(workspace.store, vocabulary).people
        row = database.execute(f"SELECT {counts} FROM {relation}").fetchone() or ()
    finally:
        database.close()
    return {field.name: count / people for field, count in zip(fields, row, strict=True)}


def _count(field: Field) -> str:
    name = _quoted(field.name)
    return f"count(*) FILTER (len({name}) > 0)" if field.type is Type.TEXTS else f"count({name})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
