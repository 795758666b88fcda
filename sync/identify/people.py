"""One row per person: of every field the value that survives, and where it came from.

Survivorship: the most trusted source that knows the field; within it the contact changed last, then the
oldest contact. A missing value never beats a known one. It reads contacts and links and writes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from connectors.base import Consent
from rules.engine.periods import microseconds
from rules.text import fold
from rules.vocabulary import Type
from sync.fields import FieldSpec
from sync.identify.countries import country_column
from sync.identify.sql import quoted, text_literal
from sync.identify.values import PHYSICAL, is_plain, value_sql
from sync.normalise import fold_column
from sync.store.shapes import PHYSICAL as HELD
from sync.store.shapes import duckdb_type, lake_type

COUNTRY = "country"
PORTION = 1 << 18
"""Numbers of persons whose rows are made at once."""
STOPS = (Consent.OPTED_OUT, Consent.UNDELIVERABLE)
"""Consents that suppress a person everywhere, whichever platform states them."""
_FIXED = (
    "contact",
    "connection",
    "external_id",
    "address",
    "changed_at",
    "deleted",
    "email_consent",
    "lists",
)
"""What people are made of besides the fields' own columns."""

_MISSING: tuple[object, ...] = (None, "", [])
"""Values of contacts that say nothing, as `value_sql` has it."""

_ARROW = {
    Type.TEXT: pa.string(),
    Type.NUMBER: pa.int64(),
    Type.MONEY: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.DATE: pa.date32(),
    Type.DATETIME: pa.timestamp("us", tz="UTC"),
    Type.TEXTS: pa.list_(pa.string()),
}


def people_schema(fields: Sequence[FieldSpec]) -> pa.Schema:
    """The lake table `people`: person, the fields (texts with `NAME__ci`), then the facts of every person."""
    columns = [pa.field("person", pa.int32(), nullable=False)]
    for field in fields:
        columns.append(pa.field(field.name, _ARROW[field.type]))
        if field.type in (Type.TEXT, Type.TEXTS):
            columns.append(pa.field(f"{field.name}__ci", _ARROW[field.type]))
    columns += [
        pa.field("suppressed", pa.bool_()),
        pa.field("consented_email", pa.bool_()),
        pa.field("in_lists", pa.list_(pa.string())),
    ]
    return pa.schema(columns)


def build_people(
    database: duckdb.DuckDBPyConnection, *, contacts: str, links: str, fields: Sequence[FieldSpec]
) -> pa.Table:
    """`people` (see `people_schema`), ordered by person; only persons with a contact that is not deleted.

    suppressed: any contact opted out or undeliverable. consented_email: at least one opted in, and none
    opted out, undeliverable or pending; unknown is no consent. in_lists: folded "connection:list", sorted.
    """
    columns = _columns(database, contacts)
    connections, several = _build_holders(database, contacts=contacts, links=links)
    _build_lists(database, contacts)
    wanted, joins = [], []
    for index, connection in enumerate(connections):
        values = _values_of(connection, fields, columns)
        if values:
            rows = _one_row_each(contacts, connection, values, several=connection in several)
            joins.append(f"LEFT JOIN ({rows}) AS c{index} USING (person)")
    for field in fields:
        known = [
            f"c{connections.index(connection)}.{quoted(f'{field.name}/{trust}')}"
            for trust, (connection, _) in enumerate(field.sources)
            if connection in connections
            and f"{field.name}/{trust}" in _values_of(connection, (field,), columns)
        ]
        value = f"coalesce({', '.join(known)})" if known else f"CAST(NULL AS {PHYSICAL[field.type]})"
        wanted.append(f"{value} AS {quoted(field.name)}")
    pending = text_literal(Consent.PENDING)
    opted_in = text_literal(Consent.OPTED_IN)
    table = database.sql(
        f"""SELECT person, {"".join(f"{value}, " for value in wanted)}
            suppressed, opted_in AND NOT suppressed AND NOT pending AS consented_email,
            coalesce(in_lists, CAST([] AS VARCHAR[])) AS in_lists
        FROM (
            SELECT person, bool_or(coalesce(email_consent IN {_sql_list(STOPS)}, false)) AS suppressed,
                bool_or(coalesce(email_consent = {opted_in}, false)) AS opted_in,
                bool_or(coalesce(email_consent = {pending}, false)) AS pending
            FROM people_holders GROUP BY person
        ) {" ".join(joins)} LEFT JOIN people_lists USING (person)
        ORDER BY person"""
    ).to_arrow_table()
    database.execute("DROP TABLE people_holders")
    database.execute("DROP TABLE people_lists")
    return _finished(table, fields)


