"""Preferred channel over the lake, against pandas over the same events one by one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from sync.config.modelling import ChannelKinds, ChannelSettings
from sync.models.keeping import Kept, keep
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState
from tests.sync.models.made import facts, put_activity, put_people

USUAL = ChannelSettings()
NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
PEOPLE = 300
SUPPRESSED = (7, 8)
RATES = {"email": (0.30, 0.05), "sms": (0.05, 0.30)}
"""How often the first half of people answers on the channel, and how often the others."""


def history(rates: dict[str, tuple[float, float]]) -> dict[str, pd.DataFrame]:
    """Every second day a letter, every third a text message; answers six hours later."""
    draw = np.random.default_rng(4)
    kinds = {}
    for (channel, (first, second)), step in zip(rates.items(), (2, 3), strict=True):
        ages = np.arange(4, 120, step)
        sent = pd.DataFrame(
            {"person": np.repeat(np.arange(1, PEOPLE + 1), len(ages)), "age": np.tile(ages, PEOPLE)}
        )
        sent["campaign"] = channel + sent["age"].astype(str)
        sent["at"] = pd.Timestamp(NOW) - pd.to_timedelta(sent["age"], "D")
        rate = np.where(sent["person"] <= PEOPLE // 2, first, second)
        did = sent[draw.random(len(sent)) < rate]
        kinds[f"{channel}_sent"] = sent
        kinds[f"{channel}_click"] = did.assign(at=did["at"] + pd.Timedelta(hours=6))
    return kinds


def put(store: Store, kinds: dict[str, pd.DataFrame]) -> None:
    people = range(1, PEOPLE + 1)
    put_people(store, people, suppressed=pa.array([each in SUPPRESSED for each in people]))
    for kind, rows in kinds.items():
        put_activity(store, kind, rows[["person", "at", "campaign"]])


def kept(store: Store, model: ChannelSettings = USUAL) -> Kept:
    return keep(store, {"channel": model}, as_of=NOW, currency="EUR")


def channels(store: Store) -> pd.Series:
    return facts(store, "preferred_channel")["preferred_channel"]


def by_pandas(kinds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rate by person and channel, from the formula over every event."""
    found = {}
    for channel in ("email", "sms"):
        sums = {}
        for kind in ("sent", "click"):
            rows = kinds[f"{channel}_{kind}"]
            days = NOW.date() - rows["at"].dt.date
            faded = 2.0 ** (-days.map(lambda each: each.days) / 30)
            sums[kind] = faded.groupby(rows["person"]).sum().reindex(range(1, PEOPLE + 1), fill_value=0)
        some = ~sums["sent"].index.isin(SUPPRESSED)
        usual = sums["click"][some].sum() / sums["sent"][some].sum()
        found[channel] = (sums["click"] + 20 * usual) / (sums["sent"] + 20)
    return pd.DataFrame(found)


def test_each_prefers_the_channel_with_the_highest_rate(lake_store: Store) -> None:
    kinds = history(RATES)
    put(lake_store, kinds)
    (version,) = kept(lake_store).fitted
    assert version.state is ModelState.FITTED
    expected = by_pandas(kinds).idxmax(axis=1)
    found = channels(lake_store)
    assert found[list(SUPPRESSED)].isna().all()
    assert found.drop(list(SUPPRESSED)).tolist() == expected.drop(list(SUPPRESSED)).tolist()
    first = found.index <= PEOPLE // 2
    assert (found[first].dropna() == "email").mean() > 0.95
    parameters, baseline = version.document["parameters"], version.document["baseline"]
    assert parameters["preferred"] == found.value_counts().to_dict()
    assert (parameters["not_scorable"], parameters["no_data"]) == (len(SUPPRESSED), 0)
    assert baseline["most_frequent"] == "email"
    assert baseline["low"] > 0.1
    told = words("channel", version.document, currency="EUR")
    assert f"email is preferred by {parameters['preferred']['email']} people" in told[0]
    assert "0 people were sent nothing lately, or only open (no data), 2 must not be written to" in told[2]
    assert told[-1].startswith("  most was sent by email;")


