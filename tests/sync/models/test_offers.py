"""Next best offer over the lake, on Online Retail: what the formula tells, and nothing that is owned."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from rules.models.offers import fit, owned
from sync.config.modelling import OffersSettings
from sync.models.keeping import keep
from sync.models.log import drawn
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState
from tests.rules.models.test_offers import lines
from tests.sync.models.made import facts, put_activity, put_people

NOW = dt.datetime(2011, 12, 10, tzinfo=dt.UTC)
OFFERS = OffersSettings(items="product", most=400)


def bought() -> pd.DataFrame:
    """Each product once per person and day."""
    rows = lines()
    return (
        pd.DataFrame(
            {
                "person": rows["CustomerID"].astype(int),
                "at": rows["InvoiceDate"].dt.floor("D").dt.tz_localize("UTC"),
                "product": rows["StockCode"].astype(str),
            }
        )
        .drop_duplicates()
        .reset_index(drop=True)
    )


def test_the_offers_of_online_retail_are_those_of_the_formula(lake_store: Store) -> None:
    rows = bought()
    people = np.unique(rows["person"])
    put_people(lake_store, [*people.tolist(), int(people.max()) + 1])
    put_activity(lake_store, "purchase", rows)
    (version,) = keep(lake_store, {"offers": OFFERS}, as_of=NOW, currency="GBP").fitted
    assert version.state is ModelState.FITTED
    baseline = version.document["baseline"]
    assert baseline["personal"] > 1.2 * baseline["popular"]
    assert f"{baseline['personal']:.1%} found it among ten offers" in " ".join(
        words("offers", version.document, currency="")
    )

    buyers = rows.groupby("product")["person"].nunique().sort_index()
    most = buyers.sort_values(ascending=False, kind="stable").index[:400]
    some = rows[rows["product"].isin(most)]
    offers = fit(some["person"].to_numpy(), some["product"].tolist())
    assert version.document["parameters"]["items"] == sorted(most)
    mine = owned(offers, some["person"].to_numpy(), some["product"].tolist(), people)
    found = facts(lake_store, "next_offer")["next_offer"]
    expected = pd.Series(offers.best(mine), index=people)
    same = (found.loc[people].fillna("") == expected.fillna("")).mean()
    assert same > 0.999  # weights are kept to seven figures, so two that are as good may change places
    had = some.groupby("person")["product"].agg(set)
    offered = found.dropna()
    assert not any(item in had.get(person, set()) for person, item in offered.items())
    assert pd.isna(found.iloc[-1])  # who bought nothing


def test_orders_that_name_nothing_are_refused_with_the_field(lake_store: Store) -> None:
    put_people(lake_store, [1, 2])
    rows = pd.DataFrame({"person": [1, 2], "at": [NOW - dt.timedelta(days=1)] * 2, "amount": [1, 2]})
    put_activity(lake_store, "purchase", rows)
    (version,) = keep(lake_store, {"offers": OffersSettings()}, as_of=NOW, currency="GBP").fitted
    (notice,) = version.document["notices"]
    assert version.state is ModelState.REFUSED
    assert notice["message"] == 'No purchase names what was bought: the field is "products".'


def test_too_few_buyers_are_refused(lake_store: Store) -> None:
    put_people(lake_store, range(1, 11))
    days = [NOW - dt.timedelta(days=day) for day in range(1, 101)]
    rows = pd.DataFrame(
        {"person": [1 + number % 10 for number in range(100)], "at": days, "product": ["a", "b"] * 50}
    )
    put_activity(lake_store, "purchase", rows)
    (version,) = keep(lake_store, {"offers": OFFERS}, as_of=NOW, currency="GBP").fitted
    assert version.state is ModelState.REFUSED
    assert "fewer than two items have 20 buyers" in version.document["notices"][0]["message"]
    assert facts(lake_store, "next_offer")["next_offer"].isna().all()


@pytest.mark.parametrize("most", [2, 400])
def test_only_the_most_bought_items_are_offered(lake_store: Store, most: int) -> None:
    rows = bought()
    rows = rows[rows["person"] % 7 == 0]
    put_people(lake_store, sorted(set(rows["person"])))
    put_activity(lake_store, "purchase", rows)
    settings = OffersSettings(items="product", most=most, force=True)
    keep(lake_store, {"offers": settings}, as_of=NOW, currency="GBP")
    assert facts(lake_store, "next_offer")["next_offer"].nunique() <= most


def test_of_many_buyers_exactly_so_many_are_drawn_the_same_ones_each_time(
    lake_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offers are then those of these people's orders alone."""
    monkeypatch.setattr("sync.models.offers.MOST_FITTED", 1500)
    rows = bought()
    people = np.unique(rows["person"])
    put_people(lake_store, people.tolist())
    put_activity(lake_store, "purchase", rows)
    (version,) = keep(lake_store, {"offers": OFFERS}, as_of=NOW, currency="GBP").fitted
    parameters = version.document["parameters"]
    chosen = sorted(people.tolist(), key=mixed)[:1500]
    some = rows[rows["person"].isin(chosen)]
    buyers = some.groupby("product")["person"].nunique().sort_index()
    most = buyers.sort_values(ascending=False, kind="stable").index[:400]
    assert parameters["items"] == sorted(most)
    assert parameters["buyers"] == buyers[sorted(most)].tolist()
    assert parameters["people"] == some[some["product"].isin(most)]["person"].nunique()


def mixed(person: int) -> int:
    """lowbias32 of the number with the seed, in whole numbers of Python."""
    found = person ^ 20_261
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        found = ((found ^ (found >> shift)) * factor) % (1 << 32)
    return found ^ (found >> 16)


@pytest.mark.parametrize("most", [0, 1, 999, 1000, 2000])
def test_a_draw_has_the_asked_number_and_does_not_depend_on_the_order(most: int) -> None:
    people = np.arange(1, 3001, 3, dtype=np.int64)
    backwards = people[::-1]
    found = people[drawn(people, most)]
    assert found.tolist() == sorted(sorted(people.tolist(), key=mixed)[:most])
    assert sorted(backwards[drawn(backwards, most)].tolist()) == found.tolist()
