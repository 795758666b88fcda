"""Who is in which cluster from run to run, and whose columns of the lake are whose."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rules.language import load
from rules.models.clusters.choice import Effort
from rules.ruleset import Clustering
from rules.vocabulary import NUMBER_SCALE, Field, Type, Vocabulary
from sync.clusters import fitting
from sync.clusters.keeping import Kept, keep
from sync.clusters.standing import decide, decisions
from sync.config.modelling import LifecycleSettings
from sync.config.settings import RulesSettings
from sync.facts import facts_of_clusterings
from sync.models.keeping import keep as keep_models
from sync.store import Store
from tests.sync.models.made import facts, put_activity, put_people

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
FIELDS = {"score": Field("score", Type.NUMBER), "country": Field("country", Type.TEXT)}
VOCABULARY = Vocabulary({**FIELDS, **facts_of_clusterings(["a"], taken=())}, {})
TWO = '[[clustering]]\nid = "a"\nfeatures = { score = "score" }\nk = 2\nlog = []\n'


class Town:
    """Twenty people around 0, twenty around 10, and what a run makes of them."""

    def __init__(self, store: Store, folder: Path, text: str = TWO) -> None:
        self.store, self.folder = store, folder
        spread = np.linspace(-1, 1, 20)
        self.scores = dict(enumerate([*spread, *(10 + spread)], start=1))
        self.text, self.countries = text, dict.fromkeys(self.scores, "de")
        self.at = NOW

    def clusterings(self) -> Mapping[str, Clustering]:
        (self.folder / "rules.toml").write_text(self.text, "utf-8")
        found = load(self.folder, VOCABULARY)
        assert found.ruleset is not None, found.problems
        return found.ruleset.clusterings

    def run(self, *, after: dt.timedelta = DAY, asked: tuple[str, ...] = ()) -> Kept:
        """The next run."""
        self.at += after
        scores = pa.array([round(one * NUMBER_SCALE) for one in self.scores.values()], pa.int64())
        countries = pa.array([self.countries[one] for one in self.scores])
        put_people(self.store, self.scores, score=scores, country=countries, country__ci=countries)
        return keep(
            self.store,
            self.clusterings(),
            VOCABULARY,
            as_of=self.at,
            settings=RulesSettings(),
            asked=asked,
        )

    def of(self, person: int) -> int:
        """The id of the person's cluster."""
        return int(facts(self.store, "cluster.a__id").loc[person].item())


@pytest.fixture(autouse=True)
def small_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "EFFORT", Effort(draws=4, clouds=2, cloud_draws=2, starts=1))


@pytest.fixture
def town(lake_store: Store, tmp_path: Path) -> Town:
    return Town(lake_store, tmp_path)


def test_who_is_hardly_nearer_to_another_cluster_moves_only_when_a_second_run_says_so(town: Town) -> None:
    town.run()
    low, high = town.of(1), town.of(40)
    assert low != high
    town.scores[1] = 5.2  # 4.8 to the one, 5.2 to the other: less than a tenth nearer
    kept = town.run()
    assert (town.of(1), kept.moves["a"]) == (low, {"moved": 0, "held": 1})
    assert "0 people (0.0%) changed cluster; 1 held back" in str(kept.notices)
    kept = town.run()
    assert (town.of(1), kept.moves["a"]) == (high, {"moved": 1, "held": 0})


def test_a_run_that_is_taken_up_again_confirms_nothing(town: Town) -> None:
    town.run()
    low = town.of(1)
    town.scores[1] = 5.2
    town.run()
    for _ in range(2):
        assert town.run(after=dt.timedelta()).moves["a"] == {"moved": 0, "held": 1}
    assert town.of(1) == low
    town.run()
    assert town.of(1) != low


def test_who_is_clearly_nearer_moves_at_once_and_who_came_back_forgets_what_waited(town: Town) -> None:
    town.run()
    low, high = town.of(1), town.of(40)
    town.scores |= {1: 9.0, 2: 5.2}
    town.run()
    assert (town.of(1), town.of(2)) == (high, low)
    town.scores[2] = 0.0
    town.run()
    town.scores[2] = 5.2
    town.run()
    assert town.of(2) == low


def test_who_is_not_looked_at_has_no_cluster_and_is_new_when_back(lake_store: Store, tmp_path: Path) -> None:
    town = Town(lake_store, tmp_path, TWO + "when = 'country = \"de\"'\n")
    town.countries[5] = "fr"
    town.run()
    assert facts(lake_store, "cluster.a__id")["cluster.a__id"].isna().sum() == 1
    town.countries |= {5: "de", 6: "fr"}
    town.run()
    found = facts(lake_store, "cluster.a__id")["cluster.a__id"]
    assert found.index[found.isna()].to_list() == [6]
    assert found[5] == found[1]


