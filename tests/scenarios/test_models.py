"""Models that are not in use: what the run, `check` and `models` say, and that nobody gets a score."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sync.cli.app import app
from sync.errors import ExitCode
from tests.scenarios.retail_shop import RetailShop

EARLY = dt.datetime(2011, 3, 1, tzinfo=dt.UTC)  # 90 days after the first order
RULES = """
[[segment]]
id = "champions"
when = '''rfm.group = "champions" or
  lifecycle = "new"'''
to = ["shop"]
"""


@pytest.fixture
def shop(tmp_path: Path) -> RetailShop:
    return RetailShop(tmp_path, models="[models.rfm]\n[models.lifecycle]\n", rules=RULES)


def told(shop: RetailShop, command: str, *, code: int = 0) -> str:
    """What the command line prints."""
    done = CliRunner().invoke(app, ["--config", str(shop.config), *shlex.split(command)])
    assert done.exit_code == code, done.output
    return done.output


def test_before_the_first_fit_a_fact_is_missing_and_check_says_so_at_its_place(shop: RetailShop) -> None:
    found = told(shop, "check")
    assert (
        "rules.toml:4:11: warning: rfm.group is missing for everybody: model rfm is not in use: it was"
        in found
    )
    assert "rules.toml:5:3: warning: lifecycle is missing for everybody" in found
    listed = json.loads(told(shop, "models list --format json"))["models"]
    assert [(one["model"], one["in_use"]) for one in listed] == [("rfm", None), ("lifecycle", None)]


def test_a_refused_model_leaves_its_facts_missing_says_what_is_missing_and_stops_nothing(
    shop: RetailShop,
) -> None:
    report = shop.run(EARLY)
    why = "RFM needs 500 buyers, 180 days, an order within 30 days and people with 3 orders; this store has"
    assert [
        line for line in report.notices if f"model rfm is not in use, its facts are missing: {why}" in line
    ]
    facts = shop.facts("rfm.group", "rfm.money", "lifecycle")
    assert facts["rfm.group"].isna().all()
    assert facts["lifecycle"].notna().all()
    assert shop.members()["champions"] == set(facts.index[facts["lifecycle"] == "New"]) != set()
    found = told(shop, "check --data")
    assert (
        f"rules.toml:4:11: warning: rfm.group is missing for everybody: model rfm is not in use: {why}"
        in found
    )
    assert "lifecycle is missing for everybody" not in found
    shown = told(shop, "models show rfm")
    assert "rfm, version 1: refused: not enough data" in shown
    assert f"refusal rfm.floor: {why} " in shown
    assert "model rfm, not in use" in told(shop, "vocabulary")
    assert "lifecycle.quantile" in told(shop, "models show lifecycle")


def test_who_asks_for_a_model_that_is_not_there_is_told_what_there_is(shop: RetailShop) -> None:
    done = CliRunner().invoke(app, ["--config", str(shop.config), "models", "show", "rmf"])
    assert 'there is no model rmf in the config; did you mean "rfm"?' in str(done.exception)
    done = CliRunner().invoke(app, ["--config", str(shop.config), "models", "show", "rfm"])
    assert "model rfm was never fitted; `segsync models fit rfm` does it now" in str(done.exception)
    done = CliRunner().invoke(app, ["--config", str(shop.config), "models", "fit"])
    assert "nothing has been pulled yet" in str(done.exception)
    shop.configure("")
    assert "No model is on" in told(shop, "models list")


def test_fitting_by_hand_makes_a_version_and_scores_everybody_at_once(shop: RetailShop) -> None:
    told(shop, "pull")
    found = json.loads(told(shop, "models fit --format json"))["models"]
    assert [(one["model"], one["version"], one["why"]) for one in found] == [
        ("rfm", 1, "it was asked for"),
        ("lifecycle", 1, "it was asked for"),
    ]
    assert found[0]["status"] == "insufficient_data"  # the last order is years ago
    assert set(shop.facts("lifecycle")["lifecycle"]) == {"Lapsed", "Prospect"}
    again = told(shop, "models fit lifecycle")
    assert "lifecycle, version 2: in use" in again
    assert "lifecycle changed for 0 people, because it was made anew" in again


def test_a_model_that_was_edited_by_hand_moves_nobody_and_is_named(shop: RetailShop) -> None:
    shop.run(EARLY)
    facts, members = shop.facts("lifecycle"), shop.members()
    with sqlite3.connect(shop.folder / "segsync.db") as database:
        edited = "document = replace(document, '\"lapsed\": ', '\"lapsed\": 1')"
        done = database.execute(f"UPDATE model_versions SET {edited} WHERE model = 'lifecycle'")
        assert done.rowcount == 1
    report = shop.run(EARLY + dt.timedelta(days=1))
    assert report.held_facts["lifecycle"].startswith("model lifecycle, version 1, is not what was stored")
    assert report.exit_code == ExitCode.HELD
    assert shop.facts("lifecycle").equals(facts)
    assert shop.members() == members
    assert "lifecycle is not in use: model lifecycle, version 1, is not what was stored" in told(
        shop, "models list"
    )
    told(shop, "models fit lifecycle")
    shop.run(EARLY + dt.timedelta(days=1))
    assert shop.facts("lifecycle")["lifecycle"].notna().all()
