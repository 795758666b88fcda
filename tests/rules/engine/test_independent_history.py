"""Related records, and who was in a segment for how long, against numbers worked out with pandas."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyroaring import BitMap

from rules import ir
from rules.engine import Tables, evaluate
from rules.engine.periods import Clock
from rules.engine.person import PersonFacts
from rules.engine.relations import relations
from rules.language import compile_expression
from rules.text import fold
from sync.assign import held
from sync.store import RunState, SegmentVersion, Store
from tests.databases import sqlite_url
from tests.rules.engine.agreement import rule_set
from tests.rules.vocabulary import DEAL_KINDS, VOCABULARY

AS_OF = dt.datetime(2026, 3, 31, 9, tzinfo=dt.UTC)
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
ZONE = "Europe/Berlin"
PEOPLE = 250


def compiled(expression: str) -> ir.Predicate:
    found = compile_expression(expression, VOCABULARY)
    assert not isinstance(found, tuple), found
    return found


def states() -> pd.DataFrame:
    """What is told of deals: many states at one instant, ids in either case, rows without id or person."""
    random, rows = np.random.default_rng(11), 3_000
    return pd.DataFrame(
        {
            "person": pd.array(random.integers(0, PEOPLE, rows), "Int32").copy(),
            "connection": random.choice(["crm", "shop"], rows),
            "deal": random.choice([f"d{n}" for n in range(4)] + ["D1", None], rows),
            "kind": random.choice(DEAL_KINDS, rows),
            "at": [pd.Timestamp(AS_OF - int(days) * DAY) for days in random.integers(-2, 60, rows)],
            "event_id": random.permutation(rows).astype(str),
            "amount": pd.array(random.integers(-3, 9, rows) * 100_00, "Int64"),
            "stage": random.choice(["Open", "WON", "lost", None], rows),
            "closes": [(AS_OF + int(days) * DAY).date() for days in random.integers(-9, 9, rows)],
        }
    ).assign(
        person=lambda frame: frame["person"].mask(random.random(rows) < 0.02),
        amount=lambda frame: frame["amount"].mask(random.random(rows) < 0.1),
    )


def present(rows: pd.DataFrame) -> pd.DataFrame:
    """The last row of each record: at one instant that of the kind named last, then the greater event id."""
    told = rows[rows["at"] <= pd.Timestamp(AS_OF)].dropna(subset=["person", "deal"])
    told = told.assign(place=told["kind"].map(DEAL_KINDS.index), folded=told["stage"].str.casefold())
    ordered = told.sort_values(["at", "place", "event_id"])
    return ordered.groupby(["person", "connection", "deal"]).tail(1)


def tables(rows: pd.DataFrame, connection: duckdb.DuckDBPyConnection) -> Tables:
    """As the lake holds them."""
    connection.register("everybody", pa.table({"person": pa.array(range(PEOPLE), pa.int32())}))
    for kind in DEAL_KINDS:
        told = rows[rows["kind"] == kind].drop(columns="kind")
        for name in ("stage", "deal"):
            told[f"{name}__ci"] = [fold(text) if isinstance(text, str) else None for text in told[name]]
        connection.register(kind, pa.Table.from_pandas(told, preserve_index=False))
    return Tables("everybody", {kind: kind for kind in DEAL_KINDS})


def everyone_but(found: pd.Index) -> pd.Index:
    return pd.RangeIndex(PEOPLE).difference(found)


Found = Callable[[pd.DataFrame], pd.Index]
BY_PANDAS: dict[str, Found] = {
    'any(deal where stage = "won" and amount > 500)': lambda deals: pd.Index(
        deals[(deals["folded"] == "won") & (deals["amount"] > 500_00)]["person"]
    ),
    'none(deal where stage = "won")': lambda deals: everyone_but(deals[deals["folded"] == "won"]["person"]),
    'all(deal where stage != "lost")': lambda deals: (
        (deals["folded"] != "lost").groupby(deals["person"]).all().loc[lambda all_: all_].index
    ),
    'all(deal where stage = "open", last 20 days)': lambda deals: (
        deals[deals["at"] > AS_OF - 20 * DAY]
        .pipe(lambda late: (late["folded"] == "open").groupby(late["person"]).all())
        .loc[lambda all_: all_]
        .index
    ),
    'count(deal where stage = "open", last 30 days) >= 2': lambda deals: (
        deals[(deals["folded"] == "open") & (deals["at"] > AS_OF - 30 * DAY)]
        .groupby("person").size().loc[lambda sizes: sizes >= 2].index
    ),
    "sum(deal.amount) >= 2000": lambda deals: (
        deals.groupby("person")["amount"].sum().loc[lambda total: total >= 2_000_00].index
    ),
    "avg(deal.amount where closes since 2026-04-01) < 200": lambda deals: (
        deals[deals["closes"] >= dt.date(2026, 4, 1)].dropna(subset=["amount"])
        .groupby("person")["amount"].agg(["sum", "size"])
        .loc[lambda both: both["sum"] < 200_00 * both["size"]].index
    ),
    "distinct(deal.stage) = 3": lambda deals: (
        deals.groupby("person")["folded"].nunique().loc[lambda kinds: kinds == 3].index
    ),
    'latest(deal.stage) = "lost"': lambda deals: (
        deals.dropna(subset=["folded"]).sort_values(["at", "folded"]).groupby("person").tail(1)
        .loc[lambda last: last["folded"] == "lost"].set_index("person").index
    ),
    'most frequent(deal.stage) = "open"': lambda deals: (
        deals.groupby("person")["folded"].agg(lambda all_: min(all_.mode(), default=""))
        .loc[lambda most: most == "open"].index
    ),
    "days since deal > 5": lambda deals: (
        deals.groupby("person")["at"].max().loc[lambda last: AS_OF - last > 5 * DAY].index
    ),
    "max(deal.amount) in top 20%": lambda deals: (
        deals.groupby("person")["amount"].max().dropna().astype("int64")
        .pipe(lambda most: most[(most.rank(method="min", ascending=False) - 1) * 5 < len(most)].index)
    ),
}  # fmt: skip


def test_related_records_are_those_of_pandas() -> None:
    rows, connection = states(), duckdb.connect()
    rules = rule_set({expression: compiled(expression) for expression in BY_PANDAS})
    found = evaluate(connection, rules, tables(rows, connection), as_of=AS_OF, zone=ZONE).members
    deals = present(rows)
    for expression, by_pandas in BY_PANDAS.items():
        expected = {int(person) for person in by_pandas(deals)}
        assert set(found[expression]) == expected, expression
        assert 0 < len(expected) < PEOPLE, expression
    other = duckdb.connect()
    shuffled = tables(rows.sample(frac=1, random_state=5), other)
    assert evaluate(other, rules, shuffled, as_of=AS_OF, zone=ZONE).members == found


@pytest.mark.means("`for 30 days` looks at history.")
def test_who_was_in_for_how_long_is_what_pandas_finds_in_the_runs(tmp_path: Path) -> None:
    random, people = np.random.default_rng(4), range(60)
    ages = sorted({0, 1, *random.choice(24 * 70, 45), 24 * 30, 24 * 31, 24 * 7, 12}, reverse=True)
    inside = random.random((len(ages), len(people))) < 0.97
    runs = pd.DataFrame(inside, pd.DatetimeIndex([AS_OF - int(age) * HOUR for age in ages]), people)
    now = pd.Timestamp(AS_OF).tz_convert(ZONE)
    edges = {
        "12 hours": now - pd.Timedelta(hours=12), "7 days": now - pd.Timedelta(days=7),
        "3 weeks": now - pd.Timedelta(weeks=3), "30 days": now - pd.Timedelta(days=30),
        "1 month": now - pd.DateOffset(months=1), "1 year": now - pd.DateOffset(years=1),
    }  # fmt: skip
    conditions = {"vip": compiled("vip")} | {
        f"{word} {length}": compiled(f'{word} segment "vip" for {length}')
        for length in edges
        for word in ("in", "not in")
    }
    rules, expected = rule_set(conditions), {}
    for length, edge in edges.items():
        before, earlier = runs[runs.index < AS_OF], runs[runs.index <= edge]
        since = before[before.index >= earlier.index[-1]].all() if len(earlier) else before.all() & False
        expected[length] = {int(person) for person in people if since[person] and runs.iloc[-1][person]}
    with Store.open(sqlite_url(tmp_path), tmp_path / "lake") as store:
        for at, members in runs.iterrows():
            if at == AS_OF:
                continue
            run = store.runs.claim("test", as_of=at.to_pydatetime(), now=AS_OF)
            kept = {"vip": BitMap(np.flatnonzero(members))}
            version = [SegmentVersion("vip", "v1", "vip", "vip")]
            store.segments.save(run.id, as_of=at.to_pydatetime(), versions=version, members=kept)
            store.runs.finish(run, RunState.DONE, now=AS_OF, stats={})
        stayed = held(store, rules, Clock(AS_OF, ZONE))
    everybody = [PersonFacts(person, {"vip": bool(runs.iloc[-1][person])}) for person in people]
    with duckdb.connect() as connection, relations(connection, everybody, VOCABULARY) as there:
        found = evaluate(connection, rules, there, as_of=AS_OF, zone=ZONE, held=stayed).members
    for length in edges:
        assert set(found[f"in {length}"]) == expected[length], length
        assert set(found[f"not in {length}"]) == {*people} - expected[length], length
    assert expected["1 year"] == set()
    assert len({frozenset(each) for each in expected.values()}) == len(edges)
