"""PyIceberg's SQL catalog on the control database's own engines, so that the same rules of locking hold.

Its tables are made by our migration. Reading goes through the reading engine and never waits for a writer.
"""

from __future__ import annotations

from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import CommitTableResponse, StagedTable, Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from sqlalchemy import text

from sync.store.commits import updated
from sync.store.database import Database

NAME = "segsync"
NAMESPACE = "lake"
_LOCATION = text(
    "SELECT metadata_location FROM iceberg_tables"
    " WHERE catalog_name = :catalog AND table_namespace = :namespace AND table_name = :table"
)
_LOCATIONS = text(
    "SELECT table_name, metadata_location FROM iceberg_tables"
    " WHERE catalog_name = :catalog AND table_namespace = :namespace"
)
"""Asked before every use of a table, so in words: a query built anew each time costs ten times as much."""


class StoreCatalog(SqlCatalog):
    """As SqlCatalog; `warehouse` is the lake's folder as a URL.

    Files of metadata never change, so what this process has read or written of each table's newest is kept.
    """

    def __init__(self, database: Database, warehouse: str) -> None:
        # SqlCatalog's own __init__ would make a third engine without our rules
        super(SqlCatalog, self).__init__(NAME, warehouse=warehouse)
        self.engine = database.writer  # guarded, if the database is: a commit proves the lease as well
        self._reader = database.reader
        self._schema_version = "v1"
        self._newest: dict[str, tuple[str, TableMetadata]] = {}

    def location_of(self, table: str) -> str | None:
        """Where the table's current metadata lies; None: no such table. Changes with every commit."""
        values = {"catalog": self.name, "namespace": NAMESPACE, "table": table}
        with self._reader.connect() as connection:
            location: str | None = connection.execute(_LOCATION, values).scalar()
        return location

    def locations(self) -> dict[str, str]:
        """As `location_of`, of every table there is, all at one moment."""
        with self._reader.connect() as connection:
            rows = connection.execute(_LOCATIONS, {"catalog": self.name, "namespace": NAMESPACE}).all()
        return {str(row.table_name): str(row.metadata_location) for row in rows}

    def load_table(self, identifier: str | Identifier) -> Table:
        """As SqlCatalog.load_table, on the reading engine."""
        table = Catalog.table_name_from(identifier)
        location = self.location_of(table)
        if location is None:
            raise NoSuchTableError(f"Table does not exist: {NAMESPACE}.{table}")
        known = self._newest.get(table)
        if known is None or known[0] != location:
            loaded = self.table_at(table, location)
            self._newest[table] = location, loaded.metadata
            return loaded
        metadata = known[1]
        io = self._load_file_io(metadata.properties, location)
        return Table((NAMESPACE, table), metadata, location, io, catalog=self)

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

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """As SqlCatalog.commit_table."""
        done = super().commit_table(table, requirements, updates)
        self._newest[Catalog.table_name_from(table.name())] = done.metadata_location, done.metadata
        return done

    def _update_and_stage_table(
        self,
        current_table: Table | None,
        table_identifier: Identifier,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> StagedTable:
        """As PyIceberg's for a table that is there, without its copy of all of the metadata."""
        if current_table is None:
            return super()._update_and_stage_table(None, table_identifier, requirements, updates)
        for requirement in requirements:
            requirement.validate(current_table.metadata)
        there = current_table.metadata_location
        metadata = updated(current_table.metadata, updates, there)
        provider = load_location_provider(metadata.location, metadata.properties)
        location = provider.new_table_metadata_file_location(self._parse_metadata_version(there) + 1)
        io: Any = self._load_file_io(metadata.properties, location)
        return StagedTable(table_identifier, metadata, location, io, catalog=self)
