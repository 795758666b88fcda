"""SQL as a source, on SQLite and PostgreSQL: the same rows as the files give, incrementally, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from connectors.errors import BadSource, CursorExpired, Unavailable
from connectors.tables import queries
from tests.connectors.tables.reading import CONTACTS, ORDERS, connect, pages, rejected_of, rows_of, total

PEOPLE = {**CONTACTS, "from": "people", "columns": {"email": "mail", "name": "name"}}
SALES = {**ORDERS, "from": "orders", "incremental": "when"}


@pytest.fixture
def run(database: str) -> Iterator[Any]:
    """Runs statements on the database, as its owner would."""
    url = sql.make_url(database)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = sql.create_engine(url)

    def execute(statement: str, values: Sequence[dict[str, Any]] | None = None) -> None:
        with engine.begin() as connection:
            connection.execute(sql.text(statement), values)

    yield execute
    engine.dispose()


@pytest.fixture
def shop(run: Any) -> Any:
    """People and orders with awkward values."""
    run("create table people (id integer primary key, mail text, name text)")
    run(
        "insert into people values (:id, :mail, :name)",
        [
            {"id": 1, "mail": "a@example.com", "name": 'Zoë "Z",\nsecond line\r\n☃ 50% \\N \\.'},
            {"id": 2, "mail": "nonsense", "name": ""},
            {"id": 3, "mail": None, "name": None},
        ],
    )
    run('create table orders ("order" integer, customer integer, "when" timestamp, total numeric(12, 3))')
    insert = "insert into orders values (:order, :customer, :when, :total)"
    run(
        insert,
        [{"order": n, "customer": 1, "when": f"2024-01-0{n} 10:00:00", "total": 1.125} for n in (2, 1, 3)],
    )
    return run


def test_contacts_of_a_table_come_out_whole_with_refused_values_told(database: str, shop: Any) -> None:
    found = pages(connect(database, contacts=PEOPLE))
    assert [(r["external_id"], r["email"], r["name"]) for r in rows_of(found)] == [
        ("1", "a@example.com", 'Zoë "Z",\nsecond line\r\n☃ 50% \\N \\.'),
        ("2", None, None),
        ("3", None, None),
    ]
    assert [(row.where, row.kept) for row in rejected_of(found)] == [("people row 2", True)]
    assert found[0].listing


def test_one_blob_in_sqlite_leaves_the_texts_beside_it_alone(tmp_path: Path) -> None:
    """SQLite takes any value in any column. Octets are read as UTF-8, else as hexadecimal digits."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = sql.create_engine(url)
    names = ["Ann", "Zoë".encode(), b"\xff\xfe", b"nul\0", "", None]
    with engine.begin() as connection:
        connection.execute(sql.text("create table people (id integer primary key, mail text, name text)"))
        connection.execute(
            sql.text("insert into people values (:id, :mail, :name)"),
            [
                {"id": place, "mail": f"p{place}@example.com", "name": name}
                for place, name in enumerate(names, 1)
            ],
        )
    engine.dispose()
    found = pages(connect(url, contacts=PEOPLE))
    assert [row["name"] for row in rows_of(found)] == ["Ann", "Zoë", "fffe", "6e756c00", None, None]
    assert not rejected_of(found)


def test_money_and_times_of_a_database_are_exact(database: str, shop: Any) -> None:
    found = pages(connect(database, activity=[{**SALES, "zone": "Europe/Berlin"}]))
    assert [(r["event_id"], r["at"], r["amount"]) for r in rows_of(found)] == [
        (f"purchase:{n}", datetime(2024, 1, n, 9, tzinfo=UTC), Decimal("1.12")) for n in (1, 2, 3)
    ]


