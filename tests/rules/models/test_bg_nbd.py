"""BG/NBD: the published numbers, and the same expectations by integrating over who people may be."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import beta

from rules.models.bg_nbd import BgNbd, _log_likelihood, fit_bg_nbd
from rules.models.columns import InputError
from tests.rules.models import cdnow

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, log_likelihood=-9582.4)


@cache
def fitted() -> BgNbd:
    data = cdnow.summary()
    return fit_bg_nbd(data["x"].to_numpy(), data["t_x"].to_numpy(), data["T"].to_numpy())


def by_integration(model: BgNbd, ahead: float, x: float, t_x: float, t: float) -> float:
    """Expected purchases without any hypergeometric function: over all probabilities of leaving."""

    def stays(p: float) -> float:
        if p == 0:
            return (model.r + x) * ahead / (model.alpha + t)
        left = (model.alpha + t) / (model.alpha + t + p * ahead)
        return float(-np.expm1((model.r + x) * np.log(left)) / p)

    value, _ = quad(stays, 0, 1, weight="alg", wvar=(model.a - 1, model.b + x - 1), epsabs=1e-13, limit=200)
    alive = 1.0
    if x:
        alive = 1 / (
            1 + model.a / (model.b + x - 1) * ((model.alpha + t) / (model.alpha + t_x)) ** (model.r + x)
        )
    return float(value / beta(model.a, model.b + x) * alive)


def test_the_fit_of_cdnow_is_the_published_one() -> None:
    found = fitted()
    ours = (found.r, found.alpha, found.a, found.b)
    assert ours == pytest.approx((0.2426, 4.4135, 0.7929, 2.4258), rel=5e-4)
    assert ours == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=1e-3)
    assert found.log_likelihood == pytest.approx(-9582.426, abs=1e-3)
    assert found.churn_identified


def test_the_log_likelihood_at_the_published_parameters_is_the_published_one() -> None:
    data = cdnow.summary()
    at = np.array([0.243, 4.414, 0.793, 2.426])
    each, _ = _log_likelihood(at, *(data[name].to_numpy(float) for name in ("x", "t_x", "T")))
    assert each.sum() == pytest.approx(-9582.427, abs=1e-3)
    assert each.sum() < fitted().log_likelihood


def test_the_derivatives_are_those_of_the_log_likelihood() -> None:
    x, t_x, t = np.array([0.0, 1, 2, 30]), np.array([0.0, 3, 30.4, 500]), np.array([38.9, 3, 38.9, 520])
    at = np.array([0.7, 12.0, 0.4, 5.0])
    _, slopes = _log_likelihood(at, x, t_x, t)
    for row in range(4):
        numeric = approx_fprime(at, lambda theta, row=row: _log_likelihood(theta, x, t_x, t)[0][row], 1e-7)
        assert slopes[:, row] == pytest.approx(numeric, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("x", "t_x", "purchases", "alive"),
    [
        (2, 30.43, 1.2260, 0.7266),
        (0, 0, 0.1951, 1.0),
        (1, 1.71, 0.2032, 0.2121),
        (7, 29.43, 3.3371, 0.6418),
        (10, 38.0, 6.7059, 0.9214),
    ],
)
def test_the_worked_customers_are_expected_to_do_what_is_published(
    x: int, t_x: float, purchases: float, alive: float
) -> None:
    assert PUBLISHED.purchases(39, [x], [t_x], [38.86])[0] == pytest.approx(purchases, abs=5e-5)
    assert PUBLISHED.alive([x], [t_x], [38.86])[0] == pytest.approx(alive, abs=5e-5)


def test_a_newcomer_is_expected_to_do_what_is_published() -> None:
    assert PUBLISHED.of_newcomer(39) == pytest.approx(1.1967, abs=5e-5)


@pytest.mark.parametrize(("x", "ahead", "factor"), [(200, 39, 1.14114964), (500, 520, 1.69970132)])
def test_the_hypergeometric_factor_of_heavy_buyers_is_a_number(x: int, ahead: float, factor: float) -> None:
    expected = PUBLISHED.purchases(ahead, [x], [38.86], [38.86])[0]
    per_alive = expected / PUBLISHED.alive([x], [38.86], [38.86])[0]
    a, b = PUBLISHED.a, PUBLISHED.b
    assert 1 - per_alive * (a - 1) / (a + b + x - 1) == pytest.approx(factor, abs=1e-6)


@pytest.mark.parametrize("a", [0.05, 0.793, 1.0, 1.7, 3.2])
@pytest.mark.parametrize(
    ("x", "t_x", "t"), [(0, 0.0, 38.86), (3, 1.0, 400.0), (40, 300.0, 300.0), (500, 30, 38.86)]
)
@pytest.mark.parametrize("ahead", [0.5, 39.0, 5200.0])
def test_expected_purchases_are_what_integrating_gives(
    a: float, x: int, t_x: float, t: float, ahead: float
) -> None:
    model = BgNbd(r=0.243, alpha=4.414, a=a, b=2.426, log_likelihood=0.0)
    expected = model.purchases(ahead, [x], [t_x], [t])[0]
    assert expected == pytest.approx(by_integration(model, ahead, x, t_x, t), rel=2e-5)


@pytest.mark.parametrize(
    ("x", "t_x", "t"), [(1, 14.0, 28.0), (1, 14.0, 14.0), (5, 14.0, 20.0), (300, 299.0, 300.0)]
)
def test_where_everybody_buys_alike_there_are_numbers_and_no_warning(x: int, t_x: float, t: float) -> None:
    """Then r, and a or b, run to their bounds, where the hypergeometric function is lost. What is expected is
    what many drawn people do who all buy at the one pace."""
    columns = [float(x)] * 50, [t_x] * 50, [t] * 50
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit_bg_nbd(*columns)
        found = model.if_alive(52.0, columns[0], columns[2])
    assert model.r > 1e5
    pace = (model.r + x) / (model.alpha + t)
    leaves = np.maximum(np.random.default_rng(1).beta(model.a, model.b + x, 200_000), 1e-300)
    drawn = float((-np.expm1(-pace * leaves * 52.0) / leaves).mean())
    assert found == pytest.approx(np.full(50, drawn), rel=0.01)


def test_nobody_is_expected_to_buy_in_no_time() -> None:
    assert PUBLISHED.purchases(0, [0, 5, 500], [0, 30, 30], [40, 40, 40]) == pytest.approx(
        [0, 0, 0], abs=1e-9
    )


def test_the_order_of_rows_does_not_change_a_bit_of_the_fit() -> None:
    data = cdnow.summary().sample(frac=1, random_state=1)
    shuffled = fit_bg_nbd(data["x"].to_numpy(), data["t_x"].to_numpy(), data["T"].to_numpy())
    assert shuffled == fitted()


def test_the_unit_of_time_changes_alpha_alone() -> None:
    data = cdnow.summary()
    days = fit_bg_nbd(data["x"].to_numpy(), 7 * data["t_x"].to_numpy(), 7 * data["T"].to_numpy())
    weeks = fitted()
    assert (days.r, days.alpha / 7, days.a, days.b) == pytest.approx(
        (weeks.r, weeks.alpha, weeks.a, weeks.b), rel=1e-6
    )


def test_where_nobody_seems_to_leave_churn_is_not_identified() -> None:
    x = [1, 2, 3, 4, 5, 6] * 20
    t_x = [9.5, 9.7, 9.8, 9.9, 9.9, 9.9] * 20
    assert not fit_bg_nbd(x, t_x, [10.0] * len(x)).churn_identified


@pytest.mark.parametrize(
    ("frequency", "recency", "age", "message"),
    [
        ([1, -1], [1, 0], [2, 2], r"^frequency\[1\] is -1: 0 or more is needed"),
        ([1, 1.5], [1, 1], [2, 2], r"^frequency\[1\] is 1.5: a whole number is needed"),
        ([1, 1], [1, 3], [2, 2], r"^recency\[1\] is 3: that is after the end of the data .* check the unit"),
        ([1, 0], [1, 1], [2, 2], r"^recency\[1\] is 1: who did not buy again"),
        ([1, 1], [1, 0], [2, 2], r"^recency\[1\] is 0: who bought again .* count each day only once"),
        ([1, 1], [1, float("nan")], [2, 2], r"^recency\[1\] is nan: a number is needed"),
        ([1, 1], [1, 1], [2], r"age has 1 rows"),
        ([0, 0], [0, 0], [2, 2], r"^frequency: nobody bought again"),
        ([], [], [], r"^frequency: there is no row"),
        (["one"], [0], [1], r"^frequency: a number for every row is needed"),
        ([[1]], [0], [1], r"^frequency: one number per row is needed"),
    ],
)
def test_rows_that_contradict_are_refused_by_name_and_row(
    frequency: list[float], recency: list[float], age: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fit_bg_nbd(frequency, recency, age)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="ahead is -1"):
        PUBLISHED.purchases(-1, [0], [0], [1])
