"""Absorb committed pages of contacts: the latest record per (connection, external id), and nothing twice.

What it costs to write goes by what changed (see `sync.store.amending`). Absorbing the same pages again finds
nothing changed and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from connectors.base import Stream, StreamKind
from sync.normalise import clean_column
from sync.store.amending import put
from sync.store.contents import content_hash_sql
from sync.store.files import reading
from sync.store.inbox import StoredPage
from sync.store.shapes import INSTANT, SHAPES, TEXTS, duckdb_type, literal, quoted
from sync.store.store import Store
from sync.store.values import HELD, Money, Unusable, clean_texts, physical_columns

NUMBER = "contact"
"""Name of the counter that numbers contacts."""
_PORTION = 50_000
"""Rows staged at once."""
_HASHED: Mapping[str, pa.DataType] = {
    "address": pa.string(),
    "email_consent": pa.string(),
    "lists": TEXTS,
}
"""Fixed columns that count as content. Not `changed_at`: our own tags move it on some platforms."""


@dataclass(frozen=True, slots=True)
class AbsorbedContacts:
    """What absorbing did. `contacts`: numbers of the new, changed and newly deleted ones.

    `rejected` counts values that could not be held (listed among the store's rejected rows).
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    contacts: BitMap = field(default_factory=BitMap)
    own_values: pa.Table | None = None
    """external_id, own_values: what stands in the field we own, where the pages told (`Stream.own_field`)."""


def columns_of(store: Store, streams: Mapping[str, Iterable[Stream]]) -> dict[str, pa.DataType]:
    """The columns of `contacts` that all waiting pages need; `streams` by connection."""
    return {
        f"{connection}.{field.name}": HELD[field.type]
        for connection, some in streams.items()
        for stream in some
        if stream.kind is StreamKind.CONTACTS and store.inbox.waiting(connection, stream.name)
        for field in stream.fields
    }


def absorb_contacts(
    store: Store,
    connection: str,
    stream: Stream,
    *,
    money: Money | None = None,
    ignore_lists: Iterable[str] = (),
    complete: bool = False,
    run_id: int | None = None,
) -> AbsorbedContacts:
    """Merge all waiting pages of one CONTACTS stream into the lake, in one commit, and mark them absorbed.

    `ignore_lists`: names of our own audiences on this connection; they are taken out of `lists`, so that our
    own writes never come back as changes. `complete`: the pages are the whole stream; contacts of this
    stream that are not in them are marked deleted.
    """
    pages = store.inbox.waiting(connection, stream.name)
    if not pages and not complete:
        return AbsorbedContacts()
    kinds = {f"{connection}.{f.name}": HELD[f.type] for f in stream.fields}
    store.lake.ensure("contacts", kinds)
    unusable = Unusable()
    database = store.lake.connect()
    try:
        filled = _stage(database, pages, connection, stream, money or Money(), set(ignore_lists), unusable)
        _find_changes(database, store, connection, stream.name, complete=complete)
        result = _number_and_commit(
            database, store, connection, stream.name, filled=filled, rejected=unusable.count
        )
        if stream.own_field is not None:
            latest = "SELECT external_id, own_values FROM own SEMI JOIN latest USING (place)"
            result = replace(result, own_values=database.sql(latest).to_arrow_table())
    finally:
        database.close()
    if unusable.rows:
        store.inbox.reject(connection, stream.name, unusable.rows, run_id=run_id)
    store.inbox.absorbed(pages)
    return result


def _stage(
    database: duckdb.DuckDBPyConnection,
    pages: Iterable[StoredPage],
    connection: str,
    stream: Stream,
    money: Money,
    ignore_lists: set[str],
    unusable: Unusable,
) -> list[str]:
    """Temp tables `staged`: the pages' rows with `place` (their order) and content_hash; `latest`: the last
    place per id.

    Returns the columns of `staged` that say something: platforms have hundreds of fields that nobody fills.
    """
    kinds = {f"{connection}.{f.name}": HELD[f.type] for f in stream.fields}
    fixed = {name: SHAPES["contacts"][name] for name in _FIXED}
    empty = pa.schema([("place", pa.int64()), *fixed.items(), *kinds.items()]).empty_table()
    filled: dict[str, pa.DataType] = {}
    ignored = ", ".join(literal(name) for name in sorted(ignore_lists))
    kept = f"list_filter(lists, lambda x: x NOT IN ({ignored}))" if ignored else "lists"
    lists = f"list_sort(list_distinct(coalesce({kept}, CAST([] AS VARCHAR[]))))"
    held = {**{field.name: field.type for field in empty.schema}, "content_hash": pa.int64()}
    database.execute(
        f"CREATE TEMP TABLE staged ({', '.join(f'{quoted(n)} {duckdb_type(t)}' for n, t in held.items())})"
    )
    # beside the contents: what we write ourselves must not come back as a change
    database.execute("CREATE TEMP TABLE own (place BIGINT, external_id VARCHAR, own_values VARCHAR[])")
    place = 0
    for page in _joined(pages):
        unusable.missing(page, "external_id")
        columns = {name: page.column(name) for name in ("external_id", "deleted", "email_consent")}
        columns["address"] = clean_column(page.column("address"))
        columns["changed_at"] = page.column("changed_at").cast(INSTANT)
        columns["lists"] = clean_texts(page.column("lists"))
        made = physical_columns(page, stream.fields, ids="external_id", money=money, unusable=unusable)
        columns |= {f"{connection}.{name}": column for name, column in made.items()}
        columns["place"] = pa.array(np.arange(place, place + page.num_rows))
        if stream.own_field is not None and "own_values" in page.column_names:
            told = {name: page.column(name) for name in ("external_id", "own_values")}
            database.register("page", pa.table({"place": columns["place"], **told}))
            database.execute("INSERT INTO own SELECT * FROM page WHERE own_values IS NOT NULL")
        place += page.num_rows
        said = {name: kind for name, kind in kinds.items() if columns[name].null_count < page.num_rows}
        filled |= said
        schema = pa.schema([("place", pa.int64()), *fixed.items(), *said.items()])
        database.register("page", pa.table(columns).select(schema.names).cast(schema))
        hashed = content_hash_sql({**_HASHED, **said})  # missing values add nothing to it
        # an inner select, so that the hash sees the lists as they are stored
        database.execute(
            f"""INSERT INTO staged BY NAME SELECT *, {hashed} AS content_hash FROM
            (SELECT * REPLACE ({lists} AS lists, coalesce(deleted, false) AS deleted) FROM page)"""
        )
    database.unregister("page")
    database.execute(
        """CREATE TEMP TABLE latest AS
        SELECT external_id, max(place) AS place FROM staged
        WHERE external_id IS NOT NULL GROUP BY external_id"""
    )
    return [*fixed, *filled, "content_hash"]


def _joined(pages: Iterable[StoredPage]) -> Iterator[pa.Table]:
    """The pages' rows in their order, small pages of the same shape together: many platforms send 100 a page,
    and what a portion costs is mostly the same whatever its size."""
    waiting: list[pa.Table] = []
    rows = 0
    for stored in pages:
        page = stored.read()
        if waiting and (rows + page.num_rows > _PORTION or page.schema != waiting[0].schema):
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
        waiting.append(page)
        rows += page.num_rows
    if waiting:
        yield pa.concat_tables(waiting)


_COMPARED = ("contact", "external_id", "stream", "content_hash", "deleted")
_FIXED = ("external_id", "address", "changed_at", "deleted", "email_consent", "lists")


def _find_changes(
    database: duckdb.DuckDBPyConnection, store: Store, connection: str, stream: str, *, complete: bool
) -> None:
    """Temp tables `known` (what the lake has), `compared` (each latest record against it), `gone`."""
    only = "" if complete else "SEMI JOIN latest USING (external_id)"
    there = store.lake.relation("contacts", connection, only=_COMPARED)
    database.execute(
        f"""CREATE TEMP TABLE known AS
        SELECT contact, external_id, stream, content_hash, coalesce(deleted, false) AS deleted
        FROM {there} AS lake {only}"""
    )
    database.execute(
        """CREATE TEMP TABLE compared AS
        SELECT staged.place, staged.deleted, known.contact,
            CASE WHEN known.contact IS NULL THEN 'new'
                 WHEN known.content_hash = staged.content_hash AND known.deleted = staged.deleted
                     THEN 'unchanged'
                 WHEN staged.deleted AND NOT known.deleted THEN 'deleted'
                 ELSE 'changed' END AS state
        FROM staged SEMI JOIN latest USING (place)
        LEFT JOIN known ON known.external_id = staged.external_id"""
    )
    absent = "external_id NOT IN (SELECT external_id FROM latest)"
    database.execute(
        f"""CREATE TEMP TABLE gone AS SELECT contact FROM known
        WHERE {complete} AND NOT deleted AND stream = {literal(stream)} AND {absent}"""
    )


def _number_and_commit(
    database: duckdb.DuckDBPyConnection,
    store: Store,
    connection: str,
    stream: str,
    *,
    filled: Sequence[str],
    rejected: int,
) -> AbsorbedContacts:
    found = database.execute("SELECT state, count(*) FROM compared GROUP BY state").fetchall()
    counts = {str(state): int(n) for state, n in found}
    gone = int(_one(database, "SELECT count(*) FROM gone"))
    if counts.get("new"):
        first = store.numbers.reserve(NUMBER, counts["new"])
        database.execute(
            f"""UPDATE compared SET contact = numbered.contact
            FROM (SELECT place, CAST({first} - 1 + row_number() OVER (ORDER BY place) AS INTEGER) AS contact
                  FROM compared WHERE state = 'new') AS numbered
            WHERE compared.place = numbered.place"""
        )
    database.execute(
        """CREATE TEMP TABLE touched AS
        SELECT contact FROM compared WHERE state <> 'unchanged' UNION ALL SELECT contact FROM gone"""
    )
    numbers = database.execute("SELECT contact FROM touched").fetchnumpy()["contact"]
    _commit(database, store, connection, stream, filled)
    return AbsorbedContacts(
        new=counts.get("new", 0),
        changed=counts.get("changed", 0),
        unchanged=counts.get("unchanged", 0),
        deleted=counts.get("deleted", 0) + gone,
        rejected=rejected,
        contacts=BitMap(numbers.astype("uint32")),
    )


def _commit(
    database: duckdb.DuckDBPyConnection, store: Store, connection: str, stream: str, filled: Sequence[str]
) -> None:
    """The new and different rows in place of the old ones, in one commit."""
    fresh = (
        f"SELECT compared.contact, {literal(connection)} AS connection, {literal(stream)} AS stream,"
        f" {', '.join(f'staged.{quoted(name)}' for name in filled)}"
        " FROM compared JOIN staged USING (place) WHERE compared.state <> 'unchanged'"
    )
    lake = store.lake
    files = lake.files("contacts", connection)
    if files:
        stored = reading(files, lake.positions("contacts", connection))
        fresh = (
            f"{fresh} UNION ALL BY NAME SELECT * REPLACE (true AS deleted) FROM {stored}"
            " WHERE contact IN (SELECT contact FROM gone)"
        )
    put(lake, database, "contacts", fresh, touched="touched", partition=connection)


def _one(database: duckdb.DuckDBPyConnection, query: str) -> int:
    # all rows are fetched: a result that is not read to its end keeps the connection busy
    return int(database.execute(query).fetchall()[0][0])
