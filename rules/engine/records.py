"""Related records: the present state of each, out of the activity that tells their states.

`present_states` is the plain Python of it, `present_states_sql` the same as one scan in SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rules import ir
from rules.engine.dialect import Dialect
from rules.engine.periods import Clock, microseconds
from rules.engine.walk import nodes

Rows = Sequence[Mapping[str, object]]


def present_states(
    node: ir.RecordAggregate, activity: Mapping[str, Rows], clock: Clock
) -> list[Mapping[str, object]]:
    """One row per record of a person, by the definition in `rules.ir`. Of rows that agree in time, kind and
    event id (only examples written by hand leave the id out), the last given is the latest."""
    latest: dict[tuple[object, object], tuple[tuple[int, int, str, int], Mapping[str, object]]] = {}
    for position, kind in enumerate(node.states):
        for place, row in enumerate(activity.get(kind, ())):
            at = microseconds(row["at"])  # type: ignore[arg-type]
            if at > clock.now or row.get(node.identity) is None:
                continue
            record = (row.get("connection"), row[node.identity])
            age = (at, position, str(row.get("event_id") or ""), place)
            if record not in latest or latest[record][0] < age:
                latest[record] = (age, row)
    return [row for _, row in latest.values()]


def present_states_sql(
    wanted: Iterable[ir.RecordAggregate],
    relations: Mapping[str, tuple[str, Sequence[str]]],
    clock: Clock,
    dialect: Dialect,
) -> str:
    """A SELECT of the present states for aggregates over the same records: person, at, and the fields
    they use.

    `relations`: kind → its rows in SQL and their columns; a kind without rows may be missing.
    """
    wanted = list(wanted)
    first = wanted[0]
    every = [column for _, columns in relations.values() for column in columns]
    used = {node.name for node in nodes(wanted) if isinstance(node, ir.Fact)}
    used |= {aggregate.field for aggregate in wanted if aggregate.field is not None}
    fields = sorted(({*used, *(name + "__ci" for name in used)} & {*every}) - {"at"})
    parts = []
    for position, kind in enumerate(first.states):
        if kind not in relations:
            continue
        relation, columns = relations[kind]
        if first.identity not in columns:
            continue

        def column(name: str, columns: Sequence[str] = columns) -> str:
            return f"s.{dialect.name(name)}" if name in columns else "NULL"

        own = [f"{column(name)} AS {dialect.name(name)}" for name in fields]
        selected = [
            "s.person AS person",
            "s.at AS at",
            *own,
            f"{position} AS segsync_kind",
            f"{column('event_id')} AS segsync_event",
            f"{column('connection')} AS segsync_connection",
            f"s.{dialect.name(first.identity)} AS segsync_record",
        ]
        rows = f"s.person IS NOT NULL AND s.{dialect.name(first.identity)} IS NOT NULL"
        bound = f"s.at < {dialect.instant(clock.now + 1)}"
        parts.append(f"SELECT {', '.join(selected)} FROM {relation} AS s WHERE {rows} AND {bound}")
    states = " UNION ALL ".join(parts)
    columns = ", ".join(f"t.{name}" for name in ("person", "at", *(dialect.name(name) for name in fields)))
    latest = (
        "row_number() OVER (PARTITION BY t.person, t.segsync_connection, t.segsync_record"
        " ORDER BY t.at DESC, t.segsync_kind DESC, t.segsync_event DESC)"
    )
    return (
        f"SELECT {columns} FROM (SELECT t.*, {latest} AS segsync_age FROM ({states}) AS t) AS t"
        " WHERE t.segsync_age = 1"
    )
