"""Overlaps and likeness of many segments: against sets and SciPy's test of pairs, and the work it takes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from pyroaring import BitMap
from scipy.stats import false_discovery_control, mannwhitneyu

from rules.models.columns import Floats
from rules.models.worth.overlaps import CONTAINED, TWINS, alike, overlaps, siblings
from rules.models.worth.ranks import chances


class Counted(BitMap):
    """Counts how many members are looked up in another."""

    looked = 0

    def intersection_cardinality(self, other: BitMap) -> int:
        Counted.looked += len(self)
        return super().intersection_cardinality(other)


def segments(seed: int) -> dict[str, set[int]]:
    """Some as they come, some that are others but for about as many as the limits let differ."""
    draw = np.random.default_rng(seed)
    made: dict[str, set[int]] = {"empty": set()}
    for number in range(30):
        size = int(draw.integers(1, 400))
        own = set(draw.choice(1_000, size, replace=False).tolist())
        made[f"own/{number}"] = own
        kept = {one for one in own if draw.random() > draw.choice([0.0, 0.05, 0.1, 0.2])}
        more = set(draw.choice(1_000, int(size * draw.choice([0, 0.1, 0.25, 1])), replace=False).tolist())
        made[f"near/{number}"] = kept | more
    exact = set(range(2_000, 2_100))
    return made | {
        "x": exact,
        "within": set(range(2_005, 2_105)) | set(range(3_000, 3_050)),  # 95 of 100, exactly
        "twin": set(range(2_010, 2_100)) | set(range(2_500, 2_510)),  # 90 of 110
        "edge": set(range(2_000, 2_080)),  # 80 of 100, exactly, at the front
        "back": set(range(2_020, 2_100)),  # and at the back
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_overlaps_found_are_all_that_sets_of_people_tell(seed: int) -> None:
    people = segments(seed)
    expected = []
    for a, b in combinations(sorted(people), 2):
        both, either = len(people[a] & people[b]), len(people[a] | people[b])
        small, large = sorted((a, b), key=lambda name: (len(people[name]), name))
        if both and (both / either >= TWINS or both / len(people[small]) >= CONTAINED):
            expected.append((small, large, both, both / either, both / len(people[small])))
    expected.sort(key=lambda one: (-one[3], -one[4], one[0], one[1]))
    found = overlaps({name: BitMap(some) for name, some in people.items()})
    told = [(one.smaller, one.larger, one.both, one.jaccard, one.containment) for one in found]
    assert told == expected
    assert {("edge", "x"), ("back", "x"), ("x", "within")} <= {(one[0], one[1]) for one in told}


def test_of_segments_that_share_few_people_a_sixteenth_is_looked_at_and_a_fifth_of_equal_ones() -> None:
    draw = np.random.default_rng(2)
    many = {
        str(n): Counted(draw.choice(10_000, 1_000 + n, replace=False).astype(np.uint32)) for n in range(60)
    }
    every_pair = sum((59 - n) * (1_000 + n) for n in range(60))
    Counted.looked = 0
    assert overlaps(many) == []
    assert Counted.looked < (1 / 16 + 1 / 5 + 0.01) * every_pair
    apart = [Counted(draw.choice(10**6, 2**n, replace=False).astype(np.uint32)) for n in range(17)]
    smaller = [len(min(pair, key=len)) for pair in combinations(apart, 2)]
    Counted.looked = 0
    assert overlaps({str(n): one for n, one in enumerate(apart)}) == []
    assert Counted.looked <= sum(size // 16 + 1 for size in smaller) + 8  # of one person each part is all


def outcomes(seed: int) -> dict[str, Floats]:
    """As spending is: many of nothing, some equal; of each group some do alike."""
    draw = np.random.default_rng(seed)
    made: dict[str, Floats] = {}
    for number in range(24):
        size = int(draw.integers(190, 900))
        spent = np.round(draw.exponential(30 + number % 4, size), int(draw.integers(0, 3)))
        made[f"g{number % 3}/{number}"] = np.where(draw.random(size) < 0.4, 0.0, spent)
    return made | {
        "g0/zero": np.zeros(300), "g0/none": np.zeros(250), "g0/one": np.ones(300), "alone": np.ones(300),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_chances_are_those_of_scipy_for_each_pair(seed: int) -> None:
    values = outcomes(seed)
    found = chances(list(values.values()))
    for (i, a), (j, b) in combinations(enumerate(values.values()), 2):
        same = np.ptp(np.concatenate([a, b])) == 0
        expected = 1.0 if same else float(mannwhitneyu(a, b, method="asymptotic").pvalue)
        assert found[i, j] == pytest.approx(expected, rel=1e-9, abs=1e-300)
        assert found[j, i] == found[i, j]


@pytest.mark.parametrize("seed", range(5))
def test_siblings_that_do_alike_are_those_of_a_test_of_each_pair(seed: int) -> None:
    values = outcomes(seed)
    asked = [
        (a, b)
        for a, b in combinations(sorted(values), 2)
        if "/" in a and a.split("/")[0] == b.split("/")[0] and min(len(values[a]), len(values[b])) >= 200
    ]
    each = []
    for a, b in asked:
        same = np.ptp(np.concatenate([values[a], values[b]])) == 0
        each.append(1.0 if same else float(mannwhitneyu(values[a], values[b], method="asymptotic").pvalue))
    adjusted = false_discovery_control(each, method="bh")
    found = alike(values)
    expected = [(a, b, p) for (a, b), p in zip(asked, adjusted, strict=True) if p > 0.05]
    assert [(one.one, one.other) for one in found] == [(a, b) for a, b, _ in expected]
    assert [one.p for one in found] == pytest.approx([p for _, _, p in expected], rel=1e-9)
    assert [one.means for one in found] == [(values[a].mean(), values[b].mean()) for a, b, _ in expected]


def test_each_segment_is_sorted_once_however_many_siblings_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [np.round(np.random.default_rng(n).exponential(9, 400)) for n in range(40)]
    sorted_ones = 0
    unique = np.unique

    def counting(numbers: Floats, **asked: bool) -> object:
        nonlocal sorted_ones
        sorted_ones += len(numbers)
        return unique(numbers, **asked)

    monkeypatch.setattr(np, "unique", counting)
    chances(values)
    assert sum(map(len, values)) <= sorted_ones < 1.5 * sum(map(len, values))


def test_siblings_come_in_the_order_of_the_alphabet() -> None:
    assert siblings(["b/x", "a/b/y", "a/z", "a/b/x", "b/a", "a/y", "single"]) == [
        ("a/b/x", "a/b/y"), ("a/y", "a/z"), ("b/a", "b/x"),
    ]  # fmt: skip
