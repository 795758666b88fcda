"""How many clusters are found, which of them are those from before, and what is said of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rules.language import load
from rules.models.clusters.centres import assigned
from rules.models.clusters.choice import Effort
from rules.ruleset import Clustering
from rules.vocabulary import Field, Type, Vocabulary
from sync.clusters import fitting
from sync.clusters.document import frozen
from sync.clusters.fitting import Before, find
from sync.clusters.people import People

VOCABULARY = Vocabulary({name: Field(name, Type.NUMBER) for name in ("x", "y")}, {})
CENTRES = np.array([(0.0, 0.0), (20.0, 0.0), (0.0, 20.0)])


@pytest.fixture(autouse=True)
def small_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "EFFORT", Effort(draws=10, clouds=6, cloud_draws=6, starts=2))


def clustering(folder: Path, more: str = "") -> Clustering:
    text = "[[clustering]]\nid = 'a'\nfeatures = { x = 'x', y = 'y' }\n"
    (folder / "a.toml").write_text(text + more, "utf-8")
    found = load(folder, VOCABULARY).ruleset
    assert found is not None
    return found.clusterings["a"]


def blobs(centres: np.ndarray, *, each: int = 60, seed: int = 1) -> People:
    """So many people around each centre, in turn."""
    random = np.random.default_rng(seed)
    points = np.repeat(centres, each, axis=0) + random.normal(size=(each * len(centres), 2))
    return People(np.arange(len(points)), {"x": points[:, 0], "y": points[:, 1]}, {})


def ids_of(parameters: Mapping[str, Any] | None, people: People, *, each: int = 60) -> list[int]:
    """The id of the cluster of everybody around each centre."""
    assert parameters is not None
    by = frozen(parameters)
    ids = np.array(by.ids)[assigned(by.matrix(people), by.centres)].reshape(-1, each)
    assert (ids == ids[:, :1]).all()
    return [int(one) for one in ids[:, 0]]


def test_without_k_as_many_clusters_are_found_as_there_are(tmp_path: Path) -> None:
    found = find(clustering(tmp_path), blobs(CENTRES), before=None, next_id=1).parameters
    assert found is not None
    assert (found["k"], found["wanted"], found["natural"], found["ids"]) == (3, None, True, [1, 2, 3])
    assert [one["k"] for one in found["tried"]] == [2, 3, 4, 5, 6, 7, 8]
    assert [one["people"] for one in found["clusters"]] == [60] * 3


def test_a_cut_through_people_without_structure_is_called_one(tmp_path: Path) -> None:
    fit = find(clustering(tmp_path, "k = 3\n"), blobs(CENTRES[:1], each=180), before=None, next_id=1)
    assert fit.parameters is not None
    assert (fit.parameters["k"], fit.parameters["natural"]) == (3, False)
    assert "cluster.not_natural" in [notice.code for notice in fit.notices]


def test_clusters_that_go_on_keep_id_and_name_whoever_else_comes(tmp_path: Path) -> None:
    asked = clustering(tmp_path, "k = 3\n")
    first = find(asked, blobs(CENTRES), before=None, next_id=1).parameters
    ids = ids_of(first, blobs(CENTRES))
    assert first is not None
    before = Before(frozen(first), {1: "one", 2: "two", 3: "three"})
    people = blobs(CENTRES + 0.5, seed=2)
    again = find(asked, people, before=before, next_id=4).parameters
    assert again is not None
    assert {one["id"]: one["name"] for one in again["clusters"]} == before.names
    assert (again["kept"], again["retired"], again["next_id"]) == ([1, 2, 3], [], 4)
    assert ids_of(again, people) == ids
    far = CENTRES.copy()
    far[2] = (20.0, 20.0)
    moved = find(asked, blobs(far), before=before, next_id=4).parameters
    assert moved is not None
    assert (moved["next_id"], moved["retired"]) == (5, [ids[2]])
    assert ids_of(moved, blobs(far)) == [*ids[:2], 4]
    fresh = next(one for one in moved["clusters"] if one["id"] == 4)
    assert fresh["name"] not in before.names.values()


def test_centres_from_before_lie_where_they_lay_however_people_are_scaled_now(tmp_path: Path) -> None:
    asked = clustering(tmp_path, "k = 3\n")
    first = find(asked, blobs(CENTRES), before=None, next_id=1).parameters
    assert first is not None
    crowd = np.concatenate([CENTRES, CENTRES, [CENTRES[0]] * 3])  # most people stand at the first one now
    again = find(asked, blobs(crowd), before=Before(frozen(first), {}), next_id=4).parameters
    assert again is not None
    assert again["scaling"] != first["scaling"]
    ids = ids_of(first, blobs(CENTRES))
    assert ids_of(again, blobs(crowd)) == [*ids, *ids, *[ids[0]] * 3]


def test_who_lacks_a_value_is_told_by_a_rule_that_asks_for_it(tmp_path: Path) -> None:
    people = blobs(CENTRES)
    missing = {"x": people.numbers["x"], "y": np.where(people.numbers["x"] > 10, np.nan, people.numbers["y"])}
    found = find(clustering(tmp_path, "k = 3\n"), People(people.person, missing, {}), before=None, next_id=1)
    assert found.parameters is not None
    texts = [one["rule"]["text"] for one in found.parameters["clusters"]]
    assert all("e+" not in text and "-1" not in text for text in texts), texts
    assert all(one["rule"]["fidelity"] > 0.95 for one in found.parameters["clusters"])
