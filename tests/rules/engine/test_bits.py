"""Sets of people that are written from packed bits are those made of their members, to the last byte."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyroaring import BitMap

from rules.engine.bits import Rows, bits_of
from rules.engine.intervals import Interval, Numbers

CONTAINER, LONGEST_ARRAY = 65_536, 4_096


def numbers(kind: str, random: np.random.Generator) -> np.ndarray:
    """Whose the rows are: dense, with gaps, in no order, far away and few."""
    match kind:
        case "dense":
            return np.arange(3 * CONTAINER - 5, dtype=np.uint32)
        case "gaps":
            return np.flatnonzero(random.random(3 * CONTAINER) < 0.7).astype(np.uint32)
        case "no order":
            return random.permutation(2 * CONTAINER + 9).astype(np.uint32)
        case _:
            return np.array([7, 2**32 - 1, 2**31], np.uint32)


@pytest.mark.parametrize("kind", ["dense", "gaps", "no order", "far away"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.0625, 0.4, 1.0])
def test_a_set_written_from_bits_is_that_of_its_members(kind: str, share: float) -> None:
    random = np.random.default_rng(3)
    people = numbers(kind, random)
    inside = random.random(len(people)) < share
    found = Rows(people).set_of(bits_of(pa.chunked_array([pa.array(inside)])))
    expected = BitMap(people[inside].tolist())
    assert found == expected
    assert found.serialize() == expected.serialize(), "the same members are stored as the same bytes"


@pytest.mark.parametrize("members", [LONGEST_ARRAY - 1, LONGEST_ARRAY, LONGEST_ARRAY + 1])
def test_containers_turn_from_lists_to_bits_where_roaring_turns_them(members: int) -> None:
    people = np.arange(CONTAINER + 10, dtype=np.uint32)
    inside = np.zeros(len(people), bool)
    inside[-10:] = True
    inside[:members] = True
    found = Rows(people).set_of(bits_of(pa.chunked_array([pa.array(inside)])))
    assert found.serialize() == BitMap(people[inside].tolist()).serialize()


def test_nobody_is_asked_about() -> None:
    nobody = Rows(np.zeros(0, np.uint32))
    assert nobody.set_of(bits_of(pa.chunked_array([], pa.bool_()))) == BitMap() == nobody.everyone()


@pytest.mark.parametrize("lengths", [(40,), (16, 24), (3, 30, 7), (0, 13, 0)])
@pytest.mark.parametrize("start", [0, 3, 8])
def test_missing_is_false_however_the_column_is_cut(lengths: tuple[int, ...], start: int) -> None:
    random = np.random.default_rng(5)
    whole = [random.choice([True, False, None], start + length).tolist() for length in lengths]
    column = pa.chunked_array([pa.array(values, pa.bool_()).slice(start) for values in whole], pa.bool_())
    rows = np.unpackbits(bits_of(column), count=len(column), bitorder="little")
    assert rows.tolist() == [int(value is True) for value in column.to_pylist()]


LEAST, MOST = -(2**63), 2**63 - 1
VALUES = [LEAST, LEAST + 1, -1, 0, 1, None, MOST - 1, MOST]


@pytest.mark.parametrize("least", [LEAST - 1, LEAST, LEAST + 1, 0, 1, MOST, MOST + 1])
@pytest.mark.parametrize("most", [LEAST - 1, LEAST, -1, 0, MOST - 1, MOST, MOST + 1])
@pytest.mark.parametrize("or_zero", [False, True])
def test_numbers_lie_in_an_interval_up_to_the_ends_of_64_bits(least: int, most: int, or_zero: bool) -> None:
    column = Numbers(pa.chunked_array([pa.array(VALUES, pa.int64())]))
    bits = column.within(Interval("x", least, most, or_zero))
    rows = np.unpackbits(bits, count=len(VALUES), bitorder="little")
    known = [0 if value is None and or_zero else value for value in VALUES]
    assert rows.tolist() == [int(value is not None and least <= value <= most) for value in known]
