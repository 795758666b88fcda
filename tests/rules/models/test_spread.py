"""Differences in money, held against the published campaign (Hillstrom 2008), SciPy and plain resampling."""

from __future__ import annotations

import tracemalloc
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, ttest_ind, ttest_rel

from rules.models.columns import Floats, InputError
from rules.models.worth.returns import earned
from rules.models.worth.spread import DRAWS, Estimate, added, cap_of, compared, driven, within
from tests.shared import shared

MONTE_CARLO = 0.25
"""An end of the interval by 2,000 draws is within so many standard errors of that by 10,000: four times
sqrt(.025 * .975 / draws) / .0584 of both."""


@cache
def spent(arm: str) -> Floats:
    """By each person of an arm, in the two weeks after the mail."""
    people = pd.read_csv(shared("data/hillstrom/hillstrom.csv.gz"))
    return people.loc[people["segment"] == arm, "spend"].to_numpy(float)


def shop(people: int, *, rate: float, each: float, seed: int) -> Floats:
    """So many people, of whom some spend about as much."""
    random = np.random.default_rng(seed)
    return random.binomial(1, rate, people) * random.lognormal(np.log(each), 0.6, people)


def test_the_published_lift_in_spend_falls_from_770_to_338_with_the_top_capped() -> None:
    mailed, control = spent("Mens E-Mail"), spent("No E-Mail")
    assert (mailed.sum(), control.sum()) == pytest.approx((30_311.69, 13_908.33))
    found = compared(mailed, control)
    lift = found.whole.welch
    assert (lift.value, lift.low, lift.high) == pytest.approx((0.7698, 0.4851, 1.0545), abs=1e-4)
    assert lift.value / found.whole.error == pytest.approx(5.300, abs=1e-3)
    assert found.capped.value == pytest.approx(0.338, abs=5e-4)
    ends = ttest_ind(
        *(np.minimum(of, found.cap.at) for of in (mailed, control)), equal_var=False
    ).confidence_interval()
    assert (found.capped.welch.low, found.capped.welch.high) == pytest.approx(tuple(ends))
    assert not found.cap.among_spenders
    assert found.cap.people == 214, "0.5 % of 42,613"
    assert driven(found.whole.welch, found.capped.welch), "more than half of the lift is in the top 0.5 %"


