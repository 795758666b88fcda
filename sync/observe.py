"""What others did to an owned field, as pulled contacts tell it: who has which of our segments there now.

Contacts come with what stands in the field (`Stream.own_field`), so a tick that others set or took away is
seen by the next pull at no cost. Only where that cannot be relied on (first use, a new segment, a crash
between reading and noting) everybody's value is looked at. Names that are none of our segments are not kept
here: a write reads what stands there and leaves it alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pyarrow as pa
from pyroaring import BitMap

from connectors.base import AudienceKind, Stream
from sync.push import CARRIER
from sync.store import Store
from sync.store.ledger import AudienceRow

_READ = ("contact", "address", "external_id", "deleted")
"""The columns of contacts that are looked at."""


def must_look(store: Store, connection: str, segments: Iterable[str]) -> bool:
    """Whether nobody knows who has one of these segments in the field, so that all values must be read."""
    known, certain = _known(store, connection)
    return not certain or not known.issuperset(segments)


def looked(store: Store, connection: str, segments: Iterable[str]) -> None:
    """All values were read, or the field is not there: from here on pulled contacts tell the rest."""
    known, _ = _known(store, connection)
    _keep(store, connection, known.union(segments), certain=True)


def doubt(store: Store, connection: str) -> bool:
    """Contacts are about to be absorbed: nothing is certain until `trust`. False: nothing was before."""
    known, certain = _known(store, connection)
    if certain:
        _keep(store, connection, known, certain=False)
    return certain


def trust(store: Store, connection: str) -> None:
    """What pulled contacts told is noted."""
    known, _ = _known(store, connection)
    _keep(store, connection, known, certain=True)


def field_written(store: Store, sent: Iterable[AudienceRow], *, at: dt.datetime) -> None:
    """What was sent until now; remembers of which connections the owned field was written to."""
    for connection in {row.connection for row in sent if row.kind == AudienceKind.FIELD}:
        store.notes.set(f"field_written:{connection}", at.isoformat())


def tells_all(store: Store, connection: str, stream: Stream, *, began: dt.datetime) -> bool:
    """Whether pages read since `began` tell what was last written into the field; else the next ones do."""
    noted = store.notes.get(f"field_written:{connection}")
    if not isinstance(noted, str):
        return True
    return (began - dt.datetime.fromisoformat(noted)).total_seconds() >= stream.own_field_lag_s


def field_rows(store: Store, connection: str) -> list[AudienceRow]:
    """All segments that were ever in the connection's owned field."""
    rows = store.ledger.audiences(connection)
    return [row for row in rows if row.kind == AudienceKind.FIELD and row.segment != CARRIER]


def observe(store: Store, connection: str, told: pa.Table) -> None:
    """Bring the ledger up to date with `told` (external_id, own_values) of contacts that are in the lake.

    A person has a segment if any of their contacts has it, and has it not if all were told and none has it.
    """
    rows = field_rows(store, connection)
    if not rows or not told.num_rows:
        return
    database = store.lake.connect()
    try:
        database.register("told", told)
        contacts = store.lake.relation("contacts", connection, only=_READ)
        links = store.lake.relation("links", only=("contact", "person"))
        # records that are written to under one address (a converted lead and its contact) are one place
        database.execute(
            f"""CREATE TEMP TABLE here AS
            SELECT person, coalesce(nullif(address, ''), contacts.external_id) AS place,
                contacts.external_id AS external_id
            FROM {contacts} AS contacts JOIN {links} AS links USING (contact)
            WHERE NOT coalesce(deleted, false)"""
        )
        database.execute(
            """CREATE TEMP TABLE seen AS
            SELECT person, place, own_values FROM here JOIN told USING (external_id)"""
        )
        known = _people(
            database.sql(
                """SELECT DISTINCT person FROM seen WHERE person NOT IN (SELECT person FROM here
                SEMI JOIN seen USING (person) ANTI JOIN seen USING (person, place))"""
            ).to_arrow_table()
        )
        held = database.sql(
            "SELECT DISTINCT name, person FROM (SELECT person, unnest(own_values) AS name FROM seen)"
        ).to_arrow_table()
    finally:
        database.close()
    for row in rows:
        there = _people(held.filter(pa.compute.equal(held.column("name"), row.segment)))
        actual = (row.actual | there) - (known - there)
        if actual != row.actual:
            store.ledger.observed(row.id, actual=actual, remote_mark=row.remote_mark)


def _people(table: pa.Table) -> BitMap:
    return BitMap(table.column("person").drop_null().to_numpy().astype("uint32"))


def _known(store: Store, connection: str) -> tuple[set[str], bool]:
    """(segments of which is known who has them, whether that is certain)."""
    noted = store.notes.get(f"owned_field:{connection}")
    if not isinstance(noted, dict):
        return set(), False
    return set(noted["segments"]), bool(noted["certain"])


def _keep(store: Store, connection: str, segments: Iterable[str], *, certain: bool) -> None:
    store.notes.set(f"owned_field:{connection}", {"segments": sorted(segments), "certain": certain})
