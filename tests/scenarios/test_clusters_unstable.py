"""A clustering that is asked for more clusters than there are kinds of people, as `evaluate` tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.company import segment
from tests.scenarios.planted import VALUE, Planted

pytestmark = [pytest.mark.usefixtures("small_effort"), pytest.mark.xdist_group("clusters")]
BUYERS = segment("buyers", "count(purchase) > 0", to="[]")


@pytest.mark.parametrize(("k", "some"), [(3, False), (6, True)])
def test_a_cluster_under_point_six_is_told_with_its_stability(tmp_path: Path, k: int, some: bool) -> None:
    """Three kinds are planted: three clusters hold, of six some do not."""
    shop = Planted(tmp_path, VALUE.replace("k = 3", f"k = {k}") + BUYERS, each=70)
    shop.run()
    shown = {one["id"]: one["stability"] for one in shop.asked("clusters show value")["clusters"]}
    found = shop.asked("evaluate")
    told = {
        one["evidence"]["cluster"]: one["evidence"]["stability"]
        for one in found["warnings"]
        if one["code"] == "seg.unstable"
    }
    assert told == {cluster: held for cluster, held in shown.items() if held < 0.6}
    assert bool(told) is some
    assert {one["cluster"]: one["stability"] for one in found["centres"]} == shown
    assert ("warning seg.unstable" in shop.told("evaluate")) is some
