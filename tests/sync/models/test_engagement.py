"""Engagement over the lake, against the pure function over the same events one by one, and pandas' ranks."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from rules.models.engagement import NEVER_FADING, Deliveries, Events, engagement, scanner_clicks
from sync.config.modelling import DAY_S, EngagementSettings
from sync.models.keeping import Kept, keep
from sync.models.log import Log
from sync.models.sending import Sending
from sync.models.words import words
from sync.store import Store
from sync.store.models import ModelState
from tests.sync.models.made import facts, put_activity, put_people

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
PEOPLE = 900
MONTH = EngagementSettings(half_life_s=30 * DAY_S)
SUPPRESSED = (5, 6, 7)


def channel() -> dict[str, pd.DataFrame]:
    """Everybody but the last fifty was sent letters, at the hour of the run; some answer keenly."""
    draw = np.random.default_rng(11)
    sent = pd.DataFrame({"person": draw.integers(1, PEOPLE - 50, 9000), "age": draw.integers(0, 150, 9000)})
    sent["campaign"] = "c" + (sent["age"] // 10).astype(str)
    keen = draw.random(PEOPLE) ** 3
    clicks = sent[draw.random(len(sent)) < keen[sent["person"] - 1]].copy()
    clicks["age"] = (clicks["age"] - draw.integers(0, 3, len(clicks))).clip(lower=0)
    opens = sent[draw.random(len(sent)) < 0.5]
    bought = pd.DataFrame({"person": draw.integers(1, 400, 300), "age": draw.integers(0, 150, 300)})
    return {
        "email_sent": sent,
        "email_click": clicks,
        "email_open": opens,
        "purchase": bought.assign(campaign=None),
    }


def put(store: Store, kinds: dict[str, pd.DataFrame]) -> None:
    put_people(
        store, range(1, PEOPLE + 1), suppressed=pa.array([n in SUPPRESSED for n in range(1, PEOPLE + 1)])
    )
    for kind, rows in kinds.items():
        # clicks come a minute after the letter, for scanners click at once
        at = [NOW - age * DAY - dt.timedelta(minutes=kind == "email_sent") for age in rows["age"]]
        links = {"url": rows["url"]} if "url" in rows else {}
        put_activity(
            store,
            kind,
            pd.DataFrame({"person": rows["person"], "at": at, "campaign": rows["campaign"], **links}),
        )


def kept(store: Store, model: EngagementSettings, as_of: dt.datetime = NOW) -> Kept:
    return keep(store, {"engagement": model}, as_of=as_of, currency="EUR")


def one_by_one(kinds: dict[str, pd.DataFrame], half_life: float) -> pd.Series:
    """Rates as the pure function has them of every single event; ages are whole days here."""
    codes = {name: number for number, name in enumerate(f"c{n}" for n in range(15))}
    named = {"email_click": "click", "email_open": "open", "purchase": "order"}
    done = pd.concat([kinds[kind].assign(kind=name) for kind, name in named.items()])
    sent, now_s = kinds["email_sent"], int(NOW.timestamp())

    def at(rows: pd.DataFrame) -> list[int]:
        return (now_s - rows["age"] * DAY_S).tolist()

    found = engagement(
        list(range(1, PEOPLE + 1)),
        Events(
            done["person"].tolist(),
            done["kind"].tolist(),
            done["campaign"].map(codes).fillna(-1).astype(int),
            at(done),
        ),
        Deliveries(sent["person"].tolist(), sent["campaign"].map(codes).tolist(), at(sent)),
        as_of_s=now_s,
        half_life_days=half_life,
        not_scorable=list(SUPPRESSED),
    )
    return pd.Series(found.rate, index=range(1, PEOPLE + 1)).dropna()


def test_scores_are_hundredths_of_the_rates_of_every_single_event(lake_store: Store) -> None:
    kinds = channel()
    put(lake_store, kinds)
    (version,) = kept(lake_store, MONTH).fitted
    rate = one_by_one(kinds, 30.0)
    below = rate.rank(method="min") - 1
    expected = 1 + np.floor(100 * below / len(rate)).astype(int)
    found = (facts(lake_store, "engagement")["engagement"] / 1_000_000).dropna()
    assert set(found.index) == set(rate.index)
    differ = found.astype(int) - expected
    assert (differ == 0).mean() > 0.99  # rates are sums of millionths here, so ties may fall otherwise
    assert differ.abs().max() <= 1
    assert version.document["parameters"]["scored"] == len(rate)
    assert version.document["data"]["deliveries"] == 9000


def test_marks_stay_and_who_was_not_sent_anything_for_long_loses_the_score(lake_store: Store) -> None:
    put(lake_store, channel())
    never = replace(MONTH, refit_s=10**9)
    kept(lake_store, never)
    before = facts(lake_store, "engagement")["engagement"]
    later = kept(lake_store, never, NOW + 130 * DAY)
    assert later.fitted == []
    after = facts(lake_store, "engagement")["engagement"]
    assert 0 < after.notna().sum() < before.notna().sum()
    gone = kept(lake_store, never, NOW + 500 * DAY)
    assert gone.fitted == []
    assert facts(lake_store, "engagement")["engagement"].isna().all()


def test_nothing_moves_within_a_day_but_by_what_people_do(lake_store: Store) -> None:
    put(lake_store, channel())
    kept(lake_store, MONTH)
    before = facts(lake_store, "engagement")["engagement"]
    snapshot = lake_store.lake.snapshots()["facts"]
    kept(lake_store, MONTH, NOW + DAY / 3)
    assert lake_store.lake.snapshots()["facts"] == snapshot
    keenless = int(before.idxmin())
    at = [NOW + DAY / 3 - dt.timedelta(minutes=n) for n in range(4)]
    clicks = pd.DataFrame({"person": keenless, "at": at, "campaign": [f"new{n}" for n in range(4)]})
    put_activity(lake_store, "email_click", clicks)
    kept(lake_store, MONTH, NOW + DAY / 3)
    after = facts(lake_store, "engagement")["engagement"]
    assert list(after.index[after.fillna(-1) != before.fillna(-1)]) == [keenless]


def test_a_click_within_five_seconds_of_the_letter_is_a_scanners(lake_store: Store) -> None:
    put(lake_store, channel())
    sent = NOW - 2 * DAY
    put_activity(
        lake_store, "email_sent", pd.DataFrame({"person": [898, 899], "at": [sent] * 2, "campaign": "s"})
    )
    soon = [sent + dt.timedelta(seconds=4), sent + dt.timedelta(seconds=6)]
    put_activity(lake_store, "email_click", pd.DataFrame({"person": [898, 899], "at": soon, "campaign": "s"}))
    kept(lake_store, MONTH)
    found = facts(lake_store, "engagement")["engagement"]
    assert found[898] < found[899]


def test_who_clicks_every_link_of_a_letter_is_a_scanner_there(lake_store: Store) -> None:
    """Of three links or more, and clicks on other letters count: all as the pure function has it."""
    kinds = channel()
    draw, clicks = np.random.default_rng(4), kinds["email_click"].reset_index(drop=True)
    links = {f"c{n}": 2 if n < 3 else 4 for n in range(15)}
    clicks["url"] = [f"u{draw.integers(links[letter])}" for letter in clicks["campaign"]]
    pairs = clicks[["person", "campaign", "age"]].drop_duplicates(["person", "campaign"]).iloc[:200]
    all_of_them = [
        (person, campaign, age, f"u{link}")
        for person, campaign, age in pairs.itertuples(index=False)
        for link in range(links[campaign])
    ]
    clicks = pd.concat([clicks, pd.DataFrame(all_of_them, columns=["person", "campaign", "age", "url"])])
    put(lake_store, {**kinds, "email_click": clicks})
    kept(lake_store, MONTH)
    codes, urls = {name: int(name[1:]) for name in links}, clicks["url"].str[1:].astype(int)
    at_s = (int(NOW.timestamp()) - clicks["age"] * DAY_S).tolist()
    letter = clicks["campaign"].map(codes).tolist()
    events = Events(clicks["person"].tolist(), ["click"] * len(clicks), letter, at_s)
    many = {codes[name]: count if count > 2 else 0 for name, count in links.items()}
    machines = scanner_clicks(events, urls.tolist(), many, Deliveries([], [], []))
    assert machines.sum() > 500
    rate = one_by_one({**kinds, "email_click": clicks[~machines]}, 30.0)
    expected = 1 + np.floor(100 * (rate.rank(method="min") - 1) / len(rate)).astype(int)
    found = (facts(lake_store, "engagement")["engagement"] / 1_000_000).dropna()
    assert found.index.tolist() == rate.index.tolist()
    assert (found.astype(int) == expected).mean() > 0.99
    assert (found - expected).abs().max() <= 1


def test_the_half_life_that_is_looked_for_stands_beside_points_that_never_fade(store: Store) -> None:
    """Who clicked lately clicks on; who did long ago has stopped: so points must fade."""
    people = np.arange(1, 601)
    keen = people % 3 == 0
    ages = np.tile(np.arange(0, 140, 7), len(people))
    sent = pd.DataFrame({"person": np.repeat(people, 20), "age": ages}).assign(campaign="c1")
    late = sent[np.repeat(keen, 20) & (sent["age"] < 50)]
    early = sent[np.repeat(people % 3 == 1, 20) & (sent["age"] >= 60)]
    put(store, {"email_sent": sent, "email_click": pd.concat([late, early])})
    model = EngagementSettings()
    (version,) = kept(store, model).fitted
    baseline, parameters = version.document["baseline"], version.document["parameters"]
    assert parameters["half_life_days"] < 60
    assert max(baseline["auc"].values()) > baseline["naive_auc"]
    told = words("engagement", version.document, currency="EUR")
    assert told[0].startswith(f"points halve every {parameters['half_life_days']:g} days")
    assert "by points that never fade" in told[-1]


def test_few_who_were_sent_anything_are_a_refusal_that_says_how_many_are_missing(lake_store: Store) -> None:
    kinds = {kind: rows[rows["person"] <= 60] for kind, rows in channel().items()}
    put(lake_store, kinds)
    found = kept(lake_store, EngagementSettings())
    assert [one.state for one in found.fitted] == [ModelState.REFUSED]
    scored = len(one_by_one(kinds, 30.0))
    (notice,) = found.fitted[0].document["notices"]
    assert notice["evidence"] == {"n": scored, "need": 100}
    assert f"{100 - scored} are missing" in found.notices[0]


def test_points_of_the_config_are_kept_with_the_version(lake_store: Store) -> None:
    put(lake_store, channel())
    points = {"email_click": Decimal(1), "purchase": Decimal("2.5")}
    (version,) = kept(lake_store, replace(MONTH, points=points)).fitted
    assert version.document["parameters"]["points"] == {"email_click": 1.0, "purchase": 2.5}
    (usual,) = kept(lake_store, MONTH).fitted
    assert usual.document["parameters"]["points"] == {"email_click": 1.0, "purchase": 3.0}
    assert usual.version == 2
    assert NEVER_FADING > 1e6


def test_two_readings_of_one_log_do_not_disturb_each_other(lake_store: Store) -> None:
    """A version and the one before it are asked about one bucket of people after the other."""
    put(lake_store, channel())
    with closing(lake_store.lake.connect()) as database:
        log = Log(lake_store.lake, database, as_of=NOW)
        first = Sending(log, MONTH, {"email_click": Decimal(1)})
        before = first.faded([30.0], until=log.today).points[30.0]
        second = Sending(log, MONTH, {"email_click": Decimal(3)})
        assert np.allclose(second.faded([30.0], until=log.today).points[30.0], 3 * before)
        assert first.faded([30.0], until=log.today).points[30.0].tolist() == before.tolist()
