"""How many people have each fact, for `segsync vocabulary`."""

from __future__ import annotations

from collections.abc import Mapping

from rules.vocabulary import Vocabulary
from sync.engines import tables
from sync.quality.filled import count_sql
from sync.run.workspace import Workspace


def fill_rates(workspace: Workspace, vocabulary: Vocabulary) -> Mapping[str, float]:
    """Field → share of people (0 to 1) who have it; empty before the first pull."""
    lake = workspace.store.lake
    people = lake.rows("people")
    there = lake.columns("people")
    fields = [one for name, one in vocabulary.fields.items() if name in there or one.model is not None]
    if not people or not fields:
        return {}
    counts = ", ".join(count_sql(field) for field in fields)
    database = lake.connect()
    try:
        relation = tables(workspace.store, vocabulary).people
        row = database.execute(f"SELECT {counts} FROM {relation}").fetchone() or ()
    finally:
        database.close()
    return {field.name: count / people for field, count in zip(fields, row, strict=True)}
