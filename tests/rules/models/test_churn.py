"""Churn on IBM's Telco customers, against the reference's figures and scikit-learn."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from rules.models.churn import Judged, fit, judge, too_few
from rules.models.columns import Bools, Floats, InputError
from tests.shared import shared


@cache
def telco() -> tuple[pd.DataFrame, Bools]:
    """One column per level and number; the eleven who have just begun have paid nothing yet."""
    raw = pd.read_csv(shared("data/telco/Telco-Customer-Churn.csv")).drop(columns="customerID")
    churned = (raw.pop("Churn") == "Yes").to_numpy()
    raw["TotalCharges"] = pd.to_numeric(raw["TotalCharges"], errors="coerce").fillna(0.0)
    return pd.get_dummies(raw, dtype=float), churned


@cache
def held_out() -> tuple[Floats, Bools]:
    """Everybody's risk by a model that has not seen them: five folds."""
    frame, churned = telco()
    found = np.zeros(len(frame))
    for seen, others in StratifiedKFold(5, shuffle=True, random_state=0).split(frame, churned):
        model = fit({name: frame[name].to_numpy()[seen] for name in frame}, churned[seen])
        found[others] = model.of({name: frame[name].to_numpy()[others] for name in frame})
    return found, churned


def judged() -> Judged:
    return judge(*held_out())


def test_telco_is_told_as_well_as_published() -> None:
    found = judged()
    assert found.auc == pytest.approx(0.845, abs=0.005)
    assert found.brier == pytest.approx(0.135, abs=0.003)
    assert found.ece == pytest.approx(0.013, abs=0.006)
    assert found.lift == pytest.approx(2.85, abs=0.12)
    assert found.base_rate == pytest.approx(0.265, abs=0.001)
    assert found.notices == ()


def test_judgement_agrees_with_scikit_learn() -> None:
    risk, churned = held_out()
    found = judge(risk, churned)
    assert found.auc == pytest.approx(roc_auc_score(churned, risk))
    assert found.brier == pytest.approx(brier_score_loss(churned, risk))
    assert found.naive_brier == pytest.approx(brier_score_loss(churned, np.full(len(risk), churned.mean())))


def test_coefficients_are_those_of_scikit_learn() -> None:
    frame, churned = telco()
    some = frame[["tenure", "MonthlyCharges", "TotalCharges"]]
    model = fit({name: some[name].to_numpy() for name in some}, churned)
    scaled = (some - some.mean()) / some.std(ddof=0)
    other = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(scaled, churned)
    assert model.weights == pytest.approx(other.coef_[0].tolist(), abs=1e-4)
    assert model.constant == pytest.approx(float(other.intercept_[0]), abs=1e-4)


def test_weighted_classes_would_be_told_as_uncalibrated() -> None:
    risk, churned = held_out()
    odds = risk / (1 - risk) * (1 - churned.mean()) / churned.mean()  # what balancing does to the odds
    found = judge(odds / (1 + odds), churned)
    assert [notice.code for notice in found.notices] == ["churn.uncalibrated"]
    assert found.auc == pytest.approx(judged().auc)
    assert found.predicted > 0.38  # the reference: .403 against a true .265


def test_too_few_of_either_are_refused_with_how_many_are_missing() -> None:
    churned = np.array([True] * 40 + [False] * 400)
    refusal = too_few(churned)
    assert refusal is not None
    assert refusal.message == "40 people churned; 100 of either are needed, 60 are missing."
    assert "did not churn" in str(too_few(~churned))
    with pytest.raises(InputError, match="60 are missing"):
        fit({"a": np.arange(440.0)}, churned)
    assert too_few(np.array([True] * 100 + [False] * 100)) is None


def test_a_feature_that_is_the_same_for_all_tells_nothing_and_breaks_nothing() -> None:
    _, churned = telco()
    model = fit({"same": np.ones(len(churned))}, churned)
    assert model.of({"same": [1.0]})[0] == pytest.approx(churned.mean(), abs=1e-6)


def test_a_missing_feature_is_named() -> None:
    _, churned = telco()
    model = fit({"same": np.ones(len(churned)), "b": np.arange(len(churned))}, churned)
    with pytest.raises(InputError, match="b is not given"):
        model.of({"same": [1.0]})
