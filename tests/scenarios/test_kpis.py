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


MEASURED = (
    CONFIG.replace(
        'columns = { country = "country" }', 'columns = { country = "country", lot = "lot" }'
    ).replace('memberships = { to = "members.csv" }', "destination = false")
    + """
[[connections.shop.activity]]
name = "answers"
kind = "survey_answered"
from = "answers.csv"
key = "answer"
contact = "id"
at = "date"
columns = { score = "score" }
types = { score = "number" }
[[connections.shop.activity]]
name = "surveys"
kind = "survey_sent"
from = "surveys.csv"
key = "survey"
contact = "id"
at = "date"
[satisfaction.nps]
activity = "survey_answered"
field = "score"
asked = "survey_sent"
within = "90 days"
[campaigns]
margin = 1.0
[[campaigns.campaign]]
name = "spring"
started = 2026-03-02T08:00:00Z
within = "30 days"
segment = "mailable"
holdout_fact = "shop.lot"
holdout_value = "Control"
share = 0.1
each = 3
"""
)
MAILED, HELD = range(1, 2_241), range(2_241, 2_491)
CAMPAIGN_RULES = """
[[segment]]
id = "mailable"
name = "Mailable"
when = 'country = "DE"'
to = []
[[segment]]
id = "small"
name = "Small"
when = 'country = "DE" and shop.lot = "few"'
to = []
"""


def write(folder: Path, name: str, **columns: list[object]) -> None:
    pd.DataFrame(columns).to_csv(folder / name, index=False)


def test_return_is_measured_from_the_holdout_alone_and_satisfaction_told_with_who_answered(
    tmp_path: Path,
) -> None:
    """The published campaign: 2,240 mails at 3 each, 334 buyers at 11 each; nobody of the holdout bought."""
    shop = Planted(tmp_path, rules=CAMPAIGN_RULES, each=1)
    shop.config.write_text(MEASURED, "utf-8")
    numbers = [*MAILED, *HELD]
    lots = ["few" if n <= 100 else "Control" if n in HELD else "mail" for n in numbers]

    def customers(country: list[str]) -> None:
        write(tmp_path, "customers.csv", id=list(numbers), country=list(country), lot=list(lots))

    customers(["DE"] * len(numbers))
    bought = dt.datetime(2026, 3, 10, tzinfo=dt.UTC)
    early, late = NOW - DAY, dt.datetime(2026, 4, 2, tzinfo=dt.UTC)
    buyers = [*MAILED[-334:]]
    orders = [(n, bought, 11.0) for n in buyers]
    orders += [(n, at, 500.0) for n in MAILED[200:240] for at in (early, late)]  # not of the campaign
    write(
        tmp_path,
        "orders.csv",
        order=list(range(len(orders))),
        id=[n for n, _, _ in orders],
        date=[at.isoformat() for _, at, _ in orders],
        amount=[amount for _, _, amount in orders],
    )
    asked = [*MAILED[:400]]
    answered = [(n, (10, 8, 3)[n % 3], 0) for n in asked[:90]] + [(n, 0, 1) for n in asked[:90]]
    answered += [(HELD[0], 10, 0)]  # whom nobody asked
    day = NOW - 5 * DAY
    write(tmp_path, "surveys.csv", survey=list(asked), id=list(asked), date=[day.isoformat()] * len(asked))
    write(
        tmp_path,
        "answers.csv",
        answer=list(range(len(answered))),
        id=[n for n, _, _ in answered],
        date=[(day + DAY - old * DAY / 2).isoformat() for _, _, old in answered],
        score=[score for _, score, _ in answered],
    )
    shop.run(NOW)
    customers(["FR" if n % 2 else "DE" for n in numbers])  # half of them move: they count as they were
    shop.run(NOW + 40 * DAY)
    found = measured(shop)
    first, last = (one["kpis"] for one in found["mailable"])
    assert first["roi"]["not_measured"] == "not_over"
    assert last["roi"]["value"] == pytest.approx(-3_046 / 6_720)
    assert last["roi"]["people"] == 2_240
    low, high = last["roi"]["low"], last["roi"]["high"]
    assert low < -3_046 / 6_720 < high < 0
    small = found["small"][-1]["kpis"]["roi"]
    assert (small["value"], small["not_measured"], small["people"]) == (None, "few_held", 0)
    scores = pd.Series([score for _, score, old in answered if not old])
    assert first["nps"]["value"] == pytest.approx(100 * ((scores >= 9).mean() - (scores <= 6).mean()))
    assert (first["nps"]["people"], first["nps_response"]["people"]) == (91, 400)
    assert first["nps_response"]["value"] == 90 / 400
    assert first["nps_promoters"]["low"] < (scores >= 9).mean() < first["nps_promoters"]["high"]
    judged = shop.asked("evaluate")
    worth = {one["segment"]: one for one in judged["segments"]}
    assert worth["mailable"]["roi"]["value"] == last["roi"]["value"]
    assert (worth["small"]["roi"], worth["small"]["roi_not_measured"]) == (None, "few_held")
    told = {one["code"]: one["message"] for one in judged["warnings"]}
    assert "not measured for small:" in told["eval.unmeasured_roi"]
    assert last["nps"]["people"] == 45, "who is in it now"
    for mistaken, code in (
        (MEASURED.replace('segment = "mailable"', 'segment = "mailabel"'), "unknown"),
        (MEASURED.replace("share = 0.1", "share = 0.3"), "uneven"),
    ):
        shop.config.write_text(mistaken, "utf-8")
        segments = shop.asked("evaluate")["segments"]
        assert {one["roi_not_measured"] for one in segments} == {code}
