"""A lake in which every model has something to find, or nothing: people who buy and stop, click and convert.

As a program it keeps all models over it and prints what they found and told, as checksums:
`python -m tests.sync.models.lively DATABASE FOLDER ORDER THREADS`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from sync.config.modelling import (
    DAY_S,
    ChannelSettings,
    ChurnSettings,
    ClvSettings,
    EngagementSettings,
    LeadSettings,
    LifecycleSettings,
    ModelSettings,
    OffersSettings,
    RfmSettings,
    SendTimeSettings,
)
from sync.facts import facts_of
from sync.models.keeping import keep
from sync.store import Store
from sync.store.shapes import INSTANT
from tests.sync.models.made import days_before, facts, put_activity, put_people

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PEOPLE = 900
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")
MODELS: dict[str, ModelSettings] = {
    one.name: one
    for one in (
        RfmSettings(),
        LifecycleSettings(),
        ClvSettings(),
        ChurnSettings(days=60),
        OffersSettings(),
        EngagementSettings(),
        ChannelSettings(),
        LeadSettings(features=("country",), within_s=100 * DAY_S),
        SendTimeSettings(group="rfm.group"),
    )
}


def orders(draw: np.random.Generator) -> pd.DataFrame:
    """BG/NBD: everybody has a pace, and may stop after each order; tastes are of forty items."""
    pace, stops = draw.gamma(0.8, 25.0, PEOPLE), draw.beta(0.8, 2.4, PEOPLE)
    rows = []
    for person in range(1, PEOPLE + 1):
        age = float(draw.integers(200, 500))
        while age > 0.6:
            taste = (
                int(draw.integers(12)) if draw.random() < 0.3 else (person * 7 + int(draw.integers(4))) % 40
            )
            rows.append((person, age, int(draw.gamma(6, 1500 if person % 3 == 0 else 400)) + 1, f"i{taste}"))
            if draw.random() < stops[person - 1]:
                break
            age -= 1.0 + draw.exponential(300 / max(pace[person - 1], 1.0))
    return pd.DataFrame(rows, columns=["person", "age", "amount", "products"])


def letters(draw: np.random.Generator, channel: str, *, signal: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was sent, and which of it was clicked: by keenness, hour and channel, or by chance alone."""
    ages = np.arange(4, 300, 5)
    sent = pd.DataFrame({"person": np.repeat(np.arange(1, PEOPLE + 1), len(ages))})
    sent["age"] = np.tile(ages, PEOPLE) + draw.integers(0, 24, len(sent)) / 24
    sent["campaign"] = channel + sent["age"].astype(int).astype(str)
    odds = np.full(len(sent), 0.1)
    if signal:
        person, hour = sent["person"].to_numpy(), ((12 - 24 * (sent["age"] % 1)) % 24).to_numpy().astype(int)
        near = np.abs(hour - (7 + person % 15)) <= 2
        suits = person % 2 == (channel == "sms")
        odds = 0.25 * (person % 11 / 10) * np.where(near, 2.5, 1) * np.where(suits, 1.6, 0.5)
    return sent, sent[draw.random(len(sent)) < odds].assign(age=lambda one: one["age"] - 0.02)


def won(bought: pd.DataFrame, came: np.ndarray) -> np.ndarray:
    """Of everybody, whether an order came within the 100 days."""
    since = came[bought["person"].to_numpy() - 1] - bought["age"].to_numpy()
    return np.isin(np.arange(1, PEOPLE + 1), bought["person"][(since >= 0) & (since <= 100)])


def put_lake(store: Store, *, signal: bool = True, order: int = 0) -> None:
    """`order`: 0 as they come; else rows and kinds are mixed by it, and in two files each."""
    draw = np.random.default_rng(7)
    kinds = {"purchase": orders(draw)}
    if not signal:
        person, age = np.nonzero(draw.random((PEOPLE, 500)) < 0.01)
        items = np.char.add("i", draw.integers(0, 40, len(person)).astype(str))
        rows = {"person": person + 1, "age": age + 0.5, "amount": 1_000, "products": items}
        kinds = {"purchase": pd.DataFrame(rows)}
    for channel in ("email", "sms"):
        kinds[f"{channel}_sent"], kinds[f"{channel}_click"] = letters(draw, channel, signal=signal)
    country, came = draw.choice(["DE", "FR", "AT"], PEOPLE), draw.integers(200, 500, PEOPLE)
    if signal:
        country = np.where(draw.random(PEOPLE) < 0.6 * won(kinds["purchase"], came), "DE", country)
    put_people(
        store,
        range(1, PEOPLE + 1),
        country=pa.array(country),
        country__ci=pa.array(np.char.lower(country)),
        timezone=pa.array(list(ZONES) * (PEOPLE // 3)),
        signed_up=pa.array(days_before(NOW, came.tolist()), INSTANT),
    )
    mixed = np.random.default_rng(order)
    for kind in list(kinds)[:: -1 if order else 1]:
        rows = kinds[kind].assign(at=lambda one: days_before(NOW, one["age"].tolist())).drop(columns="age")
        if order:
            rows = rows.iloc[mixed.permutation(len(rows))]
        for part in np.array_split(np.arange(len(rows)), 2 if order else 1):
            put_activity(store, kind, rows.iloc[part].reset_index(drop=True))


def names_of(model: ModelSettings) -> list[str]:
    """The facts it tells."""
    return [fact.name for fact in facts_of(model, currency="EUR", source="")]


def main(database: str, folder: str, order: str, threads: str) -> None:
    """Everything once."""
    with Store.open(database, Path(folder) / "lake") as store:
        put_lake(store, order=int(order))
        store.lake.threads = int(threads)
        for version in keep(store, MODELS, as_of=NOW, currency="EUR").fitted:
            text = json.dumps(version.document, sort_keys=True)
            print(version.model, version.state.value, hashlib.sha256(text.encode()).hexdigest())
        for name in (name for model in MODELS.values() for name in names_of(model)):
            told = facts(store, name)[name]
            print(name, int(told.notna().sum()), hashlib.sha256(told.to_csv().encode()).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
