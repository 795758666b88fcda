"""What an evaluation went by is read as it was, time after time, while few people lie beside the rest."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap

from rules import ir
from rules.engine.order import Order, sort_of
from rules.engine.ranks import Values, thresholds
from rules.engine.standing import Memory, Standing
from rules.engine.walk import Rank
from rules.vocabulary import Type
from sync.store.recalled import FOLDER, File, Recall, Recalled

LTV = ir.Fact("ltv", Type.MONEY)
UTC = dt.UTC
GROUPS: dict[Type, Callable[[int], object]] = {
    Type.TEXT: lambda n: f"Straße {n}",
    Type.NUMBER: lambda n: 10**15 + n,
    Type.MONEY: lambda n: Decimal(n),
    Type.BOOLEAN: lambda n: n % 2 == 0,
    Type.DATE: lambda n: dt.date(1969, 12, 25) + dt.timedelta(days=n),
    Type.DATETIME: lambda n: (
        dt.datetime(1969, 12, 31, 23, tzinfo=UTC) + dt.timedelta(hours=n, microseconds=1)
    ),
}


def drawn(random: np.random.Generator, people: np.ndarray, type_: Type | None, double: bool) -> Values:
    some = people[random.random(len(people)) < 0.9] if len(people) > 1 else people[:0]
    values = random.integers(-(2**62), 2**62, len(some))
    if double:
        values = random.choice([0.1, -np.inf, np.inf, 1e300, -0.0], len(some))
    if type_ is None:
        return Values(some, values)
    names = tuple(dict.fromkeys(GROUPS[type_](int(n)) for n in random.permutation(9)[:5]))
    codes = random.integers(0, len(names), len(some)).astype(np.int32)
    return Values(some, values, codes, names)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("type_", [None, *GROUPS])
def test_it_is_read_as_it_was_after_each_of_many_changes(
    type_: Type | None, double: bool, tmp_path: Path
) -> None:
    random, recalled = np.random.default_rng(1), Recalled(tmp_path)
    by = None if type_ is None else ir.Fact("by", type_)
    ranks: list[Rank] = [ir.RankShare(ir.Side.TOP, 100_000, LTV, by), ir.Quintile(2, LTV, by)]
    sort, recall, sizes = sort_of(ranks[0]), Recall(), list[int]()
    values = drawn(random, np.arange(2000, dtype=np.uint32), type_, double)
    order = Order({sort: values}, {rank.key: cuts for rank, cuts in thresholds(ranks, values).items()})
    for step in range(30):
        there = {path: path.stat().st_size for path in (tmp_path / FOLDER).glob("*.arrow")}
        memory = Memory({"s": Standing(BitMap([step]), BitMap())}, {"0f": BitMap(range(step))})
        file = recalled.keep(order, ranks, memory, recall)
        assert file is not None
        recalled.sweep(file)
        recall = Recalled(tmp_path).read(File(*file.document()))  # type: ignore[arg-type]
        assert recall.memory == memory
        assert recall.order.cuts == order.cuts
        _assert_same(recall.order.layers(sort).whole(), order.layers(sort).whole())
        now = {path: path.stat().st_size for path in (tmp_path / FOLDER).glob("*.arrow")}
        sizes.append(sum(size for path, size in now.items() if path not in there))
        people = np.sort(random.choice(2000 + step, 20 if step % 10 else 1, replace=False)).astype(np.uint32)
        fresh = {sort: drawn(random, people, type_, double)}
        order = recall.order.renewed(ranks, {sort: people}, fresh)
    assert sum(size < sizes[0] / 3 for size in sizes) > 20  # few lay beside the rest
    assert sum(size >= sizes[0] * 0.9 for size in sizes) > 1  # until they were too many


def _assert_same(one: Values, other: Values) -> None:
    assert one.persons.tolist() == other.persons.tolist()
    assert one.values.dtype == other.values.dtype
    assert one.values.tolist() == other.values.tolist()
    if one.codes is not None and other.codes is not None:
        named = [[values.names[code] for code in values.codes.tolist()] for values in (one, other)]
        assert named[0] == named[1]
    assert (one.codes is None) == (other.codes is None)


@pytest.mark.parametrize("settled_s", [-60.0, 60.0])
def test_what_is_damaged_anywhere_is_not_read(
    settled_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at first, nor where it was sound when it was read before."""
    monkeypatch.setattr("sync.store.recalled._SETTLED_S", settled_s)
    random, recalled = np.random.default_rng(2), Recalled(tmp_path)
    rank = ir.RankShare(ir.Side.TOP, 100_000, LTV, None)
    values = Values(np.arange(5000, dtype=np.uint32), random.integers(0, 10**6, 5000))
    order = Order({sort_of(rank): values}, {rank.key: thresholds([rank], values)[rank]})
    memory = Memory({"s": Standing(BitMap([1, 7]), BitMap())}, {})
    file = recalled.keep(order, [rank], memory, Recall())
    assert recalled.read(file).order.knows(rank)
    for path in (tmp_path / FOLDER).iterdir():
        whole = path.read_bytes()
        for place in {0, len(whole) - 1, *random.integers(0, len(whole), 20).tolist()}:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            os.utime(path, ns=(place, place))  # clocks of file systems are coarse
            assert recalled.read(file) == Recall()
        if len(whole) > 3 * 4096:  # blocks of the disk, lost or in each other's place
            first, second, rest = whole[:4096], whole[4096:8192], whole[8192:]
            for torn in (second + first + rest, first + bytes(4096) + rest, first + second):
                path.write_bytes(torn)
                os.utime(path, ns=(len(torn), -len(torn)))
                assert recalled.read(file) == Recall()
        path.write_bytes(whole)
        assert recalled.read(file).order.knows(rank)
    assert recalled.read(file).order.knows(rank)


def test_numbers_that_no_array_holds_are_left_out(tmp_path: Path) -> None:
    recalled, rank = Recalled(tmp_path), ir.RankCount(ir.Side.TOP, 1, LTV, None)
    values = Values(np.array([1, 2], np.uint32), np.array([2**70, 1], object))
    order = Order({sort_of(rank): values}, {rank.key: thresholds([rank], values)[rank]})
    file = recalled.keep(order, [rank], Memory(), Recall())
    assert recalled.read(file).order == Order()


def test_where_nothing_can_be_written_nothing_is_said_to_be_there(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("not a folder")
    assert Recalled(tmp_path).keep(Order(), [], Memory(), Recall()) is None
