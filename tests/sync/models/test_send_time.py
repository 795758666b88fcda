"""Send time over the lake, against pandas over the same deliveries one by one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rules.models.send_time import Counts, best_hour, fit, rates
from rules.vocabulary import NUMBER_SCALE
from sync.config.modelling import LifecycleSettings, SendTimeSettings
from sync.models.keeping import Kept, keep
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState
from tests.sync.models.made import facts, put_activity, put_people

USUAL = SendTimeSettings()
NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
PEOPLE, LETTERS, DAYS = 400, 60, 120
ZONES = ["Europe/Berlin", "America/New_York", None]
SUPPRESSED = 3


def zone_of(person: int) -> str | None:
    return ZONES[person % 3]


def country_of(person: int) -> str:
    return "de" if person % 2 else "us"


def letters(best: str) -> pd.DataFrame:
    """To everybody at random instants over 120 days, daylight saving among them. `best`: whose hour of their
    own day is clicked most: "all" (9), "group" (9 or 20), "person" (one of 4, 10, 16, 22)."""
    draw = np.random.default_rng(23)
    person = np.repeat(np.arange(1, PEOPLE + 1), LETTERS)
    at = pd.Series(
        pd.Timestamp(NOW) - pd.to_timedelta(draw.integers(4 * 86_400, DAYS * 86_400, len(person)), "s")
    )
    clocks = [at.dt.tz_convert(zone or "UTC").dt.hour for zone in ZONES]
    hour = np.choose(person % 3, clocks)
    peaks = {"all": np.full(len(person), 9), "group": np.where(person % 2, 9, 20)}
    peak = peaks.get(best, 4 + 6 * ((person // 6) % 4))
    apart = np.abs((hour - peak + 12) % 24 - 12)
    clicked = draw.random(len(person)) < 0.04 + 0.4 * np.exp(-0.5 * (apart / 2) ** 2)
    return pd.DataFrame(
        {
            "person": person,
            "at": at,
            "campaign": "c" + pd.Series(np.arange(len(person)) % LETTERS).astype(str),
            "hour": hour,
            "clicked": clicked,
        }
    )


def put(store: Store, sent: pd.DataFrame, *, zones: bool = True) -> None:
    people = range(1, PEOPLE + 1)
    told = {"timezone": pa.array([zone_of(each) for each in people])} if zones else {}
    put_people(
        store,
        people,
        suppressed=pa.array([each == SUPPRESSED for each in people]),
        country__ci=pa.array([country_of(each) for each in people]),
        **told,
    )
    put_activity(store, "email_sent", sent[["person", "at", "campaign"]])
    did = sent[sent["clicked"]].assign(at=lambda one: one["at"] + pd.Timedelta(hours=7))
    put_activity(store, "email_click", did[["person", "at", "campaign"]])


def kept(store: Store, model: SendTimeSettings = USUAL) -> Kept:
    return keep(store, {"send_time": model}, as_of=NOW, currency="EUR")


def hours(store: Store) -> pd.Series:
    return facts(store, "send_hour")["send_hour"] / NUMBER_SCALE


def by_pandas(sent: pd.DataFrame) -> Counts:
    """(people, 24) in order of the number."""
    both = [
        pd.crosstab(part["person"], part["hour"])
        .reindex(index=range(1, PEOPLE + 1), columns=range(24), fill_value=0)
        .to_numpy(float)
        for part in (sent, sent[sent["clicked"]])
    ]
    return Counts(*both)


def test_own_hours_are_a_fact_where_they_win_on_later_clicks(lake_store: Store) -> None:
    sent = letters("person")
    put(lake_store, sent)
    (version,) = kept(lake_store).fitted
    assert version.state is ModelState.FITTED
    known = sent[sent["person"] % 3 != 2]
    of = by_pandas(known)
    usual = fit({"": of.total()})
    parameters = version.document["parameters"]
    assert parameters["store"] == pytest.approx(usual.store.tolist())
    assert (parameters["by"], version.document["data"]["deliveries"]) == ("person", len(sent))
    people = np.arange(1, PEOPLE + 1)
    expected = pd.Series(best_hour(rates(of, usual.store), usual.tried), index=people)
    expected[people % 3 == 2] = usual.store_hour  # whose zone is not known
    found = hours(lake_store)
    assert pd.isna(found[SUPPRESSED])
    assert found.drop(SUPPRESSED).astype(int).tolist() == expected.drop(SUPPRESSED).tolist()
    own = 4 + 6 * ((people // 6) % 4)
    near = np.abs((expected - own + 12) % 24 - 12)[people % 3 != 2] <= 2
    assert near.mean() > 0.7
    baseline = version.document["baseline"]["person"]
    assert baseline["low"] > 0.1
    told = words("send_time", version.document, currency="EUR")
    assert told[-1].startswith("tried on 2026-03-2")
    assert f"{baseline['personal']:.1%} was answered by the personal hour" in told[-1]
    codes = [one["code"] for one in version.document["notices"]]
    assert codes == ["sendtime.unknown_zone"]


def test_one_best_hour_of_everybody_is_told_and_is_no_fact(lake_store: Store) -> None:
    put(lake_store, letters("all"))
    found = kept(lake_store)
    (version,) = found.fitted
    assert version.state is ModelState.NO_BETTER
    assert version.document["parameters"]["hour"] == 9
    assert hours(lake_store).isna().all()
    told = words("send_time", version.document, currency="EUR")
    assert told[0].startswith("for everybody the best hour is 9:00 to 10:00 of a person's own day")
    assert "The personal hour differs from one hour for everybody for nobody" in found.notices[-1]
    assert "force = true in [models.send_time]" in found.notices[-1]
    kept(lake_store, SendTimeSettings(force=True))
    assert hours(lake_store).drop(SUPPRESSED).between(0, 23).all()


def test_the_hour_of_a_group_is_used_where_personal_ones_add_nothing(lake_store: Store) -> None:
    put(lake_store, letters("group"))
    (version,) = kept(lake_store, SendTimeSettings(group="country")).fitted
    assert version.state is ModelState.FITTED
    assert version.document["parameters"]["by"] == "group"
    assert version.document["parameters"]["group_hours"] == {"de": 9, "us": 20}
    found = hours(lake_store).drop(SUPPRESSED)
    assert found.tolist() == [9 if each % 2 else 20 for each in found.index]
    told = words("send_time", version.document, currency="EUR")
    assert "by country: de 9:00 to 10:00, us 20:00 to 21:00" in told
    assert not version.document["baseline"]["own"]["low"] > 0


def test_the_group_may_be_what_another_model_tells(lake_store: Store) -> None:
    """The lifecycle, which is made in the same run: half of the people bought lately, the others never."""
    put(lake_store, letters("group"))
    bought = pd.DataFrame({"person": range(1, PEOPLE + 1, 2), "at": NOW - dt.timedelta(days=9), "amount": 5})
    put_activity(lake_store, "purchase", bought)
    models = {"send_time": SendTimeSettings(group="lifecycle"), "lifecycle": LifecycleSettings(force=True)}
    found = keep(lake_store, models, as_of=NOW, currency="EUR")
    parameters = found.used["send_time"].document["parameters"]
    assert parameters["group_hours"] == {"new": 9, "prospect": 20}
    assert hours(lake_store)[[1, 2]].tolist() == [9, 20]
    told = facts(lake_store, "lifecycle")["lifecycle"]
    assert told[[1, 2]].tolist() == ["New", "Prospect"]


def test_without_a_fact_of_zones_hours_are_the_businesss(lake_store: Store) -> None:
    sent = letters("person")
    put(lake_store, sent, zones=False)
    (version,) = kept(lake_store, SendTimeSettings(home="Asia/Tokyo", force=True)).fitted
    clock = sent.assign(hour=(sent["at"].dt.tz_convert("Asia/Tokyo")).dt.hour)
    assert version.document["parameters"]["store"] == pytest.approx(
        fit({"": by_pandas(clock).total()}).store.tolist()
    )
    told = words("send_time", version.document, currency="EUR")
    assert "no fact tells people's time zones: everybody's day is that of Asia/Tokyo" in told


def test_clicks_count_for_the_latest_letter_of_that_message_and_scanners_do_not(lake_store: Store) -> None:
    """Of 13,000 letters a quarter is clicked: at once, in time, too late, or another message's."""
    at = pd.Series(pd.date_range("2026-01-01", periods=13_000, freq="13min", tz="UTC")).dt.floor("s")
    sent = pd.DataFrame({"person": np.arange(13_000) % 50 + 1, "at": at})
    sent["campaign"] = "c" + (sent.index // 50).astype(str)
    put_people(lake_store, range(1, 51))
    put_activity(lake_store, "email_sent", sent)
    after = {0: "4s", 1: "2h", 2: "73h", 3: "1h"}
    did = sent[sent.index % 4 == 0].copy()
    kind = (did.index // 4) % 4
    did["at"] += pd.to_timedelta(pd.Series(kind, index=did.index).map(after))
    did.loc[kind == 3, "campaign"] = "another"
    did["url"] = "a"
    put_activity(lake_store, "email_click", did)
    links = did[kind == 1].iloc[:30]  # who clicked all three links of these letters is a machine
    for link in "bc":
        put_activity(lake_store, "email_click", links.assign(url=link))
    others = links.assign(person=lambda one: one["person"] % 50 + 1, url="d", at=NOW - dt.timedelta(days=4))
    put_activity(lake_store, "email_click", others.iloc[:10])  # of the first ten nobody clicked all four
    found = keep(lake_store, {"send_time": SendTimeSettings(force=True)}, as_of=NOW, currency="EUR")
    parameters = found.fitted[0].document["parameters"]
    counted = (sent.index % 16 == 4).sum() - 20
    assert parameters["rate"] == pytest.approx(counted / len(sent))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sent: sent[sent["person"] <= 100], "are needed, 7,"),
        (
            lambda sent: sent.assign(clicked=False),
            "0 clicks are there to learn from; 100 are needed, 100 are",
        ),
        (lambda sent: sent[:0], "0 of 0 deliveries were made to people whose time zone is known"),
    ],
)
def test_too_few_are_refused_with_what_is_missing(lake_store: Store, change: object, message: str) -> None:
    assert callable(change)
    put(lake_store, change(letters("person")))
    found = kept(lake_store)
    assert found.fitted[0].state is ModelState.REFUSED
    (notice,) = found.fitted[0].document["notices"]
    assert notice["code"] == "sendtime.insufficient_data"
    assert message in notice["message"]
    assert hours(lake_store).isna().all()


def test_letters_of_few_hours_are_a_warning_and_only_these_are_chosen(lake_store: Store) -> None:
    sent = letters("person")
    at = sent["at"].dt.floor("D") + pd.to_timedelta(8 + np.arange(len(sent)) % 2, "h")
    sent = sent.assign(at=at, hour=at.dt.hour, clicked=np.arange(len(sent)) % 5 == 1)
    put(lake_store, sent, zones=False)
    found = kept(lake_store, replace(SendTimeSettings(), force=True))
    notices = {one["code"]: one["message"] for one in found.fitted[0].document["notices"]}
    told = "100.0% of sends fall in 2 hours; the other hours were never tried."
    assert notices["sendtime.not_spread"] == told
    assert set(hours(lake_store).dropna()) <= {8, 9}
