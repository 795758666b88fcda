"""The published data: CDNOW's 2,357 customers, as log and as summary (weeks, to 1997-09-30)."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd

from sync.demo.histories import Selection, path_of


@cache
def summary() -> pd.DataFrame:
    """Columns x, t_x, T, zbar as shipped, rounded to hundredths of a week."""
    name = "lifetimes/datasets/cdnow_customers_summary_with_transactions.csv"
    return pd.read_csv(Path(str(distribution("lifetimes").locate_file(name))))


@cache
def log() -> pd.DataFrame:
    """Columns person, day (since 1970-01-01), value."""
    names = ["whole", "person", "date", "items", "value"]
    frame = pd.read_csv(path_of(Selection.SAMPLE), sep=r"\s+", header=None, names=names)
    frame["day"] = day_number(pd.to_datetime(frame["date"].astype(str), format="%Y%m%d"))
    return frame[["person", "day", "value"]]


def day_number(days: pd.Series) -> pd.Series:
    return (days - pd.Timestamp("1970-01-01")) // pd.Timedelta(days=1)


def day(text: str) -> int:
    return int((np.datetime64(text) - np.datetime64("1970-01-01")).astype(int))
