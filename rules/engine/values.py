"""What values of the rule language are, for everybody at one instant: one row a person, in one plan."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rules import ir
from rules.engine.emit import Emitter
from rules.engine.making import Making, joined
from rules.engine.periods import Clock
from rules.engine.planning import Stages, prepare
from rules.engine.session import DuckDBSession, Session
from rules.engine.tables import Tables
from rules.vocabulary import Type

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def values(
    connection: duckdb.DuckDBPyConnection | Session,
    wanted: Mapping[str, ir.Value],
    tables: Tables,
    *,
    when: ir.Predicate,
    as_of: dt.datetime,
    zone: str,
) -> pa.Table:
    """`person` ascending and a column for each value, of the people for whom `when` is true.

    Numbers and money are doubles in major units, yes/no 1 and 0, texts are folded; null where missing. Values
    of dates and lists, and a `when` that asks for segments or ranks, are not for this.
    """
    session = connection if isinstance(connection, Session) else DuckDBSession(connection)
    making, clock = Making(session), Clock(as_of, zone)
    prefix = f"segsync_{secrets.token_hex(4)}_"
    try:
        planned = prepare(
            making, [*wanted.values(), when], tables, clock, prefix=prefix, stages=Stages(), reused=False
        )
        columns = [_column(planned.emitter, value) for value in wanted.values()]
        condition = planned.emitter.condition(when)
        source = joined(planned.people, planned.relations, " ".join([*columns, condition]))
        selected = ", ".join(f"{sql} AS v{number}" for number, sql in enumerate(columns))
        found = session.select(
            f"SELECT p.person AS person, {selected} FROM {source} WHERE {condition} ORDER BY person"
        )
    finally:
        making.undo()
    return found.rename_columns(["person", *wanted])


def _column(emitter: Emitter, value: ir.Value) -> str:
    scalar, dialect = emitter.value(value), emitter.dialect
    match scalar.type:
        case Type.TEXT:
            return scalar.sql
        case Type.BOOLEAN:
            one, zero = dialect.double(1.0), dialect.double(0.0)
            return f"CASE WHEN {scalar.sql} THEN {one} WHEN NOT {scalar.sql} THEN {zero} END"
    sql = emitter.double(scalar)
    return f"CASE WHEN {dialect.finite(sql)} THEN {sql} END"
