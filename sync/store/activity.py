"""Absorb committed pages of activity: every event once per (connection, event id), attached to its person.

Rows are taken in portions of bounded memory; each portion is one commit. A file holds one kind, sorted by
time. An event read again with other content replaces the old one, by writing the file that holds it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import FieldType, Stream
from rules.text import fold
from sync.normalise import clean_column, fold_column
from sync.store.attach import ORDER, attach_emails, attach_ids, attach_sql
from sync.store.contents import content_hash_sql
from sync.store.errors import StoreError
from sync.store.files import NewFile
from sync.store.inbox import StoredPage
from sync.store.seen import drop_repeated, drop_unchanged, note_arriving
from sync.store.shapes import INSTANT, SHAPES, literal
from sync.store.store import Store
from sync.store.values import HELD, Money, Unusable, physical_columns

PORTION = 1_000_000
"""Rows absorbed at once."""
MEMORY_LIMIT = "1GB"
"""For DuckDB while absorbing; what is larger spills into the lake's folder."""
SMALL, MANY = 250_000, 16
"""So many files of fewer rows, of one kind, are joined into one by the next portion."""
_HASHED: Mapping[str, pa.DataType] = {
    "external_id": pa.string(),
    "email": pa.string(),
    "kind": pa.string(),
    "at": INSTANT,
}


@dataclass(frozen=True, slots=True)
class AbsorbedActivity:
    """What absorbing did, in rows. `kinds`: the kinds whose rows are not what they were."""

    new: int = 0
    replaced: int = 0
    unchanged: int = 0
    rejected: int = 0
    kinds: frozenset[str] = frozenset()


def absorb_activity(
    store: Store,
    connection: str,
    stream: Stream,
    *,
    names: Mapping[str, str] | None = None,
    money: Money | None = None,
    email_key: Callable[[str], str | None] | None = None,
    run_id: int | None = None,
    portion: int = PORTION,
) -> AbsorbedActivity:
    """Merge all waiting pages of one ACTIVITY stream into the lake and mark them absorbed.

    `names`: stream field → column of `activity` (default: its own name). `email_key`: the spelling of an
    address as match key, asked where addresses are not plain ASCII (default: folded). Persons come
    from `links`.
    """
    names = names or {}
    kinds, folded = _columns(stream, names)
    store.lake.ensure("activity", {**kinds, **folded})  # a rule may use fields that nobody has filled yet
    total = AbsorbedActivity()
    waiting = store.inbox.waiting(connection, stream.name)
    if not waiting:
        return total
    hashed = content_hash_sql({**_HASHED, **kinds})
    with closing(store.lake.connect(memory_limit=MEMORY_LIMIT)) as database:
        attach_ids(database, store.lake.relation("links"), connection=connection)
        note_arriving(database, store.lake, waiting, connection)
        for pages in _portions(waiting, portion):
            unusable = Unusable()
            database.register("pages", _read(pages, stream, names, money or Money(), email_key, unusable))
            _stage(database, connection, hashed)
            done = _commit(database, store, connection)
            if unusable.rows:
                store.inbox.reject(connection, stream.name, unusable.rows, run_id=run_id)
            store.inbox.absorbed(pages)
            total = _sum(total, done, rejected=unusable.count)
    return total


def _sum(total: AbsorbedActivity, done: AbsorbedActivity, *, rejected: int) -> AbsorbedActivity:
    return AbsorbedActivity(
        total.new + done.new,
        total.replaced + done.replaced,
        total.unchanged + done.unchanged,
        total.rejected + rejected,
        total.kinds | done.kinds,
    )


def _columns(
    stream: Stream, names: Mapping[str, str]
) -> tuple[dict[str, pa.DataType], dict[str, pa.DataType]]:
    """(columns of the stream's fields, their folded copies) in `activity`."""
    columns = {names.get(f.name, f.name): f.type for f in stream.fields}
    if taken := sorted(set(columns) & set(SHAPES["activity"])):
        raise StoreError(f"a field of {stream.name} cannot be named {taken[0]}; map it to another name")
    texts = (FieldType.TEXT, FieldType.TEXTS)
    kinds = {name: HELD[kind] for name, kind in columns.items()}
    return kinds, {f"{name}__ci": HELD[kind] for name, kind in columns.items() if kind in texts}


def _portions(pages: Sequence[StoredPage], portion: int) -> Iterator[list[StoredPage]]:
    part: list[StoredPage] = []
    rows = 0
    for page in pages:
        if part and rows + page.rows > portion:
            yield part
            part, rows = [], 0
        part.append(page)
        rows += page.rows
    if part:
        yield part


