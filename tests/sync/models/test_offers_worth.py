"""Offers by what they are worth: chance, margin, cost, stock; who is asked at all; what is bought again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sync.config.modelling import ContactRules, OffersSettings, ProductTable, RfmSettings
from sync.errors import UserError
from sync.models.keeping import keep
from sync.models.products import read_products
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState, ModelVersion
from tests.sync.models.made import days_before, facts, put_activity, put_people

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FAMILIES, EACH, PEOPLE = 4, 6, 900
ITEMS = [f"f{family}-{nth}" for family in range(FAMILIES) for nth in range(EACH)]
SUPPRESSED, MAILED = range(1, 40), range(40, 80)
PLAIN = OffersSettings(items="product")
FACTS = ("next_offer", "next_offer_reason", "buy_again")


def orders() -> pd.DataFrame:
    """Everybody buys things of one family: three long ago, perhaps others lately, and some of them twice."""
    draw = np.random.default_rng(4)
    rows = []
    for person in range(1, PEOPLE + 1):
        mine = draw.permutation(EACH) + EACH * (person % FAMILIES)
        first = [(person, ITEMS[item], draw.integers(120, 300)) for item in mine[:3]]
        rows += first
        rows += [(person, ITEMS[item], draw.integers(1, 60)) for item in mine[3:5] if draw.random() < 0.4]
        for _, item, age in first[: draw.integers(0, 3)]:
            rows.append((person, item, age - 20))
            if draw.random() < 0.4:
                rows.append((person, item, draw.integers(1, 60)))
    return pd.DataFrame(rows, columns=["person", "product", "age"])


def put(store: Store) -> pd.DataFrame:
    rows = orders()
    numbers = range(1, PEOPLE + 1)
    put_people(store, numbers, suppressed=pa.array([one in SUPPRESSED for one in numbers]))
    at = days_before(NOW, rows["age"])
    put_activity(
        store, "purchase", pd.DataFrame({"person": rows["person"], "at": at, "product": rows["product"]})
    )
    mailed = pd.DataFrame({"person": [*MAILED, *MAILED, *range(80, 120)]})
    mailed["at"] = days_before(NOW, [1.0] * len(mailed))
    put_activity(store, "email_sent", mailed)
    return rows


def table(folder: Path, **changed: str) -> ProductTable:
    """Margins from 1 to 24, an offer costs 0.05; the last item of each family is out of stock."""
    lines = ["sku,kept,letter,pieces"]
    for place, item in enumerate(ITEMS):
        lines.append(changed.get(item, f"{item},{place + 1},0.05,{0 if place % EACH == EACH - 1 else ''}"))
    file = folder / "products.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ProductTable(str(file), item="sku", margin="kept", cost="letter", stock="pieces")


def fitted(store: Store, settings: OffersSettings) -> ModelVersion:
    return keep(store, {"offers": settings}, as_of=NOW, currency="EUR").fitted[0]


def test_the_next_offer_is_the_one_with_the_most_worth_among_those_who_may_be_asked(
    lake_store: Store, tmp_path: Path
) -> None:
    rows = put(lake_store)
    rules = ContactRules(most=2)
    version = fitted(lake_store, replace(PLAIN, table=table(tmp_path), contact=rules))
    assert version.state is ModelState.FITTED, version.document["notices"]
    found = facts(lake_store, *FACTS, "next_offer_value")
    kept, bands = version.document["parameters"], version.document["parameters"]["bands"]
    items = kept["items"]
    alike = np.zeros((len(items), len(items)))
    for row, some in enumerate(kept["alike"]):
        for place, weight, _ in some:
            alike[row, place] = weight
    expected = {}
    for person, had in rows.groupby("person")["product"].agg(set).items():
        scores = sum(alike[items.index(item)] for item in had)
        some = sorted(
            (place for place in range(len(items)) if scores[place] > 0 and items[place] not in had),
            key=lambda place: -scores[place],
        )
        in_stock = [place for place in some if not items[place].endswith(f"-{EACH - 1}")]
        worth = {
            place: bands["chances"][int(np.searchsorted(bands["edges"], scores[place], side="right"))]
            * (ITEMS.index(items[place]) + 1) * 100 - 5
            for place in in_stock[:10]
        }  # fmt: skip
        best = max(worth, key=lambda place: worth[place], default=None)
        if best is not None and worth[best] > 0:
            expected[person] = (items[best], worth[best])
    asked = found.drop([*SUPPRESSED, *MAILED])
    assert found.loc[[*SUPPRESSED, *MAILED]].isna().all().all()
    assert asked["next_offer"].notna().sum() > 700
    for person, offer, value in asked[["next_offer", "next_offer_value"]].itertuples():
        if person not in expected:
            assert pd.isna(offer)
            continue
        assert value == pytest.approx(expected[person][1], abs=1)
        assert offer == expected[person][0]
    assert not found["next_offer"].dropna().str.endswith(f"-{EACH - 1}").any()
    assert not found["buy_again"].dropna().str.endswith(f"-{EACH - 1}").any()
    worth = version.document["baseline"]["worth"]
    assert worth["personal"] > worth["single"] > 0
    told = " ".join(words("offers", version.document, currency="EUR"))
    assert f"offers by worth would have brought {worth['personal'] / 100:.3f} a person" in told
    assert "chance that an offer is taken, by tenths of its score" in told


def test_stock_and_margins_are_those_of_the_day_without_a_new_fit(lake_store: Store, tmp_path: Path) -> None:
    put(lake_store)
    settings = replace(PLAIN, table=table(tmp_path))
    fitted(lake_store, settings)
    before = facts(lake_store, "next_offer")["next_offer"]
    sold_out = before.mode()[0]
    table(tmp_path, **{sold_out: f"{sold_out},20,0.05,0"})
    assert keep(lake_store, {"offers": settings}, as_of=NOW, currency="EUR").fitted == []
    after = facts(lake_store, "next_offer")["next_offer"]
    assert (before == sold_out).any()
    assert not (after == sold_out).any()


@pytest.mark.parametrize("fault", ["gone", "in a line"])
def test_a_table_that_cannot_be_read_holds_the_facts_of_offers_and_nothing_else(
    lake_store: Store, tmp_path: Path, fault: str
) -> None:
    put(lake_store)
    settings = replace(PLAIN, table=table(tmp_path))
    models = {"offers": settings, "rfm": RfmSettings()}
    keep(lake_store, models, as_of=NOW, currency="EUR")
    told = (*FACTS, "next_offer_value")
    before = facts(lake_store, *told)
    file = tmp_path / "products.csv"
    if fault == "gone":
        file.unlink()
        why = f"{file}: the table of products cannot be read (No such file or directory); put it there"
    else:
        table(tmp_path, **{ITEMS[2]: f"{ITEMS[2]},dear,0.05,"})
        why = "products.csv, line 4: kept is no number; write it like 4.20"
    put_people(lake_store, [*range(1, PEOPLE + 1), 5_000])
    bought = pd.DataFrame({"person": [5_000], "at": days_before(NOW, [1.0]), "product": [ITEMS[0]]})
    put_activity(lake_store, "purchase", bought)
    later = NOW + dt.timedelta(days=400)  # offers are due
    kept = keep(lake_store, models, as_of=later, currency="EUR", asked=("rfm",))
    assert list(kept.held) == ["offers"]
    assert kept.held["offers"].startswith(why)
    assert [one.model for one in kept.fitted] == ["rfm"]
    after = facts(lake_store, *told)
    assert before["next_offer"].notna().any()
    assert after.drop(index=5_000).equals(before)
    assert after.loc[5_000].isna().all()
    assert facts(lake_store, "rfm.frequency")["rfm.frequency"][5_000] == 1_000_000

    table(tmp_path)
    again = keep(lake_store, models, as_of=later, currency="EUR")
    assert (again.held, [one.model for one in again.fitted]) == ({}, ["offers"])


def test_a_table_that_was_never_read_leaves_the_facts_of_offers_missing_but_known(
    lake_store: Store, tmp_path: Path
) -> None:
    put(lake_store)
    settings = replace(PLAIN, table=ProductTable(str(tmp_path / "products.csv")))
    kept = keep(lake_store, {"offers": settings}, as_of=NOW, currency="EUR")
    assert list(kept.held) == ["offers"]
    assert (kept.fitted, kept.notices, kept.used) == ([], [], {})
    assert facts(lake_store, *FACTS, "next_offer_value").isna().all().all()


def test_one_item_that_brings_nearly_everything_is_told_and_no_fact_unless_forced(
    lake_store: Store, tmp_path: Path
) -> None:
    put(lake_store)
    rich = {item: f"{item},{100_000 if item == 'f1-2' else 0},0," for item in ITEMS}
    settings = replace(PLAIN, table=table(tmp_path, **rich))
    version = fitted(lake_store, settings)
    assert version.state is ModelState.NO_BETTER
    (message,) = [one["message"] for one in version.document["notices"] if one["code"] == "nbo.no_gain"]
    assert "a person, best single offer (f1-2) " in message
    assert facts(lake_store, *FACTS).isna().all().all()
    keep(lake_store, {"offers": replace(settings, force=True)}, as_of=NOW, currency="EUR")
    assert facts(lake_store, "next_offer")["next_offer"].notna().any()


def test_without_a_table_everybody_is_told_what_goes_best_and_what_is_bought_again(lake_store: Store) -> None:
    rows = put(lake_store)
    version = fitted(lake_store, PLAIN)
    found = facts(lake_store, *FACTS)
    assert found["next_offer"].notna().mean() > 0.9
    assert (
        found.loc[list(SUPPRESSED), "next_offer"].notna().any()
    )  # as long as no rule of contact is asked for

    times = (
        rows.groupby(["person", "product"]).agg(days=("age", "nunique"), latest=("age", "min")).reset_index()
    )
    again = times[times["days"] >= 2]
    by = version.document["baseline"]["again"]["used"]
    order = ["days", "latest"] if by == "often" else ["latest", "days"]
    first = (
        again.sort_values([*order, "product"], ascending=[key != "days" for key in order] + [True])
        .groupby("person")["product"]
        .first()
    )
    assert found["buy_again"].dropna().to_dict() == first.to_dict()

    has = pd.crosstab(rows["person"], rows["product"]) > 0
    for person in (1, 2, 3, 500):
        offer, reason = found.loc[person, ["next_offer", "next_offer_reason"]]
        item = reason.split(" with ")[1].split(" ")[0]
        both = int((has[item] & has[offer]).sum())
        lift = both * PEOPLE / (has[item].sum() * has[offer].sum())
        assert has.loc[person, item]
        assert reason == f"bought together with {item} {both} times, {lift:.1f} times more than chance"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sku,price\na,1\n",
            "products.csv, line 1: there is no column kept, but sku, price: name the right one by margin",
        ),
        ("sku,kept\na,1\na,2\n", "products.csv, line 3: a is there twice"),
        ("sku,kept\na,many\n", "products.csv, line 2: kept is no number; write it like 4.20"),
        ("sku,kept\na,\n", "products.csv, line 2: kept is empty"),
        ("sku,kept\na,1\n ,2\n", "products.csv, line 3: sku is empty; write the item"),
        (f"sku,kept\na,1\nb,{'x' * 200_000}\n", "products.csv, line 2: from here on it is no CSV"),
        ("", "products.csv, line 1: there is no column sku, but none"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "products.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_products(ProductTable(str(file), item="sku", margin="kept"))
    assert message in str(caught.value)
