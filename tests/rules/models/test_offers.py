"""Offers on Online Retail by a time split, and the formula written out item by item."""

from __future__ import annotations

import math
from functools import cache
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from rules.models.columns import InputError
from rules.models.offers import Compared, Offers, compare, fit, owned
from tests.rules.models.retail import clean_lines

SPLIT = pd.Timestamp("2011-09-01")


@cache
def lines() -> pd.DataFrame:
    """Products only: their codes begin with five digits."""
    rows = clean_lines()
    return rows[rows["StockCode"].str.match(r"\d{5}")]


@cache
def compared() -> tuple[Offers, Compared]:
    """Fitted before the split, judged by what is new to people after it."""
    early, late = lines()[lines()["InvoiceDate"] < SPLIT], lines()[lines()["InvoiceDate"] >= SPLIT]
    offers = fit(early["CustomerID"].to_numpy(), early["StockCode"].tolist())
    people = np.unique(early["CustomerID"].to_numpy())
    both = (
        owned(offers, part["CustomerID"].to_numpy(), part["StockCode"].tolist(), people)
        for part in (early, late)
    )
    return offers, compare(offers, *both)


def test_online_retail_is_served_better_than_by_what_is_popular() -> None:
    """The reference: BM25 was clearly first, and beats popularity."""
    offers, found = compared()
    assert found.better, found
    assert found.personal > 1.2 * found.popular
    assert found.notices == ()
    early = lines()[lines()["InvoiceDate"] < SPLIT]
    buyers = early.groupby("StockCode")["CustomerID"].nunique()
    assert offers.items == tuple(sorted(buyers[buyers >= 20].index))
    assert offers.excluded == int((buyers < 20).sum())
    assert offers.buyers.tolist() == buyers[list(offers.items)].tolist()


def test_the_hit_rate_of_popularity_is_that_of_pandas() -> None:
    _, found = compared()
    early, late = lines()[lines()["InvoiceDate"] < SPLIT], lines()[lines()["InvoiceDate"] >= SPLIT]
    buyers = early.groupby("StockCode")["CustomerID"].nunique()
    ranked = buyers[buyers >= 20].sort_index().sort_values(ascending=False, kind="stable").index.tolist()
    had = early[early["StockCode"].isin(ranked)].groupby("CustomerID")["StockCode"].agg(set)
    got = late[late["StockCode"].isin(ranked)].groupby("CustomerID")["StockCode"].agg(set)
    hits = []
    for person in had.index.intersection(got.index):
        new = got[person] - had[person]
        if new:
            offered = islice((one for one in ranked if one not in had[person]), 10)
            hits.append(bool(new & set(offered)))
    assert (found.people, found.popular) == (len(hits), pytest.approx(np.mean(hits)))


def test_where_everybody_buys_by_chance_no_gain_is_told() -> None:
    random = np.random.default_rng(3)
    items = np.array([f"i{number}" for number in range(40)])
    rows = pd.DataFrame(
        [(person, one) for person in range(600) for one in random.choice(items, 8, replace=False)],
        columns=["person", "item"],
    )
    half = np.arange(len(rows)) % 8 < 4
    early, late = rows[half], rows[~half]
    offers = fit(early["person"].to_numpy(), early["item"].tolist())
    people = np.unique(early["person"].to_numpy())
    both = (owned(offers, part["person"].to_numpy(), part["item"].tolist(), people) for part in (early, late))
    found = compare(offers, *both)
    assert not found.better
    assert found.notices[0].code == "nbo.no_gain"


def test_the_formula_is_that_of_the_reference() -> None:
    bought = {1: "ab", 2: "abc", 3: "bc", 4: "ad", 5: "abd", 6: "cd"}
    person = np.array([who for who, some in bought.items() for _ in some])
    item = [one for some in bought.values() for one in some]
    offers = fit(person, item, least_buyers=1)
    popular = {one: item.count(one) for one in "abcd"}
    mean = sum(popular.values()) / 4

    def weight(who: int, one: str) -> float:
        if one not in bought[who]:
            return 0.0
        length = 1 - 0.75 + 0.75 * popular[one] / mean
        return 2.2 / (1.2 * length + 1) * (math.log(4) - math.log(1 + len(bought[who])))

    for row, a in enumerate("abcd"):
        for column, b in enumerate("abcd"):
            expected = 0.0 if a == b else sum(weight(who, a) * weight(who, b) for who in bought)
            assert offers.alike[row, column] == pytest.approx(expected), (a, b)


def test_what_somebody_owns_is_not_offered_and_who_owns_nothing_gets_nothing() -> None:
    person = np.array([1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7])
    item = ["tea", "cup", "tea", "cup", "tea", "pot", "pot", "jar", "jar", "jar", "tea"]
    offers = fit(person, item, least_buyers=1)
    people = np.array([7, 8, 9])
    mine = owned(offers, np.array([7, 8, 8, 8, 8, 8]), ["tea", "tea", "cup", "pot", "jar", "unknown"], people)
    assert offers.best(mine) == ("cup", None, None)


def test_items_with_few_buyers_are_left_out_and_told() -> None:
    person = np.repeat(np.arange(30), 2)
    item = ["a", "b"] * 29 + ["a", "rare"]
    offers = fit(person, item)
    assert (offers.items, offers.excluded) == (("a", "b"), 1)
    assert offers.notices[0].message == "1 items are not offered: fewer than 20 people bought them."
    with pytest.raises(InputError, match="fewer than two items have 20 buyers"):
        fit(np.array([1, 2]), ["a", "b"])


def test_where_nobody_has_two_of_the_items_nothing_is_offered() -> None:
    people = np.arange(200)
    offers = fit(people, [f"i{each % 4}" for each in people])
    mine = owned(offers, people, [f"i{each % 4}" for each in people], people)
    assert offers.best(mine) == (None,) * 200
    assert offers.reasons(mine, np.full(200, -1)) == (None,) * 200
