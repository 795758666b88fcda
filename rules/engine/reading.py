"""One person's facts and activity out of the relations, for `explain`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from rules import ir
from rules.engine.activity import Row
from rules.engine.person import PersonFacts
from rules.engine.tables import Tables
from rules.engine.walk import kinds_in

if TYPE_CHECKING:
    import duckdb

_CONSENTED = "consented_"


def read_person(
    connection: duckdb.DuckDBPyConnection,
    tables: Tables,
    *,
    person: int,
    conditions: Iterable[ir.Predicate],
) -> PersonFacts | None:
    """All facts of a person and the activity of the kinds that the conditions use; None: nobody has this
    number. Where rows are kept by person, they are picked there, and no others are looked at."""
    kept = tables.by_person
    read = sorted(frozenset[str]().union(*map(kinds_in, conditions)) & tables.activity.keys())
    rows: Sequence[Row]
    activity: Mapping[str, Sequence[Row]]
    if kept is None:
        rows = _rows(connection, tables.people, person)
        activity = {kind: _rows(connection, tables.activity[kind], person) for kind in read if rows}
    else:
        rows = kept.of(None, person)
        activity = {kind: kept.of(kind, person) for kind in read if rows}
    return person_of(person, rows, activity)


def person_of(person: int, rows: Sequence[Row], activity: Mapping[str, Sequence[Row]]) -> PersonFacts | None:
    """The person of these rows: of people (none: there is no such person), and of activity by kind."""
    if not rows:
        return None
    facts = rows[0]
    consented = {channel: facts[name] is True for name, channel in _channels(tuple(facts))}
    lists = facts["in_lists"]
    return PersonFacts(
        person=person,
        facts=facts,
        activity=activity,
        suppressed=facts["suppressed"] is True,
        consented=consented,
        lists=frozenset(lists) if isinstance(lists, list) else frozenset(),
    )


@lru_cache(maxsize=64)
def _channels(columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The columns of people that tell whether they consented to a channel, and the channel."""
    named = (name for name in columns if name.startswith(_CONSENTED))
    return tuple((name, name.removeprefix(_CONSENTED)) for name in named)


def _rows(connection: duckdb.DuckDBPyConnection, relation: str, person: int) -> list[dict[str, object]]:
    found = connection.sql(f"SELECT * FROM {relation} AS r WHERE r.person = {int(person)}")
    rows: list[dict[str, object]] = found.to_arrow_table().to_pylist()
    return rows
