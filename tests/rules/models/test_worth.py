"""Worth of segments: published intervals, drift without drift, planted twins and giants, ranks by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyroaring import BitMap
from scipy.stats import chi2, f_oneway

from rules.models.columns import InputError, Severity
from rules.models.lifecycle import gaps
from rules.models.worth.attractiveness import attractiveness, shares, told_unstable
from rules.models.worth.overlaps import (
    alike,
    overlaps,
    siblings,
    told_alike,
    told_many,
    told_overlaps,
    told_sizes,
)
from rules.models.worth.psi import psi, psi_of_counts, told
from rules.models.worth.retention import of_members, retention
from rules.models.worth.variance import explained, together, told_explained
from rules.models.worth.wilson import wilson


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_of_shares_are_the_published_ones(part: int, whole: int, low: float, high: float) -> None:
    found = wilson(part, whole)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    with pytest.raises(InputError, match="a share of"):
        wilson(whole + 1, whole)


def test_without_drift_the_index_is_what_theory_says_and_hardly_ever_alarms() -> None:
    """300 draws of 1,000 against 1,000 in ten bins: .018 on average; 95 % below chi-square's .034."""
    draw = np.random.default_rng(7)
    found = [psi(draw.normal(size=1_000), draw.normal(size=1_000)) for _ in range(300)]
    assert np.mean([one.value for one in found]) == pytest.approx(0.018, abs=0.002)
    assert np.quantile([one.value for one in found], 0.95) == pytest.approx(0.034, abs=0.004)
    assert {one.bins for one in found} == {10}
    assert not any(one.alarm for one in found)


def test_small_samples_alarm_only_beyond_what_chance_does_to_them() -> None:
    draw = np.random.default_rng(8)
    found = [psi(draw.normal(size=250), draw.normal(size=250)) for _ in range(400)]
    assert found[0].limit == pytest.approx(chi2.ppf(0.95, 9) * 2 / 250)
    assert np.mean([one.value > 0.10 for one in found]) > 0.15  # what the usual limit would do
    assert np.mean([one.alarm for one in found]) < 0.09


def test_drift_is_told_and_too_few_people_are_too_few() -> None:
    draw = np.random.default_rng(9)
    moved = psi(draw.normal(size=2_000), draw.normal(0.6, size=2_000))
    warned = told("recency", moved)
    assert warned is not None
    assert (warned.code, warned.severity, moved.alarm) == ("drift.psi", Severity.WARNING, True)
    assert "(n 2,000 vs 2,000)" in warned.message
    few = psi(draw.normal(size=2_000), draw.normal(5, size=199))
    note = told("recency", few)
    assert note is not None
    assert (note.code, few.alarm) == ("drift.too_small", False)
    assert told("recency", psi(draw.normal(size=2_000), draw.normal(size=2_000))) is None


def test_equal_numbers_merge_bins_and_only_those_that_remain_count() -> None:
    orders = np.repeat([1, 2, 3], [700, 200, 100])
    found = psi(orders, orders)
    assert (found.bins, found.value) == (3, 0.0)
    by_hand = psi_of_counts([700, 200, 100, 0], [600, 250, 150, 0])
    e, o = np.array([0.7, 0.2, 0.1]), np.array([0.6, 0.25, 0.15])
    assert by_hand.value == pytest.approx(((o - e) * np.log(o / e)).sum())
    assert by_hand.bins == 3
    assert psi(orders, np.repeat([1, 2, 3], [600, 250, 150])).value == pytest.approx(by_hand.value)


def test_planted_twins_and_contained_segments_are_found_and_no_others() -> None:
    members = {
        "a": BitMap(range(1_000)),
        "twin": BitMap(range(50, 1_050)),
        "inner": BitMap(range(100, 200)),
        "apart": BitMap(range(2_000, 2_500)),
        "half": BitMap(range(600, 1_600)),
        "empty": BitMap(),
    }
    found = {(one.smaller, one.larger): one for one in overlaps(members)}
    for (small, large), one in found.items():
        first, second = set(members[small]), set(members[large])
        assert one.jaccard == len(first & second) / len(first | second)
        assert one.containment == len(first & second) / min(len(first), len(second))
    warned = [
        (one.code, one.severity, one.evidence["smaller"]) for one in told_overlaps(list(found.values()))
    ]
    assert warned == [
        ("seg.duplicate", Severity.WARNING, "a"),
        ("seg.duplicate", Severity.NOTE, "inner"),
        ("seg.duplicate", Severity.NOTE, "inner"),
    ]
    assert set(found) == {("a", "twin"), ("inner", "a"), ("inner", "twin")}


