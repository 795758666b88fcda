"""Models over real orders through whole runs: facts, frozen cut points, refits and rules, against pandas."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd
import pytest

from rules.models.lifecycle import Limits
from sync.run.explaining import explain
from sync.run.modelling import listed, shown
from sync.run.report import Report
from sync.run.workspace import Workspace
from tests.rules.models.one_by_one import one_by_one
from tests.scenarios.retail_shop import RetailShop, customers, happened, named, orders, scores, totals

AUTUMN = dt.datetime(2011, 9, 10, 12, tzinfo=dt.UTC)
LATER = dt.datetime(2011, 10, 15, 15, tzinfo=dt.UTC)
END = dt.datetime(2011, 12, 10, tzinfo=dt.UTC)  # more than ninety days after the first
RUNS = (AUTUMN, LATER, END)
MILLION = 1_000_000
MODELS = "[models.rfm]\n[models.lifecycle]\nforce = true\n"
"""Fixed limits tell better who of Online Retail orders again, so the store's own are used by force."""
RULES = """
[[segment]]
id = "champions"
when = 'rfm.group = "champions"'
to = ["shop"]
[[segment]]
id = "slipping"
when = 'lifecycle in ["At risk", "Lapsed"] and rfm.money >= 4'
to = ["shop"]
[[segment]]
id = "never"
when = 'rfm.recency is missing'
to = ["shop"]
[[segment]]
id = "recent"
when = 'purchase within last 30 days'
to = ["shop"]
"""
NAMES = ("rfm.recency", "rfm.frequency", "rfm.money", "rfm.group", "lifecycle")

pytestmark = pytest.mark.xdist_group("retail models")


@dataclass(frozen=True)
class Past:
    """The shop after three runs, what each reported, and the facts and members it left."""

    shop: RetailShop
    reports: tuple[Report, ...]
    facts: tuple[pd.DataFrame, ...]
    members: tuple[dict[str, set[int]], ...]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    shop = RetailShop(tmp_path_factory.mktemp("shop"), models=MODELS, rules=RULES)
    reports, facts, members = [], [], []
    for as_of in RUNS:
        reports.append(shop.run(as_of, whole=as_of != AUTUMN))
        facts.append(shop.facts(*NAMES))
        members.append(shop.members())
        if as_of == AUTUMN:
            assert shop.written("champions") == members[0]["champions"]
    return Past(shop, tuple(reports), tuple(facts), tuple(members))


CUT = (AUTUMN, AUTUMN, END)
"""Whose people the cut points of each run are of."""


@pytest.mark.parametrize("at", range(3))
def test_scores_are_those_that_pandas_finds_by_the_cut_points_of_the_last_fit(past: Past, at: int) -> None:
    expected = scores(totals(RUNS[at]), totals(CUT[at]))
    for name in ("recency", "frequency", "money"):
        found = past.facts[at][f"rfm.{name}"].dropna() / MILLION
        assert found.astype(int).to_dict() == expected[name].to_dict(), name
    groups = past.facts[at]["rfm.group"]
    assert groups[expected.index].to_dict() == named(expected).to_dict()
    assert set(groups[groups.index.difference(expected.index)]) == {"Prospects"}
    assert list(past.facts[at].index) == list(customers())


def test_the_last_fit_has_the_sizes_of_the_reference(past: Past) -> None:
    with Workspace.open(past.shop.config) as workspace:
        sizes = shown(workspace, "rfm")["parameters"]["sizes"]
        limits = shown(workspace, "lifecycle")["parameters"]
    assert sizes == {
        "recency": [869, 858, 863, 880, 868],
        "frequency": [1493, 835, 508, 802, 700],
        "money": [867, 868, 867, 868, 868],
    }
    assert limits == {"at_risk": 131, "lapsed": 290, "fixed": [40, 90]}


@pytest.mark.parametrize("at", range(3))
def test_lifecycle_is_what_the_sentences_say_of_each_person(past: Past, at: int) -> None:
    with Workspace.open(past.shop.config) as workspace:
        fitted = shown(workspace, "lifecycle", 2 if RUNS[at] == END else 1)["parameters"]
    today = (RUNS[at] - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).days
    known = orders()[orders()["at"] <= RUNS[at]].groupby("customer")["day"].agg(list)
    limits = Limits(fitted["at_risk"], fitted["lapsed"])
    expected = {each: str(one_by_one(known.get(each, []), limits, today)) for each in customers()}
    assert past.facts[at]["lifecycle"].to_dict() == expected
    assert len(set(expected.values())) == 6


def test_between_two_fits_nobody_moves_but_by_time_and_orders(past: Past) -> None:
    """Ranked anew, thousands would have another score on the later day."""
    frozen = scores(totals(LATER), totals(AUTUMN))
    anew = scores(totals(LATER), totals(LATER))
    found = past.facts[1]["rfm.money"].dropna() / MILLION
    assert (found == frozen["money"]).all()
    assert (found != anew["money"]).sum() > 20
    assert [report.models["fitted"] for report in past.reports][1] == {}