def test_only_rows_at_or_above_the_last_value_are_read_again(database: str, shop: Any) -> None:
    connector = connect(database, activity=[SALES])
    cursor = pages(connector)[-1].cursor
    shop("insert into orders values (4, 1, '2024-01-03 10:00:00', 1), (5, 1, '2024-01-02 10:00:00', 1)")
    shop("insert into orders values (6, 1, null, 1)")
    found = pages(connector, cursor)
    assert {row["event_id"] for row in rows_of(found)} == {"purchase:3", "purchase:4"}
    assert [row.reason for row in rejected_of(found)] == ['the time column "when" is empty']


def test_a_read_of_a_database_can_go_on_from_every_cursor(
    database: str, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PARTITION", 3)
    monkeypatch.setattr(queries, "BLOCK", 100)
    shop("delete from orders")
    shop(
        "insert into orders values (:order, 7, :when, 1)",
        [{"order": n, "when": f"2024-01-{n // 4 + 1:02} 10:00:00"} for n in range(60)],
    )
    connector = connect(database, activity=[SALES])
    whole = pages(connector)
    assert len(whole) > 5
    events = {row["event_id"] for row in rows_of(whole)}
    assert len(events) == total(whole) == 60
    for page_number, page in enumerate(whole, 1):
        rest = pages(connector, page.cursor)
        assert {r["event_id"] for r in [*rows_of(whole[:page_number]), *rows_of(rest)]} == events
        assert total(rest) <= 60 - total(whole[:page_number]) + 4


def test_a_query_is_a_source_too_with_percent_signs_and_colons(database: str, shop: Any) -> None:
    query = "select id, mail, '50%:x' as name from people where name like '%Z%' and ':y' <> mail;"
    entry = {key: value for key, value in PEOPLE.items() if key != "from"} | {"query": query}
    found = pages(connect(database, contacts=entry))
    assert [(row["external_id"], row["name"]) for row in rows_of(found)] == [("1", "50%:x")]
    assert rejected_of(found) == []


def test_a_single_column_with_nulls_loses_no_row(database: str, run: Any) -> None:
    run("create table people (id integer)")
    run("insert into people values (1), (null), (2)")
    found = pages(connect(database, contacts={"from": "people", "key": "id"}))
    assert sorted(row["external_id"] for row in rows_of(found)) == ["1", "2"]
    assert len(rejected_of(found)) == 1


def test_missing_tables_and_columns_are_told_by_check(database: str, shop: Any) -> None:
    connector = connect(database, contacts={**PEOPLE, "key": "idd"}, activity=[{**SALES, "from": "sales"}])
    health = connector.check()
    assert not health.ok
    assert any('no column "idd"; did you mean "id"' in problem for problem in health.problems)
    assert any("sales" in problem for problem in health.problems)
    with pytest.raises(BadSource):
        pages(connector)


def test_a_strange_cursor_is_expired(database: str, shop: Any) -> None:
    with pytest.raises(CursorExpired):
        pages(connect(database, activity=[SALES]), "no cursor")


def test_a_database_that_is_down_is_unavailable_and_its_password_is_not_told() -> None:
    connector = connect("postgresql://user:geheim@127.0.0.1:1/shop", contacts=PEOPLE)
    with pytest.raises(Unavailable):
        pages(connector)
    health = connector.check()
    assert not health.ok
    assert "geheim" not in str(health)


def test_an_unusable_url_is_told() -> None:
    assert "url" in connect("nosuch://x/y", contacts=PEOPLE).check().problems[0]


def test_rows_pass_a_partition_at_a_time(database: str, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PARTITION", 1000)
    monkeypatch.setattr(queries, "BLOCK", 16_000)
    run("create table people (id integer primary key, mail text, name text)")
    run(
        "insert into people values (:id, :mail, :name)",
        [{"id": n, "mail": f"p{n}@example.com", "name": "x"} for n in range(5000)],
    )
    found = pages(connect(database, contacts=PEOPLE))
    assert len(found) > 3
    assert {int(row["external_id"]) for row in rows_of(found)} == set(range(5000))
