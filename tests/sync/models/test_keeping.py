"""When models are fitted, what of them is kept, and whose facts are in the lake."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Text, cast, select, text, update

from rules.models.groups import Group
from sync.config.modelling import LifecycleSettings, RfmSettings
from sync.models.keeping import Kept, keep
from sync.models.standing import in_use
from sync.store import Store
from sync.store.models import ModelState
from sync.store.tables import model_versions
from tests.sync.models.made import days_before, facts, put_activity, put_people

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
RFM, LIFECYCLE = RfmSettings(force=True), LifecycleSettings(force=True)
"""By force, for no score foretells orders that are made up."""
FOUR = ("rfm.recency", "rfm.frequency", "rfm.money", "rfm.group")


def buyers(people: int, *, amount: int = 1000, first: int = 1) -> pd.DataFrame:
    """Everybody bought on another day of the last two hundred, and every third two times more."""
    persons = [person for person in range(first, first + people) for _ in range(3 if person % 3 == 0 else 1)]
    at = days_before(NOW, [(7 * n) % 200 + 0.5 for n in range(len(persons))])
    return pd.DataFrame({"person": persons, "at": at, "amount": amount})


def kept(store: Store, *models: object, as_of: dt.datetime = NOW, asked: Sequence[str] = ()) -> Kept:
    return keep(store, {one.name: one for one in models}, as_of=as_of, currency="EUR", asked=asked)  # type: ignore[attr-defined]


def test_an_edge_below_every_value_is_kept_as_json_and_scores_as_before(store: Store) -> None:
    """Most spent the same, so nobody has money score 1: its edge lies below every value."""
    put_people(store, range(1, 701))
    put_activity(store, "purchase", buyers(600))
    put_activity(store, "purchase", buyers(60, amount=9000, first=601))
    kept(store, RFM)
    (version,) = store.models.versions("rfm")
    assert version.document["parameters"]["money"][0] is None
    json.loads(json.dumps(version.document, allow_nan=False))
    before = facts(store, *FOUR)
    assert before["rfm.money"].min() == 2_000_000
    again = kept(store, RFM, as_of=NOW)  # by what was read back from the database
    assert again.fitted == []
    assert facts(store, *FOUR).equals(before)


def test_too_few_buyers_are_a_refusal_that_names_what_is_missing_and_nobody_has_scores(store: Store) -> None:
    put_people(store, range(1, 21))
    put_activity(store, "purchase", buyers(10))
    found = kept(store, RFM)
    assert [(one.version, one.state) for one in found.fitted] == [(1, ModelState.REFUSED)]
    assert found.used == {}
    assert "RFM needs 500 buyers, 180 days" in found.notices[0]
    assert "this store has 10, " in found.notices[0]
    assert facts(store, *FOUR).isna().all().all()
    assert found.fitted[0].document["notices"][0]["evidence"]["buyers"] == 10


def test_a_refusal_is_tried_again_a_day_later_and_takes_no_version(store: Store) -> None:
    put_people(store, range(1, 701))
    put_activity(store, "purchase", buyers(10))
    kept(store, RFM)
    put_activity(store, "purchase", buyers(600, first=11))
    assert kept(store, RFM, as_of=NOW + DAY / 2).fitted == []
    found = kept(store, RFM, as_of=NOW + DAY)
    assert [(one.version, one.state) for one in found.fitted] == [(1, ModelState.NO_BETTER)]
    assert facts(store, "rfm.group")["rfm.group"].notna().all()


def test_a_fit_that_is_refused_leaves_the_cut_points_that_were_there(lake_store: Store) -> None:
    put_people(lake_store, range(1, 601))
    put_activity(lake_store, "purchase", buyers(600))
    kept(lake_store, RFM)
    before = facts(lake_store, *FOUR)
    later = NOW + 93 * DAY  # nobody has ordered for a month
    found = kept(lake_store, RFM, as_of=later)
    assert [one.state for one in found.fitted] == [ModelState.REFUSED]
    assert found.used["rfm"].version == 1
    assert "version 1 stays in use; making it anew failed: RFM needs" in found.notices[0]
    assert found.notices[1:] == [
        "model rfm: Cut points are 93 days old; make them anew and look at who moves."
    ]
    after = facts(lake_store, *FOUR)
    assert after["rfm.money"].equals(before["rfm.money"])
    assert (after["rfm.recency"] < before["rfm.recency"]).any()


def test_other_settings_make_a_fit_due_and_other_names_do_not(lake_store: Store) -> None:
    put_people(lake_store, range(1, 601))
    put_activity(lake_store, "purchase", buyers(600))
    kept(lake_store, RFM)
    fifths = replace(RFM, fixed_frequency=False)
    assert in_use(lake_store, {"rfm": fifths}) == {}
    found = kept(lake_store, fifths, as_of=NOW + DAY)
    assert [(one.version, one.document["why"]) for one in found.fitted] == [(2, "its settings were changed")]
    named = replace(fifths, groups=(Group("Best", recency=(5, 5)), Group("The rest")), refit_s=86_400 * 30)
    assert kept(lake_store, named, as_of=NOW + DAY).fitted == []
    assert set(facts(lake_store, "rfm.group")["rfm.group"]) == {"Best", "The rest"}


def test_facts_are_of_everybody_who_is_there_and_of_nobody_else(lake_store: Store) -> None:
    put_people(lake_store, range(1, 601))
    put_activity(lake_store, "purchase", buyers(600))
    kept(lake_store, RFM)
    put_people(lake_store, range(51, 621))
    kept(lake_store, RFM)
    found = facts(lake_store, *FOUR)
    assert list(found.index) == list(range(51, 621))
    assert set(found.loc[601:, "rfm.group"]) == {"Prospects"}


def test_a_run_in_which_nothing_moves_writes_nothing(lake_store: Store) -> None:
    put_people(lake_store, range(1, 601))
    put_activity(lake_store, "purchase", buyers(600))
    kept(lake_store, RFM, LIFECYCLE)
    before = lake_store.lake.snapshots()["facts"]
    kept(lake_store, RFM, LIFECYCLE)
    assert lake_store.lake.snapshots()["facts"] == before


def test_a_model_that_is_off_again_tells_nothing_more(lake_store: Store) -> None:
    put_people(lake_store, range(1, 601))
    put_activity(lake_store, "purchase", buyers(600))
    kept(lake_store, RFM, LIFECYCLE)
    kept(lake_store, LIFECYCLE)
    found = facts(lake_store, "rfm.group", "lifecycle")
    assert found["rfm.group"].isna().all()
    assert found["lifecycle"].notna().all()


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(lake_store: Store) -> None:
    rows = buyers(900)
    put_people(lake_store, range(1, 901))
    put_activity(lake_store, "purchase", rows)
    kept(lake_store, RFM, LIFECYCLE)
    before = [one.document for one in lake_store.models.versions()], facts(lake_store, *FOUR, "lifecycle")
    mixed = rows.sample(frac=1, random_state=np.random.default_rng(3))
    lake_store.lake.replace("activity", removed=[file.path for file in lake_store.lake.files("activity")])
    put_activity(lake_store, "purchase", mixed)
    lake_store.lake.threads = 1
    kept(lake_store, RFM, LIFECYCLE, asked=("rfm", "lifecycle"))
    after = [lake_store.models.versions(name)[0].document for name in ("lifecycle", "rfm")]
    for old, new in zip(before[0], after, strict=True):
        assert {**new, "why": old["why"], "changed": None} == {**old, "changed": None}
        assert set(new["changed"].values()) == {0}
    assert facts(lake_store, *FOUR, "lifecycle").equals(before[1])


def spoilt(store: Store, old: str, new: str | None) -> None:
    """Puts something else in the stored model's place; `None`: nothing more after `old`."""
    column, mine = model_versions.c.document, model_versions.c.model == "rfm"
    with store.database.writing() as database:
        there = str(database.scalar(select(cast(column, Text)).where(mine)))
        before, found, after = there.partition(old)
        assert found
        if new is None:
            cut_off = text("UPDATE model_versions SET document = :text WHERE model = 'rfm'")
            database.execute(cut_off, {"text": before + old})
        else:
            database.execute(
                update(model_versions).where(mine).values(document=json.loads(before + new + after))
            )


