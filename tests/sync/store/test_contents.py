"""The number that tells whether a record says something new."""

from __future__ import annotations

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.store.contents import content_hash_sql
from sync.store.shapes import TEXTS

COLUMNS = {"address": pa.string(), "shop.email": pa.string(), "shop.points": pa.int64(), "lists": TEXTS}
TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "b", "a@example.com"]))
RECORDS = st.fixed_dictionaries(
    {
        "address": TEXT,
        "shop.email": TEXT,
        "shop.points": st.one_of(st.none(), st.integers(-2, 2)),
        "lists": st.one_of(st.none(), st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3)),
    }
)


def number(record: dict[str, object]) -> int:
    rows = pa.table({name: pa.array([record[name]], kind) for name, kind in COLUMNS.items()})
    with duckdb.connect() as database:
        database.register("rows", rows)
        found = database.execute(f"SELECT {content_hash_sql(COLUMNS)} FROM rows").fetchall()
    return int(found[0][0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(RECORDS, RECORDS)
def test_records_have_the_same_number_exactly_if_they_say_the_same(
    one: dict[str, object], other: dict[str, object]
) -> None:
    def said(record: dict[str, object]) -> dict[str, object]:
        return {k: sorted(v) if isinstance(v, list) else v for k, v in record.items() if v is not None}

    assert (number(one) == number(other)) == (said(one) == said(other))


def test_two_columns_that_change_to_the_same_value_are_a_change() -> None:
    """An address and the e-mail field carry the same text on most platforms."""
    before = {"address": "a", "shop.email": "a", "shop.points": None, "lists": None}
    assert number(before) != number({**before, "address": "b", "shop.email": "b"})
