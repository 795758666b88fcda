"""What runs measure of segments over time, held against pandas over the same files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sync.run.pipeline import begin
from sync.run.workspace import Workspace
from tests.scenarios.planted import CONFIG as TEMPLATE
from tests.scenarios.planted import NOW, Planted

CONFIG = TEMPLATE.replace("DATABASE", Planted.database)
RULES = """
[[segment]]
id = "germans"
name = "Germans"
when = 'country = "DE"'
to = []
[[segment]]
id = "lately"
name = "Bought lately"
when = "count(purchase last 60 days) > 0"
to = []
"""
DAY = dt.timedelta(days=1)


def in_pandas(shop: Planted, as_of: dt.datetime) -> dict[str, tuple[set[int], dict[str, float | None]]]:
    """Segment → its customers and what is measured of them, by the rules' words."""
    people = pd.read_csv(shop.folder / "customers.csv")
    orders = pd.read_csv(shop.folder / "orders.csv")
    orders["date"] = pd.to_datetime(orders["date"], format="ISO8601", utc=True)
    orders = orders[orders["date"] <= as_of]
    orders["day"] = orders["date"].dt.floor("D")
    today = pd.Timestamp(as_of).floor("D")
    lately = orders["date"] > as_of - 60 * DAY
    members = {
        "germans": set(people.loc[people["country"] == "DE", "id"]),
        "lately": set(orders.loc[lately, "id"]),
    }
    found = {}
    for name, inside in members.items():
        theirs = orders[orders["id"].isin(inside)]
        year = theirs[theirs["day"] > today - 365 * DAY]
        values: dict[str, float | None] = {"size": len(inside)}
        values["revenue"] = round(100 * float(year["amount"].sum()))
        for days in (30, 90):
            values[f"retention_{days}"] = followed(theirs, today, days)
        found[name] = inside, values
    return found


def followed(orders: pd.DataFrame, today: pd.Timestamp, days: int) -> float | None:
    """The product over days of the share of gaps that stays open, one day after the other; None: none was
    watched for so long."""
    rows = orders[["id", "day"]].drop_duplicates().sort_values(["id", "day"])
    until = rows.groupby("id")["day"].shift(-1)
    gap = (until.fillna(today) - rows["day"]).dt.days
    if gap.max() < days:
        return None
    still = 1.0
    for day in range(1, days + 1):
        waiting = int((gap >= day).sum())
        closing = int(((gap == day) & until.notna()).sum())
        still *= 1 - closing / waiting if waiting else 1.0
    return 1 - still


def measured(shop: Planted, *words: str) -> dict[str, list[dict[str, Any]]]:
    """Segment → its points."""
    found = shop.asked(" ".join(["kpis", *words]))["segments"]
    return {one["segment"]: one["points"] for one in found}


def test_each_day_is_measured_once_and_the_numbers_are_those_of_pandas(tmp_path: Path) -> None:
    shop = Planted(tmp_path, rules=RULES)
    shop.run(NOW)
    shop.run(NOW + dt.timedelta(hours=3))  # of the same day
    before = in_pandas(shop, NOW)
    later = NOW + 10 * DAY
    for number in shop.of("lapsed"):
        if number % 4 == 0:
            shop.orders[number] = [(later - DAY, 25.0), *shop.orders[number]]
    shop.export()
    shop.run(later)
    after = in_pandas(shop, later)
    found = measured(shop)
    for name in ("germans", "lately"):
        first, second = found[name]
        assert [one["run"] for one in (first, second)] == [1, 3]
        for point, (_, expected) in ((first, before[name]), (second, after[name])):
            told = {key: point["kpis"][key]["value"] for key in expected}
            assert told == pytest.approx(expected, rel=1e-9)
        was, now = before[name][0], after[name][0]
        assert second["kpis"]["entered"]["value"] == len(now - was)
        assert second["kpis"]["left"]["value"] == len(was - now)
        assert first["kpis"]["entered"]["not_measured"] == "first"
        assert second["kpis"]["clv_mean"]["not_measured"] == "no_model"
        assert second["kpis"]["roi"]["not_measured"] == "no_campaigns"
    assert after["lately"][0] - before["lately"][0], "somebody entered, else nothing was compared"
    assert before["lately"][0] - after["lately"][0], "and somebody left"
    only = measured(shop, "lately", f"--since {later:%Y-%m-%d}")
    assert {name: [one["run"] for one in some] for name, some in only.items()} == {"lately": [3]}
    shown = shop.told("kpis lately")
    assert "Trends" in shown
    assert "▁█" in shown


def test_a_run_that_is_taken_up_again_counts_once_and_an_amount_without_money_holds_no_run_up(
    tmp_path: Path,
) -> None:
    shop = Planted(tmp_path, rules=RULES, each=10)
    text = CONFIG.replace('types = { amount = "money" }\n', "")
    shop.config.write_text(text + '[kpis]\neach = "run"\n', "utf-8")
    with Workspace.open(shop.config) as workspace, begin(workspace, "run", as_of=NOW) as pipeline:
        pipeline.pull()
        pipeline.identify()
        pipeline.assign()
        pipeline.assign()
    shop.run(NOW + dt.timedelta(hours=1))
    first, second = measured(shop)["germans"]
    assert (first["run"], second["run"]) == (1, 2), "both of one day, each once"
    assert first["kpis"]["entered"]["not_measured"] == "first", "not compared with itself"
    this_year = {number for number in shop.orders if number % 2} - shop.of("lapsed")
    assert (first["kpis"]["revenue"]["value"], first["kpis"]["revenue"]["people"]) == (0, len(this_year))
    shop.ruled(RULES.replace('country = "DE"', 'country in ["DE", "AT"]'))
    shop.config.write_text(text, "utf-8")
    shop.run(NOW + 3 * DAY)
    found = measured(shop)
    assert found["germans"][-1]["kpis"]["left"]["not_measured"] == "edited"
    assert found["lately"][-1]["kpis"]["left"]["people"] == found["lately"][-2]["kpis"]["size"]["value"]
    shop.config.write_text(text + '[kpis]\neach = "never"\n', "utf-8")
    with Workspace.open(shop.config) as workspace, begin(workspace, "run", as_of=NOW + 9 * DAY) as pipeline:
        pipeline.assign()
    assert [one["run"] for one in measured(shop)["germans"]] == [1, 2, 3]
