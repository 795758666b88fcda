"""Cursors: an unchanged file yields nothing, a read that died goes on, nothing is lost at equal values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Page
from connectors.errors import CursorExpired
from connectors.tables import delimited
from connectors.tables.cursor import identity
from tests.connectors.tables.reading import CONTACTS, ORDERS, connect, ids, pages, rejected_of, rows_of, total


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a few rows, so that small files have many."""
    monkeypatch.setattr(delimited.DelimitedFile.__init__, "__kwdefaults__", {"block": 64})


def write_people(path: Path, numbers: range, *, broken: tuple[int, ...] = ()) -> None:
    lines = [f"{n},p{n}@example.com,T" + ",extra" * (n in broken) for n in numbers]
    path.write_text("\n".join(["id,mail,town", *lines]) + "\n")


def last(found: list[Page]) -> str | None:
    return found[-1].cursor


def test_an_unchanged_file_yields_nothing_and_a_changed_one_everything(tmp_path: Path) -> None:
    write_people(tmp_path / "people.csv", range(30))
    connector = connect(tmp_path, contacts=CONTACTS)
    first = pages(connector)
    assert len(first) > 3
    assert pages(connector, last(first)) == []
    write_people(tmp_path / "people.csv", range(31))
    assert ids(pages(connector, last(first))) == [str(n) for n in range(31)]


