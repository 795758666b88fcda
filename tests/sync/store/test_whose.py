"""Contacts and keys looked up in copies are those that a search through the lake's relations finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from sync.identify.explain import Links, Relation
from sync.store import Store
from sync.store.copies import FOLDER
from sync.store.files import NewFile
from sync.store.whole import amend, overwrite
from sync.store.whose import Whose

CONTACTS = 26_000
"""More than are put in order for one question."""
KEYS = [f"email:p{number}@x.example" for number in (0, 7, 8, 14, 25_998, 1_000_000)]
KEYS += ["crm id:Köln 1", "crm id:Łódź 2", "crm id:😀", "", "email:", "zz"]
PEOPLE = [0, 1, 4, 2_000, 12_999, 13_000, 99_999]


def links(contacts: range, mail: str = "p{}") -> pa.Table:
    """Two contacts each; some hold one key, some have it twice or had it once, some have none."""
    names = ["Köln 1", "Łódź 2", "😀"]
    keys, former = [], []
    for contact in contacts:
        address = f"email:{mail.format(contact - contact % 7)}@x.example"
        odd = [f"crm id:{names[contact % 3]}"] if contact % 1_000 == 0 else []
        keys.append([] if contact % 11 == 5 else sorted([address, *odd]))
        former.append([address, f"email:p{contact}@x.example"] if contact % 13 == 0 else [])
    return pa.table(
        {
            "contact": pa.array(contacts, pa.int32()),
            "connection": ["shop" if contact % 2 else "news" for contact in contacts],
            "external_id": [f"x{contact}" for contact in contacts],
            "person": pa.array([contact // 2 for contact in contacts], pa.int32()),
            "keys": pa.array(keys, pa.list_(pa.string())),
            "former_keys": pa.array(former, pa.list_(pa.string())),
        }
    )


@pytest.fixture
def store(lake_store: Store) -> Store:
    """Links, some of them changed or gone since; contacts in two files, one of which lacks a column."""
    lake = lake_store.lake
    overwrite(lake, "links", links(range(CONTACTS)))
    amend(lake, "links", links(range(14), mail="new{}"), gone=[4_000])
    lake.ensure("contacts", {"shop.points": pa.int64(), "news.city": pa.string()})
    with searching(lake_store) as database:
        for name, first, columns in (
            ("shop", 1, '1000 * contact AS "shop.points"'),
            ("news", 0, """'Köln ' || contact % 3 AS "news.city" """),
        ):
            query = f"""SELECT contact::INTEGER AS contact, '{name}' AS connection, {columns},
                'x' || contact AS external_id, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS changed_at
                FROM range({first}, {CONTACTS}, 2) AS t(contact)"""
            file = lake.write(database, "contacts", query, partition=name, order="contact DESC")
            lake.replace("contacts", added=[NewFile(file.path, name)])
    return lake_store


@contextmanager
def searching(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    database = store.lake.connect()
    try:
        yield database
    finally:
        database.close()


def told(found: Links) -> list[Any]:
    """All that is asked of links, about people and keys that there are and that there are not."""
    names = ("contact", "connection", "external_id", "keys", "former_keys")
    rows = {
        person: sorted(tuple(repr(row[name]) for name in names) for row in found.of(person))
        for person in PEOPLE
    }
    counts = {key: count for key, count in found.holders(KEYS).items() if count}
    return [rows, counts, {key: list(found.persons(key)) for key in KEYS}]


def searched(store: Store) -> list[Any]:
    with searching(store) as database:
        return told(Relation(database, store.lake.relation("links")))


def looked_up(store: Store) -> Whose:
    found = store.lake.copies.whose()
    assert found is not None
    return found


def test_without_copies_so_many_are_searched_through(store: Store) -> None:
    assert store.lake.copies.whose() is None


def test_people_and_keys_are_found_as_by_searching(store: Store) -> None:
    store.lake.copies.make_whose()
    told_ = told(looked_up(store))
    assert told_ == searched(store)
    assert told_[2]["email:p7@x.example"] == [], "they have other addresses now"
    assert told_[2]["email:p14@x.example"] == [7, 8, 9, 10]
    numbers = [0, 1, 4, 25_999, 77_777]
    with searching(store) as database:
        relation = store.lake.relation("contacts")
        query = f"SELECT * FROM {relation} WHERE contact IN ({', '.join(map(str, numbers))}) ORDER BY contact"
        by_search = database.sql(query).to_arrow_table()
    rows = looked_up(store).contacts_of(numbers).sort_by("contact")
    assert len(rows) == 4
    assert rows.select(by_search.column_names).to_pylist() == by_search.to_pylist()


def test_a_new_address_is_found_at_once_and_the_old_one_no_more(store: Store) -> None:
    store.lake.copies.make_whose()
    key = "email:moved0@x.example"
    assert looked_up(store).persons(key) == []
    before = looked_up(store)
    amend(store.lake, "links", links(range(20_000, 20_002), mail="moved{}").set_column(
        4, "keys", pa.array([[key], [key]], pa.list_(pa.string()))
    ))  # fmt: skip
    assert looked_up(store) is not before
    assert looked_up(store).persons(key) == [10_000]
    assert told(looked_up(store)) == searched(store)
    assert looked_up(store) is looked_up(store), "kept while the lake is the same"


def test_copies_may_vanish_or_be_torn(store: Store) -> None:
    lake = store.lake
    lake.copies.make_whose()
    made = sorted((lake.folder / FOLDER).iterdir())
    assert [path.name.endswith(".keys.arrow") for path in made].count(True) == 1
    for torn in range(len(made)):
        _spoil(made[torn], by_deleting=bool(torn % 2))
        with Store.open(str(store.database.url), lake.folder) as again:
            without = again.lake.copies.whose()
            assert without is None or told(without) == searched(store)
            again.lake.copies.make_whose()
            assert sorted((lake.folder / FOLDER).iterdir()) == made
            assert told(looked_up(again)) == searched(store)


def _spoil(path: Path, *, by_deleting: bool) -> None:
    if by_deleting:
        path.unlink()
    else:
        path.write_bytes(b"torn")
