"""Lead points over the lake: set by hand, learned from earlier leads, judged by later ones."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from sync.config.modelling import DAY_S, EngagementSettings, LeadGroup, LeadSettings
from sync.models.keeping import Kept, keep
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState
from sync.store.shapes import INSTANT
from sync.store.whole import overwrite
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
    late = known.iloc[int(0.7 * len(known)) :]
    worth = {name: parameters["points"][name] for name in LEAD.features}
    score = sum(late[name].fillna("").str.casefold().map(own).fillna(0) for name, own in worth.items())
    (place,) = (at for at, line in enumerate(told) if "later leads: who converts is ranked rightly" in line)
    below = np.inf
    for one, line in zip(baseline["bands"], told[place + 1 :], strict=True):
        least = -np.inf if one["at_least"] is None else one["at_least"]
        there = late["won"][(score >= least) & (score < below)]
        assert (one["leads"], one["converted"]) == (len(there), there.sum())
        low, high = binomtest(int(there.sum()), len(there)).proportion_ci(method="wilson")
        assert (one["low"], one["high"]) == pytest.approx((low, high))
        assert f"{there.sum()} of {len(there)} converted, {there.mean():.1%} ({low:.1%} to {high:.1%}" in line
        below = least


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
    keep(lake_store, {"lead": replace(LEAD, features=("country",), force=True)}, as_of=NOW, currency="EUR")
    assert fit_of(lake_store).notna().all()


def test_points_of_a_group_of_features_are_capped_together(lake_store: Store) -> None:
    rows = leads()
    rows["won"] &= rows["person"] % 20 == 0
    put(lake_store, rows)
    points = {"industry": {"software": 30, "retail": 10}, "country": {"de": 10, "fr": -5}}
    model = replace(LEAD, points=points, groups=(LeadGroup(("industry", "country"), 25),))
    (version,) = kept(lake_store, model).fitted
    industry, country = (
        rows[name].str.casefold().map(points[name]).fillna(0) for name in ("industry", "country")
    )
    assert fit_of(lake_store).tolist() == (industry + country).clip(upper=25).tolist()
    assert "  industry and country together: 25 at most" in words("lead", version.document, currency="EUR")


@pytest.mark.parametrize("bounds", [None, (0, -9)])
def test_fit_and_engagement_are_shown_as_a_matrix_and_never_added_up(
    lake_store: Store, bounds: tuple[int, int] | None
) -> None:
    rows = leads()
    put(lake_store, rows)
    draw, some = np.random.default_rng(3), rows["person"].to_numpy()[:800]
    sent = pd.DataFrame(
        {"person": np.repeat(some, 5), "at": days_before(NOW, np.tile(np.arange(5) + 40.0, 800))}
    )
    sent["campaign"] = sent["at"].astype(str)
    put_activity(lake_store, "email_sent", sent)
    clicks = sent[draw.random(len(sent)) < np.repeat(draw.random(800), 5)]
    put_activity(lake_store, "email_click", clicks.assign(at=clicks["at"] + pd.Timedelta(hours=1)))
    engagement = EngagementSettings(force=True)
    model = replace(BY_HAND, fit_at_least=bounds)
    done = keep(lake_store, {"lead": model, "engagement": engagement}, as_of=NOW, currency="EUR")
    version = next(one for one in done.fitted if one.model == "lead")
    found = facts(lake_store, "fit", "engagement", "lead_grade")
    fit, keen = found["fit"] / 1_000_000, found["engagement"] / 1_000_000
    high, low = bounds or (fit.quantile(0.9, "higher"), fit.quantile(0.5, "higher"))
    letter = pd.cut(fit, [-np.inf, low, high, np.inf], right=False, labels=["C", "B", "A"]).astype(str)
    number = pd.cut(keen, [0, 25, 75, 101], right=False, labels=["3", "2", "1"]).astype(object).fillna("-")
    assert found["lead_grade"].tolist() == (letter + number).tolist()
    assert keen.notna().sum() == 800
    counted = found["lead_grade"].value_counts()
    assert version.document["parameters"]["grades"] == counted.to_dict()
    assert f"A1 {counted['A1']:,}, A2 {counted['A2']:,}, A3" in " ".join(
        words("lead", version.document, currency="EUR")
    )
    keep(lake_store, {"lead": model}, as_of=NOW, currency="EUR")  # without a score of what they do
    assert facts(lake_store, "lead_grade")["lead_grade"].tolist() == (letter + "-").tolist()


def test_a_feature_that_is_filled_after_conversion_is_a_warning(lake_store: Store) -> None:
    rows = leads()
    put(lake_store, rows)
    won = rows["won"] & (rows["age"] > 11)
    early, late = days_before(NOW, rows["age"]), days_before(NOW, rows["age"] - 10.5)
    at = [
        after if wins and person % 4 else before
        for before, after, wins, person in zip(early, late, won, rows["person"], strict=True)
    ]
    with closing(lake_store.lake.connect()) as database:
        people = database.sql(f"SELECT * FROM {lake_store.lake.relation('people')}").to_arrow_table()
    times = pa.table({"industry_at": pa.array(at, INSTANT), "country_at": pa.array(early, INSTANT)})
    for name in times.column_names:
        people = people.append_column(name, times[name])
    overwrite(lake_store.lake, "people", people)
    filled = {"industry": "industry_at", "country": "country_at"}
    (version,) = kept(lake_store, replace(BY_HAND, filled=filled)).fitted
    counted = won & (rows["age"] >= 30)
    share = (rows["person"][counted] % 4 > 0).mean()
    assert [one["message"] for one in version.document["notices"] if one["code"] == "lead.leak"] == [
        f"Feature industry is filled after conversion for {share:.1%} of converters: leave it out."
    ]


def test_what_was_fitted_before_groups_and_times_of_filling_could_be_told_stays_in_use() -> None:
    known = {"features": ("industry",), "points": {}, "converted": "purchase", "created": "signed_up"}
    content = json.dumps({**known, "within_s": 90 * DAY_S}, sort_keys=True, default=str)
    before = hashlib.sha256(content.encode()).hexdigest()[:16]
    assert LeadSettings(features=("industry",)).fingerprint == before
    assert LeadSettings(features=("industry",), filled={"industry": "at"}).fingerprint != before