def test_a_file_changed_in_place_with_its_old_size_and_time_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    write_people(path, range(5))
    before = path.stat()
    cursor = last(pages(connect(tmp_path, contacts=CONTACTS)))
    path.write_text(path.read_text().replace("p3@", "q3@"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert total(pages(connect(tmp_path, contacts=CONTACTS), cursor)) == 5


@pytest.mark.parametrize("at", [0, -1])
def test_both_ends_of_a_long_file_tell_whether_it_changed(tmp_path: Path, at: int) -> None:
    path, content = tmp_path / "x.csv", bytearray(b"x" * 300_000)
    path.write_bytes(content)
    times = path.stat()
    before = identity(path)
    content[at] = ord("y")
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert identity(path) != before


@pytest.mark.parametrize("key", ["order", None])
def test_a_read_can_go_on_from_every_cursor(tmp_path: Path, key: str | None) -> None:
    lines = [f"{n % 40},{n % 7},2024-01-{n % 5 + 1:02},{n % 3}" for n in range(60)]
    (tmp_path / "orders.csv").write_text("\n".join(["order,customer,when,total", *lines]) + "\n")
    entry: dict[str, Any] = {name: value for name, value in {**ORDERS, "key": key}.items() if value}
    whole = pages(connect(tmp_path, activity=[entry]))
    assert len(whole) > 5
    events = [row["event_id"] for row in rows_of(whole)]
    assert len(set(events)) == len(events)
    assert len(events) + len(rejected_of(whole)) == 60
    for taken in range(1, len(whole) + 1):
        rest = pages(connect(tmp_path, activity=[entry]), whole[taken - 1].cursor)
        assert rows_of(whole[:taken]) + rows_of(rest) == rows_of(whole)
        assert rejected_of(whole[:taken]) + rejected_of(rest) == rejected_of(whole)


LINES = [f"{n},{n % 7},2024-01-{n % 5 + 1:02},{n % 3}" for n in range(60)]
HEADER = "order,customer,when,total"


def _orders(path: Path, lines: list[str]) -> list[Page]:
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return pages(connect(path.parent, activity=[ORDERS]))


@pytest.mark.parametrize("before", [1, 17, 40])
def test_a_file_of_activity_that_grew_yields_the_rows_that_were_added(before: int, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    again = [LINES[3], "x,1,2024-01-01,free", LINES[before]]  # of known orders, unreadable, of a new one
    cursor = last(_orders(path, [*LINES[:before], "y,1,2024-01-01,free"]))
    everything = _orders(path, [*LINES[:before], "y,1,2024-01-01,free", *LINES[before:], *again])
    for cut in range(3):  # also when the read of the added rows died and goes on
        added = pages(connect(tmp_path, activity=[ORDERS]), cursor)
        rest = pages(connect(tmp_path, activity=[ORDERS]), added[cut].cursor) if cut < len(added) else []
        found = rows_of(added[: cut + 1]) + rows_of(rest)
        assert found == rows_of(everything)[before:]
    told = {row.where for row in rejected_of(added)}
    assert told == {row.where for row in rejected_of(everything)} - {f"orders.csv line {before + 2}"}
    assert pages(connect(tmp_path, activity=[ORDERS]), last(added)) == []
    cursor = last(added)
    _orders(path, [*LINES[:before], "y,1,2024-01-01,free", *LINES[before:], *again, "99,1,2024-01-02,1"])
    assert [row["event_id"] for row in rows_of(pages(connect(tmp_path, activity=[ORDERS]), cursor))] == [
        "purchase:99"
    ]


@pytest.mark.parametrize(
    "old",
    [
        [*LINES[:10], LINES[10].replace("2024", "2023"), *LINES[11:20]],  # a row in the middle was corrected
        [*LINES[:19], '19,"5,2024-01-05,1'],  # what follows closes the quote
    ],
)
def test_a_file_that_grew_and_changed_is_read_whole(old: list[str], tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    cursor = last(_orders(path, old))
    tail = ['8"', *LINES[20:]] if '"' in old[-1] else LINES[20:]
    lines = [*old, *tail] if '"' in old[-1] else [*LINES[:20], *tail]
    everything = _orders(path, lines)
    assert rows_of(pages(connect(tmp_path, activity=[ORDERS]), cursor)) == rows_of(everything)


def test_a_last_line_that_was_not_ended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([HEADER, *LINES[:5]]))
    cursor = last(pages(connect(tmp_path, activity=[ORDERS])))
    path.write_text("\n".join([HEADER, *LINES[:5]]) + "00\n")
    assert len(rows_of(pages(connect(tmp_path, activity=[ORDERS]), cursor))) == 5


def test_a_file_that_changed_while_a_read_lay_dead_is_read_from_its_start(tmp_path: Path) -> None:
    write_people(tmp_path / "people.csv", range(30))
    half = pages(connect(tmp_path, contacts=CONTACTS))[2].cursor
    write_people(tmp_path / "people.csv", range(1, 31))
    assert ids(pages(connect(tmp_path, contacts=CONTACTS), half)) == [str(n) for n in range(1, 31)]


def test_other_settings_or_a_strange_cursor_mean_reading_from_the_start(tmp_path: Path) -> None:
    write_people(tmp_path / "people.csv", range(3))
    cursor = last(pages(connect(tmp_path, contacts=CONTACTS)))
    for columns, after in (({"email": "mail"}, cursor), (CONTACTS["columns"], "no cursor"), ({}, "[1]")):
        with pytest.raises(CursorExpired):
            pages(connect(tmp_path, contacts={**CONTACTS, "columns": columns}), after)


def test_an_incremental_column_lets_only_later_rows_through_and_loses_none_at_equal_values(
    tmp_path: Path,
) -> None:
    path = tmp_path / "orders.csv"
    head, old = "order,customer,when,total\n", "1,7,2024-01-01 10:00,1\n2,7,2024-01-02 10:00,1\n"
    connector = connect(tmp_path, activity=[{**ORDERS, "incremental": "when"}])
    path.write_text(head + old)
    cursor = last(pages(connector))
    path.write_text(head + "3,7,2024-01-02 10:00,1\n4,7,2024-01-03 10:00,1\n" + old)
    second = pages(connector, cursor)
    assert {row["event_id"] for row in rows_of(second)} == {"purchase:2", "purchase:3", "purchase:4"}
    path.write_text(head + old + "5,7,2024-01-02 12:00,1\n6,7,2024-01-03 10:00,1\n")
    assert [row["event_id"] for row in rows_of(pages(connector, last(second)))] == ["purchase:6"]


def test_a_file_that_is_new_under_a_pattern_is_read_whatever_its_times(tmp_path: Path) -> None:
    entry = {**ORDERS, "from": "orders-*.csv", "incremental": "when"}
    (tmp_path / "orders-2.csv").write_text("order,customer,when,total\n1,7,2024-02-01,1\n")
    connector = connect(tmp_path, activity=[entry])
    cursor = last(pages(connector))
    (tmp_path / "orders-1.csv").write_text("order,customer,when,total\n2,7,2024-01-01,1\n")
    assert [row["event_id"] for row in rows_of(pages(connector, cursor))] == ["purchase:2"]


def test_a_read_of_all_contacts_is_a_listing_with_one_name(tmp_path: Path) -> None:
    write_people(tmp_path / "people.csv", range(30))
    found = pages(connect(tmp_path, contacts=CONTACTS))
    (name,) = {page.listing for page in found}
    assert name
    resumed = pages(connect(tmp_path, contacts=CONTACTS), found[1].cursor)
    assert {page.listing for page in resumed} == {name}
    write_people(tmp_path / "people.csv", range(29))
    assert {page.listing for page in pages(connect(tmp_path, contacts=CONTACTS), last(found))} != {name}


def test_a_read_that_refused_a_contact_does_not_list_everybody(tmp_path: Path) -> None:
    write_people(tmp_path / "people.csv", range(30), broken=(12,))
    found = pages(connect(tmp_path, contacts=CONTACTS))
    names = [page.listing for page in found]
    refused = next(n for n, page in enumerate(found) if page.rejected)
    assert all(name is None for name in names[refused:])
    for page in found[:-1]:
        assert pages(connect(tmp_path, contacts=CONTACTS), page.cursor)[-1].listing is None


def test_one_changed_file_of_several_has_all_contacts_listed_again(tmp_path: Path) -> None:
    settings = {**CONTACTS, "from": "people-*.csv"}
    for name, start in (("a", 0), ("b", 10)):
        write_people(tmp_path / f"people-{name}.csv", range(start, start + 10))
    first = pages(connect(tmp_path, contacts=settings))
    write_people(tmp_path / "people-b.csv", range(10, 15))
    second = pages(connect(tmp_path, contacts=settings), last(first))
    assert ids(second) == [str(n) for n in range(15)]
    for taken in range(1, len(second) + 1):
        rest = pages(connect(tmp_path, contacts=settings), second[taken - 1].cursor)
        assert ids(second[:taken]) + ids(rest) == ids(second)
        assert {page.listing for page in [*second, *rest]} == {second[0].listing}


def test_contacts_with_an_incremental_column_are_no_listing(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,mail,town\n1,,2024-01-01\n2,,2024-01-02\n")
    settings = {**CONTACTS, "columns": {"email": "mail"}, "changed_at": "town"}
    found = pages(connect(tmp_path, contacts=settings))
    assert {page.listing for page in found} == {None}
    (tmp_path / "people.csv").write_text("id,mail,town\n1,,2024-01-01\n2,,2024-01-03\n3,,\n")
    assert ids(pages(connect(tmp_path, contacts=settings), last(found))) == ["2", "3"]


def test_a_repeated_key_does_not_spoil_a_listing_for_its_contact_is_named(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,mail,town\n1,,A\n2,,B\n1,,C\n")
    found = pages(connect(tmp_path, contacts=CONTACTS))
    assert len(rejected_of(found)) == 1
    assert found[-1].listing
