"""`segsync profile` on the demo's company: its numbers are those that pandas finds in the store."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lxml import html

from sync.run.workspace import Workspace
from tests.sync.cli.conftest import Segsync

SEGMENT = "best-by-country"


@pytest.fixture(scope="module")
def stored(demo_config: Path) -> dict[str, Any]:
    """What the store holds: people, purchases, and who is in the segment."""
    with Workspace.open(demo_config) as workspace:
        lake = workspace.store.lake
        database = lake.connect()
        people = database.sql(f"SELECT * FROM {lake.relation('people')}").to_arrow_table().to_pandas()
        bought = database.sql(f'SELECT person, amount, "at" FROM {lake.relation("activity", "purchase")}')
        purchases = bought.to_arrow_table().to_pandas()
        database.close()
        every = workspace.store.segments.latest()
        latest = every[SEGMENT]
        return {
            "latest": every,
            "people": people.set_index("person"),
            "purchases": purchases,
            "members": list(latest.members),
            "as_of": pd.Timestamp(latest.as_of),
        }


@pytest.fixture(scope="module")
def told(segsync: Segsync) -> dict[str, Any]:
    found: dict[str, Any] = segsync("profile", SEGMENT, "--format", "json").document
    return found


def test_size_and_share_are_those_of_the_last_run(told: dict[str, Any], stored: dict[str, Any]) -> None:
    assert told["size"] == len(stored["members"]) == told["trend"][-1]["size"]
    assert told["everybody"] == len(stored["people"])
    assert told["share"] == len(stored["members"]) / len(stored["people"])


def test_numbers_agree_with_pandas(told: dict[str, Any], stored: dict[str, Any]) -> None:
    index, as_of, members = stored["people"].index, stored["as_of"], stored["members"]
    by_person = stored["purchases"].groupby("person")
    last = (as_of - by_person["at"].max()).dt.total_seconds() / 86400
    columns = {
        "purchase.count": by_person.size().reindex(index, fill_value=0),
        "purchase.amount": (by_person["amount"].sum() / 100).reindex(index, fill_value=0),
        "purchase.days": last.reindex(index),
        "signed_up.days": (as_of - stored["people"]["signed_up"]).dt.total_seconds() / 86400,
    }
    numbers = {one["fact"]: one for one in told["numbers"]}
    for name, values in columns.items():
        inside = values.loc[members]
        found = numbers[name]
        assert found["people"] == inside.notna().sum()
        assert found["mean"] == pytest.approx(inside.mean())
        assert found["median"] == pytest.approx(inside.median())
        assert found["everybody_median"] == pytest.approx(values.median())
        assert found["difference"] == pytest.approx((inside.mean() - values.mean()) / values.std(ddof=0))
    spend = columns["purchase.amount"]
    assert numbers["purchase.amount"]["total"] == pytest.approx(spend.loc[members].sum())
    assert numbers["purchase.amount"]["share_of_total"] == pytest.approx(
        spend.loc[members].sum() / spend.sum()
    )
    apart = {one["fact"]: one["size"] for one in told["apart"]}
    assert apart["purchase.amount"] == numbers["purchase.amount"]["difference"]
    assert "age" not in apart


def test_levels_agree_with_pandas(told: dict[str, Any], stored: dict[str, Any]) -> None:
    people = stored["people"]
    for name in ("country", "language", "city"):
        inside = people.loc[stored["members"], name].value_counts()
        shares = {one["level"]: one for one in told["levels"] if one["fact"] == name}
        assert {level: one["people"] for level, one in shares.items()} == inside[inside >= 30].to_dict()
        for level, one in shares.items():
            assert one["everybody"] == pytest.approx((people[name] == level).mean())
    (bought,) = [one for one in told["levels"] if one["fact"] == "did.purchase"]
    assert bought["people"] == len(set(stored["purchases"]["person"]) & set(stored["members"]))


def test_nobody_is_told_of_by_name_or_address(segsync: Segsync, stored: dict[str, Any]) -> None:
    said = "".join(segsync("profile", SEGMENT, *words).said for words in ((), ("--format", "json")))
    assert "@" not in said
    names = set(stored["people"]["last_name"].dropna()) | set(stored["people"]["first_name"].dropna())
    assert not [name for name in names if len(name) > 5 and name in said]


def test_of_a_small_segment_only_the_size_is_told(segsync: Segsync) -> None:
    found = segsync("profile", "lifecycle/prospect", "--format", "json").document
    assert 0 < found["size"] < 30
    assert "fewer than 30" in found["sentence"]
    assert "numbers" not in found
    assert "fewer than 30" in segsync("profile", "lifecycle/prospect").out


def test_a_segment_that_there_is_not_is_told_with_the_nearest(segsync: Segsync) -> None:
    answer = segsync("profile", "best-by-contry")
    assert (answer.code, 'did you mean "best-by-country"?' in answer.err) == (1, True)


def test_the_report_has_every_segment_and_nobodys_name(
    segsync: Segsync, stored: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    answer = segsync("report", "--out", out, "--format", "json")
    assert answer.code == 0, answer.said
    with_numbers = segsync("profile", SEGMENT, "--format", "json").document
    text = out.read_text(encoding="utf-8")
    sizes = [len(one.members) for one in stored["latest"].values()]
    assert answer.document["hidden"] == sum(size < 30 for size in sizes) > 0
    assert text.count("<h2 ") == 1 + len(answer.document["segments"])
    assert escape(with_numbers["sentence"]) in text
    assert "@" not in text.replace("@page", "").replace("@media", "")
    names = set(stored["people"]["last_name"].dropna()) | set(stored["people"]["first_name"].dropna())
    shown = html.document_fromstring(text).text_content()
    assert not [name for name in names if len(name) > 5 and name in shown]
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_an_earlier_report_is_replaced_and_another_file_is_not(segsync: Segsync, tmp_path: Path) -> None:
    mine, foreign = tmp_path / "mine.html", tmp_path / "foreign.html"
    foreign.write_text("<html>precious</html>")
    for _ in range(2):
        assert segsync("report", SEGMENT, "--out", mine).code == 0
    refused = segsync("report", SEGMENT, "--out", foreign)
    assert (refused.code, "--force" in refused.err) == (1, True)
    assert foreign.read_text() == "<html>precious</html>"
    assert segsync("report", SEGMENT, "--out", foreign, "--force").code == 0
    assert "precious" not in foreign.read_text()
    nowhere = segsync("report", SEGMENT, "--out", tmp_path / "no" / "where.html")
    assert (nowhere.code, "could not be written" in nowhere.err) == (1, True)


def test_what_sums_of_money_are_of_is_said_wherever_they_stand(
    segsync: Segsync, told: dict[str, Any], stored: dict[str, Any], tmp_path: Path
) -> None:
    """They are of all time, less refunds; the revenue that `evaluate` tells is another."""
    bought = stored["purchases"]
    mine = bought[bought["person"].isin(stored["members"])]["amount"].sum() / 100
    (amount,) = [one for one in told["numbers"] if one["fact"] == "purchase.amount"]
    assert (amount["total"], amount["span"]) == (pytest.approx(mine), "of all time, less refunds")
    assert "Total purchase amount of all time, less refunds: " in told["sentence"]
    said = "purchase amount: of all time, less refunds. The revenue that segsync evaluate and kpis tell is of"
    assert said in segsync("profile", SEGMENT).said
    page = tmp_path / "report.html"
    segsync("report", SEGMENT, "--out", str(page))
    assert said in page.read_text()
    assert "orders of the last 365 days, refunds not taken off" in segsync("evaluate").said
