"""Where few people's rows lie tells what the rows are, however they are spread over files."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pytest

from rules.engine.activity import Row
from rules.engine.periods import microseconds
from rules.engine.stretches import Stretch, TooMany
from rules.engine.tables import Span
from sync.store import Store
from sync.store import stretches as stretches_module
from sync.store.arranging import arranged
from sync.store.by_person import Copy, Part
from sync.store.stretches import stretches
from tests.sync.store.test_by_person import ASKED, ROWS, purchases, store

__all__ = ["store"]

NAMES = ["event_id", "at", "product", "amount"]
TYPES = {
    "person": pa.int32(),
    "event_id": pa.string(),
    "at": pa.timestamp("us", "UTC"),
    "product": pa.string(),
    "amount": pa.int64(),
}


def priced(rows: pa.Table, later_us: int = 0) -> pa.Table:
    """With amounts, some of them missing, and so much later."""
    random = np.random.default_rng(len(rows))
    amounts = pa.array(random.integers(-5, 2**60, len(rows)), mask=random.random(len(rows)) < 0.1)
    at = pa.array(rows["at"].cast(pa.int64()).to_numpy() + later_us).cast(TYPES["at"])
    at_place = rows.column_names.index("at")
    return rows.set_column(at_place, "at", at).append_column("amount", amounts)


def files(how: str) -> list[pa.Table]:
    """One; one after the other in time, the last without a column; two at the same time."""
    first, second = priced(purchases(ROWS, 1)), purchases(800, 2)
    match how:
        case "one" | "gone":
            return [first]
        case "after":
            third = priced(purchases(900, 3), 10**12).drop_columns("product")
            return [third, first, priced(second, 10**10)]  # not in the order in which they lie
    return [first, priced(second)]


def by_id(row: Row) -> str:
    """No two rows have the same."""
    return str(row["event_id"])


def checked(found: Collection[tuple[int, Stretch]], expected: Sequence[Row]) -> None:
    """Rows, instants and columns are those of the relation, whole and in part."""
    for person, one in found:
        rows = one.rows(NAMES, 0, len(one.instants))
        theirs = [{name: row[name] for name in NAMES} for row in expected if row["person"] == person]
        assert sorted(rows, key=by_id) == sorted(theirs, key=by_id)
        assert one.instants.tolist() == sorted(map(microseconds, (row["at"] for row in theirs)))  # type: ignore[arg-type]
        for start, end in ((0, len(rows)), (1, 4), (max(len(rows) - 2, 0), len(rows)), (0, 0)):
            part = rows[start:end]
            assert one.rows(NAMES, start, end) == part
            for name in ("product", "amount", "event_id"):
                known = [row[name] for row in part if row[name] is not None]
                assert one.known(name, start, end) == known
            assert one.known("nothing of that name", start, end) == []


@pytest.mark.parametrize("how", ["one", "after", "beside", "gone"])
def test_where_rows_lie_tells_what_they_are(how: str) -> None:
    tables = files(how)
    gone = np.arange(0, ROWS, 3) if how == "gone" else None
    parts = [Part(Copy(arranged(table)), gone) for table in tables]
    expected = [
        {"product": None, **row}
        for table in tables
        for place, row in enumerate(table.to_pylist())
        if gone is None or place % 3
    ]
    assert any(row["person"] == 4 for row in expected)
    for some in (ASKED, ASKED[2:4], ASKED[:1]):
        checked([*zip(some.tolist(), stretches(parts, TYPES, some), strict=True)], expected)


@pytest.mark.parametrize("making", [False, True])
def test_where_rows_lie_in_the_lake_tells_what_they_are(store: Store, making: bool) -> None:
    """In a large file and a small one of fewer columns, which happened at the same time."""
    found = store.lake.copies.indexed(["purchase"], {}, making=making)
    names = ["event_id", "at", "product"]
    every = found.rows("purchase", ASKED, Span(), names).to_pylist()
    for person, one in zip(ASKED.tolist(), found.stretches("purchase", ASKED), strict=True):
        theirs = [{name: row[name] for name in names} for row in every if row["person"] == person]
        assert sorted(one.rows(names, 0, len(one.instants)), key=by_id) == sorted(theirs, key=by_id)
        assert one.instants.tolist() == sorted(microseconds(row["at"]) for row in theirs)
    assert every


def test_rows_of_too_many_that_lie_at_the_same_time_are_not_put_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = [Part(Copy(arranged(table))) for table in files("beside")]
    monkeypatch.setattr(stretches_module, "_MOST_TAKEN", 5)
    with pytest.raises(TooMany):
        stretches(parts, TYPES, ASKED)
