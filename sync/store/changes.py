"""Whose rows of a lake's table are not what they were in an earlier snapshot.

Files never change, so rows of files that both snapshots have are only looked at where positions name them.
The others are counted, with a sign for each side: what does not come out even differs. No row needs a key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from sync.store.files import FILE, LakeFile, placed, reading
from sync.store.lake import Lake
from sync.store.shapes import duckdb_type, literal, quoted

_NEVER_READ = frozenset({"content_hash", "email", "external_id"})
"""Columns of activity that no rule can ask for; `person` tells what they led to."""


def changed_people(
    lake: Lake, *, then: int, columns: Collection[str], table: str = "people"
) -> Iterator[str]:
    """SELECTs of the persons whose row in `people` (or `facts`) came, went, or may have another value in
    these columns since the snapshot; none if nothing was written. Columns that the table lacks do not count.
    """
    if lake.snapshots().get(table) not in (None, then):
        yield from _changed(lake, table, None, then, {"person", *columns})


def changed_activity(lake: Lake, kinds: Iterable[str], *, then: int) -> Iterator[str]:
    """SELECTs of the persons who have activity that came, went or changed since the snapshot, or that was
    another person's. NULL is among them."""
    if lake.snapshots().get("activity") not in (None, then):
        used = lake.columns("activity").keys() - _NEVER_READ
        for kind in sorted(kinds):
            yield from _changed(lake, "activity", kind, then, used)


def _changed(
    lake: Lake, table: str, partition: str | None, then: int, columns: Collection[str]
) -> Iterator[str]:
    before = {file.path: file for file in lake.files(table, partition, snapshot=then)}
    after = {file.path: file for file in lake.files(table, partition)}
    gone = [file for path, file in before.items() if path not in after]
    come = [file for path, file in after.items() if path not in before]
    dead_then, dead_now = lake.positions(table, partition, snapshot=then), lake.positions(table, partition)
    if come and not gone and not dead_now:
        yield f"SELECT person FROM {reading(come)}"
    elif come or gone:
        there = frozenset[str]().union(*(file.columns for file in (*come, *gone)))
        names = [name for name in lake.columns(table) if name in there and name in columns]
        sides = (_rows(lake, table, come, dead_now, names), _rows(lake, table, gone, dead_then, names))
        listed = ", ".join(map(quoted, names))
        signed = f"SELECT *, 1 AS sign FROM ({sides[0]}) UNION ALL SELECT *, -1 FROM ({sides[1]})"
        yield f"SELECT person FROM ({signed}) GROUP BY {listed} HAVING sum(sign) <> 0"
    common = ", ".join(literal(path) for path in before if path in after)
    if common and {file.path for file in dead_then} != {file.path for file in dead_now}:
        a, b = _positions(dead_then), _positions(dead_now)
        yield (
            f"SELECT person FROM {placed(common)} AS theirs SEMI JOIN"
            f" (({a} EXCEPT {b}) UNION ALL ({b} EXCEPT {a})) AS moved"
            f" ON moved.file_path = theirs.{FILE} AND moved.pos = theirs.file_row_number"
        )


def _rows(
    lake: Lake, table: str, files: Sequence[LakeFile], dead: Sequence[LakeFile], columns: Sequence[str]
) -> str:
    types = lake.columns(table)
    there = frozenset[str]().union(*(file.columns for file in files))
    nothing = {name: f"NULL::{duckdb_type(types[name])}" for name in columns if name not in there}
    selected = ", ".join(f"{nothing.get(name, quoted(name))} AS {quoted(name)}" for name in columns)
    return f"SELECT {selected} FROM {reading(files, dead)}" if files else f"SELECT {selected} WHERE false"


def _positions(files: Sequence[LakeFile]) -> str:
    if not files:
        return "SELECT NULL::VARCHAR AS file_path, NULL::BIGINT AS pos WHERE false"
    return f"SELECT file_path, pos FROM read_parquet([{', '.join(literal(file.path) for file in files)}])"
