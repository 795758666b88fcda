"""Boosted trees on IBM's Telco customers: the reference's figures, and scikit-learn's numbers bit for bit."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from rules.models.boosting import SETTINGS, Features, fit, read_trees
from rules.models.calibration import calibrate, read_calibration
from rules.models.churn import Judged, fit_boosted, gain, judge
from rules.models.columns import Bools, Floats, InputError
from tests.shared import shared


@cache
def telco() -> tuple[pd.DataFrame, Bools]:
    """Texts are categories. Who has just begun has paid nothing yet: not known, a fact of its own."""
    raw = pd.read_csv(shared("data/telco/Telco-Customer-Churn.csv")).drop(columns="customerID")
    churned = (raw.pop("Churn") == "Yes").to_numpy()
    raw["TotalCharges"] = pd.to_numeric(raw["TotalCharges"], errors="coerce")
    texts = [name for name in raw if raw[name].dtype.kind not in "fi"]
    return raw[[*texts, *(name for name in raw if name not in texts)]], churned


def rows(frame: pd.DataFrame, which: np.ndarray) -> Features:
    some = frame.iloc[which]
    return {
        name: some[name].to_numpy() if some[name].dtype.kind in "fi" else some[name].tolist() for name in some
    }


def five_folds(settings: dict[str, object]) -> tuple[Floats, Bools]:
    frame, churned = telco()
    found = np.zeros(len(frame))
    for seen, others in StratifiedKFold(5, shuffle=True, random_state=0).split(frame, churned):
        found[others] = fit(rows(frame, seen), churned[seen], settings=settings).of(rows(frame, others))
    return found, churned


def told(found: Judged) -> tuple[float, float, float]:
    return found.auc, found.brier, found.ece


@pytest.mark.long
def test_telco_is_told_as_well_as_published() -> None:
    found = judge(*five_folds(dict(SETTINGS)))
    assert told(found) == pytest.approx((0.846, 0.135, 0.008), abs=0.003)
    assert found.lift == pytest.approx(2.85, abs=0.05)
    assert found.notices == ()


@pytest.mark.long
def test_telco_is_told_by_the_usual_settings_as_badly_as_published() -> None:
    assert told(judge(*five_folds({}))) == pytest.approx((0.834, 0.141, 0.035), abs=0.003)


def test_what_is_kept_as_json_tells_bit_for_bit_what_scikit_learn_does() -> None:
    """Categories, unknown numbers and categories that were never seen included."""
    frame, churned = telco()
    seen, others = np.arange(0, 1_200), np.arange(2_000, 3_000)
    found = fit(rows(frame, seen), churned[seen])
    written = json.dumps(found.document(), allow_nan=False)
    kept = read_trees(json.loads(written))
    later = frame.iloc[others].copy()
    later.loc[later.index[:300], "Contract"] = "never seen"
    later.loc[later.index[200:500], "tenure"] = np.nan
    as_categories = {name: "category" for name in frame if frame[name].dtype.kind not in "fi"}
    with threadpool_limits(limits=1):
        model = HistGradientBoostingClassifier(
            **SETTINGS, random_state=0, categorical_features="from_dtype"
        ).fit(frame.iloc[seen].astype(as_categories), churned[seen])
    expected = model.predict_proba(later.astype(as_categories))[:, 1]
    given = rows(later, np.arange(len(later)))
    assert (kept.of(given) == expected).all()
    assert len(kept.trees) == model.n_iter_ > 10
    assert any(tree.levels for tree in kept.trees)
    assert len(written) < 300_000


def test_a_number_that_is_only_known_or_not_parts_people_by_that() -> None:
    """A limit beyond every number, which no JSON can hold."""
    known = np.arange(600) % 3 > 0
    found = fit({"one": np.where(known, 1.0, np.nan)}, known)
    kept = read_trees(json.loads(json.dumps(found.document(), allow_nan=False)))
    risk = kept.of({"one": np.array([1.0, np.nan, 7.0])})
    assert risk[0] == risk[2] > 0.9 > 0.1 > risk[1]


def test_trees_do_not_depend_on_the_number_of_threads() -> None:
    frame, churned = telco()
    some = np.arange(600)
    with threadpool_limits(limits=2):
        one = fit(rows(frame, some), churned[some])
    assert one == fit(rows(frame, some), churned[some])


def test_too_many_categories_and_missing_features_are_named() -> None:
    churned = np.arange(600) % 2 > 0
    with pytest.raises(InputError, match="street has 600 categories; 254 are the most"):
        fit({"street": [f"s{number}" for number in range(600)]}, churned)
    found = fit({"a": np.arange(600.0)}, churned)
    with pytest.raises(InputError, match="a is not given"):
        found.of({"b": [1.0]})


@pytest.mark.parametrize("came", [5_000, 900])
def test_calibration_is_isotonic_from_a_thousand_and_a_sigmoid_below(came: int) -> None:
    draw = np.random.default_rng(4)
    truth = draw.uniform(0, 1, 4 * came) ** 2
    happened = draw.random(len(truth)) < truth
    happened[np.flatnonzero(happened)[came:]] = False
    foretold = np.sqrt(truth)  # too high for everybody
    found = calibrate(foretold, happened)
    kept = read_calibration(json.loads(json.dumps(found.document())))
    grid = np.linspace(0.001, 0.999, 50)
    if happened.sum() >= 1_000:
        expected = IsotonicRegression(out_of_bounds="clip").fit(foretold, happened).predict(grid)
    else:
        odds = np.log(foretold / (1 - foretold))[:, None]
        model = LogisticRegression(C=1e10, tol=1e-10, max_iter=10_000).fit(odds, happened)
        expected = model.predict_proba(np.log(grid / (1 - grid))[:, None])[:, 1]
    assert kept.of(grid) == pytest.approx(expected, abs=1e-4)
    assert judge(found.of(foretold), happened).predicted == pytest.approx(happened.mean(), abs=1e-3)


def test_one_persons_rows_calibrate_together_and_a_steeper_truth_is_a_gain() -> None:
    """Two numbers that tell only together who leaves: trees see it, a weighted sum does not."""
    draw = np.random.default_rng(3)
    one, other = draw.normal(size=(2, 3_000))
    churned = draw.random(3_000) < np.where(one * other > 0, 0.9, 0.1)
    person = np.arange(3_000) // 3
    boosted = fit_boosted({"one": one, "other": other}, churned, person)
    one, other = draw.normal(size=(2, 2_000))
    later = draw.random(2_000) < np.where(one * other > 0, 0.9, 0.1)
    risk = boosted.of({"one": one, "other": other})
    found = gain(np.full(2_000, 0.5), risk, later)
    assert found.certain
    assert found.notices == ()
    assert found.mean == pytest.approx(judge(np.full(2_000, 0.5), later).brier - judge(risk, later).brier)
    assert judge(risk, later).ece < 0.05
    lost = gain(risk, np.full(2_000, 0.5), later)
    assert not lost.certain
    assert lost.notices[0].code == "churn.no_gain"
