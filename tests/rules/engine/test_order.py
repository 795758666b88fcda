"""Cut points found again among what is kept are those found among everybody, whatever few changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from rules import ir
from rules.engine.order import Order, sort_of
from rules.engine.periods import Clock
from rules.engine.ranks import Threshold, Values, thresholds
from rules.engine.walk import Rank
from rules.vocabulary import Type

LTV, CITY = ir.Fact("ltv", Type.MONEY), ir.Fact("city", Type.TEXT)


def ranks_by(by: ir.Fact | None) -> list[Rank]:
    shares = [ir.RankShare(side, 250_000, LTV, by) for side in ir.Side]
    counts = [ir.RankCount(side, 3, LTV, by) for side in ir.Side]
    return [*shares, *counts, *(ir.Quintile(q, LTV, by) for q in (1, 3, 5))]


def drawn(random: np.random.Generator, people: NDArray[np.uint32], groups: int, span: int) -> Values:
    """Values of some of these people, many of them equal or few; groups that nobody may be in."""
    some = people[random.random(len(people)) < 0.9]
    values = random.integers(-span, span, len(some))
    if not groups:
        return Values(some, values)
    names = tuple(f"town {n}" for n in random.permutation(groups))
    return Values(some, values, random.integers(0, groups, len(some)).astype(np.int32), names)


@pytest.mark.parametrize("span", [10, 10**6, 2**61])
@pytest.mark.parametrize("groups", [0, 2, 12, 60])
def test_cut_points_among_what_is_kept_are_those_among_everybody(groups: int, span: int) -> None:
    random = np.random.default_rng(groups)
    ranks = ranks_by(CITY if groups else None)
    sort, clock = sort_of(ranks[0]), Clock(dt.datetime(2026, 3, 1, tzinfo=dt.UTC), "UTC")
    values = drawn(random, np.arange(400, dtype=np.uint32), groups, span)
    order = Order({sort: values}, {rank.key: cuts for rank, cuts in thresholds(ranks, values).items()})
    moved = 0
    for step in range(20):
        everybody = np.arange(400 + 5 * step, dtype=np.uint32)
        people = np.sort(random.choice(everybody, random.choice([1, 3, 150]), replace=False))
        fresh = drawn(random, people, groups, span)
        before, was = order, {int(p): row for p, row in _rows(order.layers(sort).whole()).items()}
        order = order.renewed(ranks, {sort: people}, {sort: fresh})
        whole = order.layers(sort).whole()
        rows = {p: row for p, row in was.items() if p not in people} | _rows(fresh)
        assert _rows(whole) == rows  # by what a dictionary does
        assert np.all(np.diff(whole.persons.astype(int)) > 0)
        for rank, cuts in thresholds(ranks, whole).items():
            assert order.cuts[rank.key] == cuts
            others = {p: row for p, row in was.items() if p not in people}
            inside = [_inside(one.cuts[rank.key], others) for one in (before, order)]
            found = set(order.moved(rank, before, clock, clock))
            assert found - set(people.tolist()) == inside[0] ^ inside[1]
            moved += len(inside[0] ^ inside[1])
    assert moved > 0


def test_a_number_that_is_none_is_no_cut_point_for_ever() -> None:
    rank = ir.RankCount(ir.Side.TOP, 1, LTV, None)
    values = Values(np.arange(3, dtype=np.uint32), np.array([1.0, np.nan, 2.0]))
    order = Order({sort_of(rank): values}, {rank.key: thresholds([rank], values)[rank]})
    one = np.array([1], np.uint32)
    order = order.renewed([rank], {sort_of(rank): one}, {sort_of(rank): Values(one, np.array([0.5]))})
    assert order.cuts[rank.key] == {None: Threshold(at_least=2.0)}


def test_numbers_beyond_64_bits_take_the_place_of_others() -> None:
    rank = ir.RankCount(ir.Side.TOP, 2, LTV, None)
    sort, one = sort_of(rank), np.array([1], np.uint32)
    values = Values(np.arange(3, dtype=np.uint32), np.array([1, 2, 3]))
    order = Order({sort: values}, {rank.key: thresholds([rank], values)[rank]})
    for number, least in ((7, 3), (2**70, 3), (-(2**70), 1)):
        fresh = Values(one, np.array([number], object if abs(number) > 2**63 else np.int64))
        order = order.renewed([rank], {sort: one}, {sort: fresh})
        assert order.cuts[rank.key] == {None: Threshold(at_least=least)}
        assert order.knows(rank) is (abs(number) < 2**63)


def _inside(cuts: Mapping[object, Threshold], rows: dict[int, tuple[int, object]]) -> set[int]:
    """Who is, one by one."""
    return {p for p, (value, group) in rows.items() if group in cuts and cuts[group].holds(value)}


def _rows(values: Values) -> dict[int, tuple[int, object]]:
    """Person → value and group."""
    names = [None] * len(values.persons) if values.codes is None else [values.names[c] for c in values.codes]
    return dict(zip(values.persons.tolist(), zip(values.values.tolist(), names, strict=True), strict=True))


def test_where_a_group_lies_is_the_same_looked_up_or_counted() -> None:
    random = np.random.default_rng(5)
    for groups in (1, 3, 40):
        counted = drawn(random, np.arange(300, dtype=np.uint32), groups, 50)
        looked_up = Values(counted.persons, counted.values, counted.codes, counted.names, counted.order)
        for name in (*counted.names, "nowhere", None):
            assert counted.span(name) == looked_up.span(name) == looked_up.span(name)
        assert sum(end - start for start, end in map(looked_up.span, counted.names)) == len(counted.values)
