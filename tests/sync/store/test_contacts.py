from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from rules.text import clean
from sync.store import Store, StoreError
from sync.store.contacts import absorb_contacts
from sync.store.values import Money
from tests.databases import sqlite_url
from tests.sync.store.records import AT, MEMBERS, commit, page, read

MONEY = Money("EUR", {"USD": 0.5})


def test_the_latest_record_wins_and_keeps_its_number(store: Store) -> None:
    commit(store, MEMBERS, [{"external_id": "a", "FNAME": "Ann"}, {"external_id": "b", "FNAME": "Bob"}])
    commit(store, MEMBERS, [{"external_id": "a", "FNAME": "Anna"}])
    done = absorb_contacts(store, "mc", MEMBERS)
    assert (done.new, done.changed, done.contacts) == (2, 0, BitMap([1, 2]))
    commit(store, MEMBERS, [{"external_id": "b", "FNAME": "Bert"}, {"external_id": "c"}])
    done = absorb_contacts(store, "mc", MEMBERS)
    assert (done.new, done.changed, done.unchanged) == (1, 1, 0)
    found = {
        row["external_id"]: (row["contact"], row["mc.FNAME"]) for row in read(store, "contacts", order="1")
    }
    numbers = {key: number for key, (number, _) in found.items()}
    assert {key: name for key, (_, name) in found.items()} == {"a": "Anna", "b": "Bert", "c": None}
    assert sorted(numbers.values()) == [1, 2, 3]
    assert done.contacts == BitMap([numbers["b"], numbers["c"]])
    assert store.inbox.waiting() == []


@pytest.mark.means("is exact: integer minor units and a currency;")
@pytest.mark.means("Other currencies are converted at load by the table in the config,")
def test_values_are_held_exactly_and_texts_clean(lake_store: Store) -> None:
    row = {
        "external_id": "a",
        "address": " Ann@Example.com ",
        "FNAME": "  Zoe\u0308 ",
        "score": 0.1,
        "spent": Decimal("1234.56"),
        "currency": " usd ",
        "interests": [" b ", "", None, "a"],
        "born": dt.date(1990, 2, 28),
        "lists": ["Z", "a ", "Z"],
    }
    commit(lake_store, MEMBERS, [row])
    absorb_contacts(lake_store, "mc", MEMBERS, money=MONEY)
    (held,) = read(lake_store, "contacts", order="contact")
    del held["content_hash"]
    assert held.pop("changed_at") == AT
    assert held == {
        "contact": 1,
        "connection": "mc",
        "stream": "members",
        "external_id": "a",
        "address": "Ann@Example.com",
        "deleted": False,
        "email_consent": "opted_in",
        "lists": ["Z", "a"],
        "mc.FNAME": "Zo\u00eb",
        "mc.score": 100_000,
        "mc.spent": 61_728,
        "mc.currency": "usd",
        "mc.interests": ["b", "a"],
        "mc.born": dt.date(1990, 2, 28),
    }


@pytest.mark.means("Other currencies are converted at load by the table in the config,")
def test_a_value_that_cannot_be_held_is_missing_and_told(lake_store: Store) -> None:
    rows = [
        {"external_id": "huge", "score": 1e300},
        {"external_id": "nan", "score": float("nan")},
        {"external_id": "yen", "spent": Decimal("5.00"), "currency": "JPY"},
        {"external_id": "base", "spent": Decimal("5.00")},
    ]
    commit(lake_store, MEMBERS, rows)
    done = absorb_contacts(lake_store, "mc", MEMBERS, money=MONEY)
    assert (done.new, done.rejected) == (4, 3)
    held = {r["external_id"]: (r["mc.score"], r["mc.spent"]) for r in read(lake_store, "contacts", order="1")}
    assert held == {"huge": (None, None), "nan": (None, None), "yen": (None, None), "base": (None, 500)}
    told = {str(row["where"]): str(row["reason"]) for row in lake_store.inbox.rejected("mc")}
    assert set(told) == {
        "record huge, column score",
        "record nan, column score",
        "record yen, column spent",
    }
    assert "no rate to EUR" in told["record yen, column spent"]


