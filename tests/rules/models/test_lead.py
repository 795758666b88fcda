"""Lead scores: points against closed forms, bands against published intervals."""

from __future__ import annotations

import math
import tracemalloc
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from rules.models.columns import Bools, Floats, InputError, Severity
from rules.models.lead import (
    Coded,
    Scorecard,
    backtest,
    coefficients,
    leaks,
    learn,
    matrix,
    wilson,
)

NAN = float("nan")


@cache
def leads() -> tuple[dict[str, list[str]], Bools]:
    """4,000 leads: size and country matter, colour does not."""
    draw = np.random.default_rng(8)
    size = draw.choice(["1-9", "10-49", "50+"], 4000, p=[0.5, 0.3, 0.2])
    country = draw.choice(["DE", "FR", ""], 4000, p=[0.6, 0.3, 0.1])
    colour = draw.choice(["red", "blue"], 4000)
    odds = -2.5 + 1.5 * (size == "50+") + 0.5 * (size == "10-49") - 0.8 * (country == "FR")
    features = {"size": size.tolist(), "country": country.tolist(), "colour": colour.tolist()}
    return features, draw.random(4000) < expit(odds)


def test_points_of_one_feature_are_the_logarithms_of_its_odds_ratios() -> None:
    features, won = leads()
    card, notices = learn({"size": features["size"]}, won, ridge=0.0, scale=1000.0)
    assert card is not None
    assert notices == ()

    def log_odds(value: str) -> float:
        rate = won[np.array(features["size"]) == value].mean()
        return math.log(rate / (1 - rate))

    common = log_odds("1-9")
    assert card.points["size"] == {
        value: pytest.approx(1000 * (log_odds(value) - common), abs=1) for value in ("10-49", "50+")
    }


def test_coefficients_solve_the_equations_of_the_likelihood() -> None:
    features, won = leads()
    design = one_hot(features)
    beta = coefficients(design, won, ridge=3.0)
    with_constant = np.column_stack([np.ones(4000), design])
    unexplained = with_constant.T @ (won - expit(with_constant @ beta))
    assert unexplained == pytest.approx(3.0 * np.array([0, *beta[1:]]), abs=1e-3)


def one_hot(features: dict[str, list[str]]) -> Floats:
    """By pandas: one column per value in the order of the alphabet, but for the commonest of each feature."""
    table = pd.DataFrame(features)[sorted(features)]
    every = pd.get_dummies(table, dtype=float, prefix_sep="=")
    return every.drop(columns=[f"{name}={table[name].mode().min()}" for name in table]).to_numpy()


def test_points_of_leads_that_are_alike_are_those_of_a_column_per_value_and_a_row_per_lead() -> None:
    features, won = leads()
    card, _ = learn(features, won, scale=1e9)
    assert card is not None
    found = [each for name in sorted(card.points) for _, each in sorted(card.points[name].items())]
    # The search ends where the loss is flat to 1e-15 of it; of the exact ones it is then some 2e-7 off.
    assert np.array(found) / 1e9 == pytest.approx(
        coefficients(one_hot(features), won, ridge=1.0)[1:], abs=5e-7
    )


def test_coded_columns_are_learned_and_scored_as_their_values_are() -> None:
    """Whatever the order of the values; one that nobody has gets no points."""
    features, won = leads()
    coded = {}
    for name, values in features.items():
        known = ["nobody's", *sorted(set(values), reverse=True)]
        coded[name] = Coded(known, np.array([known.index(value) for value in values], dtype=np.int32))
    card, _ = learn(coded, won)
    assert card is not None
    assert learn(features, won)[0] == card
    assert card.score(coded).tolist() == card.score(features).tolist()
    assert card.score({name: one.part(5, 9) for name, one in coded.items()}).tolist() == (
        card.score(features)[5:9].tolist()
    )


def test_learning_takes_no_cell_per_lead_and_value() -> None:
    """100,000 leads with 300 titles: a table of 0 and 1 alone would be 240 MB."""
    draw = np.random.default_rng(4)
    titles = Coded([f"title {n}" for n in range(300)], draw.integers(0, 300, 100_000).astype(np.int32))
    won = draw.random(100_000) < 0.1
    tracemalloc.start()
    try:
        card, _ = learn({"title": titles}, won)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert card is not None
    assert len(card.points["title"]) == 299
    assert peak < 100 * 100_000  # bytes


def test_learned_points_are_ten_times_what_made_the_leads_convert() -> None:
    card, _ = learn(*leads())
    assert card is not None
    assert card.points["size"] == {"10-49": pytest.approx(5, abs=2), "50+": pytest.approx(15, abs=2)}
    assert card.points["country"]["FR"] == pytest.approx(-8, abs=2)
    assert abs(next(iter(card.points["colour"].values()))) <= 2


