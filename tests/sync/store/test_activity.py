from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import FieldType, StreamField
from sync.identify.keys import email_key
from sync.store import Store, StoreError
from sync.store.activity import MANY, absorb_activity
from sync.store.attach import Doubtful, reattach
from sync.store.whole import overwrite
from tests.databases import sqlite_url
from tests.sync.store.records import AT, ORDERS, commit, read

LINK = pa.schema(
    [
        ("contact", pa.int32()),
        ("connection", pa.string()),
        ("external_id", pa.string()),
        ("person", pa.int32()),
        ("keys", pa.list_(pa.string())),
        ("former_keys", pa.list_(pa.string())),
    ]
)


def link(store: Store, *rows: tuple[int, str, str, int, list[str], list[str]]) -> None:
    overwrite(
        store.lake, "links", pa.Table.from_pylist([dict(zip(LINK.names, r, strict=True)) for r in rows], LINK)
    )


def persons(store: Store) -> dict[object, object]:
    return {row["event_id"]: row["person"] for row in read(store, "activity", order="event_id")}


def test_an_event_is_kept_once_however_often_it_is_read(store: Store) -> None:
    rows = [{"event_id": f"e{n}", "total": Decimal(n), "product": " Tea "} for n in range(6)]
    commit(store, ORDERS, rows[:4])
    commit(store, ORDERS, rows[2:])
    done = absorb_activity(store, "mc", ORDERS)
    assert (done.new, done.replaced, done.unchanged, done.kinds) == (6, 0, 0, {"purchase"})
    before = store.lake.snapshots()
    commit(store, ORDERS, rows)
    done = absorb_activity(store, "mc", ORDERS)
    assert (done.new, done.replaced, done.unchanged, done.kinds) == (0, 0, 6, frozenset())
    assert store.lake.snapshots() == before
    first = read(store, "activity", kind="purchase", order="event_id")[0]
    assert (first["total"], first["product"], first["product__ci"], first["at"]) == (0, "Tea", "tea", AT)


def test_a_portion_that_holds_nothing_new_does_not_stop_the_next(lake_store: Store) -> None:
    old = [{"event_id": f"e{n}"} for n in range(4)]
    commit(lake_store, ORDERS, old)
    absorb_activity(lake_store, "mc", ORDERS)
    for rows in (old[:2], old[2:], [{"event_id": "new"}], old[:1]):
        commit(lake_store, ORDERS, rows)
    done = absorb_activity(lake_store, "mc", ORDERS, portion=1)
    assert (done.new, done.unchanged) == (1, 5)


def test_an_event_that_changes_and_changes_back_ends_as_read_last(lake_store: Store) -> None:
    for total in (1, 2, 1):
        commit(lake_store, ORDERS, [{"event_id": "e", "total": Decimal(total)}])
        if lake_store.lake.rows("activity") == 0:
            absorb_activity(lake_store, "mc", ORDERS)
    assert absorb_activity(lake_store, "mc", ORDERS, portion=1).replaced == 2
    assert [row["total"] for row in read(lake_store, "activity", order="1")] == [100]


def test_the_same_id_on_another_connection_is_another_event(lake_store: Store) -> None:
    for connection in ("mc", "files"):
        commit(lake_store, ORDERS, [{"event_id": "1", "product": connection}], connection=connection)
        assert absorb_activity(lake_store, connection, ORDERS).new == 1
    commit(lake_store, ORDERS, [{"event_id": "1", "product": "new"}])
    assert absorb_activity(lake_store, "mc", ORDERS).replaced == 1
    found = [(r["connection"], r["product"]) for r in read(lake_store, "activity", order="connection")]
    assert found == [("files", "files"), ("mc", "new")]


def test_an_event_read_again_with_other_content_is_replaced_also_when_its_kind_changes(
    lake_store: Store,
) -> None:
    commit(lake_store, ORDERS, [{"event_id": str(n), "total": Decimal(1)} for n in range(3)])
    absorb_activity(lake_store, "mc", ORDERS)
    commit(lake_store, ORDERS, [{"event_id": "1", "kind": "refund", "total": Decimal(2)}])
    done = absorb_activity(lake_store, "mc", ORDERS)
    assert (done.new, done.replaced, done.kinds) == (0, 1, {"purchase", "refund"})
    assert lake_store.lake.partitions("activity") == {"purchase": 2, "refund": 1}
    assert read(lake_store, "activity", kind="refund", order="1")[0]["total"] == 200


def test_events_find_their_person_by_id_then_by_an_address_only_one_person_holds(lake_store: Store) -> None:
    link(
        lake_store,
        (1, "mc", "m1", 10, ["email:ann@x.org"], []),
        (2, "mc", "m2", 20, ["email:shared@x.org"], ["email:old@x.org"]),
        (3, "crm", "m1", 30, ["email:shared@x.org"], []),
        (4, "crm", "m4", 40, ["email:strasse@xn--strae-oqa.de"], []),
    )
    commit(
        lake_store,
        ORDERS,
        [
            {"event_id": "by id", "external_id": "m1", "email": "shared@x.org"},
            {"event_id": "by address", "email": " ANN@x.org "},
            {"event_id": "unknown id, known address", "external_id": "m9", "email": "ann@x.org"},
            {"event_id": "shared address", "email": "shared@x.org"},
            {"event_id": "former address", "email": "Old@x.org"},
            {"event_id": "other spelling", "email": "strasse@straße.de"},
            {"event_id": "nobody", "external_id": "m4"},
        ],
    )
    absorb_activity(lake_store, "mc", ORDERS, email_key=email_key)
    assert persons(lake_store) == {
        "by id": 10,
        "by address": 10,
        "unknown id, known address": 10,
        "shared address": None,
        "former address": 20,
        "other spelling": 40,
        "nobody": None,
    }


