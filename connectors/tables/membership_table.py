"""Memberships in a table of a database, changed in transactions. Other segments' rows are never touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from connectors.errors import AudienceLost, BadSource, ConnectorError
from connectors.tables.engine import Database
from connectors.tables.memberships import COLUMNS, MEMBER_COLUMNS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

PAGE_ROWS = 50_000
AT_ONCE = 1_000
"""Ids in one statement; SQLite takes 32,766 values, others fewer."""


class MembershipTable:
    """The table `name`, `schema.name` if a schema is given; made by `prepare`."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self._made: Table | None = None

    @property
    def _table(self) -> Table:
        import sqlalchemy as sql

        if self._made is None:
            schema, _, name = self._name.rpartition(".")
            self._made = sql.Table(
                name,
                sql.MetaData(),
                sql.Column("segment", sql.String(190), primary_key=True),
                sql.Column("external_id", sql.String(190), primary_key=True),
                sql.Column("address", sql.Text),
                sql.Column("since", sql.DateTime(timezone=True)),
                schema=schema or None,
            )
        return self._made

    def check(self) -> str | None:
        try:
            with self._database.transaction() as connection:
                self._exists(connection)
        except ConnectorError as error:
            return str(error)
        return None

    def counts(self) -> Mapping[str, int] | None:
        import sqlalchemy as sql

        segment = self._table.c.segment
        with self._database.transaction() as connection:
            if not self._exists(connection):
                return None
            rows = connection.execute(sql.select(segment, sql.func.count()).group_by(segment))
            return {str(name): int(count) for name, count in rows}

    def prepare(self) -> None:
        with self._database.transaction() as connection:
            if not self._exists(connection):
                self._table.create(connection)

    def members(self, segment: str) -> Iterator[pa.Table]:
        import sqlalchemy as sql

        table, last = self._table, ""
        while True:
            page = (
                sql.select(table.c.external_id, table.c.address)
                .where(table.c.segment == segment, table.c.external_id > last)
                .order_by(table.c.external_id)
                .limit(PAGE_ROWS)
            )
            with self._database.transaction() as connection:
                self._there(connection)
                rows = connection.execute(page).all()
            if not rows:
                return
            last = str(rows[-1][0])
            yield pa.table([list(column) for column in zip(*rows, strict=True)], schema=MEMBER_COLUMNS)

    def change(self, segment: str, adds: Mapping[str, str], removes: Sequence[str], *, now: datetime) -> None:
        import sqlalchemy as sql

        table = self._table
        named = sql.and_(
            table.c.segment == sql.bindparam("of_segment"), table.c.external_id == sql.bindparam("of_id")
        )
        with self._database.transaction(rows=True) as connection:
            self._there(connection)
            for ids in _parts(list(removes)):
                connection.execute(
                    table.delete().where(table.c.segment == segment, table.c.external_id.in_(ids))
                )
            known: dict[str, str | None] = {}
            for ids in _parts(list(adds)):
                found = sql.select(table.c.external_id, table.c.address).where(
                    table.c.segment == segment, table.c.external_id.in_(ids)
                )
                known.update({str(key): address for key, address in connection.execute(found)})
            stamp = now.astimezone(UTC)
            new = [
                {"segment": segment, "external_id": key, "address": address, "since": stamp}
                for key, address in adds.items()
                if key not in known
            ]
            moved = [
                {"of_segment": segment, "of_id": key, "now_at": address}
                for key, address in adds.items()
                if key in known and known[key] != address
            ]
            if new:
                connection.execute(table.insert(), new)
            if moved:
                connection.execute(table.update().where(named).values(address=sql.bindparam("now_at")), moved)

    def forget(self, external_id: str) -> None:
        with self._database.transaction() as connection:
            if self._exists(connection):
                connection.execute(self._table.delete().where(self._table.c.external_id == external_id))

    def _exists(self, connection: Connection) -> bool:
        """Whether the table is there; raises `BadSource` if it is somebody else's."""
        import sqlalchemy as sql

        inspector = sql.inspect(connection)
        if not inspector.has_table(self._table.name, schema=self._table.schema):
            return False
        columns = {
            column["name"] for column in inspector.get_columns(self._table.name, schema=self._table.schema)
        }
        missing = [name for name in COLUMNS if name not in columns]
        if missing:
            raise BadSource(
                f"memberships.to: the table {self._name} has no column {', '.join(missing)}; "
                "name another table"
            )
        return True

    def _there(self, connection: Connection) -> None:
        if not self._exists(connection):
            raise AudienceLost(f"the table {self._name} is gone; it is made anew and filled again")


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
