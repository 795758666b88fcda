"""Nobody who has no row in `people` counts: deleted everywhere, or with no record but what is kept out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sync.config.modelling import (
    ChannelSettings,
    ChurnSettings,
    ClvSettings,
    ContactRules,
    EngagementSettings,
    LifecycleSettings,
    ModelSettings,
    OffersSettings,
    RfmSettings,
    SendTimeSettings,
)
from sync.models.keeping import keep
from sync.models.log import Log
from sync.store import Store
from sync.store.models import ModelState
from tests.databases import sqlite_url
from tests.sync.models.made import facts, put_activity, put_people
from tests.sync.models.test_value import NOW, cdnow

MODELS: Mapping[str, ModelSettings] = {
    one.name: one
    for one in (
        RfmSettings(),
        LifecycleSettings(),
        ClvSettings(free_orders=True),
        ChurnSettings(),
        OffersSettings(items="item", contact=ContactRules(most=1)),
        EngagementSettings(),
        SendTimeSettings(),
        ChannelSettings(),
    )
}


def kinds() -> dict[str, pd.DataFrame]:
    """CDNOW's orders, each with an item, and letters and text messages to the same people."""
    draw = np.random.default_rng(9)
    orders = cdnow()
    orders["item"] = "i" + (draw.random(len(orders)) ** 2 * 30).astype(int).astype(str)
    people = np.unique(orders["person"])
    found = {"purchase": orders}
    for channel in ("email", "sms"):
        sent = pd.DataFrame({"person": np.repeat(people, 8)})
        age = draw.integers(0, 150 * 24, len(sent))
        sent["at"] = pd.Timestamp(NOW) - pd.to_timedelta(age, "h")
        sent["campaign"] = channel + (age // 240).astype(str)
        did = sent[draw.random(len(sent)) < np.where(sent["person"] % 2 == (channel == "sms"), 0.3, 0.1)]
        found |= {f"{channel}_sent": sent, f"{channel}_click": did.assign(at=did["at"] + pd.Timedelta("2h"))}
    return found


def out(person: pd.Series) -> pd.Series:
    """Every third of them, the best customers among these: nobody knows of them but activity."""
    return person % 3 == 0


def put(store: Store, rows: Mapping[str, pd.DataFrame], people: Iterable[int]) -> None:
    put_people(store, people)
    for kind, some in rows.items():
        put_activity(store, kind, some)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What every model finds, and tells, where activity is of people alone, and where it is of others too."""
    rows = kinds()
    people = [int(one) for one in np.unique(rows["purchase"]["person"]) if one % 3]
    alone = {kind: some[~out(some["person"])] for kind, some in rows.items()}
    found = []
    for name, given in (("alone", alone), ("others", rows)):
        folder: Path = tmp_path_factory.mktemp(name)
        with Store.open(sqlite_url(folder), folder / "lake") as store:
            put(store, given, people)
            kept = keep(store, MODELS, as_of=NOW, currency="EUR")
            told = facts(store, *sorted(set(store.lake.columns("facts")) - {"person"}))
            versions = {one.model: (one.state, one.document) for one in kept.fitted}
            found.append({"versions": versions, "facts": told})
    return found[0], found[1]


@pytest.mark.parametrize("model", MODELS)
def test_no_model_is_fitted_to_who_is_kept_out(both: tuple[dict[str, Any], ...], model: str) -> None:
    alone, others = both
    assert alone["versions"][model][0] is not ModelState.REFUSED
    assert others["versions"][model] == alone["versions"][model]


def test_nor_does_any_fact_of_others_rest_on_them(both: tuple[dict[str, Any], ...]) -> None:
    alone, others = both
    pd.testing.assert_frame_equal(others["facts"], alone["facts"])


def test_orders_of_who_is_kept_out_are_in_no_sum(lake_store: Store) -> None:
    at = [NOW - dt.timedelta(days=3)] * 3
    put_people(lake_store, [1, 2])
    put_activity(
        lake_store, "purchase", pd.DataFrame({"person": [1, 2, 3], "at": at, "amount": [100, 20, 5000]})
    )
    with closing(lake_store.lake.connect()) as database:
        orders = Log(lake_store.lake, database, as_of=NOW).orders(RfmSettings())
        assert (orders.extent().people, orders.totals().value.tolist()) == (2, [100, 20])
