"""What a campaign earned, held against published arithmetic and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, ttest_ind

from rules.models.columns import InputError
from rules.models.worth.returns import earned, together, uneven


def test_the_published_campaign_cost_6720_brought_3674_and_lost_3046() -> None:
    """2,240 mails at 3 each, 334 buyers at 11 each; nobody would have bought without."""
    treated = np.repeat([11.0, 0.0], [334, 2_240 - 334])
    found = earned(treated, np.zeros(200), margin=1, cost=2_240 * 3.0)
    assert (found.cost, round(found.gain.value, 6), round(found.profit, 6)) == (6_720, 3_674, -3_046)
    assert found.roi == pytest.approx(-3_046 / 6_720)


def test_what_the_holdout_bought_anyway_is_no_gain_and_the_interval_is_that_of_welch() -> None:
    random = np.random.default_rng(7)
    treated = random.binomial(1, 0.15, 900) * random.lognormal(3, 1, 900)
    held = random.binomial(1, 0.10, 100) * random.lognormal(3, 1, 100)
    found = earned(treated, held, margin=0.4, cost=500.0)
    ends = ttest_ind(treated, held, equal_var=False).confidence_interval(0.95)
    assert (found.welch.low, found.welch.high) == pytest.approx(0.4 * 900 * np.array(ends) / 500.0 - 1)
    assert found.gain.value == pytest.approx(0.4 * (treated.sum() - 9 * held.sum()))
    assert (found.bought, found.held_bought) == ((treated > 0).sum(), (held > 0).sum())
    same = earned(held.repeat(2), held, margin=1, cost=500.0)
    assert same.roi == pytest.approx(-1), "whoever buys as much without it brings nothing"


def test_gains_costs_and_variances_of_campaigns_add_up() -> None:
    random = np.random.default_rng(8)
    one, two = (
        earned(random.exponential(10, 400), random.exponential(8, 50), margin=1, cost=cost)
        for cost in (100.0, 300.0)
    )
    both = together([one, two])
    assert both.roi == pytest.approx((one.gain.value + two.gain.value - 400.0) / 400.0)
    assert both.gain.error**2 == pytest.approx(one.gain.error**2 + two.gain.error**2)
    assert (both.treated, both.held) == (800, 100)


@pytest.mark.parametrize(("treated", "held", "cost"), [(29, 30, 1.0), (30, 29, 1.0), (30, 30, 0.0)])
def test_too_few_people_or_no_cost_are_refused(treated: int, held: int, cost: float) -> None:
    with pytest.raises(InputError):
        earned(np.ones(treated), np.zeros(held), margin=1, cost=cost)


@pytest.mark.parametrize(
    ("treated", "held", "p", "close"), [(21_307, 21_306, 0.996, 1e-3), (821_588, 815_482, 1.8e-6, 1e-7)]
)
def test_the_published_groups_are_as_planned_or_not(treated: int, held: int, p: float, close: float) -> None:
    found = uneven(treated, held, share=0.5)
    assert found == pytest.approx(p, abs=close)
    assert found == pytest.approx(chisquare([treated, held]).pvalue, rel=1e-9)


def test_an_uneven_plan_is_compared_with_its_own_shares() -> None:
    people = np.array([905, 95])
    assert uneven(905, 95, share=0.1) == pytest.approx(chisquare(people, [900, 100]).pvalue, rel=1e-9)