def test_reading_the_same_again_changes_nothing_in_the_lake(lake_store: Store) -> None:
    rows = [{"external_id": str(n), "score": n / 7, "lists": ["x", "y"]} for n in range(50)]
    commit(lake_store, MEMBERS, rows)
    absorb_contacts(lake_store, "mc", MEMBERS)
    before = (lake_store.lake.snapshots(), lake_store.lake.files("contacts"))
    again = [{**row, "changed_at": AT + dt.timedelta(days=1), "lists": ["y", "x"]} for row in rows]
    commit(lake_store, MEMBERS, again[:30])
    commit(lake_store, MEMBERS, again[20:])
    done = absorb_contacts(lake_store, "mc", MEMBERS)
    assert (done.new, done.changed, done.unchanged, done.contacts) == (0, 0, 50, BitMap())
    assert (lake_store.lake.snapshots(), lake_store.lake.files("contacts")) == before
    assert absorb_contacts(lake_store, "mc", MEMBERS) == type(done)()


def test_our_own_tags_never_come_back_as_changes(lake_store: Store) -> None:
    commit(lake_store, MEMBERS, [{"external_id": "a", "lists": ["news"]}])
    absorb_contacts(lake_store, "mc", MEMBERS, ignore_lists={"VIP"})
    commit(lake_store, MEMBERS, [{"external_id": "a", "lists": ["VIP", "news"]}])
    assert absorb_contacts(lake_store, "mc", MEMBERS, ignore_lists={"VIP"}).unchanged == 1
    commit(lake_store, MEMBERS, [{"external_id": "a", "lists": ["VIP", "other"]}])
    assert absorb_contacts(lake_store, "mc", MEMBERS, ignore_lists={"VIP"}).changed == 1
    assert read(lake_store, "contacts", order="1")[0]["lists"] == ["other"]


def test_contacts_missing_from_a_complete_read_are_deleted_and_may_come_back(lake_store: Store) -> None:
    commit(lake_store, MEMBERS, [{"external_id": key, "FNAME": key} for key in "abc"])
    absorb_contacts(lake_store, "mc", MEMBERS)
    commit(lake_store, MEMBERS, [{"external_id": "z"}], connection="other")
    absorb_contacts(lake_store, "other", MEMBERS)
    commit(lake_store, MEMBERS, [{"external_id": "a", "FNAME": "a"}])
    done = absorb_contacts(lake_store, "mc", MEMBERS, complete=True)
    assert (done.deleted, done.unchanged, len(done.contacts)) == (2, 1, 2)
    deleted = {row["external_id"]: row["deleted"] for row in read(lake_store, "contacts", order="1")}
    assert deleted == {"a": False, "b": True, "c": True, "z": False}
    commit(lake_store, MEMBERS, [{"external_id": "a", "FNAME": "a"}])
    assert absorb_contacts(lake_store, "mc", MEMBERS, complete=True).deleted == 0
    commit(lake_store, MEMBERS, [{"external_id": "b", "FNAME": "b"}])
    assert absorb_contacts(lake_store, "mc", MEMBERS).changed == 1


def test_a_new_field_adds_a_column_and_changes_only_who_has_it(lake_store: Store) -> None:
    from dataclasses import replace

    from connectors.base import FieldType, StreamField

    commit(lake_store, MEMBERS, [{"external_id": "a", "FNAME": "x"}, {"external_id": "b"}])
    absorb_contacts(lake_store, "mc", MEMBERS)
    wider = replace(MEMBERS, fields=(*MEMBERS.fields, StreamField("city", FieldType.TEXT)))
    commit(lake_store, wider, [{"external_id": "a", "FNAME": "x", "city": "Oslo"}, {"external_id": "b"}])
    done = absorb_contacts(lake_store, "mc", wider)
    assert (done.changed, done.unchanged) == (1, 1)
    assert [row["mc.city"] for row in read(lake_store, "contacts", order="external_id")] == ["Oslo", None]
    other = replace(MEMBERS, fields=(StreamField("city", FieldType.NUMBER),))
    commit(lake_store, other, [{"external_id": "a", "city": 1.0}])
    with pytest.raises(StoreError, match="give the field another name"):
        absorb_contacts(lake_store, "mc", other)