def test_who_unsubscribed_complained_or_bounced_is_never_given_that_channel(lake_store: Store) -> None:
    kinds = history(RATES)
    late = pd.Timestamp(NOW) - pd.Timedelta(days=50)
    clicked = kinds["email_click"].groupby("person")["at"].max()
    soft = int(clicked[clicked.index <= 100].idxmax())  # clicked after the bounce
    hard = int(clicked[(clicked.index <= 100) & (clicked.index != soft)].index[0])
    lately = pd.Timestamp(NOW) - pd.Timedelta(days=5)
    kinds["email_click"] = kinds["email_click"][
        (kinds["email_click"]["person"] != hard) | (kinds["email_click"]["at"] < lately)
    ]
    left = [each for each in (20, 21, 22, 23) if each not in (soft, hard)]
    for kind, people in {
        "email_unsubscribe": left[:1],
        "email_complaint": left[1:2],
        "email_bounce": [soft, hard],
        "sms_unsubscribe": left[:1],
    }.items():
        at = [lately if each == hard else late for each in people]
        kinds[kind] = pd.DataFrame({"person": people, "at": at, "campaign": "c"})
    put(lake_store, kinds)
    (version,) = kept(lake_store).fitted
    found = channels(lake_store)
    assert pd.isna(found[left[0]])
    assert found[[left[1], hard, soft]].tolist() == ["sms", "sms", "email"]
    assert version.document["parameters"]["not_scorable"] == len(SUPPRESSED) + 1


def test_a_channel_that_everybody_answers_most_is_told_and_is_no_fact(lake_store: Store) -> None:
    put(lake_store, history({"email": (0.04, 0.04), "sms": (0.3, 0.3)}))
    found = kept(lake_store)
    assert found.fitted[0].state is ModelState.NO_BETTER
    assert found.fitted[0].document["baseline"]["best"] == "sms"
    assert channels(lake_store).isna().all()
    assert "force = true in [models.channel]" in found.notices[-1]
    kept(lake_store, ChannelSettings(force=True))
    assert (channels(lake_store).drop(list(SUPPRESSED)) == "sms").mean() > 0.95


def test_channels_may_be_called_otherwise(lake_store: Store) -> None:
    kinds = {
        {"sms_sent": "text_out", "sms_click": "text_in"}.get(kind, kind): rows
        for kind, rows in history(RATES).items()
    }
    put(lake_store, kinds)
    text = replace(ChannelKinds.usual("text"), sent="text_out", reply="text_in")
    kept(lake_store, ChannelSettings(channels=(ChannelKinds.usual("email"), text)))
    assert set(channels(lake_store).dropna()) == {"email", "text"}


def test_one_channel_is_refused_and_names_what_is_missing(lake_store: Store) -> None:
    put(lake_store, {kind: rows for kind, rows in history(RATES).items() if kind.startswith("email")})
    found = kept(lake_store)
    assert found.fitted[0].state is ModelState.REFUSED
    (notice,) = found.fitted[0].document["notices"]
    assert notice["code"] == "channel.insufficient_data"
    assert "email has 298, so 1 more channel is missing." in notice["message"]


def test_without_a_month_on_both_channels_there_is_nothing_to_try_it_on(lake_store: Store) -> None:
    kinds = history(RATES)
    month = pd.Timestamp(NOW) - pd.Timedelta(days=31)
    kinds["sms_sent"] = kinds["sms_sent"][
        (kinds["sms_sent"]["at"] < month) | (kinds["sms_sent"]["person"] <= 40)
    ]
    put(lake_store, kinds)
    (notice,) = kept(lake_store).fitted[0].document["notices"]
    assert "40 people were sent something on two channels after 2026-04-01; 100 are" in notice["message"]
    assert "60 are missing" in notice["message"]


def test_an_empty_lake_is_refused_in_words(lake_store: Store) -> None:
    put_people(lake_store, [1, 2])
    put_activity(lake_store, "purchase", pd.DataFrame({"person": [1], "at": [NOW - DAY], "campaign": ["c"]}))
    (notice,) = kept(lake_store).fitted[0].document["notices"]
    assert "nothing was sent and answered on any, so 2 more channels are missing" in notice["message"]
