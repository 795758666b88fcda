"""Cut points found again among what is kept are those found among everybody, whatever few changed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rules import ir
from rules.engine.order import Order, sort_of
from rules.engine.ranks import Values, thresholds
from rules.engine.walk import Rank
from rules.vocabulary import Type

LTV, CITY = ir.Fact("ltv", Type.MONEY), ir.Fact("city", Type.TEXT)


def ranks_by(by: ir.Fact | None) -> list[Rank]:
    shares = [ir.RankShare(side, 250_000, LTV, by) for side in ir.Side]
    counts = [ir.RankCount(side, 3, LTV, by) for side in ir.Side]
    return [*shares, *counts, *(ir.Quintile(q, LTV, by) for q in (1, 3, 5))]


def drawn(random: np.random.Generator, people: NDArray[np.uint32], groups: int) -> Values:
    """Values of some of these people, many of them equal, doubles or not; groups that nobody may be in."""
    some = people[random.random(len(people)) < 0.9]
    values = random.integers(0, 20, len(some))
    if not groups:
        return Values(some, values)
    names = tuple(f"town {n}" for n in random.permutation(groups))
    return Values(some, values, random.integers(0, groups, len(some)).astype(np.int32), names)


@pytest.mark.parametrize("groups", [0, 2, 12, 60])
def test_cut_points_among_what_is_kept_are_those_among_everybody(groups: int) -> None:
    random = np.random.default_rng(groups)
    ranks = ranks_by(CITY if groups else None)
    sort = sort_of(ranks[0])
    values = drawn(random, np.arange(400, dtype=np.uint32), groups)
    order = Order({sort: values}, {rank.key: cuts for rank, cuts in thresholds(ranks, values).items()})
    for step in range(40):
        everybody = np.arange(400 + 5 * step, dtype=np.uint32)
        people = np.sort(random.choice(everybody, random.choice([1, 3, 150]), replace=False))
        fresh = drawn(random, people, groups)
        before = {int(p): row for p, row in _rows(order.values[sort]).items()}
        order = order.renewed(ranks, {sort: people}, {sort: fresh})
        rows = {p: row for p, row in before.items() if p not in people} | _rows(fresh)
        assert _rows(order.values[sort]) == rows  # by what a dictionary does
        assert np.all(np.diff(order.values[sort].persons.astype(int)) > 0)
        for rank, cuts in thresholds(ranks, order.values[sort]).items():
            assert order.cuts[rank.key] == cuts


def _rows(values: Values) -> dict[int, tuple[object, object]]:
    """Person → value and group."""
    names = [None] * len(values.persons) if values.codes is None else [values.names[c] for c in values.codes]
    return dict(zip(values.persons.tolist(), zip(values.values.tolist(), names, strict=True), strict=True))
