"""How many people have each field, and when a record that has it last changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rules.vocabulary import Field, Type
from sync.fields import FieldSpec
from sync.identify.sql import quoted, text_literal
from sync.quality.said import LIVING, Said


@dataclass(frozen=True, slots=True)
class Filled:
    """`share`: of people (0 to 1). `last`: the latest change on a platform of a record that has a value."""

    field: str
    people: int
    share: float
    last: dt.datetime | None


def fill_rates(
    said: Said, people: str, *, there: Collection[str], fields: Sequence[FieldSpec]
) -> tuple[Filled, ...]:
    """Of each field that `people` (a relation with the columns `there`) has, in the order of `fields`."""
    known = [field for field in fields if field.name in there]
    if not known:
        return ()
    counts = ", ".join(count_sql(field) for field in known)
    total, *filled = said.database.sql(f"SELECT count(*), {counts} FROM {people}").fetchall()[0]
    parts = []
    for field in known:
        having = [
            f"({quoted(column)} IS NOT NULL AND connection = {text_literal(connection)})"
            for connection, column in said.sources(field)
        ]
        parts.append(f"max(changed_at) FILTER ({' OR '.join(having) or 'false'})")
    last = said.database.sql(f"SELECT {', '.join(parts)} FROM {said.contacts} WHERE {LIVING}").fetchall()[0]
    return tuple(
        Filled(field.name, int(count), int(count) / total if total else 0.0, when)
        for field, count, when in zip(known, filled, last, strict=True)
    )


def count_sql(field: FieldSpec | Field) -> str:
    """SQL: how many of the people have the field; an empty list is none."""
    name = quoted(field.name)
    return f"count(*) FILTER (len({name}) > 0)" if field.type is Type.TEXTS else f"count({name})"
