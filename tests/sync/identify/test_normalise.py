"""Whole columns are cleaned and folded exactly as the single-text functions do."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.text import clean, fold
from sync.normalise import clean_column, fold_column

TEXTS = st.lists(
    st.none()
    | st.text(max_size=12)
    | st.text(alphabet=" \t\x1c\x1fAbİßΣé\u0301\u00a0\u2003\ufb01x", max_size=8)
    | st.sampled_from(["", " ", "ΣΑΣ", "İstanbul", "STRASSE", "straße", " Müller ", "\x00A\x00", "K"]),
    max_size=30,
)
QUICK = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.mark.means("is stripped, Unicode NFC, and compared by its casefold,")
@QUICK
@given(TEXTS)
def test_columns_are_cleaned_like_single_texts(texts: list[str | None]) -> None:
    assert clean_column(pa.array(texts, type=pa.string())).to_pylist() == [clean(text) for text in texts]


@pytest.mark.means(
    "computed once at ingest in Python (engines only compare bytes: their own `lower` differ)."
)
@QUICK
@given(TEXTS)
def test_columns_are_folded_like_single_texts(texts: list[str | None]) -> None:
    expected = [None if text is None else fold(text) for text in texts]
    assert fold_column(pa.array(texts, type=pa.string())).to_pylist() == expected
    assert fold_column(pa.array(texts, type=pa.large_string())).to_pylist() == expected


@QUICK
@given(st.lists(st.none() | TEXTS, max_size=8), st.integers(0, 3))
def test_lists_of_texts_are_folded_inside(lists: list[list[str | None] | None], skip: int) -> None:
    expected = [None if texts is None else [None if t is None else fold(t) for t in texts] for texts in lists]
    column = pa.array(lists, type=pa.list_(pa.string()))
    assert fold_column(column).to_pylist() == expected
    assert (
        fold_column(column.slice(skip)).to_pylist() == expected[skip:]
    )  # a slice shares its parent's buffers
    chunks = pa.chunked_array([column, column.slice(skip)])
    assert fold_column(chunks).to_pylist() == expected + expected[skip:]


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.string())])
def test_a_column_without_chunks_stays_one(kind: pa.DataType) -> None:
    assert fold_column(pa.chunked_array([], type=kind)).type == kind
    assert clean_column(pa.array([None, None], type=kind)).null_count == 2
