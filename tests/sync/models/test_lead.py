"""Lead points over the lake: set by hand, learned from earlier leads, judged by later ones."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sync.config.modelling import DAY_S, LeadSettings
from sync.models.keeping import Kept, keep
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState
from sync.store.shapes import INSTANT
from tests.sync.models.made import days_before, facts, put_activity, put_people

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LEADS = 3000
LEAD = LeadSettings(features=("industry", "country"), within_s=30 * DAY_S)
BY_HAND = replace(LEAD, points={"country": {"de": 10, "fr": -5}})
WORTH = {"Software": 0.5, "Retail": 0.2, "Farming": 0.05, None: 0.1}


def leads() -> pd.DataFrame:
    """Software converts often, farms hardly; the country says nothing."""
    draw = np.random.default_rng(5)
    industry = draw.choice(np.array([*WORTH], dtype=object), LEADS)
    return pd.DataFrame(
        {
            "person": range(1, LEADS + 1),
            "industry": industry,
            "country": draw.choice(["DE", "FR", "AT"], LEADS),
            "age": np.sort(draw.uniform(0, 400, LEADS))[::-1],
            "won": draw.random(LEADS) < [WORTH[one] for one in industry],
        }
    )


def put(store: Store, rows: pd.DataFrame) -> None:
    def texts(name: str) -> dict[str, pa.Array]:
        plain = pa.array([None if pd.isna(one) else str(one) for one in rows[name]], pa.string())
        folded = pa.array([None if pd.isna(one) else str(one).casefold() for one in rows[name]], pa.string())
        return {name: plain, f"{name}__ci": folded}

    came = pa.array(days_before(NOW, rows["age"]), INSTANT)
    put_people(store, rows["person"], signed_up=came, **texts("industry"), **texts("country"))
    won = rows[rows["won"] & (rows["age"] > 11)]
    late = rows[~rows["won"] & (rows["age"] > 101)][:300]  # too late to count
    at = [*days_before(NOW, won["age"] - 10), *days_before(NOW, late["age"] - 100)]
    put_activity(store, "purchase", pd.DataFrame({"person": [*won["person"], *late["person"]], "at": at}))


def kept(store: Store, model: LeadSettings, *, asked: bool = False) -> Kept:
    return keep(store, {"lead": model}, as_of=NOW, currency="EUR", asked=("lead",) if asked else ())


def fit_of(store: Store) -> pd.Series:
    found: pd.Series = facts(store, "fit")["fit"]
    return found / 1_000_000


def test_points_are_learned_from_earlier_leads_and_beat_those_set_by_hand_on_later_ones(store: Store) -> None:
    rows = leads()
    put(store, rows)
    (version,) = kept(store, BY_HAND).fitted
    parameters, baseline = version.document["parameters"], version.document["baseline"]
    known = rows[rows["age"] >= 30]
    assert version.document["data"]["leads"] == len(known)
    assert baseline["leads"] == len(known) - int(0.7 * len(known))
    assert (version.state, parameters["learned"]) == (ModelState.FITTED, True)
    assert baseline["auc_leads"] > 0.65 > 0.55 > baseline["naive_auc"]
    assert baseline["lift"] > 1.5
    early = known.iloc[: int(0.7 * len(known))]
    odds = early.groupby(early["industry"].fillna(""))["won"].mean().pipe(lambda p: np.log(p / (1 - p)))
    points = {
        **dict.fromkeys(odds.index, 0),
        **{k.title(): v for k, v in parameters["points"]["industry"].items()},
    }
    apart = (points["Software"] - points["Farming"]) / 10
    assert apart == pytest.approx(odds["Software"] - odds["Farming"], abs=0.25)
    told = words("lead", version.document, currency="EUR")
    assert told[0].startswith("points learned from earlier leads")
    assert "later leads: who converts is ranked rightly in" in told[-1]


def test_everybody_has_the_points_of_their_values_and_of_unknown_ones(lake_store: Store) -> None:
    rows = leads()
    put(lake_store, rows)
    (version,) = kept(lake_store, LEAD).fitted
    points = version.document["parameters"]["points"]
    expected = sum(
        rows[name].fillna("").str.casefold().map(lambda value, own=points[name]: own.get(value, 0))
        for name in LEAD.features
    )
    assert fit_of(lake_store).tolist() == expected.tolist()
    assert len(set(expected)) > 6


def test_with_few_conversions_the_points_set_by_hand_are_the_fact(lake_store: Store) -> None:
    rows = leads()
    rows["won"] &= rows["person"] % 20 == 0
    put(lake_store, rows)
    (version,) = kept(lake_store, BY_HAND).fitted
    assert version.state is ModelState.FITTED
    assert version.document["parameters"]["learned"] is False
    (notice,) = version.document["notices"]
    assert (notice["code"], notice["severity"]) == ("lead.few_outcomes", "warning")
    assert "conversions; learned points need 100" in notice["message"]
    expected = rows["country"].map({"DE": 10, "FR": -5, "AT": 0})
    assert fit_of(lake_store).tolist() == expected.tolist()


def test_with_few_conversions_and_no_points_nobody_has_any_and_what_is_missing_is_told(
    lake_store: Store,
) -> None:
    rows = leads()
    rows["won"] &= rows["person"] % 20 == 0
    put(lake_store, rows)
    found = kept(lake_store, LEAD)
    assert [one.state for one in found.fitted] == [ModelState.REFUSED]
    assert "conversions; learned points need 100: set them by hand." in found.notices[0]
    assert fit_of(lake_store).isna().all()


def test_points_set_by_hand_that_rank_later_leads_as_well_stay(lake_store: Store) -> None:
    """The points by hand are the truth; those learned come from leads of whom another industry won."""
    rows = leads()
    old = rows["age"] > 130
    rows.loc[old, "won"] = (rows["industry"] == "Farming") & (rows["person"] % 2 == 0)
    put(lake_store, rows)
    model = replace(LEAD, points={"industry": {"software": 30, "retail": 10}})
    (version,) = kept(lake_store, model).fitted
    assert version.document["parameters"]["learned"] is False
    (notice,) = version.document["notices"]
    assert (notice["code"], notice["severity"]) == ("lead.baseline_wins", "note")
    assert "The points set by hand are used." in notice["message"]
    expected = rows["industry"].map({"Software": 30, "Retail": 10}).fillna(0)
    assert fit_of(lake_store).tolist() == expected.tolist()


def test_points_that_rank_later_leads_like_a_coin_are_no_fact(lake_store: Store) -> None:
    rows = leads()
    put(lake_store, rows)
    (version,) = kept(lake_store, replace(LEAD, features=("country",))).fitted  # which says nothing
    assert version.state is ModelState.NO_BETTER
    (notice,) = version.document["notices"]
    assert "These points do not tell which later leads convert" in notice["message"]
    assert fit_of(lake_store).isna().all()
