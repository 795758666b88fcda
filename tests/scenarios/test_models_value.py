"""Lifetime value through whole runs: CDNOW's published figures, and a shop of which nothing can be told."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway

from rules.models.bg_nbd import BgNbd
from rules.models.clv import MONTH_WEEKS
from sync.run.evaluating import evaluated
from sync.run.modelling import shown
from sync.run.report import Report
from sync.run.workspace import Workspace
from tests.rules.models.cdnow import log
from tests.scenarios.retail_shop import RetailShop

END = dt.datetime(1998, 6, 30, 18, tzinfo=dt.UTC)
SPLIT = pd.Timestamp("1997-09-30")
MODELS = "[models.clv]\nfree_orders = true\ndiscount = 0.01\nmargin = 0.5\n"
RULES = """
[[segment]]
id = "worth-most"
when = "clv_12m > 100"
to = []
[[segment]]
id = "best-tenth"
when = "clv_12m in top 10%"
to = []
"""

pytestmark = pytest.mark.xdist_group("cdnow models")


def cdnow_orders(folder: Path) -> Path:
    """The published log in the shape of the shop's file."""
    rows = log()
    file = folder / "cdnow.csv"
    pd.DataFrame(
        {
            "InvoiceNo": range(1, len(rows) + 1),
            "CustomerID": rows["person"],
            "country": "United States",
            "date": pd.Timestamp(0) + pd.to_timedelta(rows["day"], unit="D"),
            "amount": rows["value"].map("{:.2f}".format),
        }
    ).to_csv(file, index=False, date_format="%Y-%m-%d %H:%M:%S")
    return file


@dataclass(frozen=True)
class Sold:
    shop: RetailShop
    report: Report
    model: dict[str, Any]
    worth: pd.Series


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Sold:
    folder = tmp_path_factory.mktemp("cdnow")
    shop = RetailShop(folder, models=MODELS, rules=RULES, orders=cdnow_orders(folder))
    report = shop.run(END)
    with Workspace.open(shop.config) as workspace:
        model = shown(workspace, "clv")
    return Sold(shop, report, model, shop.facts("clv_12m")["clv_12m"])


def days() -> pd.DataFrame:
    """Each customer's days with an order, and what was spent on each, by pandas."""
    rows = log().assign(pence=lambda frame: (frame["value"] * 100).round().astype(int))
    return rows.groupby(["person", "day"], as_index=False)["pence"].sum().sort_values(["person", "day"])


def summed(until: pd.Timestamp) -> pd.DataFrame:
    rows = days()[lambda frame: frame["day"] <= (until - pd.Timestamp(0)).days]
    by = rows.groupby("person")
    again = by.size() - 1
    later = by["pence"].sum() - by["pence"].first()
    return pd.DataFrame(
        {
            "x": again,
            "t_x": (by["day"].max() - by["day"].min()) / 7,
            "T": ((until - pd.Timestamp(0)).days - by["day"].min()) / 7,
            "zbar": (later / again).where(again > 0, 0),
            "spend": by["pence"].sum(),
        }
    )


def test_the_model_that_is_tried_is_the_published_one(cdnow: Sold) -> None:
    """The first half of the 78 weeks ends on the day of the paper."""
    tried = cdnow.model["baseline"]["tried"]
    assert (cdnow.model["baseline"]["from"], cdnow.model["baseline"]["to"]) == ("1997-10-01", "1998-06-30")
    purchases, value = tried["purchases"], tried["value"]
    for name, published in (("r", 0.2426), ("alpha", 4.4136), ("a", 0.7929), ("b", 2.4259)):
        assert purchases[name] == pytest.approx(published, rel=5e-4), name
    assert (value["p"], value["q"], value["v"] / 100) == pytest.approx((6.249, 3.745, 15.448), abs=0.05)
    summary = summed(SPLIT)
    assert (len(summary), (summary["x"] > 0).sum(), summary["x"].sum()) == (2357, 946, 2457)
    assert value["fitted"] + value["excluded"] == 946
    assert cdnow.model["data"]["people"] == 2357


def test_the_naive_guess_stands_beside_it_and_loses(cdnow: Sold) -> None:
    baseline = cdnow.model["baseline"]
    summary, rows = summed(SPLIT), days()
    rows = rows[rows["day"] > (SPLIT - pd.Timestamp(0)).days]
    later = rows.groupby("person").agg(n=("day", "size"), pence=("pence", "sum")).reindex(summary.index)
    later = later.fillna(0)
    ahead = (pd.Timestamp("1998-06-30") - SPLIT).days / 7
    naive = (summary["x"] * ahead / summary["T"] - later["n"]).abs().mean()
    assert baseline["naive_error"] == pytest.approx(naive)
    model = BgNbd(**baseline["tried"]["purchases"])
    expected = model.purchases(
        ahead, summary["x"].to_numpy(), summary["t_x"].to_numpy(), summary["T"].to_numpy()
    )
    assert baseline["model_error"] == pytest.approx(np.abs(expected - later["n"]).mean())
    assert baseline["model_error"] < baseline["naive_error"]
    best = later["pence"][summary["spend"].rank(ascending=False) <= 0.2 * len(summary)].sum()
    assert baseline["naive_top"] == pytest.approx(best / later["pence"].sum(), abs=0.01)
    assert cdnow.model["status"] == "in_use"
    assert baseline["came"] == later["n"].sum()


