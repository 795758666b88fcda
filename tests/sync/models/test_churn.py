"""Churn over the lake: the risk is that of an independent computation with pandas and scikit-learn."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from sync.config.modelling import ChurnSettings
from sync.models.keeping import keep
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState
from tests.sync.models.made import facts, put_activity, put_people
from tests.sync.models.test_value import NOW, cdnow

CHURN = ChurnSettings()


def by_pandas(rows: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Features of who had ordered by the end of the day, from the definitions."""
    paid = rows[(rows["amount"] > 0) & (rows["at"].dt.floor("D") <= day)].assign(
        day=lambda one: one["at"].dt.floor("D")
    )
    of = paid.groupby("person").agg(first=("day", "min"), last=("day", "max"), value=("amount", "sum"))
    of["days"] = paid.groupby("person")["day"].nunique()
    since, tenure = (day - of["last"]).dt.days, (day - of["first"]).dt.days
    gap = ((of["last"] - of["first"]).dt.days / (of["days"] - 1).clip(lower=1)).where(of["days"] > 1, tenure)
    return pd.DataFrame(
        {
            "since": np.log1p(since),
            "tenure": np.log1p(tenure),
            "days": np.log1p(of["days"]),
            "value": np.log1p(of["value"]),
            "gaps": np.log1p(since / gap.clip(lower=1)),
            "once": (of["days"] == 1).astype(float),
        }
    )


def left(rows: pd.DataFrame, people: pd.Index, day: pd.Timestamp) -> pd.Series:
    paid = rows[rows["amount"] > 0]
    days = paid["at"].dt.floor("D")
    after = paid[(days > day) & (days <= day + pd.Timedelta(days=CHURN.days))]
    return ~people.to_series().isin(after["person"])


def test_the_risk_is_that_of_pandas_and_scikit_learn(store: Store) -> None:
    rows = cdnow()
    buyers = sorted(set(rows["person"]))
    put_people(store, [*buyers, max(buyers) + 1])
    put_activity(store, "purchase", rows)
    (version,) = keep(store, {"churn": CHURN}, as_of=NOW, currency="EUR").fitted
    assert version.state is ModelState.FITTED

    today = pd.Timestamp(NOW).floor("D")
    asked = [today - pd.Timedelta(days=CHURN.days * back) for back in range(1, 5)]
    frames = [by_pandas(rows, day) for day in asked]
    labels = [left(rows, frame.index, day) for frame, day in zip(frames, asked, strict=True)]

    def fitted(first: int) -> tuple[LogisticRegression, pd.Series, pd.Series]:
        features, churned = pd.concat(frames[first:]), pd.concat(labels[first:])
        mean, spread = features.mean(), features.std(ddof=0)
        model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000)
        return model.fit((features - mean) / spread, churned), mean, spread

    model, mean, spread = fitted(0)
    now = by_pandas(rows, today)
    expected = model.predict_proba((now - mean) / spread)[:, 1]
    found = facts(store, "churn_risk")["churn_risk"]
    assert (found.loc[now.index] / 1e6).to_numpy() == pytest.approx(expected, abs=2e-4)
    assert found.isna().sum() == len(found) - len(now)  # who never paid has none

    # judged by a model that has not seen the newest day
    older, mean, spread = fitted(1)
    risk = older.predict_proba((frames[0] - mean) / spread)[:, 1]
    baseline = version.document["baseline"]
    assert baseline["churn_auc"] == pytest.approx(roc_auc_score(labels[0], risk), abs=1e-4)
    assert baseline["naive_auc"] == pytest.approx(roc_auc_score(labels[0], frames[0]["since"]), abs=1e-4)
    assert baseline["base_rate"] == pytest.approx(labels[0].mean())
    assert baseline["used"] == "logistic"
    gain = next(one for one in version.document["notices"] if one["code"] == "churn.no_gain")
    assert gain["evidence"]["gain"] == pytest.approx(baseline["brier"] - baseline["boosting"]["brier"])
    told = " ".join(words("churn", version.document, currency="EUR"))
    assert "logistic regression: " in told
    assert "boosted trees: " in told
    assert f"{baseline['base_rate']:.1%} did" in told