def test_fields_that_nobody_fills_are_not_in_the_files_and_a_value_taken_back_is_missing(
    lake_store: Store,
) -> None:
    def told(*rows: dict[str, object]) -> tuple[int, list[object], set[str]]:
        commit(lake_store, MEMBERS, rows)
        done = absorb_contacts(lake_store, "mc", MEMBERS)
        names = [row["mc.FNAME"] for row in read(lake_store, "contacts", order="external_id")]
        own = [file.columns for file in lake_store.lake.files("contacts", "mc")]
        return done.new + done.changed, names, {one for some in own for one in some if one.startswith("mc.")}

    assert told({"external_id": "a", "FNAME": "Ann"}, {"external_id": "b"}) == (
        2,
        ["Ann", None],
        {"mc.FNAME"},
    )
    assert told({"external_id": "a"}, {"external_id": "b"}) == (1, [None, None], {"mc.FNAME"})
    columns = lake_store.lake.columns("contacts")
    assert {f"mc.{field.name}" for field in MEMBERS.fields} <= columns.keys()


IDS = st.sampled_from(["a", "b", "c", "d", "e"])
NAMES = st.sampled_from([None, "", " Ann", "ann", "Zoe\u0308", "Zo\u00eb", "\u00a0x\u3000", "İ"])
ROW = st.fixed_dictionaries(
    {
        "external_id": IDS,
        "FNAME": NAMES,
        "score": st.sampled_from([None, 0.0, -0.1, 1e6, 0.1234565]),
        "deleted": st.booleans(),
        "lists": st.lists(st.sampled_from(["x", " x", "y", ""]), max_size=3),
    }
)
READS = st.lists(st.lists(st.lists(ROW, max_size=4), max_size=3), max_size=4)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(READS)
def test_any_pages_in_any_portions_give_what_pandas_says(
    tmp_path_factory: pytest.TempPathFactory, reads: list[list[list[dict[str, object]]]]
) -> None:
    folder = tmp_path_factory.mktemp("contacts")
    with Store.open(sqlite_url(folder), folder / "lake") as store:
        changed = 0
        for pages in reads:
            for rows in pages:
                commit(store, MEMBERS, rows)
            done = absorb_contacts(store, "mc", MEMBERS)
            changed += done.new + done.changed + done.deleted
        everything = [row for pages in reads for rows in pages for row in rows]
        found = read(store, "contacts", order="external_id")
        assert sorted(int(str(row["contact"])) for row in found) == list(range(1, len(found) + 1))
        if not everything:
            assert (found, changed) == ([], 0)
            return
        frame = pd.DataFrame(everything, dtype=object).drop_duplicates("external_id", keep="last")
        expected = [
            (
                row.external_id,
                clean(row.FNAME),
                None if row.score is None else round(row.score * 1_000_000),
                row.deleted,
                sorted({text for text in map(clean, row.lists) if text}),
            )
            for row in frame.sort_values("external_id").itertuples()
        ]
        got = [(r["external_id"], r["mc.FNAME"], r["mc.score"], r["deleted"], r["lists"]) for r in found]
        assert got == expected
        for rows in ([row for row in everything if row["external_id"] == key] for key in frame.external_id):
            store.inbox.commit_page("mc", "members", page(MEMBERS, rows[-1:]), "again")
        assert absorb_contacts(store, "mc", MEMBERS).contacts == BitMap()
