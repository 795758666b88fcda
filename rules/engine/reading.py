"""One person's facts and activity out of the relations, for `explain`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rules import ir
from rules.engine.person import PersonFacts
from rules.engine.tables import Tables
from rules.engine.walk import kinds

if TYPE_CHECKING:
    import duckdb


def read_person(
    connection: duckdb.DuckDBPyConnection,
    tables: Tables,
    *,
    person: int,
    conditions: Iterable[ir.Predicate],
) -> PersonFacts | None:
    """All facts of a person and the activity of the kinds that the conditions use; None: nobody has this
    number."""
    rows = _rows(connection, tables.people, person)
    if not rows:
        return None
    facts = rows[0]
    read = sorted(kinds(conditions) & tables.activity.keys())
    consented = {
        name.removeprefix("consented_"): value is True
        for name, value in facts.items()
        if name.startswith("consented_")
    }
    lists = facts["in_lists"]
    return PersonFacts(
        person=person,
        facts=facts,
        activity={kind: _rows(connection, tables.activity[kind], person) for kind in read},
        suppressed=facts["suppressed"] is True,
        consented=consented,
        lists=frozenset(lists) if isinstance(lists, list) else frozenset(),
    )


def _rows(connection: duckdb.DuckDBPyConnection, relation: str, person: int) -> list[dict[str, object]]:
    found = connection.sql(f"SELECT * FROM {relation} AS r WHERE r.person = {int(person)}")
    rows: list[dict[str, object]] = found.to_arrow_table().to_pylist()
    return rows