def test_a_risk_is_never_that_of_somebody_who_is_kept_out_of_people(lake_store: Store) -> None:
    """Their orders stay in the lake; the next number's person, who never ordered, must not get their risk."""
    rows = cdnow()
    rows["person"] = rows["person"] * 2
    buyers = sorted(set(rows["person"]))
    kept_out = buyers[len(buyers) // 2]
    put_people(lake_store, [*(one for one in buyers if one < kept_out), kept_out + 1, *buyers[-5:]])
    put_activity(lake_store, "purchase", rows)
    keep(lake_store, {"churn": CHURN}, as_of=NOW, currency="EUR")
    found = facts(lake_store, "churn_risk")["churn_risk"]
    assert kept_out not in found.index
    paid = set(rows[rows["amount"] > 0]["person"])
    assert set(found.index[found.notna()]) == paid & set(found.index)


def test_a_short_history_is_refused_with_what_is_missing(lake_store: Store) -> None:
    rows = cdnow()
    put_people(lake_store, sorted(set(rows["person"])))
    put_activity(lake_store, "purchase", rows)
    early = dt.datetime(1997, 5, 1, tzinfo=dt.UTC)
    (version,) = keep(lake_store, {"churn": CHURN}, as_of=early, currency="EUR").fitted
    assert version.state is ModelState.REFUSED
    (notice,) = version.document["notices"]
    assert notice["message"].startswith("120 days of orders; 270 are needed")
    assert "150 are missing" in notice["message"]
    assert facts(lake_store, "churn_risk")["churn_risk"].isna().all()


def test_where_hardly_anybody_leaves_it_is_refused(lake_store: Store) -> None:
    weekly = [NOW - dt.timedelta(days=7 * week) for week in range(80)]
    rows = pd.DataFrame(
        [(person, at, 1_000) for person in range(1, 121) for at in weekly], columns=["person", "at", "amount"]
    )
    put_people(lake_store, range(1, 121))
    put_activity(lake_store, "purchase", rows)
    (version,) = keep(lake_store, {"churn": CHURN}, as_of=NOW, currency="EUR").fitted
    (notice,) = version.document["notices"]
    assert (notice["code"], notice["evidence"]["n"]) == ("churn.few_positives", 0)


def test_boosted_trees_are_used_where_they_miss_by_less(lake_store: Store) -> None:
    """Who orders monthly and who orders every other day come back, those between leave after a while: no
    weighted sum of logarithms has a hump."""
    draw = np.random.default_rng(12)
    rows = []
    for person in range(1, 361):
        gap, leaves = [(30, False), (10, True), (3, False)][person % 3]
        days = np.arange(draw.integers(400, 480), 0, -gap)
        rows.append(pd.DataFrame({"person": person, "day": days[: draw.integers(4, 40)] if leaves else days}))
    made = pd.concat(rows, ignore_index=True)
    made["at"] = [NOW - dt.timedelta(days=int(day)) for day in made.pop("day")]
    put_people(lake_store, range(1, 361))
    put_activity(lake_store, "purchase", made.assign(amount=1_000))
    model = {"churn": ChurnSettings(days=60)}
    (version,) = keep(lake_store, model, as_of=NOW, currency="EUR").fitted
    baseline = version.document["baseline"]
    assert baseline["used"] == "boosting", baseline
    assert baseline["brier"] == baseline["boosting"]["brier"] < baseline["logistic"]["brier"]
    assert "boosted trees" in words("churn", version.document, currency="EUR")[0]
    before = facts(lake_store, "churn_risk")["churn_risk"]
    assert before.notna().all()
    again = keep(lake_store, model, as_of=NOW, currency="EUR")  # by what was read back from the database
    assert again.fitted == []
    assert facts(lake_store, "churn_risk")["churn_risk"].equals(before)