def build_all_people(
    database: duckdb.DuckDBPyConnection,
    *,
    contacts: str,
    links: str,
    fields: Sequence[FieldSpec],
    portion: int = PORTION,
) -> pa.Table:
    """As `build_people`, a portion of the numbers of persons at a time: what it takes to make a million rows
    at once is more than fits into memory."""
    top = database.execute(f"SELECT max(person) FROM {links}").fetchall()[0][0]
    made = [
        build_people(
            database,
            contacts=contacts,
            links=f"(SELECT * FROM {links} WHERE person >= {first} AND person < {first + portion})",
            fields=fields,
        )
        for first in range(0, (top or 0) + 1, portion)
    ]
    return pa.concat_tables(made)


def build_some_people(
    database: duckdb.DuckDBPyConnection,
    *,
    persons: str,
    contacts: str,
    links: str,
    fields: Sequence[FieldSpec],
) -> pa.Table:
    """The rows of `build_people` of the persons that the relation `persons` (column `person`) names.

    Whoever of them has no contact any more has no row.
    """
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE people_some_links AS
        SELECT contact, person FROM {links} WHERE person IN (SELECT person FROM {persons})"""
    )
    named = {f"{connection}.{column}" for field in fields for connection, column in field.sources}
    wanted = ", ".join(
        quoted(name) for name in _columns(database, contacts) if name in _FIXED or name in named
    )
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE people_some_contacts AS
        SELECT {wanted} FROM {contacts} WHERE contact IN (SELECT contact FROM people_some_links)"""
    )
    table = build_people(
        database, contacts=_said(database, "people_some_contacts"), links="people_some_links", fields=fields
    )
    database.execute("DROP TABLE people_some_links")
    database.execute("DROP TABLE people_some_contacts")
    return table


def _said(database: duckdb.DuckDBPyConnection, contacts: str) -> str:
    """`contacts` without the columns in which nobody has a value: the query has a part for each column and
    source, and of few people most are empty."""
    columns = list(_columns(database, contacts))
    counts = ", ".join(f"count({quoted(name)})" for name in columns)
    told = database.execute(f"SELECT {counts} FROM {contacts}").fetchall()[0]
    kept = [name for name, count in zip(columns, told, strict=True) if count or name in _FIXED]
    return f"(SELECT {', '.join(map(quoted, kept))} FROM {contacts})"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a person's known field came from."""

    field: str
    connection: str
    column: str
    external_id: str
    contact: int
    changed_at: dt.datetime | None


def provenance(
    database: duckdb.DuckDBPyConnection, contacts: pa.Table, fields: Sequence[FieldSpec]
) -> list[Origin]:
    """Where each known field of one person came from, by field. `contacts`: the rows of the person's."""
    columns = {field.name: _described(field.type) for field in contacts.schema}
    rows = [row for row in contacts.to_pylist() if not row["deleted"]]
    sources: list[tuple[FieldSpec, str, str, str]] = []  # field, connection, column, its name in contacts
    tests: dict[int, str] = {}  # which of them only the engine can tell
    for field in fields:
        for trust, (connection, column) in enumerate(field.sources):
            name = _column_of(connection, column)
            value = _values_of(connection, (field,), columns).get(f"{field.name}/{trust}")
            if value is None:
                continue
            if not is_plain(field, columns[name]):
                tests[len(sources)] = f"({value}) IS NOT NULL"
            sources.append((field, connection, column, name))
    told = _told(database, contacts, tests)
    found: dict[str, Origin] = {}
    for number, (field, connection, column, name) in enumerate(sources):
        if field.name in found:
            continue
        known = told.get(number)
        holders = [
            row
            for row in rows
            if row["connection"] == connection
            and (row["contact"] in known if known is not None else row[name] not in _MISSING)
        ]
        if holders:
            latest = min(holders, key=_recency)
            found[field.name] = Origin(
                field.name, connection, column, latest["external_id"], latest["contact"], latest["changed_at"]
            )
    return [found[name] for name in sorted(found)]


def _described(type_: pa.DataType) -> str:
    """What the engine calls the type of a column of contacts."""
    held = lake_type(type_)
    return next((PHYSICAL[one] for one in Type if HELD[one] == held), duckdb_type(held))


def _told(
    database: duckdb.DuckDBPyConnection, contacts: pa.Table, tests: Mapping[int, str]
) -> dict[int, set[int]]:
    """Number of a test → the contacts of which it holds."""
    if not tests or not len(contacts):
        return {number: set() for number in tests}
    database.register("people_theirs", contacts)
    rows = database.execute(f"SELECT contact, {', '.join(tests.values())} FROM people_theirs").fetchall()
    database.unregister("people_theirs")
    return {
        number: {contact for contact, *holds in rows if holds[place]} for place, number in enumerate(tests)
    }


def _recency(row: Mapping[str, Any]) -> tuple[bool, int, int]:
    """The contact changed last first, then the oldest; one that does not say when comes after the others."""
    at = row["changed_at"]
    return at is None, 0 if at is None else -microseconds(at), row["contact"]