def test_giants_dwarfs_and_people_in_none_are_told() -> None:
    everybody = BitMap(range(1, 1_001))
    members = {"most": BitMap(range(1, 502)), "half": BitMap(range(1, 501)), "few": BitMap(range(1, 100))}
    found = {(one.code, one.evidence.get("segment")) for one in told_sizes(members, everybody, smallest=100)}
    assert found == {("seg.giant", "most"), ("seg.too_small", "few"), ("seg.unassigned", None)}
    one, _ = told_sizes({"one": BitMap([1])}, BitMap([1, 2]), smallest=2)
    assert one.message.startswith("one has 1 person, fewer than 2")
    members["rest"] = everybody - members["most"]
    codes = [one.code for one in told_sizes(members, everybody, smallest=99)]
    assert codes == ["seg.giant"]


def test_siblings_that_do_alike_are_told_and_those_that_do_not_are_not() -> None:
    draw = np.random.default_rng(3)
    outcomes = {
        "rfm/a": draw.exponential(50, 800),
        "rfm/b": draw.exponential(50, 800),
        "rfm/c": draw.exponential(90, 800),
        "rfm/few": draw.exponential(50, 199),
        "dach": draw.exponential(50, 800),
    }
    assert siblings(["dach", "rfm/b", "rfm/a", "other/a"]) == [("rfm/a", "rfm/b")]
    (warned,) = told_alike(alike(outcomes), "revenue")
    assert (warned.code, warned.evidence["one"], warned.evidence["other"]) == (
        "seg.no_difference", "rfm/a", "rfm/b",
    )  # fmt: skip
    nothing = {"x/a": np.zeros(300), "x/b": np.zeros(300)}
    assert [one.p for one in alike(nothing)] == [1.0]


def test_the_share_of_variance_that_segments_explain_is_that_of_an_analysis_of_variance() -> None:
    """One way, by F: eta squared is F (k-1) / (F (k-1) + n - k)."""
    draw = np.random.default_rng(5)
    sizes = {
        "tier/a": 150,
        "tier/b": 90,
        "tier/c": 60,
        "half/a": 200,
        "half/b": 200,
        "over/a": 150,
        "over/b": 151,
    }
    starts = {"tier/b": 150, "tier/c": 240, "half/b": 200, "over/b": 149}
    members = {name: BitMap(range(starts.get(name, 0), starts.get(name, 0) + n)) for name, n in sizes.items()}
    outcomes = {name: draw.normal(3 * (name == "tier/c"), 2, n) for name, n in sizes.items()}
    found = explained(members, outcomes)
    f = f_oneway(*(outcomes[name] for name in ("tier/a", "tier/b", "tier/c"))).statistic
    assert found.keys() == {"half", "tier"}  # who is in two segments of a group belongs to neither alone
    assert found["tier"] == pytest.approx(f * 2 / (f * 2 + 300 - 3))
    (note,) = told_explained(found, 0.05, "revenue")
    assert (note.code, note.evidence["group"]) == ("seg.explains_little", "half")
    # of who has no value nothing is known
    fewer = {name: values[:-10] for name, values in outcomes.items()}
    f = f_oneway(*(fewer[name] for name in ("tier/a", "tier/b", "tier/c"))).statistic
    assert explained(members, fewer)["tier"] == pytest.approx(f * 2 / (f * 2 + 270 - 3))


