"""Clusters whose people moved away from where they were found, as `segsync evaluate` tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rules.models.clusters.shifts import shifts
from tests.scenarios.clustered import DAY
from tests.scenarios.company import segment
from tests.scenarios.planted import NOW, VALUE, Planted

LATER = 200
RULES = VALUE.replace("k = 3\n", 'k = 3\nrefit = "900 days"\n') + segment(
    "buyers", "count(purchase) > 0", to="[]"
)


def test_a_shift_is_in_standard_deviations_of_everybody_and_of_nobody_there_is_none() -> None:
    matrix = np.array([[0.0, 5.0], [2.0, 5.0], [10.0, 5.0], [12.0, 5.0]])
    found = shifts(matrix, np.array([0, 0, 1, -1]), np.array([[0.0, 4.0], [10.0, 5.0], [3.0, 3.0]]))
    sd = np.sqrt(((0 - 6) ** 2 + (2 - 6) ** 2 + (10 - 6) ** 2 + (12 - 6) ** 2) / 4)
    assert found == pytest.approx(np.array([[1 / sd, 0], [0, 0], [0, 0]]))


@pytest.mark.usefixtures("small_effort")
@pytest.mark.xdist_group("clusters")
def test_people_who_went_quiet_move_their_cluster_by_what_numpy_finds_in_their_orders(tmp_path: Path) -> None:
    """Two hundred days on, nobody has ordered: every cluster is quieter, and no other value changed."""
    shop = Planted(tmp_path, RULES, each=40)
    shop.run()
    first = shop.asked("evaluate")["centres"]
    assert {one["feature"] for one in first} == {"orders", "order_value", "days_quiet"}
    assert [one["shift"] for one in first] == pytest.approx(
        [0] * 9, abs=1e-6
    )  # they are where they were found
    ids = shop.facts("cluster.value__id")
    shop.run(NOW + LATER * DAY)
    now = shop.facts("cluster.value__id")
    assert ids == now
    found = shop.asked("evaluate")
    centres = {(one["cluster"], one["feature"]): one for one in found["centres"]}

    def quiet(days: int) -> dict[int, float]:
        until = NOW + days * DAY
        return {n: (until - max(at for at, _ in made)) / DAY for n, made in shop.orders.items()}

    before, after = quiet(0), quiet(LATER)
    low, high = np.quantile(list(before.values()), (0.005, 0.995))

    def cut(of: dict[int, float], cluster: int | None = None) -> NDArray[np.float64]:
        mine = [days for n, days in of.items() if cluster is None or ids[n] == cluster]
        return np.clip(mine, low, high)

    for (cluster, feature), one in centres.items():
        expected = 0.0
        if feature == "days_quiet":
            expected = (cut(after, cluster).mean() - cut(before, cluster).mean()) / cut(after).std()
        assert one["shift"] == pytest.approx(expected, abs=1e-6)
        assert (one["people"], one["alarm"]) == (40, abs(expected) >= 0.5)
    told = {one["evidence"]["cluster"] for one in found["warnings"] if one["code"] == "drift.centre"}
    assert told == {cluster for (cluster, _), one in centres.items() if one["alarm"]}
    assert len(told) == 3
    assert "Clusters that moved since they were found" in shop.told("evaluate")