def _columns(database: duckdb.DuckDBPyConnection, contacts: str) -> dict[str, str]:
    described = database.execute(f"DESCRIBE FROM {contacts}").fetchall()
    return {str(name): str(kind) for name, kind, *_ in described}


def _column_of(connection: str, column: str) -> str:
    """What a source is called in contacts."""
    return column if column in ("external_id", "address") else f"{connection}.{column}"


def _values_of(connection: str, fields: Sequence[FieldSpec], columns: Mapping[str, str]) -> dict[str, str]:
    """ "field/trust" → SQL of the value, for the sources on `connection` that the contacts really have."""
    values = {}
    for field in fields:
        for trust, (source, column) in enumerate(field.sources):
            name = _column_of(connection, column)
            if source == connection and name in columns:
                value = value_sql(field, column=quoted(name), column_type=columns[name])
                values[f"{field.name}/{trust}"] = value
    return values


def _build_holders(
    database: duckdb.DuckDBPyConnection, *, contacts: str, links: str
) -> tuple[list[str], set[str]]:
    """Temp table people_holders: contact, person, connection, consent, and for persons with several
    contacts on one connection their order of recency (NULL for the many that have one). Returns the
    connections, and those of them on which somebody has several."""
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE people_holders AS
        SELECT contact, person, connection, email_consent, CASE WHEN several THEN row_number() OVER (
            PARTITION BY several ORDER BY changed_at DESC NULLS LAST, contact) END AS recency
        FROM (
            SELECT contact, person, contacts.connection, email_consent,
                count(*) OVER (PARTITION BY person, contacts.connection) > 1 AS several,
                changed_at
            FROM {contacts} AS contacts JOIN {links} AS links USING (contact)
            WHERE NOT coalesce(deleted, false)
        )"""
    )
    found = database.execute(
        "SELECT connection, bool_or(recency IS NOT NULL) FROM people_holders GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return [str(name) for name, _ in found], {str(name) for name, several in found if several}


def _one_row_each(contacts: str, connection: str, values: Mapping[str, str], *, several: bool) -> str:
    """One row per person with a contact on `connection`. Aggregates cost ten times a plain row in time and
    memory, so only persons with several contacts there go through them, if there are any."""
    plain = ", ".join(f"{value} AS {quoted(name)}" for name, value in values.items())
    latest = ", ".join(f"arg_min({value}, recency) AS {quoted(name)}" for name, value in values.items())
    of_these = f"""FROM {contacts} AS contacts JOIN people_holders AS holders USING (contact)
        WHERE holders.connection = {text_literal(connection)} AND contacts.connection = holders.connection"""
    alone = f"SELECT person, {plain} {of_these} AND recency IS NULL"
    if not several:
        return alone
    return f"""{alone} UNION ALL SELECT person, {latest} {of_these} AND recency IS NOT NULL GROUP BY person"""


def _build_lists(database: duckdb.DuckDBPyConnection, contacts: str) -> None:
    """Temp table people_lists: person, in_lists. Names are folded in Python, once per distinct name."""
    named = f"""(SELECT contact, connection, unnest(lists) AS name FROM {contacts}
        WHERE NOT coalesce(deleted, false) AND len(lists) > 0)"""
    distinct = database.execute(f"SELECT DISTINCT connection, name FROM {named} AS named").fetchall()
    names = [(connection, name, fold(f"{connection}:{name}")) for connection, name in distinct if name]
    columns = list(zip(*names, strict=True)) if names else [(), (), ()]
    schema = pa.schema([("connection", pa.string()), ("name", pa.string()), ("folded", pa.string())])
    database.register("people_list_names", pa.table([pa.array(c, pa.string()) for c in columns], schema))
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE people_lists AS
        SELECT person, list_sort(list(DISTINCT folded)) AS in_lists
        FROM {named} AS named
        JOIN people_list_names AS names ON named.connection = names.connection AND named.name = names.name
        JOIN people_holders AS holders USING (contact)
        GROUP BY person"""
    )
    database.unregister("people_list_names")


def _finished(table: pa.Table, fields: Sequence[FieldSpec]) -> pa.Table:
    """Countries as codes, and the folded copies. Columns leave `table` one by one to keep the peak low."""
    schema = people_schema(fields)
    done: dict[str, pa.ChunkedArray] = {}
    kinds = {field.name: field.type for field in fields}
    for name in table.column_names:
        column = table.column(name).cast(schema.field(name).type)
        if name == COUNTRY and kinds.get(name) is Type.TEXT:
            column = country_column(column)
        done[name] = column
        if kinds.get(name) in (Type.TEXT, Type.TEXTS):
            done[f"{name}__ci"] = fold_column(column)
    return pa.table([done[name] for name in schema.names], schema=schema)


def _sql_list(values: Sequence[str]) -> str:
    return f"({', '.join(text_literal(value) for value in values)})"