def test_what_all_segments_explain_together_is_no_more_than_chance_gives_to_so_many() -> None:
    """Epsilon squared by the formula over F: (F - 1) (k - 1) / (F (k - 1) + n - k)."""
    draw = np.random.default_rng(6)
    members = {f"s{n}": BitMap(np.flatnonzero(draw.random(2_000) < 0.5)) for n in range(6)}
    person, by_chance = np.arange(2_000), draw.normal(0, 1, 2_000)
    found = together(members, person, by_chance)
    assert found is not None
    assert found < 0.02 < 64 / 2_000  # which eta squared would be about
    (note,) = told_explained({}, found, "revenue")
    assert note.message.startswith("All segments together explain ")
    inside = np.isin(person, list(members["s0"] & members["s3"]))
    outcome = by_chance + inside
    parts = pd.DataFrame({name: np.isin(person, list(some)) for name, some in members.items()})
    each = [some.index.to_numpy() for _, some in parts.groupby(list(parts))]
    f, k, n = f_oneway(*(outcome[some] for some in each)).statistic, len(each), 2_000
    found = together(members, person, outcome)
    assert found == pytest.approx((f - 1) * (k - 1) / (f * (k - 1) + n - k))
    assert not list(told_explained({}, found, "revenue"))
    assert together(members, person, np.full(2_000, 89.499999)) is None
    assert together({"all": BitMap(range(2_000))}, person, outcome) is None
    assert together(members, person[:199], outcome[:199]) is None
    assert together({}, person[:0], outcome[:0]) is None


def test_a_person_in_very_many_segments_is_told_of() -> None:
    found = [
        (one.severity, "more than" in one.message) for each in (7.0, 7.1, 10.1) for one in told_many(each)
    ]
    assert found == [(Severity.NOTE, True), (Severity.WARNING, True)]


def test_ranks_are_the_weighted_percent_ranks_of_pandas() -> None:
    criteria = {
        "size": {"a": 10.0, "b": 30.0, "c": 20.0, "d": 20.0},
        "value": {"a": 5.0, "b": 1.0, "c": 3.0, "d": 4.0},
    }
    weights = {"value": 3.0, "size": 1.0}
    expected = (pd.DataFrame(criteria).rank(pct=True) * pd.Series(shares(weights))).sum(axis=1)
    found = attractiveness(criteria, weights)
    assert {one.segment: one.score for one in found} == pytest.approx(expected.to_dict())
    assert [one.segment for one in found] == list(expected.sort_values(ascending=False).index)
    assert [one.rank for one in found] == [1, 2, 3, 4]
    turned = {name: dict(reversed(values.items())) for name, values in reversed(criteria.items())}
    assert attractiveness(turned, dict(reversed(weights.items()))) == found  # same seed, any order
    assert attractiveness(criteria, weights, seed=1) != found


def test_a_first_place_that_rests_on_the_weights_is_told_and_one_that_does_not_is_not() -> None:
    rivals = {"size": {"a": 2.0, "b": 1.0}, "value": {"a": 1.0, "b": 2.0}}
    found = attractiveness(rivals, {"size": 0.55, "value": 0.45})
    warned = told_unstable(found)
    assert warned is not None
    assert (warned.code, found[0].segment, found[0].best, found[0].worst) == ("eval.rank_unstable", "a", 1, 2)
    assert 0.5 < found[0].first < 0.9
    better = {"size": {"a": 2.0, "b": 1.0}, "value": {"a": 2.0, "b": 1.0}}
    assert told_unstable(attractiveness(better, {"size": 1.0, "value": 1.0})) is None
    with pytest.raises(InputError, match="more than 0"):
        attractiveness(rivals, {"size": 0.0, "value": 0.0})


def test_retention_counts_who_waits_as_waiting_and_extrapolates_nothing() -> None:
    """By hand: who waits since 40 days is counted among those who waited for 40, and not as gone."""
    log = gaps([1, 1, 2, 2], [0, 60, 50, 60], as_of=100)  # gaps 60 and 10; both run since 40
    assert retention(log) == {30: pytest.approx(1 / 4), 90: None, 365: None}
    longer = gaps([1, 1, 2, 2, 3], [0, 60, 50, 60, 0], as_of=100)
    assert retention(longer) == {30: pytest.approx(1 / 5), 90: pytest.approx(1 - 4 / 5 * 1 / 2), 365: None}
    assert retention(of_members(longer, BitMap([2]))) == {30: pytest.approx(1 / 2), 90: None, 365: None}
    assert retention(of_members(longer, BitMap([9]))) == {30: None, 90: None, 365: None}
