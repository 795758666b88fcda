"""Which person is which contact on a connection, both ways. Reads the lake; keeps nothing between runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import duckdb
import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from connectors.base import Consent
from sync.deliver import Address, AddressBook, Named
from sync.identify.addresses import addresses_sql
from sync.identify.sql import text_literal

READ = (
    "contact",
    "connection",
    "external_id",
    "address",
    "changed_at",
    "deleted",
    "email_consent",
    "content_hash",
)
"""The columns of contacts that are looked at."""


class Whereabouts:
    """Looks people up by connection. `contacts` (with the columns READ) and `links` are relations `database`
    can read."""

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

    def of_consent(self, connection: str, states: Collection[Consent]) -> BitMap:
        """Everybody with a contact there in one of these states."""
        if not states:
            return BitMap()
        wanted = ", ".join(text_literal(state) for state in sorted(states))
        return bitmap(
            self._database.cursor(),
            f"SELECT DISTINCT person FROM {self._contacts} AS contacts"
            f" JOIN {self._links} AS links USING (contact)"
            f" WHERE contacts.connection = {text_literal(connection)} AND email_consent IN ({wanted})",
        )

    def addresses(self, connection: str, people: BitMap) -> Mapping[int, Address]:
        """How the connection names those of `people` whom it knows."""
        if not people:
            return {}
        sql = addresses_sql(connection, contacts=self._contacts, links=self._links)
        cursor = self._database.cursor()
        cursor.register("wanted_people", pa.table({"person": pa.array(list(people), pa.int32())}))
        found = cursor.sql(
            f"SELECT person, external_id, coalesce(address, external_id) AS address"
            f" FROM ({sql}) WHERE person IN (SELECT person FROM wanted_people) ORDER BY person"
        ).to_arrow_table()
        return Addresses(found)

    def states(self, connection: str, some: BitMap, *, people: str) -> Mapping[int, str]:
        """Person → what is known of them and what their records on the connection say, as a text to compare.

        `people`: the relation of that name. Numbers that are not there are left out.
        """
        cursor = self._database.cursor()
        cursor.register("wanted_people", pa.table({"person": pa.array(list(some), pa.int32())}))
        theirs = "person IN (SELECT person FROM wanted_people)"
        rows = cursor.sql(
            f"""SELECT person, concat_ws('|', md5(facts::VARCHAR), records)
            FROM (SELECT * FROM {people} WHERE {theirs}) AS facts
            LEFT JOIN (SELECT person, string_agg(concat_ws(' ', contacts.external_id, content_hash,
                    coalesce(deleted, false)), ',' ORDER BY contact) AS records
                FROM {self._contacts} AS contacts JOIN {self._links} AS links USING (contact)
                WHERE contacts.connection = {text_literal(connection)} AND {theirs} GROUP BY person)
                USING (person)"""
        ).fetchall()
        return dict(rows)

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


class Addresses(AddressBook):
    """Address by person, as columns: objects for a million people would take half a gigabyte.

    `rows`: person int32 (rising), external_id, address.
    """

    def __init__(self, rows: pa.Table) -> None:
        self._people = rows.column("person").to_numpy()
        self._columns = [rows.column(name).combine_chunks() for name in ("external_id", "address")]

    def __getitem__(self, person: int) -> Address:
        place = int(self._people.searchsorted(np.int32(person)))  # any other type would be cast, all of it
        if place == len(self._people) or self._people[place] != person:
            raise KeyError(person)
        external_id, address = (column[place].as_py() for column in self._columns)
        return Address(external_id, address)

    def named(self, people: BitMap) -> Named:
        """As the columns have them: one by one costs ten times as much."""
        wanted = people.to_array()  # rising, as the rows are
        numbers = np.frombuffer(wanted, dtype=np.uint32).astype(self._people.dtype)
        places = np.searchsorted(self._people, numbers)
        known = places < len(self._people)
        known[known] = self._people[places[known]] == numbers[known]
        rows = pa.array(places[known])
        external_ids, addresses = (column.take(rows).to_pylist() for column in self._columns)
        return Named(numbers[known].tolist(), external_ids, addresses)

    def __iter__(self) -> Iterator[int]:
        return (int(person) for person in self._people)

    def __len__(self) -> int:
        return len(self._people)


def bitmap(database: duckdb.DuckDBPyConnection, query: str) -> BitMap:
    """The first column of `query`, numbers of people, as a set; missing numbers are left out."""
    (column,) = database.execute(query).fetchnumpy().values()
    if isinstance(column, np.ma.MaskedArray):
        column = column.compressed()
    return BitMap(column.astype(np.uint32))