def _read(
    pages: Sequence[StoredPage],
    stream: Stream,
    names: Mapping[str, str],
    money: Money,
    email_key: Callable[[str], str | None] | None,
    unusable: Unusable,
) -> pa.Table:
    """The pages' rows as the lake holds them, with `place` (their order)."""
    tables = []
    place = 0
    for stored in pages:
        page = stored.read()
        for name in ("event_id", "kind", "at"):
            unusable.missing(page, name)
        columns = {name: page.column(name) for name in ("event_id", "external_id", "kind")}
        columns["email"] = _email(page.column("email"), email_key)
        columns["at"] = page.column("at").cast(INSTANT)
        held = physical_columns(
            page, stream.fields, ids="event_id", money=money, unusable=unusable, folded=True
        )
        for name, column in held.items():
            plain = name.removesuffix("__ci")
            suffix = name[len(plain) :] if name not in page.column_names else ""
            plain = plain if suffix else name
            columns[names.get(plain, plain) + suffix] = column
        columns["place"] = pa.array(np.arange(place, place + page.num_rows))
        place += page.num_rows
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _email(column: pa.ChunkedArray, email_key: Callable[[str], str | None] | None) -> pa.ChunkedArray:
    """The match key's spelling. Folding is all a plain address needs, but `straße.de` must not be folded."""
    if email_key is None or pc.all(pc.string_is_ascii(column)).as_py() is not False:
        return fold_column(column)
    codes = clean_column(column).combine_chunks().dictionary_encode()
    keys = [email_key(text) or fold(text) for text in codes.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(keys, type=pa.string()).take(codes.indices)])


def _stage(database: duckdb.DuckDBPyConnection, connection: str, hashed: str) -> None:
    """Temp table `staged`: usable rows with content_hash, the last one per event id."""
    usable = 'event_id IS NOT NULL AND kind IS NOT NULL AND "at" IS NOT NULL'
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE staged AS
        SELECT *, {literal(connection)} AS connection, {hashed} AS content_hash FROM pages WHERE {usable}"""
    )
    database.unregister("pages")
    drop_repeated(database)


def _commit(database: duckdb.DuckDBPyConnection, store: Store, connection: str) -> AbsorbedActivity:
    staged = _one(database, "SELECT count(*) FROM staged")
    drop_unchanged(database, store.lake, connection)
    database.execute(
        "CREATE OR REPLACE TEMP TABLE old AS SELECT known.* FROM known SEMI JOIN staged USING (event_id)"
    )
    writes = _one(database, "SELECT count(*) FROM staged")
    replaced = _one(database, "SELECT count(DISTINCT event_id) FROM old")
    done = AbsorbedActivity(new=writes - replaced, replaced=replaced, unchanged=staged - writes)
    if not writes:
        return done
    _attach(database, store)
    removed, added = _without_old(database, store, connection)
    kinds = [
        str(row[0]) for row in database.execute("SELECT DISTINCT kind FROM staged ORDER BY kind").fetchall()
    ]
    for kind in kinds:
        query = f"SELECT * FROM attached WHERE kind = {literal(kind)}"
        small = [
            file.path
            for file in store.lake.files("activity", kind)
            if file.rows < SMALL and file.path not in removed
        ]
        if len(small) >= MANY:
            listed = ", ".join(map(literal, small))
            query += f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name=true)"
            query = f"SELECT * FROM ({query})"
            removed += small
        added.append(store.lake.write(database, "activity", query, partition=kind, order=ORDER))
    store.lake.replace("activity", removed=removed, added=added)
    touched = {str(row[0]) for row in database.execute("SELECT DISTINCT kind FROM old").fetchall()}
    return replace(done, kinds=frozenset(touched.union(kinds)))


def _attach(database: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Temp table `attached`: the rows to write, with their person."""
    emails = _one(database, "SELECT count(email) FROM staged") > 0
    made = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'attach_emails'"
    if emails and not _one(database, made):
        attach_emails(database, store.lake.relation("links"))
    rows = attach_sql("SELECT * EXCLUDE (place) FROM staged", emails=emails)
    database.execute(f"CREATE OR REPLACE TEMP TABLE attached AS {rows}")


def _without_old(
    database: duckdb.DuckDBPyConnection, store: Store, connection: str
) -> tuple[list[str], list[NewFile]]:
    """Write anew the files that hold events which are replaced, without those."""
    removed: list[str] = []
    added: list[NewFile] = []
    held = database.execute("SELECT DISTINCT filename, kind FROM old ORDER BY filename").fetchall()
    for path, kind in held:
        query = (
            f"SELECT * FROM read_parquet({literal(path)}, hive_partitioning=false) AS lake"
            f" WHERE NOT (connection = {literal(connection)} AND event_id IN (SELECT event_id FROM old))"
        )
        removed.append(str(path))
        if _one(database, f"SELECT count(*) FROM ({query})"):
            added.append(store.lake.write(database, "activity", query, partition=str(kind), order=ORDER))
    return removed, added


def _one(database: duckdb.DuckDBPyConnection, query: str) -> int:
    # all rows are fetched: a result that is not read to its end keeps the connection busy
    return int(database.execute(query).fetchall()[0][0])