def test_values_are_those_of_the_formulas_one_month_after_the_other(cdnow: Sold) -> None:
    parameters = cdnow.model["parameters"]
    purchases, value = BgNbd(**parameters["purchases"]), parameters["value"]
    summary = summed(pd.Timestamp("1998-06-30"))
    columns = [summary[name].to_numpy() for name in ("x", "t_x", "T")]
    each = (
        value["p"]
        * (value["v"] + summary["x"] * summary["zbar"])
        / (value["p"] * summary["x"] + value["q"] - 1)
    )
    worth, before = 0.0, 0.0
    for month in range(1, 13):
        so_far = purchases.purchases(month * MONTH_WEEKS, *columns)
        worth, before = worth + (so_far - before) / 1.01**month, so_far
    expected = (0.5 * each * worth).round()
    assert cdnow.worth.index.equals(expected.index.astype(cdnow.worth.index.dtype))
    assert (cdnow.worth - expected).abs().max() <= 1


def test_whether_somebody_still_buys_is_that_of_the_formula_and_nothing_of_who_ordered_once(
    cdnow: Sold,
) -> None:
    of, summary = cdnow.model["parameters"]["purchases"], summed(pd.Timestamp("1998-06-30"))
    x = summary["x"]
    waited = ((of["alpha"] + summary["T"]) / (of["alpha"] + summary["t_x"])) ** (of["r"] + x)
    expected = (1 / (1 + of["a"] / (of["b"] + x - 1) * waited)).where(x > 0)
    found = cdnow.shop.facts("p_alive")["p_alive"] / 1_000_000
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6, nan_ok=True)
    assert found.notna().sum() == (x > 0).sum()
    words = " ".join(cdnow.model["words"])
    again, zbar = x[x > 0], summary["zbar"][x > 0]
    paid = zbar > 0
    assert f"go together by {np.corrcoef(again[paid], zbar[paid])[0, 1]:.2f}" in words
    assert f"{len(again):,} people bought again" in words
    assert "no interval is given for a single one" in words


def test_rules_ask_for_the_value_as_money_and_as_a_rank(cdnow: Sold) -> None:
    members = cdnow.shop.members()
    assert members["worth-most"] == set(cdnow.worth.index[cdnow.worth > 10_000])
    assert 0 < len(members["worth-most"]) < len(cdnow.worth) / 10
    assert len(members["best-tenth"]) == pytest.approx(len(cdnow.worth) / 10, abs=2)


def test_a_history_that_tells_no_leaving_is_refused_with_the_figures(tmp_path: Path) -> None:
    shop = RetailShop(tmp_path, models="[models.clv]\n", rules=RULES)
    report = shop.run(dt.datetime(2011, 12, 10, tzinfo=dt.UTC))
    with Workspace.open(shop.config) as workspace:
        found = shown(workspace, "clv")
    codes = [notice["code"] for notice in found["notices"]]
    assert found["status"] == "insufficient_data"
    assert "clv.no_churn_identified" in codes
    assert shop.facts("clv_12m")["clv_12m"].isna().all()
    assert report.segments == {"worth-most": 0, "best-tenth": 0}
    assert "model clv is not in use, its facts are missing: The history is too short" in " ".join(
        report.notices
    )


def test_a_segment_is_judged_by_the_lifetime_value_of_its_members(cdnow: Sold) -> None:
    with Workspace.open(cdnow.shop.config) as workspace:
        members = {name: list(one.members) for name, one in workspace.store.segments.latest().items()}
        evaluation = evaluated(workspace)
    found = {one.segment: one.clv for one in evaluation.worth}
    for name, some in members.items():
        theirs, told = cdnow.worth.reindex(some).dropna(), found[name]
        assert told is not None
        assert (told.people, told.total) == (len(theirs), pytest.approx(theirs.sum()))
        assert (told.mean, told.low) == pytest.approx(
            (theirs.mean(), theirs.mean() - 1.959964 * theirs.sem()), rel=1e-9
        )
    inside = pd.DataFrame({name: cdnow.worth.index.isin(some) for name, some in members.items()})
    parts = [cdnow.worth.to_numpy()[some.index] for _, some in inside.groupby(list(inside))]
    f, k, n = f_oneway(*parts).statistic, len(parts), len(cdnow.worth)
    assert evaluation.explained["clv"] == {"": pytest.approx((f - 1) * (k - 1) / (f * (k - 1) + n - k))}
