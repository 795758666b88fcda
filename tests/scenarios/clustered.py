"""A planted shop at three stages of its clusters: made once in a process, put back for every test."""

from __future__ import annotations

import copy
import datetime as dt
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rules.models.clusters.choice import Effort
from sync.clusters import fitting
from tests.scenarios.planted import NOW, VALUE, Planted

DAY = dt.timedelta(days=1)
HUNTERS = VALUE + '[[segment]]\nid = "hunters"\nwhen = \'in cluster "bargain hunters"\'\nto = ["shop"]\n'
CALLED = {"hunters": "bargain hunters", "spenders": "big spenders", "lapsed": "lapsed"}
EACH = 30
LITTLE = Effort(draws=6, clouds=4, cloud_draws=4, starts=1)
"""Planted groups show with few draws."""


@dataclass
class Stages:
    """The shop lives in one folder, for its lake knows where it lies; what it was like lies beside it."""

    folder: Path
    kept: dict[str, Planted] = field(default_factory=dict)

    def keep(self, stage: str, shop: Planted) -> None:
        """The shop as it is now."""
        shutil.copytree(shop.folder, self.folder / stage)
        self.kept[stage] = copy.deepcopy(shop)

    def back(self, stage: str) -> Planted:
        """The shop as it was then, free to be changed."""
        shop = copy.deepcopy(self.kept[stage])
        shutil.rmtree(shop.folder)
        shutil.copytree(self.folder / stage, shop.folder)
        return shop


@pytest.fixture
def small_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that has clusters found itself."""
    monkeypatch.setattr(fitting, "EFFORT", LITTLE)


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """`proposed`: found by a run; `accepted`: since then, under the names of the kinds; `running`: since then
    the run of the next day has given people the fact."""
    folder = tmp_path_factory.mktemp("clusters")
    made = Stages(folder)
    (folder / "shop").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "EFFORT", LITTLE)
        shop = Planted(folder / "shop", HUNTERS, each=EACH)
        shop.reports.append(shop.run())
        made.keep("proposed", shop)
        found = shop.clusters()
        names = " ".join(f'--name {found[kind]["id"]}="{name}"' for kind, name in CALLED.items())
        shop.told(f"clusters accept value --by me {names}")
        made.keep("accepted", shop)
        shop.reports.append(shop.run(NOW + DAY))
        made.keep("running", shop)
    return made