@pytest.mark.parametrize("sizes", [(900, 100), (30, 3_000), (2, 2)])
def test_the_interval_is_that_of_welchs_test(sizes: tuple[int, int]) -> None:
    one, other = (shop(of, rate=0.9, each=40.0, seed=of) for of in sizes)
    found = compared(one, other).whole
    expected = ttest_ind(one, other, equal_var=False)
    assert (found.welch.low, found.welch.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.freedom == pytest.approx(expected.df)
    same = compared(np.full(9, 3.0), np.full(7, 2.0)).whole
    assert same.welch == Estimate(1.0, 1.0, 1.0), "where nobody differs there is nothing to be unsure of"


def test_the_bootstrap_is_that_of_scipy_within_the_error_of_so_many_draws() -> None:
    one, other = shop(60, rate=0.4, each=30.0, seed=1), shop(40, rate=0.3, each=30.0, seed=2)
    found = compared(one, other)
    for of, (first, second) in (
        (found.whole, (one, other)),
        (found.capped, (np.minimum(one, found.cap.at), np.minimum(other, found.cap.at))),
    ):
        ends = bootstrap(
            (first, second),
            lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
            method="percentile",
            n_resamples=9_999,
            rng=np.random.default_rng(3),
        ).confidence_interval
        told = of.bootstrap
        assert (told.low, told.high) == pytest.approx(tuple(ends), abs=MONTE_CARLO * of.error)
        assert told.value == of.value


def test_two_choices_of_the_same_people_are_compared_in_pairs() -> None:
    one, other = shop(400, rate=0.4, each=30.0, seed=14), shop(400, rate=0.3, each=30.0, seed=15)
    less = np.linspace(0.0, 2.0, 400)
    found = within(one, other, less=less)
    for of, (first, second) in (
        (found.whole, (one, other)),
        (found.capped, (np.minimum(one, found.cap.at), np.minimum(other, found.cap.at))),
    ):
        ends = ttest_rel(first, second + less).confidence_interval()
        assert (of.welch.low, of.welch.high) == pytest.approx(tuple(ends))
        drawn = bootstrap(
            (first - second - less,), np.mean, method="percentile", rng=np.random.default_rng(16)
        ).confidence_interval
        assert (of.bootstrap.low, of.bootstrap.high) == pytest.approx(
            tuple(drawn), abs=MONTE_CARLO * of.error
        )
    assert found.cap.at == pytest.approx(np.quantile([*one, *other], 0.995))
    with pytest.raises(InputError, match="one number for every row"):
        within(one, other[:9], less=less)


def test_many_different_amounts_are_drawn_as_surely_and_cost_no_more_memory() -> None:
    one, other = shop(20_000, rate=0.2, each=30.0, seed=4), shop(4_000, rate=0.2, each=30.0, seed=5)
    found = compared(one, other).whole
    random = np.random.default_rng(6)
    plain = [
        random.choice(one, len(one)).mean() - random.choice(other, len(other)).mean() for _ in range(DRAWS)
    ]
    expected = np.quantile(plain, [0.025, 0.975])
    told = found.bootstrap
    assert (told.low, told.high) == pytest.approx(tuple(expected), abs=4 * np.sqrt(2) * 0.06 * found.error)
    assert found.draws.std() == pytest.approx(found.error, rel=0.06)  # 4 / sqrt(2 * draws)
    wild = np.random.default_rng(7).lognormal(0, 1.5, 100_000)  # much of the variance is in the largest
    found = compared(wild, np.zeros(2)).whole
    assert found.draws.std() == pytest.approx(found.error, rel=0.06)
    people = shop(1_000_000, rate=0.3, each=30.0, seed=7)
    tracemalloc.start()
    try:
        compared(people, people[:100_000])
        assert tracemalloc.get_traced_memory()[1] < 120 * 2**20, "people times draws would be 16 GB"
    finally:
        tracemalloc.stop()


def test_the_same_seed_tells_the_same_whatever_the_order_of_people() -> None:
    one, other = shop(500, rate=0.3, each=30.0, seed=8), shop(90, rate=0.3, each=30.0, seed=9)
    first, again = compared(one, other), compared(one[::-1], other[::-1])
    assert (first.whole.draws == again.whole.draws).all()
    assert (first.whole.draws != compared(one, other, seed=1).whole.draws).any()


@pytest.mark.parametrize(
    ("values", "at", "people", "among"),
    [
        (np.arange(1.0, 1_002.0), 996.0, 5, False),  # the quantile is a value, five are above
        ([*[0.0] * 50, 5.0, 20.0, 9_000.0], 20.0, 1, False),  # of few people one is capped
        ([*[0.0] * 9_990, *[5.0] * 8, 7.0, 9_000.0], 7.0, 1, True),  # too few spent anything
        ([*[0.0] * 999, 9_000.0], 0.0, 1, True),
        ([0.0] * 40, 0.0, 0, False),
    ],
)
def test_where_the_largest_begin(values: list[float], at: float, people: int, among: bool) -> None:
    found = cap_of(np.asarray(values))
    assert (found.at, found.people, found.among_spenders) == (pytest.approx(at), people, among)


def test_a_return_that_rests_on_a_few_orders_is_told_and_a_solid_one_is_not() -> None:
    treated, held = shop(9_000, rate=0.05, each=40.0, seed=10), shop(1_000, rate=0.05, each=40.0, seed=11)
    quiet = earned(treated, held, margin=0.4, cost=900.0)
    assert not quiet.outlier_driven
    some = treated.copy()
    some[:3] = 20_000.0
    found = earned(some, held, margin=0.4, cost=900.0)
    assert found.roi > 10
    assert found.capped_welch.value < found.roi / 5
    assert found.outlier_driven
    other = held.copy()
    other[0] = 20_000.0  # one order of those who were held out makes a loss of it
    assert earned(treated, other, margin=0.4, cost=900.0).outlier_driven
    solid = earned(shop(9_000, rate=0.15, each=40.0, seed=12), held, margin=0.4, cost=900.0)
    assert solid.welch.low > 0
    assert not solid.outlier_driven
    rare = np.zeros(30_000)
    rare[0] = 9_000.0
    alone = earned(rare, np.zeros(3_000), margin=1, cost=900.0)
    assert (alone.bought, alone.roi, alone.capped_welch.value) == (1, pytest.approx(9.0), -1.0)
    assert alone.outlier_driven, "all of it is one order"


@pytest.mark.parametrize(
    ("whole", "capped", "told"),
    [
        ((1.0, 0.5, 1.5), (0.6, 0.2, 0.9), False),  # falls by less than half
        ((1.0, 0.5, 1.5), (0.5, 0.2, 0.8), True),  # by half
        ((0.5, 0.1, 0.9), (0.4, -0.1, 0.9), True),  # nothing is shown any more
        ((0.5, -0.1, 1.1), (0.4, 0.1, 0.7), True),  # or only then
        ((0.1, -0.9, 1.1), (0.0, -0.4, 0.4), False),  # chance around nothing
        ((2.1, -4.0, 8.0), (-0.4, -3.6, 2.7), True),  # it looked like a gain, and like a loss without a few
        ((5.0, -1.0, 11.0), (0.1, -0.4, 0.6), True),  # nothing is shown of either, but it looked large
        ((-3.0, -7.0, 1.0), (0.5, -0.1, 1.1), True),  # a loss by one order of the others
    ],
)
def test_what_rests_on_the_largest(
    whole: tuple[float, float, float], capped: tuple[float, float, float], told: bool
) -> None:
    assert driven(Estimate(*whole), Estimate(*capped)) is told


def test_differences_that_know_nothing_of_each_other_add_up() -> None:
    parts = [
        compared(shop(300, rate=0.4, each=30.0, seed=n), shop(50, rate=0.3, each=30.0, seed=n + 9), seed=n)
        for n in (1, 2)
    ]
    one, two = (part.whole for part in parts)
    both = added([one.times(300), two.times(300)])
    assert both.value == pytest.approx(300 * (one.value + two.value))
    assert both.error == pytest.approx(300 * np.hypot(one.error, two.error))
    pieces = [(variance, freedom) for part in (one, two) for variance, freedom in part.terms]
    welch = sum(v for v, _ in pieces) ** 2 / sum(v**2 / n for v, n in pieces)
    assert both.freedom == pytest.approx(welch)
    assert both.draws.std() == pytest.approx(both.error, rel=0.08)
    with pytest.raises(InputError):
        added([])


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 200 campaigns with a true lift of .06 a person: 95 %, within three standard errors of 200 draws."""
    random, held = np.random.default_rng(13), np.zeros(2)
    for seed in range(200):
        one, other = (
            random.binomial(1, rate, people) * random.uniform(0.5, 1.5, people)
            for rate, people in ((0.26, 400), (0.20, 100))
        )
        found = compared(one, other, seed=seed).whole
        held += [of.low <= 0.06 <= of.high for of in (found.welch, found.bootstrap)]
    assert (abs(held / 200 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 200)).all(), held


def test_fewer_than_two_people_and_negative_money_are_refused() -> None:
    with pytest.raises(InputError, match="two people"):
        compared(np.ones(1), np.ones(5))
    with pytest.raises(InputError, match=r"other\[1\]"):
        compared(np.ones(3), np.array([1.0, -2.0]))
