"""What an evaluation asks of an engine, and DuckDB's answer. Engines differ here and in their `Dialect`.

A session runs what others write down; it knows nothing of rules but how people are ranked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from rules.engine.dialect import Dialect
from rules.engine.duckdb_dialect import DuckDB
from rules.engine.order import Order, Sort, sort_of, values_of
from rules.engine.periods import Clock
from rules.engine.ranks import Threshold, Values, thresholds
from rules.engine.walk import Rank

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Found: TypeAlias = Mapping[Rank, Mapping[object, Threshold]]
"""Thresholds by rank and group."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A relation that is made of others. `parts`: what only it is made of, each from those before it.
    `reused`: it is mentioned more than once."""

    name: str
    select: str
    parts: tuple[Derived, ...] = ()
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """Ranks that share a value and a group, as SQL; NULL is not ranked. `double`: the value is one.
    `kept`: the value, or what keeps people in order while that becomes another with time; see `Order`."""

    ranks: tuple[Rank, ...]
    value: str
    group: str | None
    double: bool
    kept: str = ""


@runtime_checkable
class Session(Protocol):
    """One engine, for one evaluation at a time. Names are unique to the evaluation."""

    dialect: Dialect

    def columns(self, relation: str) -> Sequence[str]:
        """The columns of a relation."""

    def make(self, derived: Derived) -> None:
        """Makes a relation of this name: now, or when it is asked for."""

    def unneeded(self, name: str) -> None:
        """Nothing else will be made of this relation."""

    def keep(self, name: str, table: pa.Table, types: Mapping[str, str]) -> None:
        """A small relation of given rows; `types`: columns of texts that are to be read as these types."""

    def drop(self, name: str) -> None:
        """Lets go of a relation, if it is there."""

    def select(self, select: str) -> pa.Table:
        """The rows of a selection, one of each person."""

    def thresholds(self, ranked: Sequence[Ranked], source: str, clock: Clock, /) -> tuple[Found, Order]:
        """The thresholds of ranks over the rows of a source, by group; and what they were found among, as far
        as the engine can hand it out."""

    def check_pattern(self, pattern: str) -> None:
        """ValueError if it is not a regular expression in the syntax of RE2."""


class DuckDBSession:
    """A connection to DuckDB: relations are temporary tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.dialect: Dialect = DuckDB()

    def columns(self, relation: str) -> Sequence[str]:
        """See `Session`."""
        return self.connection.sql(f"SELECT * FROM {relation} LIMIT 0").columns

    def make(self, derived: Derived) -> None:
        """See `Session`."""
        parts = ", ".join(f"{part.name} AS ({part.select})" for part in derived.parts)
        select = f"WITH {parts} {derived.select}" if parts else derived.select
        self.connection.execute(f"CREATE TEMP TABLE {derived.name} AS {select}")

    def unneeded(self, name: str) -> None:
        """See `Session`."""
        self.drop(name)

    def keep(self, name: str, table: pa.Table, types: Mapping[str, str]) -> None:
        """See `Session`."""
        view = f"{name}_view"
        self.connection.register(view, table)
        try:
            read = [f"{one}::{types[one]} AS {one}" if one in types else one for one in table.column_names]
            self.connection.execute(f"CREATE TEMP TABLE {name} AS SELECT {', '.join(read)} FROM {view}")
        finally:
            self.connection.unregister(view)

    def drop(self, name: str) -> None:
        """See `Session`."""
        self.connection.execute(f"DROP TABLE IF EXISTS {name}")

    def select(self, select: str) -> pa.Table:
        """See `Session`."""
        return self.connection.sql(select).to_arrow_table()

    def thresholds(self, ranked: Sequence[Ranked], source: str, clock: Clock) -> tuple[Found, Order]:
        """See `Session`. One query gives the values of all."""
        columns: dict[str, str] = {}
        for one in ranked:
            for sql in (one.kept, one.group):
                if sql is not None:
                    columns.setdefault(sql, f"v{len(columns)}")
        selected = ", ".join(f"{sql} AS {name}" for sql, name in columns.items())
        table = self.select(f"SELECT p.person AS person, {selected} FROM {source}")
        values, cuts = dict[Sort, Values](), dict[str, Mapping[object, Threshold]]()
        for one in ranked:
            groups = None if one.group is None else table[columns[one.group]]
            found = values_of(table["person"], table[columns[one.kept]], groups)
            values |= {sort_of(rank): found for rank in one.ranks}
            cuts |= {rank.key: cut for rank, cut in thresholds(one.ranks, found).items()}
        order = Order(values, cuts)
        return {rank: order.thresholds(rank, clock) for one in ranked for rank in one.ranks}, order

    def check_pattern(self, pattern: str) -> None:
        """See `Session`."""
        import duckdb

        try:
            self.connection.execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()
        except duckdb.Error as error:
            raise ValueError(
                f"not a regular expression in the syntax of RE2: {pattern!r} ({error})"
            ) from error
