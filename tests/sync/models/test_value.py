"""A value that the naive guess tells as well is nobody's fact, unless the config forces it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest

from rules.models.history import Summary, summarise
from sync.config.modelling import ClvSettings
from sync.models.clv import sample, summary
from sync.models.keeping import keep
from sync.models.log import Log
from sync.store import Store
from sync.store.models import ModelState
from tests.rules.models.cdnow import day, log
from tests.sync.models.made import facts, put_activity, put_people

NOW = dt.datetime(1998, 6, 30, 12, tzinfo=dt.UTC)
CLV = ClvSettings()


def cdnow() -> pd.DataFrame:
    """The published purchases."""
    rows = log()
    at = pd.Timestamp(0, tz="UTC") + pd.to_timedelta(rows["day"], unit="D")
    return pd.DataFrame(
        {"person": rows["person"], "at": at, "amount": (rows["value"] * 100).round().astype(int)}
    )


def come_back(rows: pd.DataFrame) -> pd.DataFrame:
    """Much money of those who spent most and had not been seen for long: past spend knows them, and whoever
    takes them for lost does not."""
    known = rows[rows["at"] < "1997-10-01"].groupby("person").agg(spend=("amount", "sum"), last=("at", "max"))
    lost = known[known["last"] < "1997-06-01"].nlargest(150, "spend").index
    return pd.DataFrame({"person": lost, "at": pd.Timestamp("1998-02-03", tz="UTC"), "amount": 50_000})


def test_a_value_that_the_naive_guess_tells_as_well_is_no_fact_unless_forced(store: Store) -> None:
    rows = cdnow()
    buyers = sorted(set(rows["person"]))
    put_people(store, [*buyers, max(buyers) + 1])
    put_activity(store, "purchase", rows)
    put_activity(store, "purchase", come_back(rows))
    found = keep(store, {"clv": CLV}, as_of=NOW, currency="EUR")
    (version,) = found.fitted
    assert version.state is ModelState.NO_BETTER
    assert version.document["parameters"] is not None
    baseline = version.document["baseline"]
    assert baseline["model_error"] < baseline["naive_error"]
    assert baseline["model_top"] < baseline["naive_top"] - 0.05
    assert (
        f"past spend brought {baseline['naive_top']:.1%} of the revenue (by the model " in found.notices[-1]
    )
    assert "force = true in [models.clv] would use it all the same" in found.notices[-1]
    assert facts(store, "clv_12m")["clv_12m"].isna().all()

    forced = keep(store, {"clv": replace(CLV, force=True)}, as_of=NOW, currency="EUR")
    assert forced.fitted == []
    assert forced.used["clv"].version == 1
    worth = facts(store, "clv_12m")["clv_12m"]
    assert (worth[:-1] > 0).all()
    assert worth.isna().tolist()[-1]  # who never ordered


def test_few_who_came_back_are_a_refusal_that_says_how_many_are_missing(lake_store: Store) -> None:
    rows = cdnow()
    put_people(lake_store, sorted(set(rows["person"])))
    put_activity(lake_store, "purchase", rows[rows["person"] < 200])
    (version,) = keep(lake_store, {"clv": CLV}, as_of=NOW, currency="EUR").fitted
    (notice,) = version.document["notices"]
    days = rows[(rows["person"] < 200) & (rows["at"] < "1997-10-01") & (rows["amount"] > 0)]
    again = int((days.groupby("person")["at"].nunique() > 1).sum())
    assert (notice["code"], notice["evidence"]) == ("clv.insufficient_data", {"n": again, "need": 100})
    assert f"{again} people bought again by 1997-09-30" in notice["message"]
    assert f"{100 - again} are missing" in notice["message"]


def test_of_very_many_customers_the_same_some_are_drawn_and_they_tell_the_same() -> None:
    rows = log()
    columns = [rows[name].to_numpy() for name in ("person", "day", "value")]
    everybody = summarise(*columns, until=day("1997-09-30"))
    assert sample(everybody) is everybody
    some = sample(everybody, 1200)
    assert len(some.person) == 1200
    assert set(some.person) < set(everybody.person)
    mixed = rows.sample(frac=1, random_state=3)
    again = summarise(
        *(mixed[name].to_numpy() for name in ("person", "day", "value")), until=day("1997-09-30")
    )
    assert sample(again, 1200).person.tolist() == some.person.tolist()
    assert some.frequency.mean() == pytest.approx(everybody.frequency.mean(), rel=0.1)
    assert some.age.mean() == pytest.approx(everybody.age.mean(), rel=0.02)


def test_the_lake_sums_up_what_the_model_asks_for(lake_store: Store) -> None:
    """As `summarise` does, which is held against the published summary."""
    rows, split = cdnow(), day("1997-09-30")
    put_people(lake_store, sorted(set(rows["person"])))
    put_activity(lake_store, "purchase", rows)
    expected = summarise(
        rows["person"].to_numpy(), log()["day"].to_numpy(), rows["amount"].to_numpy(float), until=split
    )
    database = lake_store.lake.connect()
    orders = Log(lake_store.lake, database, as_of=NOW).orders(replace(CLV, free_orders=True))
    found = summary(orders.histories(until=split), until=split)
    database.close()
    for name in Summary.__dataclass_fields__:
        assert getattr(found, name).tolist() == pytest.approx(getattr(expected, name).tolist()), name
