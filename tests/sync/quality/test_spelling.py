"""Names in one spelling, and days kept as texts on records whose faults are known."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest

from sync.quality.spelling import tidy_name
from tests.shared import shared
from tests.sync.quality.records import contact, found, look_at


@pytest.mark.parametrize(
    ("written", "tidy"),
    [
        ("ANN-MARIE  VON BERG", "Ann-Marie von Berg"),
        ("ann", "Ann"),
        ("O'NEILL", "O'Neill"),
        ("ÖZGÜR", "Özgür"),
        ("McDonald", "McDonald"),
        ("deVries", "deVries"),
        ("VON BERG", "Von Berg"),  # the first word of a field has a capital
        ("maría  del mar", "María del Mar"),
        ("李小龍", "李小龍"),
    ],
)
def test_names_are_spelled_as_people_spell_them(written: str, tidy: str) -> None:
    assert tidy_name(written) == tidy
    assert tidy_name(tidy) == tidy


def test_the_impossible_dates_of_febrl_are_those_that_python_cannot_read() -> None:
    """5,000 records with days of birth as texts; the second way is Python's own reading, one by one."""
    records = pd.read_csv(shared("data/febrl/febrl3.csv"), skipinitialspace=True, dtype=str)
    days = records["date_of_birth"]
    rows = [contact(number, born=None if pd.isna(day) else day) for number, day in enumerate(days, start=1)]
    made, checked = look_at(rows)
    impossible = [number for number, day in enumerate(days, start=1) if pd.notna(day) and not is_day(day)]
    assert found(made)["date-impossible"] == impossible
    assert checked["date-impossible"] == days.notna().sum()
    assert len(impossible) == 35  # as the description of the data says


def is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - a day, in no zone
    except ValueError:
        return False
    return True
