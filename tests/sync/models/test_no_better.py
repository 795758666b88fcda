"""Where the naive guess does as well on days that were not seen, a model tells no facts, unless forced."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sync.config.modelling import (
    DAY_S,
    ChurnSettings,
    EngagementSettings,
    LifecycleSettings,
    ModelSettings,
    RfmSettings,
)
from sync.models.keeping import Kept, keep
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState, ModelVersion
from tests.sync.models.made import days_before, facts, put_activity, put_people

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAYS = 500


def kept(store: Store, *models: ModelSettings) -> Kept:
    return keep(store, {one.name: one for one in models}, as_of=NOW, currency="EUR")


def put_orders(store: Store, people: np.ndarray, age: np.ndarray, amount: np.ndarray) -> None:
    """Orders by rows; everybody who has one is there."""
    put_people(store, np.unique(people).tolist())
    rows = pd.DataFrame({"person": people, "at": days_before(NOW, age.tolist()), "amount": amount})
    put_activity(store, "purchase", rows)


def by_code(version: ModelVersion, code: str) -> str:
    """The message of the only notice with the code."""
    (found,) = (one["message"] for one in version.document["notices"] if one["code"] == code)
    return str(found)


def test_what_chance_decides_is_not_told_by_any_model_unless_forced(lake_store: Store) -> None:
    """Every day is as likely for everybody, whatever they did before."""
    draw = np.random.default_rng(5)
    person, age = np.nonzero(draw.random((900, DAYS)) < 0.01)
    put_orders(lake_store, person + 1, age, np.full(len(age), 1_000))
    models = RfmSettings(), LifecycleSettings(), ChurnSettings()
    found = kept(lake_store, *models)
    assert {one.model: one.state for one in found.fitted} == dict.fromkeys(
        ("rfm", "lifecycle", "churn"), ModelState.NO_BETTER
    )
    told = facts(lake_store, "rfm.group", "rfm.money", "lifecycle", "churn_risk")
    assert told.isna().all().all()
    rfm, lifecycle, churn = found.fitted
    for version in (rfm, lifecycle):
        message = by_code(version, f"{version.model}.baseline_wins")
        assert message.startswith("It does not tell who orders within 90 days")
        assert f"model {version.model} is not in use, its facts are missing: {message}" in " ".join(
            found.notices
        )
        assert f"force = true in [models.{version.model}] would use it all the same" in " ".join(
            found.notices
        )
    assert "let rules ask for `days since purchase`" in by_code(churn, "churn.baseline_wins").lower()

    forced = kept(lake_store, *(replace(one, force=True) for one in models))
    assert forced.fitted == []
    assert facts(lake_store, "rfm.group", "lifecycle", "churn_risk").notna().all().all()


def test_scores_that_past_spend_ranks_as_well_are_no_facts(lake_store: Store) -> None:
    """Who pays more for an order orders more often, so that spend tells finer than five steps of it."""
    draw = np.random.default_rng(6)
    keen = draw.random(900) ** 2
    person, age = np.nonzero(draw.random((900, DAYS)) < 0.001 + 0.02 * keen[:, None])
    put_orders(lake_store, person + 1, age, (1_000 + 100_000 * keen[person]).astype(int))
    (version,) = kept(lake_store, RfmSettings()).fitted
    assert version.state is ModelState.NO_BETTER
    baseline = version.document["baseline"]
    before, after = age >= 90, age < 90
    spent = pd.Series(1_000 + 100_000 * keen[person[before]]).astype(int).groupby(person[before]).sum()
    again = spent.index.isin(person[after])
    assert baseline["naive_auc"] == pytest.approx(roc_auc_score(again, spent))
    message = by_code(version, "rfm.baseline_wins")
    assert "is told as well by past spend alone" in message
    assert "choose people by sum(purchase.amount)" in message
    assert facts(lake_store, "rfm.group").isna().all().all()


def test_limits_that_fixed_ones_beat_give_way_to_them_unless_forced(lake_store: Store) -> None:
    """Most wait half a year between two orders, and some order every fortnight: after 40 days only these are
    still expected, which the store's own limits do not see."""
    draw = np.random.default_rng(7)
    first = draw.integers(300, 600, 600)
    slow = np.concatenate([first, first - draw.integers(150, 200, 600)])
    quick = np.add.outer(np.arange(0, 300, 15), draw.integers(0, 15, 40))
    person = np.concatenate([np.tile(np.arange(600), 2), np.tile(np.arange(600, 640), len(quick))])
    put_orders(lake_store, person + 1, np.concatenate([slow, quick.ravel()]), np.full(len(person), 1_000))
    model = LifecycleSettings()
    done = kept(lake_store, model)
    (version,) = done.fitted
    parameters, baseline = version.document["parameters"], version.document["baseline"]
    assert version.state is ModelState.FITTED
    assert baseline["naive_auc"] > baseline["again_auc"]
    assert parameters["at_risk"] > 140
    message = by_code(version, "lifecycle.baseline_wins")
    assert "told better by fixed limits of 40 and 90 days" in message
    warned = [one["message"] for one in version.document["notices"]]
    assert warned[-1] == message
    assert done.notices[1:] == [f"model lifecycle: {one}" for one in warned]
    assert "At risk after 40 days without an order, Lapsed after 90" in " ".join(
        words("lifecycle", version.document, currency="EUR")
    )
    last = pd.Series(np.concatenate([slow, quick.ravel()])).groupby(person + 1).min()
    once = last[last.index <= 600]
    state = facts(lake_store, "lifecycle")["lifecycle"]
    assert set(state[once.index[once > 90]]) == {"Lapsed"}
    assert "Active" in set(state[last.index > 600])

    kept(lake_store, replace(model, force=True))
    own = facts(lake_store, "lifecycle")["lifecycle"]
    assert set(own[once.index[(once > 90) & (once <= 140)]]) <= {"Active", "Reactivated"}


@pytest.mark.parametrize("half_life_s", [None, 30 * DAY_S])
def test_clicks_that_anybody_makes_are_told_by_no_engagement(
    lake_store: Store, half_life_s: int | None
) -> None:
    draw = np.random.default_rng(9)
    people, ages = np.arange(1, 401), np.arange(1, 120, 6)
    put_people(lake_store, people.tolist())
    sent = pd.DataFrame({"person": np.repeat(people, len(ages)), "age": np.tile(ages, len(people))})
    sent["campaign"] = "c" + sent["age"].astype(str)
    clicked = sent[draw.random(len(sent)) < 0.1]
    for kind, rows, late in (("email_sent", sent, 0), ("email_click", clicked, 0.5)):
        at = days_before(NOW, (rows["age"] - late).tolist())
        put_activity(
            lake_store,
            kind,
            pd.DataFrame({"person": rows["person"], "at": at, "campaign": rows["campaign"]}),
        )
    model = EngagementSettings(half_life_s=half_life_s)
    (version,) = kept(lake_store, model).fitted
    assert version.state is ModelState.NO_BETTER
    messages = [one["message"] for one in version.document["notices"] if one["severity"] == "refusal"]
    assert [one.startswith("It does not tell who clicks in the next 30 days") for one in messages] == [True]
    assert facts(lake_store, "engagement")["engagement"].isna().all()
    kept(lake_store, replace(model, force=True))
    assert facts(lake_store, "engagement")["engagement"].notna().all()
