"""Who crossed which edge: what `touched` says is to be looked for is looked for once, and told for each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from rules.engine.dialect import Dialect
from rules.engine.periods import Range
from rules.engine.tables import Tables
from rules.engine.touched import Edges, Valued

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray
    from pyroaring import BitMap

Key = TypeVar("Key")


def crossed(
    connection: duckdb.DuckDBPyConnection,
    tables: Tables,
    wanted: Mapping[str, Collection[Edges]],
    dialect: Dialect,
) -> dict[str, BitMap]:
    """For each name everybody of whom something crossed one of its edges, at least."""
    from pyroaring import BitMap

    each = {id(one): one for some in wanted.values() for one in some}  # many names have the very same
    finder = _Finder(connection, tables, dialect)
    rows: dict[tuple[str, str, str], Range] = {}
    for edges in each.values():
        together = Edges(rows=rows)
        together.merge(Edges(rows=edges.rows))
    ranges = {(kind, one) for edges in each.values() for kind, some in edges.ranges.items() for one in some}
    facts = {fact: told for edges in each.values() for fact, told in edges.facts.items()}
    by_range, by_row, by_fact = finder.ranges(ranges), finder.rows(rows), finder.facts(facts)
    told: dict[int, BitMap] = {}
    for number, edges in each.items():
        found = [by_range[kind, one] for kind, some in edges.ranges.items() for one in some]
        found += [by_row[item] for item in edges.rows] + [by_fact[item] for item in edges.facts]
        told[number] = found[0] if len(found) == 1 else BitMap.union(BitMap(), *found)
    return {
        name: BitMap.union(BitMap(), *{id(one): told[id(one)] for one in some}.values())
        for name, some in wanted.items()
    }


class _Finder:
    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: Tables, dialect: Dialect) -> None:
        self.connection, self.tables, self.dialect = connection, tables, dialect

    def ranges(self, wanted: Iterable[tuple[str, Range]]) -> dict[tuple[str, Range], BitMap]:
        """Who has activity of the kind in the range. A kind without rows may be missing."""
        kept, activity = self.tables.by_person, self.tables.activity
        if kept is not None:
            return {
                (kind, one): _bitmap(kept.crossed(kind, one) if kind in activity else ())
                for kind, one in wanted
            }
        ordered = sorted(wanted, key=repr)
        there = [item for item in ordered if item[0] in activity]
        found = {item: _bitmap(()) for item in ordered}
        queries = [
            f"SELECT a.person AS person, {number} AS which FROM {activity[kind]} AS a"
            f" WHERE {' AND '.join(['a.person IS NOT NULL', *self._bounds(one)])}"
            for number, (kind, one) in enumerate(there)
        ]
        return found | self._split(queries, there)

    def rows(self, wanted: Mapping[tuple[str, str, str], Range]) -> dict[tuple[str, str, str], BitMap]:
        """Who has a row in the range of which the condition is another now."""
        there = [item for item in wanted if item[0] in self.tables.activity]
        queries = []
        for number, (kind, then, now) in enumerate(there):
            bounds = self._bounds(wanted[kind, then, now])
            filters = ["a.person IS NOT NULL", *bounds, f"({then}) <> ({now})"]
            relation = self.tables.activity[kind]
            queries.append(
                f"SELECT a.person AS person, {number} AS which FROM {relation} AS a"
                f" WHERE {' AND '.join(filters)}"
            )
        return {item: _bitmap(()) for item in wanted} | self._split(queries, there)

    def facts(self, wanted: Mapping[tuple[str, str], Valued | None]) -> dict[tuple[str, str], BitMap]:
        """Of whom the condition is another now."""
        from pyroaring import BitMap

        kept, found = self.tables.by_person, dict[tuple[str, str], BitMap]()
        if kept is not None:
            some = {fact: told for fact, told in wanted.items() if told is not None}
            ranges = {(told.field, one) for told in some.values() for one in told.ranges}
            by_range = {(name, one): _bitmap(kept.valued(name, one)) for name, one in ranges}
            for fact, told in some.items():
                found[fact] = BitMap.union(BitMap(), *(by_range[told.field, one] for one in told.ranges))
        return found | self._differing([fact for fact in wanted if fact not in found])

    def _differing(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], BitMap]:
        if not wanted:
            return {}
        ordered = sorted(wanted)
        differ = [f"({then}) <> ({now})" for then, now in ordered]
        columns = ", ".join(f"{sql} AS d{number}" for number, sql in enumerate(differ))
        query = f"SELECT p.person AS person, {columns} FROM {self.tables.people} AS p"
        table = self.connection.sql(f"{query} WHERE {' OR '.join(differ)}").to_arrow_table()
        persons = table["person"].to_numpy()
        return {fact: _bitmap(persons[table[f"d{number}"].to_numpy()]) for number, fact in enumerate(ordered)}

    def _split(self, queries: list[str], items: list[Key]) -> dict[Key, BitMap]:
        """Who is found by which query."""
        if not queries:
            return {}
        table = self.connection.sql(" UNION ALL ".join(queries)).to_arrow_table()
        persons, which = table["person"].to_numpy(), table["which"].to_numpy()
        return {item: _bitmap(persons[which == number]) for number, item in enumerate(items)}

    def _bounds(self, found: Range) -> list[str]:
        bounds = [] if found.start is None else [f"a.at >= {self.dialect.instant(found.start)}"]
        return bounds if found.end is None else [*bounds, f"a.at < {self.dialect.instant(found.end)}"]


def _bitmap(persons: NDArray[np.int32] | tuple[()]) -> BitMap:
    from array import array

    import numpy as np
    from pyroaring import BitMap

    return BitMap(array("I", np.asarray(persons, dtype=np.uint32).tobytes()))
