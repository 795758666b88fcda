"""What `segsync demo --report` adds to the demo: judgements that its own commands would give, and a page."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from rules.models.clusters.choice import Effort
from sync.demo.company import company
from sync.demo.judged import judge
from sync.errors import UserError
from tests.scenarios.company import command


def test_where_no_report_can_be_written_is_told_before_the_demo_begins(tmp_path: Path) -> None:
    other = tmp_path / "mine.html"
    other.write_text("<p>not a report</p>", encoding="utf-8")
    places = {
        other: "no report of segsync",
        tmp_path: "is a folder",
        tmp_path / "no" / "r.html": "could not be written",
    }
    for place, told in places.items():
        folder = tmp_path / "company"
        words = ("--people", "10", "--folder", str(folder), "--report", str(place))
        answer = command("demo", *words, config=tmp_path / "config.toml")
        assert (answer.code, told in answer.err, "--report" in answer.err) == (1, True, True), answer.said
        assert not folder.exists()


def test_the_demos_company_is_judged_and_the_report_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = Effort(draws=6, clouds=2, cloud_draws=3, starts=2, sample=300)
    monkeypatch.setattr("sync.clusters.fitting.EFFORT", little)  # the demo itself takes half a minute for it
    folder = tmp_path / "demo"
    folder.mkdir()
    with company(folder, as_of=dt.datetime.now(dt.UTC), people="300") as config:
        done = command("run", config=config)
        assert done.code == 0, done.said
        other = tmp_path / "mine.html"
        other.write_text("<p>not a report</p>", encoding="utf-8")
        with pytest.raises(UserError, match=r"mine\.html"):
            judge(config, other)
        assert other.read_text(encoding="utf-8") == "<p>not a report</p>"

        judged = judge(config, tmp_path / "report.html")
        again = command("evaluate", "--format", "json", config=config).document
        quality = command("quality", "--format", "json", config=config).document
        clusters = command("clusters", "show", "buyers", "--format", "json", config=config).document
    told = judged.document()
    assert told["evaluation"]["segments"] == again["segments"]
    assert told["quality"]["mailable"]["share"] == quality["mailable"]["share"]
    assert told["clusters"]["clusters"] == clusters["clusters"]
    assert {one["state"] for one in clusters["clusters"]} == {"proposed"}  # nothing of them is in use
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Champions" in page or "champions" in page
    assert "@example" not in page
