"""PyIceberg's SQL catalog on the control database's own engines, so that the same rules of locking hold.

Its tables are made by our migration. Reading goes through the reading engine and never waits for a writer.
"""

from __future__ import annotations

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.typedef import Identifier
from sqlalchemy import text

from sync.store.database import Database

NAME = "segsync"
NAMESPACE = "lake"
_LOCATION = text(
    "SELECT metadata_location FROM iceberg_tables"
    " WHERE catalog_name = :catalog AND table_namespace = :namespace AND table_name = :table"
)
"""Asked before every use of a table, so in words: a query built anew each time costs ten times as much."""


class StoreCatalog(SqlCatalog):
    """As SqlCatalog; `warehouse` is the lake's folder as a URL."""

    def __init__(self, database: Database, warehouse: str) -> None:
        # SqlCatalog's own __init__ would make a third engine without our rules
        super(SqlCatalog, self).__init__(NAME, warehouse=warehouse)
        self.engine = database.writer  # guarded, if the database is: a commit proves the lease as well
        self._reader = database.reader
        self._schema_version = "v1"

    def location_of(self, table: str) -> str | None:
        """Where the table's current metadata lies; None: no such table. Changes with every commit."""
        values = {"catalog": self.name, "namespace": NAMESPACE, "table": table}
        with self._reader.connect() as connection:
            location: str | None = connection.execute(_LOCATION, values).scalar()
        return location

    def load_table(self, identifier: str | Identifier) -> Table:
        """As SqlCatalog.load_table, on the reading engine."""
        table = Catalog.table_name_from(identifier)
        location = self.location_of(table)
        if location is None:
            raise NoSuchTableError(f"Table does not exist: {NAMESPACE}.{table}")
        return self.table_at(table, location)

    def table_at(self, table: str, location: str) -> Table:
        """The table as the metadata at `location` describes it, current or not."""
        return self._convert_orm_to_iceberg(
            IcebergTables(
                catalog_name=self.name,
                table_namespace=NAMESPACE,
                table_name=table,
                metadata_location=location,
                previous_metadata_location=None,
            )
        )
