"""What campaigns returned, and satisfaction with who answered: beside published numbers, pandas and SciPy."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from tests.scenarios.planted import NOW, Planted
from tests.scenarios.test_kpis import CONFIG, DAY, measured

LOTS = CONFIG.replace(
    'columns = { country = "country" }', 'columns = { country = "country", lot = "lot" }'
).replace('memberships = { to = "members.csv" }', "destination = false")
SURVEY = """
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
"""
CAMPAIGN = """
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
MEASURED = LOTS + SURVEY + CAMPAIGN
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
    each = last["roi"], last["roi_capped"], last["roi_bootstrap"], last["roi_capped_bootstrap"]
    assert {one["value"] for one in each} == {last["roi"]["value"]}, "nobody spent more than others"
    assert last["roi"]["outlier_driven"] is False
    assert "roi_bootstrap" not in first
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


def test_a_return_that_rests_on_one_order_is_told_wherever_it_is_shown(tmp_path: Path) -> None:
    """One order for 30,000; of either group one in twenty for 11 to 60. Beside pandas and SciPy."""
    shop = Planted(tmp_path, rules=CAMPAIGN_RULES, each=1)
    shop.config.write_text(LOTS + CAMPAIGN, "utf-8")
    numbers = [*MAILED, *HELD]
    lots = ["few" if n <= 100 else "Control" if n in HELD else "mail" for n in numbers]
    write(tmp_path, "customers.csv", id=list(numbers), country=["DE"] * len(numbers), lot=list(lots))
    spent = {n: 11.0 + n % 50 for n in numbers if n % 20 == 0} | {3: 30_000.0}
    write(
        tmp_path,
        "orders.csv",
        order=list(range(len(spent))),
        id=list(spent),
        date=[dt.datetime(2026, 3, 10, tzinfo=dt.UTC).isoformat()] * len(spent),
        amount=list(spent.values()),
    )
    shop.run(NOW)
    shop.run(NOW + 40 * DAY)
    people = pd.Series(spent).reindex(numbers, fill_value=0.0)

    def roi(cap: float) -> list[float]:
        capped = people.clip(upper=cap)
        treated, held = capped.loc[list(MAILED)], capped.loc[list(HELD)]
        lift = treated.mean() - held.mean()
        ends = ttest_ind(treated, held, equal_var=False).confidence_interval()
        return [(one - 3) / 3 for one in (lift, ends.low, ends.high)]

    judged = shop.asked("evaluate")
    told = {one["segment"]: one["roi"] for one in judged["segments"]}["mailable"]
    assert [told[name] for name in ("value", "low", "high")] == pytest.approx(roi(np.inf))
    capped = told["capped"]
    assert [capped[name] for name in ("value", "low", "high")] == pytest.approx(roi(people.quantile(0.995)))
    assert told["value"] > 2
    assert capped["value"] < -0.9
    assert (told["bought"], told["people"], told["held"]) == (113, 2_240, 250)
    assert told["bootstrap"]["low"] < told["value"] < told["bootstrap"]["high"]
    assert told["outlier_driven"] is True
    (warned,) = [one["message"] for one in judged["warnings"] if one["code"] == "exp.outlier_driven"]
    assert "mailable" in warned
    point = measured(shop)["mailable"][-1]["kpis"]
    assert point["roi_capped"]["value"] == capped["value"]
    ends = point["roi_bootstrap"]["low"], point["roi_capped_bootstrap"]["high"]
    assert ends == (told["bootstrap"]["low"], capped["bootstrap"]["high"])
    assert point["roi"]["outlier_driven"] is True
    for command in ("evaluate", "kpis", "kpis mailable", "profile mailable"):
        text = shop.told(command)
        assert "exp.outlier_driven" in text, command
        assert "capped" in text, command
    shop.told(f"report --out {tmp_path / 'report.html'}")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "rests on the largest spenders" in page
