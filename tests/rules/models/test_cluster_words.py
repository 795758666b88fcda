"""Scaling that stays, names that say what is so, and rules that find the cluster they were made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rules.models.clusters.distilling import distil
from rules.models.clusters.naming import names, traits
from rules.models.clusters.scaling import LEVEL, fit_scaling, scaled
from rules.models.columns import Floats, InputError, Ints


def company(size: int = 3_000, *, seed: int = 1) -> tuple[dict[str, Floats], dict[str, Any], Ints]:
    """A quarter spend a lot and are mostly from DE; whether they opened anything goes by chance."""
    random = np.random.default_rng(seed)
    cluster = (random.random(size) < 0.25).astype(np.int64)
    spend = np.where(cluster == 1, random.uniform(500, 900, size), random.uniform(5, 200, size))
    country = np.where(random.random(size) < np.where(cluster == 1, 0.9, 0.3), "DE", "FR").tolist()
    return {"spend": spend, "opened": random.poisson(3, size).astype(float)}, {"country": country}, cluster


def test_scaling_is_that_of_pandas_quantiles() -> None:
    numbers, categories, _ = company()
    scaling = fit_scaling(numbers, categories, logged=["spend"])
    logs = pd.Series(np.log1p(numbers["spend"]))
    inside = logs.clip(*logs.quantile([0.005, 0.995]))
    expected = (inside - inside.median()) / ((inside.quantile(0.75) - inside.quantile(0.25)) / 1.349)
    matrix = scaled(scaling, numbers, categories)
    assert np.allclose(matrix[:, 0], expected)
    assert scaling.columns == ("spend", "opened", "country = FR", "country = DE")
    assert set(matrix[:, 2]) == {0.0, LEVEL}
    assert np.hypot(LEVEL, LEVEL) == pytest.approx(1.0)  # two levels are as far apart as 1


def test_other_people_are_scaled_as_those_it_was_fitted_to() -> None:
    numbers, categories, _ = company()
    scaling = fit_scaling(numbers, categories, logged=["spend"])
    one = {"spend": np.array([numbers["spend"][7], np.nan, 1e9]), "opened": np.array([2.0, np.nan, 0.0])}
    alone = scaled(scaling, one, {"country": ["DE", None, "IT"]})
    assert alone[0, 0] == scaled(scaling, numbers, categories)[7, 0]
    assert alone[1].tolist() == [0, 0, 0, 0]  # missing says nothing
    assert alone[2, 0] == scaled(scaling, numbers, categories)[:, 0].max()  # what is extreme is cut off
    assert alone[2, 2:].tolist() == [0, 0]


def test_half_the_people_with_one_value_still_have_a_spread() -> None:
    values = np.array([0.0] * 80 + [3.0] * 20)
    scaling = fit_scaling({"orders": values})
    assert scaling.numbers[0].spread == pytest.approx(values.std())


def test_a_feature_that_says_nothing_is_left_out_and_told() -> None:
    same = np.full(100, 89.499999)  # whose deviation NumPy rounds to a hair above 0
    assert same.std() > 0
    scaling = fit_scaling({"a": np.arange(100.0), "b": same}, {"c": ["x"] * 100})
    assert scaling.columns == ("a",)
    assert [notice.evidence["feature"] for notice in scaling.notices] == ["b", "c"]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"a": np.array([1.0, np.inf])}, r"a\[1\] is infinite"),
        ({"a": np.array([1.0, -2.0])}, r"a\[1\] is -2: money and counts must not be negative"),
        ({"a": np.ones(3)}, "no feature differs between people"),
        ({"a": np.ones(3), "b": np.ones(2)}, "a has 3, b has 2"),
    ],
)
def test_unusable_features_are_told(numbers: dict[str, Floats], told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit_scaling(numbers, logged=["a"])


def test_a_feature_of_the_fit_that_is_not_given_is_named() -> None:
    numbers, categories, _ = company()
    with pytest.raises(InputError, match="by spend as well"):
        scaled(fit_scaling(numbers, categories), {"opened": numbers["opened"]}, categories)


def test_traits_are_what_was_planted_and_nothing_that_is_chance() -> None:
    numbers, categories, cluster = company()
    others, big = traits(fit_scaling(numbers, categories, logged=["spend"]), cluster, numbers, categories)
    told = {(one.feature, one.level) for one in big}
    assert told == {("spend", None), ("country", "DE")}
    spend = next(one for one in big if one.feature == "spend")
    frame = pd.DataFrame({"spend": numbers["spend"], "cluster": cluster})
    assert spend.inside == pytest.approx(frame[frame.cluster == 1].spend.median())
    assert spend.everybody == pytest.approx(frame.spend.median())
    country = next(one for one in big if one.feature == "country")
    shares = pd.crosstab(pd.Series(cluster), pd.Series(categories["country"]), normalize="index")
    assert country.inside == pytest.approx(shares.loc[1, "DE"])
    assert all(one.feature != "opened" for one in (*others, *big))


def test_names_say_the_strongest_first_and_are_not_given_twice() -> None:
    numbers, categories, cluster = company()
    found = traits(fit_scaling(numbers, categories, logged=["spend"]), cluster, numbers, categories)
    assert names([found[1], found[1], ()], {"spend": "spending"}) == (
        "high spending, country DE",
        "high spending, country DE 2",
        "like everybody",
    )
    assert names([()], taken=["like everybody"]) == ("like everybody 2",)


def test_a_limit_of_what_is_counted_is_a_whole_number() -> None:
    """Nobody orders one and a half times."""
    counts = np.repeat([1.0, 2.0, 3.0, 127.0, 128.0], 100)
    for least, told in ((2, "orders > 1"), (128, "orders > 127")):
        rule = distil(
            {"orders": counts}, (counts >= least).astype(np.int64), 1, seed=1, decimals={"orders": 0}
        )
        assert (rule.text(), rule.precision, rule.recall) == (told, 1, 1)


def test_a_distilled_rule_finds_the_cluster_and_says_how_well() -> None:
    numbers, _, cluster = company()
    rule = distil(numbers, cluster, 1, seed=1)
    (branch,) = rule.branches
    assert [bound.feature for bound in branch] == ["spend"]
    low = branch[0].low
    assert low is not None
    assert 199 < low < 501
    assert rule.text({"spend": "sum(purchase.amount)"}) == f"sum(purchase.amount) > {low:g}"
    assert (rule.precision, rule.recall, rule.fidelity) == (1.0, 1.0, 1.0)


def test_fidelity_is_counted_on_people_the_tree_has_not_seen() -> None:
    random = np.random.default_rng(3)
    features = {"a": random.normal(size=2_000), "b": random.normal(size=2_000)}
    chance = distil(features, random.integers(2, size=2_000), 1, seed=1)
    assert chance.precision < 0.6  # nothing to be learned, though a tree always learns something


def test_who_lacks_a_feature_is_found_by_its_lack_and_by_no_limit_of_it() -> None:
    numbers, _, cluster = company()
    numbers["spend"][cluster == 0] = np.nan
    rule = distil(numbers, cluster, 0, seed=1)
    assert rule.text() == "spend is missing"
    assert rule.fidelity == 1.0
    others = distil(numbers, cluster, 1, seed=1)
    assert "spend <= -" not in others.text()
