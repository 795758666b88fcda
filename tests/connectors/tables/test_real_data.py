"""Real files through the connector, held against pandas reading the same files."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tests.connectors.tables.reading import connect, pages, rejected_of, table_of, total
from tests.shared import shared

LINES: dict[str, Any] = {
    "kind": "purchase",
    "from": "online_retail.parquet",
    "contact": "CustomerID",
    "at": "InvoiceDate",
    "zone": "Europe/London",
    "columns": {"invoice": "InvoiceNo", "stock": "StockCode", "quantity": "Quantity", "price": "UnitPrice"},
    "types": {"quantity": "number", "price": "money"},
}


def test_every_line_of_online_retail_comes_out_once_repeats_included() -> None:
    folder = shared("data/online_retail")
    found = pages(connect(folder, activity=[LINES]))
    raw = pd.read_parquet(folder / "online_retail.parquet")
    table = table_of(found)
    assert rejected_of(found) == []
    assert table.num_rows == len(raw) == 541_909
    assert len(set(table["event_id"].to_pylist())) == len(raw)
    assert table["external_id"].null_count == raw.CustomerID.isna().sum() == 135_080
    assert set(table["external_id"].drop_null().to_pylist()) == {str(int(c)) for c in raw.CustomerID.dropna()}
    assert sum(table["quantity"].to_pylist()) == raw.Quantity.sum()
    stamps = raw.InvoiceDate.dt.tz_localize("Europe/London").dt.tz_convert("UTC")
    assert (table["at"].to_pandas().to_numpy() == stamps.to_numpy()).all()


def test_the_same_orders_come_out_of_csv_as_pandas_reads_them() -> None:
    folder = shared("data/online_retail")
    entry = {
        "kind": "purchase",
        "from": "orders.csv",
        "key": "InvoiceNo",
        "contact": "CustomerID",
        "at": "date",
        "columns": {"amount": "amount", "country": "country"},
        "types": {"amount": "money"},
    }
    found = pages(connect(folder, activity=[entry]))
    raw = pd.read_csv(folder / "orders.csv", dtype=str)
    table = table_of(found)
    assert (total(found), rejected_of(found)) == (len(raw), [])
    assert table["event_id"].to_pylist() == ("purchase:" + raw.InvoiceNo).tolist()
    assert table["country"].to_pylist() == raw.country.tolist()
    cents = (raw.amount.astype(float) * 100).round().astype(int)
    assert [int(amount * 100) for amount in table["amount"].to_pylist()] == cents.tolist()


def test_blank_charges_and_impossible_dates_are_missing_or_told() -> None:
    telco = {"from": "Telco-Customer-Churn.csv", "key": "customerID", "columns": {"charges": "TotalCharges"}}
    found = pages(connect(shared("data/telco"), contacts={**telco, "types": {"charges": "money"}}))
    assert (total(found), rejected_of(found)) == (7_043, [])
    assert table_of(found)["charges"].null_count == 11  # a single blank each


def test_a_gzip_file_without_ids_keeps_rows_that_equal_each_other() -> None:
    folder = shared("data/hillstrom")
    columns = ["recency", "history", "zip_code", "channel", "segment", "spend"]
    entry = {
        "kind": "visit",
        "from": "hillstrom.csv.gz",
        "contact": "channel",
        "at": "recency",
        "columns": {name: name for name in columns},
        "types": {"at": {"format": "unix"}},
    }
    found = pages(connect(folder, activity=[entry]))
    assert total(found) == 64_000
    assert len(set(table_of(found)["event_id"].to_pylist())) == 64_000
