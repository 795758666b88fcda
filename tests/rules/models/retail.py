"""Online Retail (Chen 2015, UCI), cleaned as the reference says: one row per line that was bought."""

from __future__ import annotations

from functools import cache

import pandas as pd

from tests.shared import shared


@cache
def clean_lines() -> pd.DataFrame:
    """Customer present, no cancellation, quantity and price above 0; with the `value` of each line."""
    lines = pd.read_parquet(
        shared("data/online_retail/online_retail.parquet"),
        columns=["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"],
    )
    bought = lines["CustomerID"].notna() & (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)
    lines = lines[bought & ~lines["InvoiceNo"].str.startswith("C")]
    return lines.assign(value=lines["Quantity"] * lines["UnitPrice"])


@cache
def buyers() -> pd.DataFrame:
    """By customer: `days` since the last order at 2011-12-10 00:00, distinct `orders`, `spend`."""
    by_customer = clean_lines().groupby("CustomerID")
    last = by_customer["InvoiceDate"].max()
    return pd.DataFrame(
        {
            "days": (pd.Timestamp("2011-12-10") - last).dt.days,
            "orders": by_customer["InvoiceNo"].nunique(),
            "spend": by_customer["value"].sum(),
        }
    )