def test_between_two_fits_centres_and_scale_stay_whatever_people_do(town: Town) -> None:
    town.run()
    before = town.store.models.versions("cluster.a")[0].document["parameters"]["centres"]
    town.scores = {person: score * 3 for person, score in town.scores.items()}
    assert town.run().fitted == []
    (version,) = town.store.models.versions("cluster.a")
    assert version.document["parameters"]["centres"] == before


def test_other_features_give_other_clusters_with_ids_that_no_cluster_ever_had(town: Town) -> None:
    town.run()
    decide(town.store, "a", {1: "low", 2: "high"}, by="me", at=NOW)
    town.run()
    assert set(facts(town.store, "cluster.a")["cluster.a"]) == {"low", "high"}
    town.text = TWO.replace('"score" }', '"score + 1" }')
    kept = town.run()
    assert [one.document["why"] for one in kept.fitted] == ["its settings were changed"]
    assert kept.fitted[0].document["parameters"]["ids"] == [3, 4]
    assert facts(town.store, "cluster.a")["cluster.a"].isna().all()


def test_the_only_clustering_is_also_called_cluster_alone(town: Town) -> None:
    town.run()
    decide(town.store, "a", {town.of(1): "Low"}, by="me", at=NOW)
    town.run()
    found = facts(town.store, "cluster", "cluster__ci", "cluster.a", "cluster.a__ci")
    assert set(found.loc[1]) == {"Low", "low"}
    assert found["cluster"].equals(found["cluster.a"].rename("cluster"))
    assert found.loc[40].isna().all()


def test_a_decision_is_the_last_one_and_all_are_kept(town: Town) -> None:
    decide(town.store, "a", {1: "x", 2: "y"}, by="me", at=NOW)
    decide(town.store, "a", {1: None}, by="you", at=NOW + DAY)
    found = decisions(town.store, "a")
    assert [found.state(number) for number in (1, 2, 3)] == ["rejected", "accepted", "proposed"]
    noted = town.store.notes.get("clusters:a")
    assert isinstance(noted, list)
    assert [one["by"] for one in noted] == ["me", "me", "you"]


def test_models_and_clusters_leave_each_other_s_facts_and_a_quiet_run_writes_nothing(town: Town) -> None:
    orders = pd.DataFrame({"person": range(1, 41), "at": [NOW - DAY] * 40, "amount": 100})
    put_activity(town.store, "purchase", orders)
    lifecycle = LifecycleSettings()

    def both() -> pd.DataFrame:
        keep_models(town.store, {"lifecycle": lifecycle}, as_of=NOW + DAY, currency="EUR")
        town.run(after=dt.timedelta())
        return facts(town.store, "lifecycle", "cluster.a__id")

    town.run()
    found = both()
    assert found.notna().all().all()
    snapshot = town.store.lake.snapshots()["facts"]
    assert both().equals(found)
    assert town.store.lake.snapshots()["facts"] == snapshot
    town.scores.pop(7)
    assert 7 not in both().index


def test_work_is_told_while_clusters_are_looked_for(town: Town) -> None:
    class Told:
        def __init__(self) -> None:
            self.steps: list[tuple[str, int | None]] = []
            self.done = 0

        def step(self, name: str, total: int | None = None) -> None:
            self.steps.append((name, total))

        def advance(self, units: int = 1) -> None:
            self.done += units

    told = Told()
    town.run()
    keep(
        town.store,
        town.clusterings(),
        VOCABULARY,
        as_of=NOW + 2 * DAY,
        settings=RulesSettings(),
        asked=["a"],
        progress=told,
    )
    assert (told.steps, told.done) == ([("clusters a", 100)], 100)


def test_a_category_and_who_lacks_a_value_have_rules_that_say_so(lake_store: Store, tmp_path: Path) -> None:
    text = TWO.replace('score = "score" }', 'where = "country" }').replace("log = []\n", "")
    town = Town(lake_store, tmp_path, text)
    town.countries |= dict.fromkeys(range(21, 41), "fr")
    town.run()
    clusters = lake_store.models.versions("cluster.a")[0].document["parameters"]["clusters"]
    assert {one["rule"]["text"] for one in clusters} <= {
        'country = "de"',
        'country = "fr"',
        'not (country = "de")',
        'not (country = "fr")',
    }
    assert [one["rule"]["fidelity"] for one in clusters] == [1, 1]