def test_a_fit_that_is_due_is_an_event_that_says_how_many_people_it_moves(past: Past) -> None:
    old, new = scores(totals(END), totals(AUTUMN)), scores(totals(END), totals(END))
    expected = {f"rfm.{name}": int((old[name] != new[name]).sum()) for name in old.columns}
    expected["rfm.group"] = int((named(old) != named(new)).sum())
    with Workspace.open(past.shop.config) as workspace:
        found = shown(workspace, "rfm")
        first = shown(workspace, "rfm", 1)
    assert found["changed"] == expected
    assert min(expected["rfm.recency"], expected["rfm.money"], expected["rfm.group"]) > 0
    assert (found["version"], found["fitted_at"], found["why"]) == (
        2,
        END.isoformat(),
        "it is made anew every 90 days",
    )
    assert (first["version"], first["status"], "changed" in first) == (1, "replaced", False)
    told = [line for line in past.reports[2].notices if line.startswith("model rfm: version 2")]
    assert f"rfm.money of {expected['rfm.money']:,}" in told[0]
    assert found["data"] == {"from": "2010-12-01", "to": "2011-12-09", "people": 4338, "orders": 18_532}


def test_the_naive_guess_stands_beside_each_by_days_that_were_not_seen(past: Past) -> None:
    split = END.replace(day=11, month=9)  # ninety days before, and the fit itself was of the day's people
    with Workspace.open(past.shop.config) as workspace:
        rfm, lifecycle = (shown(workspace, name)["baseline"] for name in ("rfm", "lifecycle"))
    assert (rfm["from"], rfm["to"], rfm["naive"]) == ("2011-09-12", "2011-12-10", "past spend alone")
    known = totals(split + dt.timedelta(days=1) - dt.timedelta(microseconds=1))
    later = orders()[orders()["at"] > pd.Timestamp("2011-09-12", tz="UTC")]
    again = known.index.isin(later["customer"])
    together = scores(known, known).sum(axis=1)
    for name, ranked in (("again_auc", together), ("naive_auc", known["money"])):
        ranks = ranked.rank()[again]  # Mann and Whitney's U
        hits, misses = again.sum(), (~again).sum()
        expected = (ranks.sum() - hits * (hits + 1) / 2) / (hits * misses)
        assert rfm[name] == pytest.approx(expected), name
    assert rfm["again_auc"] > rfm["naive_auc"]
    assert lifecycle["naive"] == "fixed limits of 40 and 90 days"
    assert 0.5 < lifecycle["again_auc"] < lifecycle["naive_auc"]


@pytest.mark.parametrize("at", range(3))
def test_rules_ask_for_the_facts_like_for_any_other(past: Past, at: int) -> None:
    facts, members = past.facts[at], past.members[at]
    late = facts["lifecycle"].isin(["At risk", "Lapsed"]) & (facts["rfm.money"] >= 4 * MILLION)
    assert members["champions"] == set(facts.index[facts["rfm.group"] == "Champions"])
    assert members["slipping"] == set(facts.index[late])
    assert members["never"] == set(facts.index[facts["rfm.recency"].isna()])
    assert all(members.values())


def test_few_people_are_asked_and_tell_what_everybody_would(past: Past) -> None:
    """A person of whom a model tells something else is one of whom something changed."""
    for report in past.reports[1:]:
        assert report.evaluation["everybody"] == "asked for"
        assert report.evaluation["differed"] == {}
    assert past.members[1]["slipping"] != past.members[0]["slipping"]


def test_only_those_of_whom_a_model_tells_something_else_are_asked_again(past: Past) -> None:
    shop = past.shop
    day = dt.timedelta(days=1)
    before = shop.facts(*NAMES)
    report = shop.run(END + day)
    after = shop.facts(*NAMES)
    moved = (before.fillna(-1) != after.fillna(-1)).any(axis=1)
    assert 0 < moved.sum() < 500
    crossed = happened()[happened()["at"].between(END - 30 * day, END - 29 * day)]  # out of the window
    assert report.evaluation["everybody"] is None
    assert report.evaluation["asked"] == len({*crossed["customer"], *moved.index[moved]})


def test_a_fact_is_explained_by_its_value_and_the_version_of_the_model(past: Past) -> None:
    with Workspace.open(past.shop.config) as workspace:
        answer = explain(workspace, "1", "champions")
    told = "\n".join(answer.lines())
    assert "rfm.group: model rfm, version 2, made 2011-12-10 00:00" in told
    assert answer.sources["rfm.group"] == ("model rfm, version 2", None, END)
    assert answer.document()["sources"]["rfm.group"]["contact"] is None


def test_the_models_in_use_are_listed_with_the_day_of_the_next_fit(past: Past) -> None:
    with Workspace.open(past.shop.config) as workspace:
        found = {one["model"]: one for one in listed(workspace)}
        vocabulary, _ = workspace.vocabulary()
    assert found["rfm"]["in_use"] == 2
    assert found["rfm"]["facts"] == list(NAMES[:4])
    assert found["rfm"]["refit_due_because"] == "it is made anew every 90 days"  # today is years later
    assert vocabulary.fields["rfm.group"].sources == ("model rfm, version 2",)
    assert vocabulary.fields["rfm.money"].unit == "1 to 5, 5 the best"
