"""The connector: a folder of files or a database as source of contacts and activity, and as destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from connectors.base import (
    Action,
    Audience,
    AudienceKind,
    Batch,
    BatchShape,
    Change,
    Features,
    Outcome,
    OutcomeState,
    Page,
    RemoteAudience,
    Stream,
)
from connectors.checking import Findings, everything
from connectors.errors import BadSource, ConnectorError
from connectors.health import Creation, Health, Needs
from connectors.pacing import Clock
from connectors.tables.engine import Database
from connectors.tables.files import check_files, read_files
from connectors.tables.mapping import stream_of
from connectors.tables.membership_files import MembershipFile
from connectors.tables.membership_table import MembershipTable
from connectors.tables.memberships import Memberships, write_batch
from connectors.tables.queries import check_query, read_query
from connectors.tables.settings import ActivityTable, ContactsTable, StoreKind, TableSettings, read_settings

SHAPE = BatchShape(adds=10_000, removes=10_000, together=True)


def open_tables(settings: Mapping[str, object], clock: Clock) -> TablesConnector:
    """The connector of these settings; raises `BadSource` with every problem of theirs."""
    return TablesConnector(read_settings(settings), clock)


class TablesConnector:
    """One connection. Nothing is opened before it is needed."""

    def __init__(self, settings: TableSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._folder = Path(settings.location)
        self._database = Database(settings.location) if settings.store is StoreKind.DATABASE else None
        tables: list[ContactsTable | ActivityTable] = [*settings.activity]
        if settings.contacts is not None:
            tables.insert(0, settings.contacts)
        self._tables = {table.name: table for table in tables}
        self._usage = {"reads": 0, "writes": 0, "retries": 0, "rate_limited": 0}
        self._ensured: set[str] = set()
        self._memberships: Memberships | None = None
        if settings.memberships is not None:
            self._memberships = (
                MembershipTable(self._database, settings.memberships)
                if self._database
                else MembershipFile(self._folder / settings.memberships)
            )

    @property
    def features(self) -> Features:
        files = self._database is None
        return Features(
            # An unchanged file yields nothing, so files are incremental even without such a column.
            streams=tuple(
                stream_of(table, incremental=files or table.incremental is not None)
                for table in self._tables.values()
            ),
            audiences={AudienceKind.TABLE: SHAPE} if self._memberships else {},
        )

    def check(self, needs: Needs | None = None) -> Health:
        """Whether every table is there with its columns, and rows can be kept; all problems at once."""
        asked = needs or everything((AudienceKind.TABLE,) if self._memberships else ())
        found = Findings("Ask whoever looks after the data")
        found.account = self._folder.name
        try:
            found.account = self._database.label if self._database else str(self._folder)
            for table in self._tables.values() if asked.read else ():
                self._usage["reads"] += 1
                found.problems += self._missing(table)
            if asked.audiences:
                self._check_memberships(found)
        except ConnectorError as error:
            found.problems += str(error).splitlines()
        found.details = {name: table.origin.label for name, table in self._tables.items()}
        found.quota = "no limit"
        return found.health()

    def _check_memberships(self, found: Findings) -> None:
        name = self._settings.memberships
        if self._memberships is None or name is None:
            found.problems.append("rules send segments here, but the config names no memberships to write to")
            return
        problem = self._memberships.check()
        if problem:
            found.problems.append(problem)
        elif self._memberships.counts() is None:
            kind = "table" if self._database else "file"
            found.creates.append(Creation(kind, name, "members of segments"))

    def _missing(self, table: ContactsTable | ActivityTable) -> list[str]:
        try:
            if self._database:
                check_query(self._database, table)
            else:
                check_files(self._folder, table)
        except BadSource as error:
            return str(error).splitlines()
        return []

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Pages of a stream; see `files.read_files` and `queries.read_query`."""
        table = self._tables[stream.name]
        pages = (
            read_query(self._database, table, after)
            if self._database
            else read_files(self._folder, table, after)
        )
        for page in pages:
            self._usage["reads"] += 1
            yield page

    def audiences(self) -> list[RemoteAudience]:
        """Every segment that has rows, and those ensured here: an empty one needs no object of its own."""
        self._usage["reads"] += 1
        found = self._destination().counts()
        counts = {} if found is None else dict.fromkeys(self._ensured, 0) | dict(found)
        return [
            RemoteAudience(name, name, AudienceKind.TABLE, count) for name, count in sorted(counts.items())
        ]

    def ensure(self, audience: Audience) -> str:
        """Make the table or file if it is missing; the segment's id is its name there."""
        self._usage["writes"] += 1
        self._destination().prepare()
        self._ensured.add(audience.segment)
        return audience.segment

    def members(self, audience: Audience) -> Iterator[Page]:
        """Pages of external_id, address."""
        for rows in self._destination().members(audience.segment):
            self._usage["reads"] += 1
            yield Page(rows, None)

    def write(self, batch: Batch) -> list[Outcome]:
        """All changes of a batch in one transaction, or in one replacement of the file."""
        self._usage["writes"] += 1
        return write_batch(self._destination(), batch, now=self._clock.utc_now())

    def erase(self, external_id: str) -> Outcome:
        """Delete the person's memberships. Source tables belong to somebody else and are never written."""
        change = Change(Action.REMOVE, external_id, "")
        self._usage["writes"] += 1
        if self._memberships is not None:
            self._memberships.forget(external_id)
        if not self._tables:
            return Outcome(change, OutcomeState.DONE)
        reason = "memberships are deleted; source tables are only read: delete the person there yourself"
        return Outcome(change, OutcomeState.REFUSED, "source_is_read_only", reason)

    def usage(self) -> Mapping[str, int]:
        """Tables and pages read, and batches written, so far."""
        return dict(self._usage)

    def close(self) -> None:
        """Let go of the database."""
        if self._database:
            self._database.close()

    def _destination(self) -> Memberships:
        if self._memberships is None:
            raise BadSource(
                'memberships: is missing; say where they go: memberships = { to = "members.csv" }'
            )
        return self._memberships