EDITED = ('"made_on": ', '"made_on": 1'), "not what was stored"
NEWER = ('"format": 1', '"format": 2'), "made by a newer segsync"


@pytest.mark.parametrize(("edit", "what"), [EDITED, NEWER])
def test_a_version_that_was_edited_is_named_and_nobodys_facts_are_touched(
    store: Store, edit: tuple[str, str], what: str
) -> None:
    stands_still_until_it_is_made_anew(store, edit, what)


@pytest.mark.parametrize("edit", [("{", None), ('"parameters": {', None)])
def test_a_version_that_is_cut_off_is_named_and_nobodys_facts_are_touched(
    lake_store: Store, edit: tuple[str, None]
) -> None:
    """On SQLite; PostgreSQL takes nothing that is no JSON."""
    stands_still_until_it_is_made_anew(lake_store, edit, "not what was stored")


def stands_still_until_it_is_made_anew(store: Store, edit: tuple[str, str | None], what: str) -> None:
    put_people(store, range(1, 601))
    put_activity(store, "purchase", buyers(600))
    kept(store, RFM, LIFECYCLE)
    before = facts(store, *FOUR, "lifecycle")
    spoilt(store, *edit)
    put_activity(store, "purchase", buyers(60, first=540))
    held = kept(store, RFM, LIFECYCLE, as_of=NOW + DAY).held
    assert list(held) == ["rfm"]
    assert re.match(f"model rfm, version 1, .*{what}.*`segsync models fit rfm` makes it anew", held["rfm"])
    after = facts(store, *FOUR, "lifecycle")
    assert after[[*FOUR]].equals(before[[*FOUR]])
    assert not after["lifecycle"].equals(before["lifecycle"])  # the other models go on
    found = kept(store, RFM, LIFECYCLE, as_of=NOW + DAY, asked=["rfm"])
    assert [(one.model, one.version) for one in found.fitted] == [("rfm", 2)]
    assert facts(store, *FOUR).notna().all().all()
    assert kept(store, RFM, LIFECYCLE, as_of=NOW + DAY).fitted == []


@pytest.mark.parametrize("free", [False, True])
def test_what_cost_nothing_is_an_order_only_if_the_config_says_so_and_refunds_never_are(
    lake_store: Store, free: bool
) -> None:
    put_people(lake_store, range(1, 601))
    put_activity(lake_store, "purchase", buyers(600))
    odd = pd.DataFrame({"person": [1, 1, 2], "at": days_before(NOW, [1, 2, 3]), "amount": [0, 0, -500]})
    put_activity(lake_store, "purchase", odd)
    model = replace(RFM, free_orders=free)
    found = kept(lake_store, model)
    assert found.fitted[0].document["data"]["orders"] == 1000 + (2 if free else 0)
    assert facts(lake_store, "rfm.frequency").loc[1, "rfm.frequency"] == (3_000_000 if free else 1_000_000)
