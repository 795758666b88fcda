"""How likely offers are taken and what they are worth, against pandas and a store that is made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from rules.models.acceptance import Items, Worth, choose, fit_bands, try_worth
from rules.models.columns import InputError, Severity
from rules.models.offers import Offers, fit, owned

FAMILIES, EACH, PEOPLE = 4, 6, 1_200
ITEMS = tuple(f"f{family}-{nth}" for family in range(FAMILIES) for nth in range(EACH))


def test_chances_are_the_rates_of_tenths_and_never_fall() -> None:
    draw = np.random.default_rng(2)
    scores = draw.exponential(size=8_000)
    taken = draw.random(8_000) < np.clip(scores / 2.5, 0, 0.9)
    found = fit_bands(scores, taken)
    rates = pd.Series(taken).groupby(pd.qcut(scores, 10, labels=False)).mean()
    assert rates.is_monotonic_increasing
    assert found.chances == pytest.approx(rates.tolist(), abs=1e-3)
    grown = found.of(scores * 7, found.edges(scores * 7))  # of a model of seven times the people
    assert (grown == found.of(scores, found.edges(scores))).all()
    falling = fit_bands(scores, draw.random(8_000) < 0.5 / (1 + scores))
    assert len(set(falling.chances)) == 1
    with pytest.raises(InputError, match="there is no offer"):
        fit_bands(np.zeros(0), np.zeros(0, np.bool_))


def test_the_offer_that_is_worth_most_is_chosen_and_none_that_costs_more_than_it_brings() -> None:
    items = Items(np.array([1_000.0, 5_000.0, np.nan]), np.array([10.0, 100.0, 0.0]))
    places = np.array([[0, 1], [0, 1], [0, 1], [0, 1]])
    scores = np.array([[2.0, 1.0], [2.0, 1.0], [2.0, -np.inf], [2.0, 1.0]])
    chances = np.array([[0.2, 0.1], [0.8, 0.1], [0.1, 0.9], [0.005, 0.01]])
    chosen, worth = choose(places, scores, chances, items)
    assert chosen.tolist() == [1, 0, 0, -1]  # 190 and 400; 790 and 400; 90, the other is none; -5 and -50
    assert worth.tolist()[:3] == [400.0, 790.0, 90.0]
    assert np.isnan(worth[3])


def shop(*, loyal: bool) -> tuple[Offers, sparse.csr_array, sparse.csr_array]:
    """Everybody buys three things and later perhaps two more: of their own family, or whatever there is."""
    draw = np.random.default_rng(5)
    rows = []
    for person in range(PEOPLE):
        family = person % FAMILIES
        mine = [EACH * family + nth for nth in range(EACH)] if loyal else range(len(ITEMS))
        for nth, item in enumerate(draw.choice(mine, 5, replace=False)):
            if nth < 3 or draw.random() < 0.5:
                rows.append((person, ITEMS[item], nth >= 3))
    frame = pd.DataFrame(rows, columns=["person", "item", "late"])
    parts = [frame[~frame["late"]], frame[frame["late"]]]
    offers = fit(parts[0]["person"].to_numpy(), parts[0]["item"].tolist())
    people = np.arange(PEOPLE)
    before, later = (owned(offers, one["person"].to_numpy(), one["item"].tolist(), people) for one in parts)
    return offers, before, later


def test_personal_offers_pay_where_people_differ_and_not_where_chance_decides() -> None:
    items = Items(np.full(len(ITEMS), 1_000.0), np.full(len(ITEMS), 20.0))
    _, found = try_worth(*shop(loyal=True), items)
    assert found.better, found
    assert found.personal > 2 * found.single
    assert found.capped == pytest.approx(found.personal - found.single), "no sale brings more than others"
    assert (found.capped_low, found.capped_high) == pytest.approx((found.low, found.high))
    assert found.notices == ()
    bands, lost = try_worth(*shop(loyal=False), items)
    assert not lost.better
    assert lost.notices[0].code == "nbo.no_gain"
    assert "not proven better" in lost.notices[0].message
    assert max(bands.chances) < 0.2


def test_one_item_that_brings_nearly_all_is_the_best_single_offer() -> None:
    margin = np.full(len(ITEMS), 10.0)
    margin[ITEMS.index("f2-3")] = 100_000.0
    _, found = try_worth(*shop(loyal=False), Items(margin, np.zeros(len(ITEMS))))
    assert found.item == "f2-3"
    assert not found.better


def test_a_gain_that_rests_on_a_few_large_sales_is_told() -> None:
    sure = Worth(1_200, 300.0, 100.0, "cup", 90.0, 310.0, 150.0, 80.0, 220.0)
    assert sure.notices == ()
    few = replace(sure, capped=20.0, capped_low=-10.0, capped_high=50.0)
    (told,) = few.notices
    assert (told.code, told.severity) == ("exp.outlier_driven", Severity.WARNING)
    assert "+2.000 more a person rests on a few large sales: +0.200 (-0.100 to +0.500)" in told.message
    assert few.better, "it is told, and the offers are still made"


def test_where_nothing_pays_nobody_is_offered_anything() -> None:
    _, found = try_worth(*shop(loyal=True), Items(np.full(len(ITEMS), 10.0), np.full(len(ITEMS), 50.0)))
    assert (found.item, found.personal, found.single, found.better) == (None, 0.0, 0.0, False)
    assert "no offer at all" in found.notices[0].message


def test_a_reason_names_what_is_owned_with_support_and_lift() -> None:
    offers, before, _ = shop(loyal=True)
    places, _ = offers.leading(before, most=1)
    chosen = np.where(np.arange(PEOPLE) == 7, -1, places[:, 0])
    reasons = offers.reasons(before, chosen)
    has = before.toarray() > 0
    assert reasons[7] is None
    for person in (0, 1, 2, 3, 400):
        speaks = np.where(has[person], offers.alike[:, chosen[person]].toarray().ravel(), -1)
        item = int(speaks.argmax())
        both = int((has[:, item] & has[:, chosen[person]]).sum())
        lift = both * PEOPLE / (has[:, item].sum() * has[:, chosen[person]].sum())
        assert reasons[person] == (
            f"bought together with {offers.items[item]} {both} times, {lift:.1f} times more than chance"
        )
