"""A lake of people and activity that a test makes up, and what models tell of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import closing

import pandas as pd
import pyarrow as pa
from pandas.api.types import is_integer_dtype

from sync.store import Store
from sync.store.files import NewFile
from sync.store.shapes import INSTANT, quoted
from sync.store.whole import overwrite


def put_people(store: Store, people: Iterable[int], **columns: object) -> None:
    """Nobody else is in the lake afterwards."""
    numbers = list(people)
    given = {"person": pa.array(numbers, pa.int32()), "suppressed": pa.array([False] * len(numbers))}
    overwrite(store.lake, "people", pa.table({**given, **columns}))


def put_activity(store: Store, kind: str, rows: pd.DataFrame) -> None:
    """More activity: columns `person`, `at` and the kind's fields; amounts of money in minor units."""
    lake, fields = store.lake, [name for name in rows.columns if name not in ("person", "at")]
    table = pa.table(
        {
            "person": pa.array(rows["person"], pa.int32(), from_pandas=True),
            "at": pa.array(rows["at"], INSTANT),
            "kind": pa.array([kind] * len(rows)),
            "connection": pa.array(["made"] * len(rows)),
            **{
                name: pa.array(rows[name], pa.int64() if is_integer_dtype(rows[name]) else pa.string())
                for name in fields
            },
        }
    )
    lake.ensure("activity", {one.name: one.type for one in table.schema})
    with closing(lake.connect()) as database:
        database.register("given", table)
        file = lake.write(database, "activity", "SELECT * FROM given", partition=kind, order='"at"')
        lake.replace("activity", added=[NewFile(file.path, kind)])


def facts(store: Store, *names: str) -> pd.DataFrame:
    """What models tell, by person."""
    listed = ", ".join(["person", *map(quoted, names)])
    with closing(store.lake.connect()) as database:
        found = database.sql(f"SELECT {listed} FROM {store.lake.relation('facts')} ORDER BY person").df()
    return found.set_index("person")


def days_before(as_of: dt.datetime, days: Iterable[float]) -> list[dt.datetime]:
    """Instants so many days earlier."""
    return [as_of - dt.timedelta(days=each) for each in days]
