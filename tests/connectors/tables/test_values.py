"""Typed values, held against Python's own readers value by value."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import ARROW_TYPES, FieldType
from connectors.tables.settings import Column
from connectors.tables.values import convert, is_email


def read(values: Any, kind: FieldType, **settings: Any) -> tuple[list[Any], list[bool]]:
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    found, bad = convert(array, Column("f", "F", kind, "p", **settings))
    assert found.type == ARROW_TYPES[kind]
    assert len(found) == len(array)
    return found.to_pylist(), [False] * len(array) if bad is None else bad.tolist()


cents = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4)


@given(st.lists(cents | st.sampled_from(["x", "1,5", "0x1", "1e", "--1", "1 2", "nan", "inf", "∞"])))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_money_is_rounded_half_to_even_and_what_is_no_amount_is_bad(texts: list[Any]) -> None:
    found, bad = read([str(text) for text in texts], FieldType.MONEY)
    for text, value, wrong in zip(texts, found, bad, strict=True):
        if isinstance(text, str):
            assert wrong
        else:
            assert not wrong
            assert value == text.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


@given(st.lists(st.floats() | st.sampled_from(["x", "1,5", "1_000", "½"])))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_numbers_are_read_as_python_reads_them(texts: list[Any]) -> None:
    found, bad = read([str(text) for text in texts], FieldType.NUMBER)
    for text, value, wrong in zip(texts, found, bad, strict=True):
        if isinstance(text, str) or not math.isfinite(text):
            assert wrong
        else:
            assert (value, wrong) == (text, False)


ZONE = "Europe/London"


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
            st.sampled_from([None, 0, 90, -300]),
            st.sampled_from(["T", " "]),
        )
    )
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_times_are_read_as_python_reads_them_in_their_zone(times: list[Any]) -> None:
    texts, expected = [], []
    for time, offset, between in times:
        if offset is None:
            texts.append(time.isoformat(between))
            aware = time.replace(tzinfo=ZoneInfo(ZONE))
            skipped = aware.astimezone(UTC).astimezone(aware.tzinfo).replace(tzinfo=None) != time
            after_gap = (time + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
            expected.append((after_gap.replace(tzinfo=ZoneInfo(ZONE)) if skipped else aware).astimezone(UTC))
        else:
            sign, minutes = "+" if offset >= 0 else "-", abs(offset)
            texts.append(f"{time.isoformat(between)}{sign}{minutes // 60:02}:{minutes % 60:02}")
            expected.append((time - timedelta(minutes=offset)).replace(tzinfo=UTC))
    found, bad = read(texts, FieldType.DATETIME, zone=ZONE)
    assert not any(bad)
    assert found == expected


def test_an_hour_that_comes_twice_is_taken_the_first_time_and_a_skipped_one_after_the_gap() -> None:
    found, bad = read(["2024-10-27 01:30", "2024-03-31 01:30"], FieldType.DATETIME, zone=ZONE)
    assert found == [datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2024, 3, 31, 1, tzinfo=UTC)]
    assert bad == [False, False]


def test_dates_that_do_not_exist_are_bad_in_every_spelling() -> None:
    leap = date(2024, 2, 29)
    texts = ["2024-02-29", "2024-02-30", "2023-02-29", "2024-02-29 13:00:00", "soon", "", None]
    assert read(texts, FieldType.DATE) == (
        [leap, None, None, leap, None, None, None],
        [False, True, True, False, True, False, False],
    )
    found = read(["29/02/2024", "30/02/2024", "29/02/2023", "29/02/2024x"], FieldType.DATE, format="%d/%m/%Y")
    assert found == ([leap, None, None, None], [False, True, True, True])
    numbers = pa.array([20240229, 20240230])
    assert read(numbers, FieldType.DATE, format="%Y%m%d") == ([leap, None], [False, True])


def test_unix_times_are_read_in_seconds_and_milliseconds() -> None:
    at = datetime(2024, 7, 3, 9, 46, 40, tzinfo=UTC)
    assert read(["1720000000", "x"], FieldType.DATETIME, format="unix") == ([at, None], [False, True])
    assert read(pa.array([1720000000000]), FieldType.DATETIME, format="unix_ms") == ([at], [False])
    assert read(pa.array([1720000000]), FieldType.DATETIME) == ([None], [True])  # no unit was declared


def test_a_decimal_comma_is_read_and_never_taken_for_thousands() -> None:
    found, bad = read(["1.234,5", "12,50", "1,234.5", "1.5", "-7", "1.234"], FieldType.NUMBER, decimal=",")
    assert found == [1234.5, 12.5, None, None, -7.0, 1234.0]
    assert bad == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([5, None, 7]),
        pa.array([5, None, 7], pa.int16()),
        pa.array([5.0, float("nan"), 7.0]),
        pa.array([5.0, None, 7.0], pa.float32()),
        pa.array([Decimal("5.000"), None, Decimal("7.000")]),
        pa.array(["5", "", "7.00"]),
        pa.array(["5", None, "7"], pa.large_string()),
        pa.array(["5", None, "7"]).dictionary_encode(),
    ],
)
def test_amounts_of_every_column_type_are_the_same(array: pa.Array) -> None:
    assert read(array, FieldType.MONEY) == ([Decimal("5.00"), None, Decimal("7.00")], [False] * 3)
    assert read(array, FieldType.NUMBER)[0] == [5.0, None, 7.0]


def test_one_bad_value_among_many_is_found_alone() -> None:
    texts = [f"2024-01-{n % 28 + 1:02}" for n in range(10_000)]
    texts[7_777] = "2024-02-31"
    found, bad = read(texts, FieldType.DATE)
    assert [n for n, wrong in enumerate(bad) if wrong] == [7_777]
    assert found[7_778] == date(2024, 1, 7_778 % 28 + 1)


def test_lists_and_truth_values() -> None:
    assert read(["a; b;;c ", "", None, ";"], FieldType.TEXTS)[0] == [["a", "b", "c"], [], [], []]
    assert read(pa.array([["a", "b"], None]), FieldType.TEXTS)[0] == [["a", "b"], None]
    assert read(["Yes", "f", "2", ""], FieldType.BOOLEAN) == (
        [True, False, None, None],
        [False, False, True, False],
    )
    assert read(pa.array([1, 0, 2]), FieldType.BOOLEAN) == ([True, False, None], [False, False, True])


def test_ids_that_pandas_made_floats_are_whole_again() -> None:
    assert read(pa.array([1.0, 2.5, None, 1e15]), FieldType.TEXT)[0] == ["1", "2.5", None, "1000000000000000"]


def test_emails_are_told_from_what_is_none() -> None:
    good = ["a@example.com", "o'neil+x@ex-am.co.uk", "é@bücher.example"]
    bad = [
        "",
        "a",
        "a@b",
        "a b@c.de",
        "a@@b.de",
        "a@b..de",
        "a@b.de,c@d.de",
        "<a@b.de>",
        "a@b.de\n",
        "x" * 250 + "@b.de",
    ]
    assert is_email(pa.array([*good, *bad, None])).to_pylist() == [True] * 3 + [False] * len(bad) + [None]


def test_half_a_cent_goes_to_the_even_cent() -> None:
    found, _ = read(["0.125", "0.135", "-0.125", "0.1251"], FieldType.MONEY)
    assert [str(value) for value in found] == ["0.12", "0.14", "-0.12", "0.13"]
