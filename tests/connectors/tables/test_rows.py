"""What becomes of each row: read, or refused with its line and a reason; never dropped, never changed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from connectors.base import StreamKind
from connectors.errors import BadSource
from tests.connectors.tables.reading import (
    CONTACTS,
    ORDERS,
    connect,
    ids,
    pages,
    read_contacts,
    read_orders,
    rejected_of,
    rows_of,
    total,
)


def test_contacts_come_with_the_declared_columns_and_types(tmp_path: Path) -> None:
    text = (
        "id,mail,town,born,spent,vip,news,groups,gone,changed\n"
        '7,ada@example.com,London,1815-12-10,"1.234,567",ja,Yes,"a; b",no,2024-03-31 01:30\n'
        "8,,,,,,,,,\n"
    )
    found = read_contacts(
        tmp_path,
        text,
        columns={"email": "mail", "birthday": "born", "spent": "spent", "vip": "vip"},
        types={"spent": {"type": "money", "decimal": ","}, "changed_at": {"zone": "Europe/London"}},
        consent={"column": "news", "opted_in": ["yes", "1"], "opted_out": ["no", "0"]},
        lists={"column": "groups", "separator": ";"},
        deleted="gone",
        changed_at="changed",
    )
    assert rejected_of(found) == []
    first, second = rows_of(found)
    assert first == {
        "external_id": "7",
        "address": None,
        "changed_at": datetime(2024, 3, 31, 1, 0, tzinfo=UTC),  # in the hour London skips
        "deleted": False,
        "email_consent": "opted_in",
        "lists": ["a", "b"],
        "email": "ada@example.com",
        "birthday": date(1815, 12, 10),
        "spent": Decimal("1234.57"),
        "vip": "ja",
    }
    assert {k: v for k, v in second.items() if v not in (None, [])} == {"external_id": "8", "deleted": False}


def test_a_currency_column_rides_along(tmp_path: Path) -> None:
    found = read_orders(
        tmp_path,
        "order,customer,when,total,cur\n1,7,2024-01-01,5.00,USD\n",
        types={"amount": {"type": "money", "currency": "cur"}},
    )
    (row,) = rows_of(found)
    assert (row["amount"], row["amount_currency"]) == (Decimal("5.00"), "USD")
    streams = connect(
        tmp_path, activity=[{**ORDERS, "types": {"amount": {"type": "money", "currency": "cur"}}}]
    ).features.streams
    money = next(f for f in streams[0].fields if f.name == "amount")
    assert money.currency_from == "amount_currency"
    assert streams[0].kind is StreamKind.ACTIVITY
    assert streams[0].activity_kinds == ("purchase",)


def test_rows_in_are_rows_out_plus_rows_refused(tmp_path: Path) -> None:
    lines = ["id,mail,town"]
    lines += [f"{n},p{n}@example.com,X" for n in range(100)]
    lines[10], lines[20], lines[30], lines[40] = (
        "9,short",
        ",no@key.org,X",
        "5,again@example.com,X",
        "a,b,c,d",
    )
    found = read_contacts(tmp_path, "\n".join(lines) + "\n")
    refused = [row for row in rejected_of(found) if not row.kept]
    assert total(found) + len(refused) == 100
    assert sorted(int(row.where.rsplit(" ", 1)[1]) for row in refused) == [11, 21, 31, 41]


def test_of_two_rows_with_one_key_the_first_is_kept_and_both_lines_are_told(tmp_path: Path) -> None:
    text = 'id,mail,town\n1,a@example.com,"A\nB"\n2,b@example.com,C\n1,c@example.com,D\n'
    found = read_contacts(tmp_path, text)
    assert [(row["external_id"], row["email"]) for row in rows_of(found)] == [
        ("1", "a@example.com"),
        ("2", "b@example.com"),
    ]
    (refused,) = rejected_of(found)
    assert refused.where == "people.csv line 5"
    assert "line 2" in refused.reason
    assert refused.raw == "1,c@example.com,D"


def test_an_email_that_is_none_is_refused_and_the_person_stays(tmp_path: Path) -> None:
    found = read_contacts(tmp_path, "id,mail,town\n1,nonsense,A\n2, ok@example.com ,B\n")
    assert [row["email"] for row in rows_of(found)] == [None, "ok@example.com"]
    (note,) = rejected_of(found)
    assert note.kept
    assert note.where == "people.csv line 2"
    assert "nonsense" not in note.reason


def test_consent_that_was_not_declared_is_opted_out_and_told(tmp_path: Path) -> None:
    consent = {"column": "town", "opted_in": ["Yes"], "opted_out": ["No"]}
    found = read_contacts(
        tmp_path, "id,mail,town\n1,,yes\n2,,NO\n3,,perhaps\n4,,\n", consent=consent, columns={"email": "mail"}
    )
    states = [row["email_consent"] for row in rows_of(found)]
    assert states == ["opted_in", "opted_out", "opted_out", None]
    assert [(row.where, row.kept) for row in rejected_of(found)] == [("people.csv line 4", True)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,7,2024-01-01,x", "not an amount"),
        ("1,7,2024-02-30,5", "not a time"),
        ("1,7,,5", "time column"),
        (",7,2024-01-01,5", "key column"),
        ("1,7,2024-01-01,nan", "not an amount"),
        ("1,7,2024-01-01,99999999999999999999", "not an amount"),
    ],
)
def test_an_unusable_value_refuses_its_row_with_the_reason(tmp_path: Path, line: str, reason: str) -> None:
    found = read_orders(tmp_path, f"order,customer,when,total\n0,7,2024-01-01,1\n{line}\n2,7,2024-01-01,1\n")
    assert [row["event_id"] for row in rows_of(found)] == ["purchase:0", "purchase:2"]
    (refused,) = rejected_of(found)
    assert (refused.where, refused.kept, refused.raw) == ("orders.csv line 3", False, line)
    assert reason in refused.reason


def test_all_reasons_of_a_row_are_told_at_once(tmp_path: Path) -> None:
    (refused,) = rejected_of(read_orders(tmp_path, "order,customer,when,total\n1,7,soon,much\n"))
    assert "amount" in refused.reason
    assert "time" in refused.reason


def test_rows_without_a_key_are_known_by_content_and_equal_rows_are_told_apart(tmp_path: Path) -> None:
    head, a, b = "order,customer,when,total\n", "1,7,2024-01-01,5\n", "1,7,2024-01-01,6\n"
    first = {r["event_id"] for r in rows_of(read_orders(tmp_path, head + a + b + a + a, key=None))}
    assert len(first) == 4
    moved = {r["event_id"] for r in rows_of(read_orders(tmp_path, head + a + a + a + b, key=None))}
    assert moved == first
    grown = {r["event_id"] for r in rows_of(read_orders(tmp_path, head + b + a + a + a + a, key=None))}
    assert first < grown
    assert len(grown) == 5


def test_a_key_of_several_columns_cannot_run_together(tmp_path: Path) -> None:
    text = "order,customer,when,total\na|,b,2024-01-01,1\na,|b,2024-01-01,1\na\\,|b,2024-01-01,1\n"
    found = read_orders(tmp_path, text, key=["order", "customer"])
    assert len({row["event_id"] for row in rows_of(found)}) == 3
    assert rejected_of(found) == []


def test_equal_keys_of_two_tables_of_one_connection_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order,customer,when,total\n1,7,2024-01-01,5\n")
    (tmp_path / "refunds.csv").write_text("order,customer,when,total\n1,7,2024-01-02,5\n")
    connector = connect(tmp_path, activity=[ORDERS, {**ORDERS, "kind": "refund", "from": "refunds.csv"}])
    found = [row["event_id"] for stream in (0, 1) for row in rows_of(pages(connector, stream=stream))]
    assert found == ["purchase:1", "refund:1"]


def test_a_kind_that_was_not_declared_is_refused(tmp_path: Path) -> None:
    found = read_orders(
        tmp_path,
        "order,customer,when,total,what\n1,7,2024-01-01,5,Order\n2,7,2024-01-01,5,Gift\n",
        kind=None,
        kind_column="what",
        kinds={"purchase": ["Order", "Sale"], "refund": "Back"},
        name="sales",
    )
    assert [(row["event_id"], row["kind"]) for row in rows_of(found)] == [("sales:1", "purchase")]
    assert "kinds" in rejected_of(found)[0].reason


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    orders = pa.table(
        {
            "order": pa.array([1, 2, 3, None]),
            "customer": pa.array([7.0, 8.0, None, 9.0]),  # pandas makes floats of ids with gaps
            "when": pa.array([datetime(2024, 7, 1, 10)] * 4, pa.timestamp("ns")),  # noqa: DTZ001
            "total": pa.array([2.675, float("nan"), 1e9, 1.0]),
        }
    )
    parquet.write_table(orders, tmp_path / "orders.parquet", row_group_size=2)
    connector = connect(tmp_path, activity=[{**ORDERS, "from": "orders.parquet", "zone": "Europe/London"}])
    found = pages(connector)
    assert [(r["event_id"], r["external_id"], r["amount"]) for r in rows_of(found)] == [
        ("purchase:1", "7", Decimal("2.68")),
        ("purchase:2", "8", None),
        ("purchase:3", None, Decimal("1000000000.00")),
    ]
    assert {row["at"] for row in rows_of(found)} == {datetime(2024, 7, 1, 9, tzinfo=UTC)}
    (refused,) = rejected_of(found)
    assert refused.where == "orders.parquet row 4"
    assert json.loads(refused.raw or "")["total"] == 1.0


def test_a_file_that_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "orders.parquet").write_text("order,customer\n")
    with pytest.raises(BadSource, match="damaged or no Parquet"):
        pages(connect(tmp_path, activity=[{**ORDERS, "from": "orders.parquet"}]))


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "People.csv").write_text("id,mail,town\n")
    with pytest.raises(
        BadSource, match=r'contacts.from: there is no file people.csv; did you mean "People.csv"'
    ):
        pages(connect(tmp_path, contacts=CONTACTS))


def test_check_tells_every_problem_at_once_and_reads_no_further(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,Mail,town\n")
    connector = connect(tmp_path, contacts=CONTACTS, activity=[ORDERS])
    health = connector.check()
    assert not health.ok
    assert len(health.problems) == 2
    assert 'did you mean "Mail"' in health.problems[0]
    assert "orders.csv" in health.problems[1]
    (tmp_path / "people.csv").write_text("id,mail,town\n")
    (tmp_path / "orders.csv").write_text("order,customer,when,total\n")
    assert connector.check().ok


def test_standard_names_are_mapped_and_own_fields_are_not(tmp_path: Path) -> None:
    columns = {"email": "mail", "shoe_size": "shoes"}
    (stream,) = connect(tmp_path, contacts={**CONTACTS, "columns": columns}).features.streams
    assert stream.standard == {"email": "email"}
    assert [field.name for field in stream.fields] == ["email", "shoe_size"]


def test_several_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"people-{name}.csv").write_text(f"id,mail,town\n{name},,\n")
    found = pages(connect(tmp_path, contacts={**CONTACTS, "from": "people-*.csv"}))
    assert ids(found) == ["a", "b", "c"]
