"""What contacts say of one field: a temp table per field, with a row per contact and source column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import duckdb

from rules.vocabulary import Type
from sync.fields import FieldSpec
from sync.identify.sql import quoted, text_literal
from sync.identify.values import value_sql
from sync.standard import STANDARD_FIELDS

OF_RECORD = ("external_id", "address")
"""Columns of the record itself; a source that names them speaks of its own connection only."""


@dataclass(frozen=True)
class Said:
    """The contacts a check looks at. `contacts`: a relation of the lake's columns; deleted ones do not count.

    `links`: contact, person of the same contacts, or None while it is not known who is who. `stated`: person,
    email_consent as people are made of them, where that is more than the contacts tell: what is kept out may
    still forbid.
    """

    database: duckdb.DuckDBPyConnection
    contacts: str
    fields: Mapping[str, FieldSpec]
    links: str | None = None
    stated: str | None = None

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column of the contacts → its DuckDB type."""
        described = self.database.sql(f"DESCRIBE FROM {self.contacts}").fetchall()
        return {str(name): str(kind) for name, kind, *_ in described}

    def sources(self, field: FieldSpec) -> list[tuple[str, str]]:
        """(connection, column of the contacts) of the field, as far as it was ever read."""
        found = []
        for connection, column in field.sources:
            name = column if column in OF_RECORD else f"{connection}.{column}"
            if name in self.columns:
                found.append((connection, name))
        return found

    def gives(self, field: str) -> bool:
        """Whether any connection gives the standard field, and as what it is meant to be."""
        spec = self.fields.get(field)
        return spec is not None and spec.type is STANDARD_FIELDS[field].type and bool(self.sources(spec))

    def build(self, field: str) -> str | None:
        """Temp table contact, connection, value (not NULL); its name, or None if no connection gives it."""
        if not self.gives(field):
            return None
        name = f"quality_said_{field}"
        self.database.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} AS {self._rows(field)}")
        return name

    @property
    def consents(self) -> str:
        """SQL: person, email_consent of everything that says something about it."""
        return self.stated or (
            f"(SELECT person, email_consent FROM {self.links} AS links JOIN {self.contacts} AS contacts"
            f" USING (contact) WHERE {LIVING})"
        )

    def holders(self, *fields: str) -> str:
        """SQL: contact, of every living contact on a connection that gives one of the fields."""
        there = sorted(
            {
                connection
                for name in fields
                if name in self.fields
                for connection, _ in self.sources(self.fields[name])
            }
        )
        listed = ", ".join(map(text_literal, there)) or "NULL"
        return f"(SELECT contact FROM {self.contacts} WHERE {LIVING} AND connection IN ({listed}))"

    def _rows(self, name: str) -> str:
        field = self.fields[name]
        parts = []
        for connection, column in self.sources(field):
            value = value_sql(field, column=quoted(column), column_type=self.columns[column])
            if field.type is Type.TEXT:
                value = f"trim({value})"
            parts.append(
                f"SELECT contact, connection, {value} AS value FROM {self.contacts}"
                f" WHERE {LIVING} AND {value} IS NOT NULL AND connection = {text_literal(connection)}"
            )
        return " UNION ".join(parts)

    def drop(self, *, but: str | None = None) -> None:
        """Let go of the temp tables, `but` one."""
        made = self.database.sql(
            "SELECT table_name FROM duckdb_tables() WHERE temporary AND starts_with(table_name, 'quality_')"
        ).fetchall()
        for (name,) in made:
            if name != but:
                self.database.execute(f"DROP TABLE {quoted(str(name))}")


LIVING = "NOT coalesce(deleted, false)"
"""SQL: the contact is there on its platform."""


def by_name(fields: Iterable[FieldSpec]) -> dict[str, FieldSpec]:
    """Field by its name."""
    return {field.name: field for field in fields}


def text_columns(said: Said) -> Sequence[str]:
    """Columns of contacts that hold a platform's own texts, sorted."""
    return sorted(name for name, kind in said.columns.items() if kind == "VARCHAR" and "." in name)
