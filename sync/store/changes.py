"""Whose rows of a lake's table are not what they were in an earlier snapshot.

Files of activity never change, so rows of files that both snapshots have are not looked at. The other rows
are counted, with a sign for each side: what does not come out even differs. No row needs a key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from sync.store.lake import Lake, LakeFile
from sync.store.shapes import duckdb_type, literal, quoted

_NEVER_READ = frozenset({"content_hash", "email", "external_id"})
"""Columns of activity that no rule can ask for; `person` tells what they led to."""


def changed_people(lake: Lake, *, then: int, columns: Collection[str]) -> Iterator[str]:
    """A SELECT of the persons whose row in `people` came, went, or has another value in these columns since
    the snapshot; none if nothing was written. Columns that the table lacks do not count."""
    now = lake.snapshots().get("people")
    if now is None or now == then:
        return
    there = [name for name in lake.columns("people") if name in columns or name == "person"]
    selected = ", ".join(map(quoted, there))
    sides = (lake.relation("people"), lake.relation("people", snapshot=then))
    yield _uneven(there, *(f"SELECT {selected} FROM {relation}" for relation in sides))


def changed_activity(lake: Lake, kinds: Iterable[str], *, then: int) -> Iterator[str]:
    """A SELECT per kind of the persons who have activity that came, went or changed since the snapshot, or
    that was another person's. NULL is among them."""
    now = lake.snapshots().get("activity")
    if now is None or now == then:
        return
    for kind in sorted(kinds):
        before = {file.path: file for file in lake.files("activity", kind, snapshot=then)}
        after = {file.path: file for file in lake.files("activity", kind)}
        gone = [file for path, file in before.items() if path not in after]
        come = [file for path, file in after.items() if path not in before]
        if come and not gone:
            yield f"SELECT person FROM {_reading(come)}"
        elif come or gone:
            used = frozenset[str]().union(*(file.columns for file in (*come, *gone))) - _NEVER_READ
            columns = [name for name in lake.columns("activity") if name in used]
            yield _uneven(columns, _rows(lake, come, columns), _rows(lake, gone, columns))


def _uneven(columns: Sequence[str], come: str, gone: str) -> str:
    names = ", ".join(map(quoted, columns))
    rows = f"SELECT *, 1 AS sign FROM ({come}) UNION ALL SELECT *, -1 FROM ({gone})"
    return f"SELECT person FROM ({rows}) GROUP BY {names} HAVING sum(sign) <> 0"


def _rows(lake: Lake, files: Sequence[LakeFile], columns: Sequence[str]) -> str:
    types = lake.columns("activity")
    there = frozenset[str]().union(*(file.columns for file in files))
    nothing = {name: f"NULL::{duckdb_type(types[name])}" for name in columns if name not in there}
    selected = ", ".join(f"{nothing.get(name, quoted(name))} AS {quoted(name)}" for name in columns)
    return f"SELECT {selected} FROM {_reading(files)}" if files else f"SELECT {selected} WHERE false"


def _reading(files: Iterable[LakeFile]) -> str:
    paths = ", ".join(literal(file.path) for file in files)
    return f"read_parquet([{paths}], hive_partitioning=false, union_by_name=true)"
