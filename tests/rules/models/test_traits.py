"""What sets a group apart, from sums alone: as SciPy and NumPy say with everybody's numbers at hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rules.models.traits import Moments, level_trait, not_chance, number_trait, strongest_first


def moments(values: np.ndarray) -> Moments:
    return Moments(len(values), float(values.mean()), float(values.var()))


def test_a_number_is_judged_as_by_everybodys_own_values() -> None:
    draw = np.random.default_rng(3)
    inside, others = draw.gamma(2.0, 40.0, 80), draw.gamma(2.0, 25.0, 900)
    everybody = np.concatenate([inside, others])
    rest = moments(everybody).without(moments(inside))
    assert (rest.count, rest.mean, rest.variance) == pytest.approx((900, others.mean(), others.var()))
    found = number_trait("spend", moments(inside), moments(everybody), medians=(1.0, 2.0))
    assert found is not None
    assert found.size == pytest.approx((inside.mean() - everybody.mean()) / everybody.std())
    assert found.p == pytest.approx(stats.ttest_ind(inside, others, equal_var=False).pvalue)


def test_a_share_is_judged_as_by_fishers_exact_test() -> None:
    found = level_trait("country", "DE", both=40, inside=60, having=200, everybody=1000)
    assert found is not None
    assert (found.inside, found.everybody, found.size) == pytest.approx((40 / 60, 0.2, 40 / 60 / 0.2))
    table = [[40, 20], [160, 780]]
    assert found.p == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)


def test_nothing_is_told_of_what_fewer_than_thirty_have_or_where_all_are_alike() -> None:
    everybody = Moments(1000, 5.0, 4.0)
    assert number_trait("spend", Moments(29, 9.0, 1.0), everybody, medians=(1.0, 2.0)) is None
    assert number_trait("spend", Moments(30, 9.0, 1.0), everybody, medians=(1.0, 2.0)) is not None
    assert number_trait("spend", Moments(30, 5.0, 0.0), Moments(90, 5.0, 0.0), medians=(5.0, 5.0)) is None
    assert number_trait("spend", everybody, everybody, medians=(1.0, 1.0)) is None
    assert level_trait("country", "DE", both=29, inside=60, having=200, everybody=1000) is None


def test_of_many_differences_those_that_may_be_chance_are_kept_back_as_scipy_does() -> None:
    ps = np.random.default_rng(5).uniform(size=200) ** 3
    assert list(not_chance(list(ps))) == list(stats.false_discovery_control(ps) <= 0.05)


def test_of_equally_strong_ones_the_one_that_more_people_have_is_told_first() -> None:
    """Nobody else has these: each has the same ratio, but for the last digit of the division."""
    of = [("Berlin", 155), ("Hamburg", 57), ("Wien", 35), ("DE", 247), ("AT", 56)]
    found = [level_trait("at", name, both=n, inside=351, having=n, everybody=2_357) for name, n in of]
    traits = [one for one in found if one is not None]
    assert len({one.size for one in traits}) > 1  # rounding alone would else decide
    assert [one.level for one in strongest_first(traits)] == ["DE", "Berlin", "Hamburg", "AT", "Wien"]