def test_activity_follows_people_who_merge_split_or_appear(lake_store: Store) -> None:
    commit(
        lake_store,
        ORDERS,
        [
            {"event_id": "a", "external_id": "m1"},
            {"event_id": "b", "external_id": "m2", "kind": "refund"},
            {"event_id": "c", "email": "late@x.org"},
        ],
    )
    link(lake_store, (1, "mc", "m1", 1, [], []), (2, "mc", "m2", 2, [], []))
    absorb_activity(lake_store, "mc", ORDERS)
    assert reattach(lake_store.lake) == frozenset()  # nothing to mend, nothing written
    link(
        lake_store,
        (1, "mc", "m1", 1, [], []),
        (2, "mc", "m2", 1, [], []),
        (3, "mc", "m3", 3, ["email:late@x.org"], []),
    )
    moved = Doubtful(
        pa.table({"connection": ["mc", "mc"], "external_id": ["m2", "m3"]}),
        pa.table({"email": ["late@x.org"]}),
    )
    assert reattach(lake_store.lake, moved) == {"purchase", "refund"}
    assert persons(lake_store) == {"a": 1, "b": 1, "c": 3}
    before = lake_store.lake.snapshots()
    assert reattach(lake_store.lake, moved) == frozenset()
    assert lake_store.lake.snapshots() == before
    link(lake_store, (1, "mc", "m1", 1, [], []))
    assert reattach(lake_store.lake) == {"purchase", "refund"}
    assert persons(lake_store) == {"a": 1, "b": None, "c": None}


def test_many_small_files_of_a_kind_are_joined(lake_store: Store) -> None:
    for n in range(MANY + 4):
        commit(lake_store, ORDERS, [{"event_id": str(n), "at": AT - dt.timedelta(hours=n)}])
        absorb_activity(lake_store, "mc", ORDERS)
    files = lake_store.lake.files("activity")
    assert len(files) == 4
    assert sum(file.rows for file in files) == MANY + 4
    large = max(files, key=lambda file: file.rows)
    times = pa.parquet.read_table(large.path).column("at").to_pylist()  # type: ignore[attr-defined]
    assert times == sorted(times)


def test_a_field_named_like_a_fixed_column_is_told(lake_store: Store) -> None:
    odd = replace(ORDERS, fields=(StreamField("person", FieldType.TEXT),))
    commit(lake_store, odd, [{"event_id": "1", "person": "x"}])
    with pytest.raises(StoreError, match="map it to another name"):
        absorb_activity(lake_store, "mc", odd)
    done = absorb_activity(lake_store, "mc", odd, names={"person": "buyer"})
    assert done.new == 1
    assert read(lake_store, "activity", order="1")[0]["buyer__ci"] == "x"


EVENT = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from(["1", "2", "3", "4"]),
        "external_id": st.sampled_from([None, "m1", "m2"]),
        "kind": st.sampled_from(["purchase", "refund"]),
        "at": st.sampled_from([AT, AT + dt.timedelta(microseconds=1)]),
        "product": st.sampled_from([None, "", "Tea", " TEA", "straße"]),
        "quantity": st.sampled_from([None, 1.0, 2.5]),
    }
)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.lists(EVENT, max_size=4), max_size=3), max_size=4), st.integers(1, 8))
def test_any_pages_in_any_portions_give_what_pandas_says(
    tmp_path_factory: pytest.TempPathFactory, reads: list[list[list[dict[str, object]]]], portion: int
) -> None:
    folder = tmp_path_factory.mktemp("activity")
    with Store.open(sqlite_url(folder), folder / "lake") as store:
        link(store, (1, "mc", "m1", 7, [], []))
        for pages in reads:
            for rows in pages:
                commit(store, ORDERS, rows)
            absorb_activity(store, "mc", ORDERS, portion=portion)
        everything = [row for pages in reads for rows in pages for row in rows]
        found = read(store, "activity", order="event_id")
        if not everything:
            assert found == []
            return
        frame = pd.DataFrame(everything, dtype=object).drop_duplicates("event_id", keep="last")
        texts = {None: None, "": None, "Tea": "Tea", " TEA": "TEA", "straße": "straße"}
        expected = [
            (
                row.event_id,
                row.external_id,
                7 if row.external_id == "m1" else None,
                row.kind,
                row.at,
                texts[row.product],
                (texts[row.product] or "").casefold() or None,
                None if row.quantity is None else round(row.quantity * 1_000_000),
            )
            for row in frame.sort_values("event_id").itertuples()
        ]
        columns = ("event_id", "external_id", "person", "kind", "at", "product", "product__ci", "quantity")
        assert [tuple(row[name] for name in columns) for row in found] == expected
