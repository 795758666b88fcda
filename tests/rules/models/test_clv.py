"""Lifetime value: money, from the log to the judgement against the naive guess."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import gammaln

from rules.models.bg_nbd import BgNbd
from rules.models.clv import (
    compare,
    fit_bg_nbd,
    fit_gamma_gamma,
    lifetime_value,
    same_rate,
    season,
    top_share,
)
from rules.models.columns import Floats, InputError, Severity
from rules.models.gamma_gamma import GammaGamma, _log_likelihood
from rules.models.history import Later, Summary, later, summarise
from tests.rules.models import cdnow
from tests.rules.models.retail import clean_lines

PUBLISHED = GammaGamma(p=6.25, q=3.74, v=15.44, log_likelihood=0.0, fitted=946, excluded=0, correlation=0.1)
SPLIT, END = cdnow.day("1997-09-30"), cdnow.day("1998-06-30")


@cache
def fitted() -> GammaGamma:
    data = cdnow.summary()
    return fit_gamma_gamma(data["x"].to_numpy(), data["zbar"].to_numpy())


@cache
def split() -> tuple[Summary, Later]:
    columns = [cdnow.log()[name].to_numpy() for name in ("person", "day", "value")]
    before = summarise(*columns, until=SPLIT)
    return before, later(before, *columns, after=SPLIT, until=END)


@cache
def cdnow_models() -> tuple[BgNbd, GammaGamma]:
    return models(split()[0])


def models(of: Summary) -> tuple[BgNbd, GammaGamma]:
    return fit_bg_nbd(of.frequency, of.recency, of.age), fit_gamma_gamma(of.frequency, of.mean_value)


def test_the_fit_of_money_is_the_published_one() -> None:
    found = fitted()
    assert (found.p, found.q, found.v) == pytest.approx((6.249, 3.745, 15.448), abs=1e-3)
    assert (found.p, found.q, found.v) == pytest.approx((6.25, 3.74, 15.44), abs=0.02)
    assert found.log_likelihood == pytest.approx(-4055.92, abs=0.01)
    assert (found.fitted, found.excluded) == (946, 0)
    assert found.population_mean == pytest.approx(35.17, abs=0.005)
    assert found.correlation == pytest.approx(0.114, abs=5e-4)


def test_the_derivatives_of_money_are_those_of_the_log_likelihood() -> None:
    x, mean, at = np.array([1.0, 7.0]), np.array([3.5, 80.0]), np.array([4.0, 2.5, 9.0])
    _, slopes = _log_likelihood(at, x, mean)
    for row in range(2):
        numeric = approx_fprime(at, lambda theta, row=row: _log_likelihood(theta, x, mean)[0][row], 1e-7)
        assert slopes[:, row] == pytest.approx(numeric, rel=1e-4, abs=1e-6)


def test_the_likelihood_of_money_is_the_integral_over_what_people_pay() -> None:
    p, q, v, x, mean = 6.25, 3.74, 15.44, 3, 22.35
    rates = np.linspace(1e-6, 3, 40_001)

    def density(at: Floats, shape: float, rate: Floats) -> Floats:
        return np.exp(shape * np.log(rate) + (shape - 1) * np.log(at) - rate * at - gammaln(shape))

    weight = density(rates, q, np.full_like(rates, v)) * density(np.full_like(rates, mean), p * x, rates * x)
    each, _ = _log_likelihood(np.array([p, q, v]), np.array([float(x)]), np.array([mean]))
    assert np.exp(each[0]) == pytest.approx(np.trapezoid(weight, rates), rel=1e-6)


def test_the_expected_value_of_the_worked_customer_is_the_published_one() -> None:
    assert PUBLISHED.expected_value([2], [22.35])[0] == pytest.approx(24.664, abs=0.005)
    assert PUBLISHED.expected_value([0, 3], [0, -5]) == pytest.approx([PUBLISHED.population_mean] * 2)


def test_who_paid_nothing_or_less_is_excluded_and_counted() -> None:
    data = cdnow.summary()
    x, mean = [*data["x"], 2, 1], [*data["zbar"], 0.0, -12.5]
    found = fit_gamma_gamma(x, mean)
    assert (found.fitted, found.excluded) == (946, 2)
    assert found.p == fitted().p


def test_money_that_no_model_fits_is_refused() -> None:
    with pytest.raises(InputError, match="1 people bought again for more than nothing"):
        fit_gamma_gamma([0, 1, 2], [0, 5, -1])
    with pytest.raises(InputError, match=r"^mean_value\[1\] is nan: .* write 0 where there is none"):
        fit_gamma_gamma([0, 1], [0, float("nan")])
    with pytest.raises(InputError, match=r"q is 0\.9"):
        GammaGamma(6.0, 0.9, 15.0, 0.0, 1, 0, 0.0).expected_value([0], [0])


def test_the_raw_log_becomes_the_published_summary() -> None:
    before, _ = split()
    shipped = cdnow.summary()
    assert (len(before.person), (before.frequency > 0).sum(), before.frequency.sum()) == (2357, 946, 2457)
    assert before.person.tolist() == shipped["ID"].tolist()
    assert before.frequency.tolist() == shipped["x"].tolist()
    assert np.abs(before.recency - shipped["t_x"]).max() < 0.005
    assert np.abs(before.age - shipped["T"]).max() < 0.005
    assert np.abs(before.mean_value - shipped["zbar"]).max() < 0.006
    purchases, _ = cdnow_models()
    assert (purchases.r, purchases.alpha, purchases.a, purchases.b) == pytest.approx(
        (0.2426, 4.4136, 0.7929, 2.4259), abs=5e-5
    )


def test_spend_and_what_came_later_are_the_sums_that_pandas_finds() -> None:
    before, after = split()
    log = cdnow.log()
    spend = log[log["day"] <= SPLIT].groupby("person")["value"].sum()
    assert before.spend == pytest.approx(spend.to_numpy())
    held_out = log[(log["day"] > SPLIT) & (log["day"] <= END)]
    revenue = held_out.groupby("person")["value"].sum().reindex(before.person, fill_value=0)
    days = held_out.groupby("person")["day"].nunique().reindex(before.person, fill_value=0)
    assert after.revenue == pytest.approx(revenue.to_numpy())
    assert after.purchases.tolist() == days.tolist()


def test_a_summary_does_not_depend_on_the_order_of_the_log() -> None:
    log = cdnow.log().sample(frac=1, random_state=3)
    mixed = summarise(*(log[name].to_numpy() for name in ("person", "day", "value")), until=SPLIT)
    before, _ = split()
    assert all((getattr(mixed, name) == getattr(before, name)).all() for name in Summary.__slots__)


def test_an_empty_log_has_no_rows_and_no_model() -> None:
    empty = summarise([], [], [], until=0)
    assert len(empty.person) == 0
    with pytest.raises(InputError, match="there is no row"):
        fit_bg_nbd(empty.frequency, empty.recency, empty.age)
    with pytest.raises(InputError, match="day: whole numbers are needed, not float64"):
        summarise([1], np.array([1.5]), [1.0], until=3)


def test_lifetime_value_is_the_discounted_sum_of_periods() -> None:
    purchases = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, log_likelihood=0.0)
    row = ([2], [30.43], [38.86])
    one_by_one, before = 0.0, 0.0
    for k in (1, 2, 3):
        so_far = purchases.purchases(k * 4.0, *row)[0]
        one_by_one += (so_far - before) / 1.02**k
        before = so_far
    expected = 0.3 * 24.66371 * one_by_one
    found = lifetime_value(
        purchases, PUBLISHED, *row, [22.35], periods=3, period=4.0, discount=0.02, margin=0.3
    )
    assert found[0] == pytest.approx(expected, rel=1e-6)
    year = lifetime_value(purchases, PUBLISHED, *row, [22.35], discount=0.0)
    assert year[0] == pytest.approx(24.66371 * purchases.purchases(365.25 / 7, *row)[0], rel=1e-6)
    with pytest.raises(InputError, match="periods is 0"):
        lifetime_value(purchases, PUBLISHED, *row, [22.35], periods=0)
    with pytest.raises(InputError, match="discount is -1"):
        lifetime_value(purchases, PUBLISHED, *row, [22.35], discount=-1)


def test_the_same_rate_as_before_is_the_naive_guess() -> None:
    assert same_rate(20, [4, 0, 0], [10, 10, 0]).tolist() == [8, 0, 0]


def test_on_cdnow_the_model_beats_the_guess_and_may_be_offered() -> None:
    found = compare(*cdnow_models(), *split(), ahead=(END - SPLIT) / 7)
    assert found.may_be_offered
    assert found.notices == ()
    assert found.model_error < 0.8 < 1.0 < found.naive_error
    assert found.came == split()[1].purchases.sum()


def test_on_online_retail_the_guess_wins_and_nobody_seems_to_leave() -> None:
    lines = clean_lines()
    people = lines["CustomerID"].to_numpy(np.int64)
    days = cdnow.day_number(lines["InvoiceDate"]).to_numpy()
    columns = people, days, lines["value"].to_numpy()
    until, end = cdnow.day("2011-08-31"), cdnow.day("2011-12-09")
    before = summarise(*columns, until=until)
    after = later(before, *columns, after=until, until=end)
    found = compare(*models(before), before, after, ahead=(end - until) / 7)
    assert not found.may_be_offered
    assert [notice.code for notice in found.notices] == ["clv.no_churn_identified", "clv.baseline_wins"]
    assert (found.model_error, found.naive_error) == pytest.approx((0.998, 0.967), abs=0.002)
    assert (found.model_top, found.naive_top) == pytest.approx((0.637, 0.639), abs=0.001)
    assert (found.predicted, found.came) == pytest.approx((3628, 4801), rel=0.003)


def test_a_ranking_that_is_behind_by_a_hair_turns_no_value_off() -> None:
    """How far two shares lie apart by chance is told by drawing customers anew."""
    before, after = split()
    found = compare(*cdnow_models(), before, after, ahead=(END - SPLIT) / 7)
    purchases, value = cdnow_models()
    columns = before.frequency, before.recency, before.age
    worth = purchases.purchases((END - SPLIT) / 7, *columns)
    worth = worth * value.expected_value(before.frequency, before.mean_value)
    drawn, apart = np.random.default_rng(7), []
    for _ in range(400):
        rows = drawn.integers(0, len(worth), len(worth))
        own = after.revenue[rows]
        apart.append(top_share(worth[rows], own, share=0.2) - top_share(before.spend[rows], own, share=0.2))
    assert found.top_chance == pytest.approx(1.96 * np.std(apart), rel=0.15)
    level = replace(found, model_top=found.naive_top - 0.9 * found.top_chance)
    behind = replace(found, model_top=found.naive_top - 1.1 * found.top_chance)
    assert (level.better, behind.better, behind.may_be_offered) == (True, False, False)
    assert not replace(found, model_error=found.naive_error).better


def test_few_who_bought_again_and_values_bound_to_frequency_are_told() -> None:
    before, after = split()
    few = Summary(**{name: getattr(before, name)[:200] for name in Summary.__slots__})
    came = Later(after.purchases[:200], after.revenue[:200])
    again = int((few.frequency > 0).sum())
    purchases, value = cdnow_models()
    bound = GammaGamma(value.p, value.q, value.v, 0.0, 80, 0, correlation=-0.4)
    codes = {notice.code: notice for notice in compare(purchases, bound, few, came, ahead=39).notices}
    assert codes["clv.few_repeaters"].severity is Severity.REFUSAL
    assert f"{100 - again} are missing" in codes["clv.few_repeaters"].message
    assert codes["clv.freq_value_corr"].severity is Severity.WARNING


def test_the_top_share_counts_ties_at_the_edge_in_part() -> None:
    revenue = np.array([10.0, 20, 30, 40, 0])
    assert top_share(np.array([5.0, 1, 2, 3, 4]), revenue, share=0.4) == pytest.approx(0.1)
    assert top_share(np.array([5.0, 4, 4, 1, 1]), revenue, share=0.4) == pytest.approx((10 + 25) / 100)
    assert top_share(np.ones(5), revenue, share=0.2) == pytest.approx(0.2)
    assert top_share(np.ones(5), np.zeros(5), share=0.2) == 0


def test_months_that_calibration_never_saw_are_named() -> None:
    (notice,) = season(dt.date(2010, 12, 1), dt.date(2011, 8, 31), ahead_days=100)
    assert notice.code == "clv.season"
    assert "cover September, October, November, of which the history has no order yet" in notice.message
    assert season(dt.date(2010, 12, 1), dt.date(2011, 11, 30), ahead_days=400) == ()
    assert season(dt.date(2011, 8, 1), dt.date(2011, 8, 31), ahead_days=0) == ()