def test_a_value_that_always_converts_has_finite_points() -> None:
    _, won = leads()
    certain = {"reply": ["yes" if each else "no" for each in won]}
    card, _ = learn(certain, won)
    assert card is not None
    assert 50 < card.points["reply"]["yes"] < 200


def test_the_order_of_leads_changes_no_point() -> None:
    features, won = leads()
    mixed = np.random.default_rng(1).permutation(4000)
    shuffled = {name: [values[at] for at in mixed] for name, values in features.items()}
    assert learn(shuffled, won[mixed]) == learn(features, won)


def test_few_conversions_learn_nothing() -> None:
    features = {"size": ["1-9", "50+"] * 200}
    card, (notice,) = learn(features, [True] * 99 + [False] * 301)
    assert card is None
    assert (notice.code, notice.severity) == ("lead.few_outcomes", Severity.REFUSAL)
    assert "99 conversions; learned points need 100" in notice.message
    assert learn(features, [True] * 100 + [False] * 300)[0] is not None


def test_points_of_a_group_are_capped_together() -> None:
    card = Scorecard(
        {"size": {"50+": 20}, "budget": {"high": 25, "low": -5}, "country": {"DE": 3}},
        groups={"size": "company", "budget": "company"},
        caps={"company": 30},
    )
    features = {
        "size": ["50+", "50+", "1-9"],
        "budget": ["high", "low", "unheard of"],
        "country": ["DE", "FR", ""],
    }
    assert card.score(features).tolist() == [33, 15, 0]
    with pytest.raises(InputError, match="budget has points but no column"):
        card.score({"size": ["50+"]})
    with pytest.raises(InputError, match="size has 1, budget has 2"):
        card.score({"size": ["50+"], "budget": ["high", "low"]})


@pytest.mark.parametrize(
    ("wins", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_of_rates_are_the_published_ones(wins: int, of: int, low: float, high: float) -> None:
    assert wilson(wins, of) == pytest.approx((low, high), abs=1e-4)


def test_a_card_is_judged_on_later_leads_by_bands_and_lift() -> None:
    features, won = leads()
    first = {name: values[:2000] for name, values in features.items()}
    after = {name: values[2000:] for name, values in features.items()}
    card, _ = learn(first, won[:2000])
    assert card is not None
    found = backtest(card, after, won[2000:], edges=(0, 10))
    scores = card.score(after)
    for band, inside in zip(
        found.bands, (scores >= 10, (scores >= 0) & (scores < 10), scores < 0), strict=True
    ):
        assert (band.leads, band.converted) == (inside.sum(), won[2000:][inside].sum())
        assert band.rate == pytest.approx(won[2000:][inside].mean())
        assert (band.low, band.high) == wilson(band.converted, band.leads)
    assert found.base_rate == won[2000:].mean()
    assert found.lift == pytest.approx(found.bands[0].rate / found.base_rate)
    assert found.lift > 1.5
    assert found.bands[0].low > found.bands[1].high
    assert found.auc > 0.6 > found.naive_auc == 0.5
    assert found.notices == ()


def test_points_that_rank_no_better_than_those_set_by_hand_are_not_offered() -> None:
    features, won = leads()
    card, _ = learn({"colour": features["colour"]}, won)
    assert card is not None
    by_hand = Scorecard({"size": {"50+": 2, "10-49": 1}})
    found = backtest(card, features, won, edges=(0,), by_hand=by_hand)
    assert found.naive_auc > found.auc
    assert [(n.code, n.severity) for n in found.notices] == [("lead.baseline_wins", Severity.REFUSAL)]
    with pytest.raises(InputError, match="there is no row"):
        backtest(by_hand, {"size": []}, [], edges=(0,))


def test_fit_and_engagement_stay_two_letters_of_a_matrix() -> None:
    found = matrix(
        [50, 49, 20, 19, 99],
        [0.9, 0.4, 0.39, 0.95, NAN],
        fit_at_least=(50, 20),
        engaged_at_least=(0.9, 0.4),
    )
    assert found == ("A1", "B2", "B3", "C1", "A-")
    with pytest.raises(InputError, match=r"fit_at_least is 20, 50: the higher bound comes first"):
        matrix([1], [1], fit_at_least=(20, 50), engaged_at_least=(1, 0))


def test_features_that_are_filled_after_conversion_are_told() -> None:
    won = [10.0] * 20 + [NAN] * 5
    demo = [11.0] * 2 + [9.0] * 18 + [99.0] * 5
    rare = [11.0] + [10.0] * 19 + [99.0] * 5
    found = leaks({"demo booked": demo, "late": rare, "never": [NAN] * 25}, won)
    assert [notice.message for notice in found] == [
        "Feature demo booked is filled after conversion for 10.0% of converters: leave it out."
    ]
