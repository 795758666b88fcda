"""Which events the lake has already: one pass over ids before absorbing, exact looks only where needed.

The pass works on 64-bit hashes of event ids (8 bytes an event). Equal hashes of id *and* content mean an
event read again; a hash alone proves nothing, it only sends the row to the exact comparison.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from sync.store.inbox import StoredPage
from sync.store.lake import Lake
from sync.store.shapes import literal


def note_arriving(
    database: duckdb.DuckDBPyConnection, lake: Lake, pages: Sequence[StoredPage], connection: str
) -> None:
    """Temp tables `arriving_twice` (hashes of ids that may come more than once in `pages`) and `there`
    (id hash, content_hash of the connection's events in the lake that may be among them)."""
    database.execute("CREATE TEMP TABLE arriving (h UBIGINT)")
    for page in pages:
        database.register("page_ids", pa.table({"event_id": page.read_column("event_id")}))
        database.execute("INSERT INTO arriving SELECT hash(event_id) FROM page_ids")
    database.unregister("page_ids")
    database.execute(
        "CREATE TEMP TABLE arriving_twice AS SELECT h FROM arriving GROUP BY h HAVING count(*) > 1"
    )
    database.execute("CREATE TEMP TABLE there (h UBIGINT, content_hash BIGINT)")
    paths = [file.path for file in lake.files("activity")]
    if paths:
        database.execute(
            f"""INSERT INTO there
            SELECT hash(event_id), content_hash FROM read_parquet([{", ".join(map(literal, paths))}]) AS lake
            SEMI JOIN arriving ON arriving.h = hash(lake.event_id)
            WHERE connection = {literal(connection)}"""
        )
    database.execute("DROP TABLE arriving")


def drop_repeated(database: duckdb.DuckDBPyConnection) -> None:
    """Of the rows of `staged` with the same event id keep the last."""
    database.execute(
        """CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT event_id, max(place) AS place FROM staged
        SEMI JOIN arriving_twice ON arriving_twice.h = hash(staged.event_id)
        GROUP BY event_id HAVING count(*) > 1"""
    )
    database.execute(
        "DELETE FROM staged USING repeated"
        " WHERE staged.event_id = repeated.event_id AND staged.place <> repeated.place"
    )


def drop_unchanged(database: duckdb.DuckDBPyConnection, lake: Lake, connection: str) -> None:
    """Take events that the lake holds as they are out of `staged`; temp table `known` has the other rows
    that are in the lake under an id of `staged`: event_id, kind, content_hash, filename."""
    # ids that come twice are compared exactly: an earlier portion may have written them meanwhile
    database.execute(
        """DELETE FROM staged USING there
        WHERE hash(staged.event_id) = there.h AND staged.content_hash = there.content_hash
            AND there.h NOT IN (SELECT h FROM arriving_twice)"""
    )
    database.execute(
        """CREATE OR REPLACE TEMP TABLE suspects AS SELECT event_id FROM staged
        WHERE hash(event_id) IN (SELECT h FROM there UNION ALL SELECT h FROM arriving_twice)"""
    )
    database.execute(
        "CREATE OR REPLACE TEMP TABLE known"
        " (event_id VARCHAR, kind VARCHAR, content_hash BIGINT, filename VARCHAR)"
    )
    paths = [file.path for file in lake.files("activity")]
    (found,) = database.execute("SELECT count(*) FROM suspects").fetchall()[0]
    if paths and found:
        database.execute(
            f"""INSERT INTO known SELECT event_id, kind, content_hash, filename
            FROM read_parquet([{", ".join(map(literal, paths))}], filename=true) AS lake
            SEMI JOIN suspects ON suspects.event_id = lake.event_id
            WHERE lake.connection = {literal(connection)}"""
        )
        database.execute(
            "DELETE FROM staged USING known"
            " WHERE staged.event_id = known.event_id AND staged.content_hash = known.content_hash"
        )
