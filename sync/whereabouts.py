"""Which person is which contact on a connection, both ways. Reads the lake; keeps nothing between runs."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa
from pyroaring import BitMap

from sync.deliver import Address
from sync.identify.addresses import addresses_sql


class Whereabouts:
    """Looks people up by connection. `contacts` and `links` are relations `database` can read."""

    def __init__(self, database: duckdb.DuckDBPyConnection, *, contacts: str, links: str) -> None:
        self._database = database
        self._contacts = contacts
        self._links = links
        self._reachable: dict[str, BitMap] = {}

    def reachable(self, connection: str) -> BitMap:
        """Everybody with a contact on the connection."""
        if connection not in self._reachable:
            sql = addresses_sql(connection, contacts=self._contacts, links=self._links)
            self._reachable[connection] = bitmap(self._database, f"SELECT person FROM ({sql})")
        return self._reachable[connection]

    def record_types(self, connection: str, prefix: int) -> tuple[BitMap, ...]:
        """Everybody with a contact there, by the first `prefix` characters of the address written to."""
        sql = addresses_sql(connection, contacts=self._contacts, links=self._links)
        found = (
            self._database.cursor().sql(f"SELECT left(address, {prefix}) AS type, person FROM ({sql})")
        ).to_arrow_table()
        people = found.column("person").to_numpy()
        types = found.column("type").to_numpy(zero_copy_only=False)
        return tuple(BitMap(people[types == one]) for one in sorted(set(types)))

    def addresses(self, connection: str, people: BitMap) -> Mapping[int, Address]:
        """How the connection names those of `people` whom it knows."""
        if not people:
            return {}
        sql = addresses_sql(connection, contacts=self._contacts, links=self._links)
        cursor = self._database.cursor()
        cursor.register("wanted_people", pa.table({"person": pa.array(list(people), pa.int32())}))
        found = cursor.sql(
            f"SELECT person, external_id, coalesce(address, external_id) AS address"
            f" FROM ({sql}) WHERE person IN (SELECT person FROM wanted_people)"
        ).to_arrow_table()
        columns = (found.column(name).to_pylist() for name in ("person", "external_id", "address"))
        return {person: Address(ident, address) for person, ident, address in zip(*columns, strict=True)}

    def people(self, connection: str, rows: pa.Table) -> BitMap:
        """People behind the external ids of a page of members; strangers to us are left out."""
        cursor = self._database.cursor()
        cursor.register("there", rows.select(["external_id"]))
        name = connection.replace("'", "''")
        return bitmap(
            cursor,
            f"SELECT person FROM {self._links} WHERE connection = '{name}'"
            " AND external_id IN (SELECT external_id FROM there)",
        )


def bitmap(database: duckdb.DuckDBPyConnection, query: str) -> BitMap:
    """The first column of `query`, numbers of people, as a set; missing numbers are left out."""
    column = database.sql(query).to_arrow_table().column(0)
    return BitMap(column.drop_null().to_pylist())
