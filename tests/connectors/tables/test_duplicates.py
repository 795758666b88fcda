"""Keys seen before are found whatever the order and however the read is cut into chunks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.tables import duplicates
from connectors.tables.duplicates import SeenKeys


def by_hand(chunks: list[list[int]]) -> list[dict[int, int]]:
    first: dict[int, int] = {}
    answers, place = [], 0
    for chunk in chunks:
        answer = {}
        for row, key in enumerate(chunk):
            place += 1
            if key in first:
                answer[row] = first[key]
            else:
                first[key] = place
        answers.append(answer)
    return answers


@pytest.mark.parametrize("many", [0, 5, 10**6])
@given(
    chunks=st.lists(st.lists(st.integers(-3, 30), max_size=12), max_size=12),
    texts=st.booleans(),
    ordered=st.booleans(),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_repeat_is_found_with_the_first_place(
    many: int, chunks: list[list[int]], texts: bool, ordered: bool
) -> None:
    duplicates.MANY, before, slots = many, duplicates.MANY, duplicates.SLOTS
    duplicates.SLOTS = 16  # so that most keys share a slot with others
    try:
        if ordered:
            flat = iter(sorted(key for chunk in chunks for key in chunk))
            chunks = [[next(flat) for _ in chunk] for chunk in chunks]
        seen, place, answers = SeenKeys(), 0, []
        for chunk in chunks:
            keys = pa.array([str(k) for k in chunk], pa.string()) if texts else pa.array(chunk, pa.int64())
            places = np.arange(place + 1, place + 1 + len(chunk), dtype=np.int64)
            answers.append(seen.repeats(keys, places))
            place += len(chunk)
        assert answers == by_hand(chunks)
    finally:
        duplicates.MANY, duplicates.SLOTS = before, slots
