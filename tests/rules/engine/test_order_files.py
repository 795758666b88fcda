"""Rules about the order of activity in files with cases, and over many people against pandas."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pandas as pd

from rules.engine import Tables, evaluate
from rules.engine.cases import run_cases
from rules.language import compile_expression, load, render
from tests.benchmarks.generator import AS_OF, SHARES, ZONE, World, lake
from tests.rules.engine.agreement import rule_set
from tests.rules.vocabulary import VOCABULARY

FILE = """
[[segment]]
id = "left-the-cart"
when = "cart_add not followed by purchase within 24 hours, last 7 days"

[[segment.case]]
name = "a day has passed"
as_of = 2026-03-02T09:00:00Z
activity = [{ kind = "cart_add", at = 2026-03-01T09:00:00Z }]
member = true

[[segment.case]]
name = "there is still time"
as_of = 2026-03-02T08:59:59Z
activity = [{ kind = "cart_add", at = 2026-03-01T09:00:00Z }]
member = false

[[segment.case]]
name = "bought in the end"
as_of = 2026-03-02T09:00:00Z
activity = [
  { kind = "cart_add", at = 2026-03-01T08:00:00Z },
  { kind = "purchase", at = 2026-03-02T08:00:00Z, amount = 5 },
]
member = false

[[segment]]
id = "warm"
when = "interest >= 5 and not in segment 'left-the-cart'"

[[segment.case]]
as_of = 2026-03-02T09:00:00Z
activity = [
  { kind = "page_view", at = 2026-03-01T08:00:00Z },
  { kind = "cart_add", at = 2026-03-02T08:00:00Z },
]
member = true

[[score]]
id = "interest"
points = [{ if = "page_view then cart_add within 2 days", points = 5 }, { when = "purchase", points = 1 }]
"""


def test_order_works_in_files_cases_scores_and_segments_of_segments(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(FILE, "utf-8")
    loaded = load(tmp_path, VOCABULARY)
    assert loaded.problems == ()
    assert loaded.ruleset is not None
    results = run_cases(loaded.cases, loaded.ruleset, VOCABULARY, render=render, connection=duckdb.connect())
    assert [result.message for result in results] == [""] * 4
    changed = FILE.replace("within 24 hours", "within 23 hours")
    (tmp_path / "a.toml").write_text(changed, "utf-8")
    edited = load(tmp_path, VOCABULARY)
    assert edited.ruleset is not None
    results = run_cases(edited.cases, edited.ruleset, VOCABULARY, render=render, connection=duckdb.connect())
    failed = [result for result in results if not result.passed]
    assert [result.case.name for result in failed] == ["there is still time", "bought in the end"]
    assert "step 1 cart_add is 2026-03-01T09:00:00+00:00" in "\n".join(failed[0].explanations[0].lines())


def _rows(world: World, kind: str) -> pd.DataFrame:
    rows = pd.read_parquet(world.activity_file(kind), columns=["person", "at"]).dropna(subset=["person"])
    return rows[rows["at"] <= AS_OF]


def _after(before: pd.DataFrame, later: pd.DataFrame, days: int) -> pd.DataFrame:
    """Every pair of one person, then only those in order and near enough."""
    pairs = before.merge(later, on="person", suffixes=("_before", ""))
    gap = pairs["at"] - pairs["at_before"]
    return pairs[(gap > pd.Timedelta(0)) & (gap <= pd.Timedelta(days=days))]


def test_order_over_many_people_is_that_of_pandas(tmp_path: Path) -> None:
    world = lake(tmp_path, people=2_000, events=40_000, seed=5)
    cart, click, bought = (_rows(world, kind) for kind in ("cart_add", "email_click", "purchase"))
    recent = [rows[rows["at"] > AS_OF - dt.timedelta(days=200)] for rows in (cart, click, bought)]
    chain = _after(_after(recent[0], recent[1], 20)[["person", "at"]].drop_duplicates(), recent[2], 30)
    passed = cart[cart["at"] <= AS_OF - dt.timedelta(days=9)].reset_index(names="start")
    left = passed[~passed["start"].isin(_after(passed, bought, 9)["start"])]
    slices = pd.Series(0, index=pd.Index(sorted(bought["person"].unique())))
    now = pd.Timestamp(AS_OF).tz_convert(ZONE)
    for months in range(6):
        end, start = (now - pd.DateOffset(months=n) for n in (months, months + 1))
        inside = bought[(bought["at"] > start) & (bought["at"] <= end)]
        slices += slices.index.isin(inside["person"].unique())
    ordered = bought.sort_values("at").drop_duplicates()
    pauses = ordered.groupby("person")["at"].diff() >= pd.Timedelta(days=90)
    categories = pd.read_parquet(world.activity_file("purchase")).dropna(subset=["person", "category__ci"])
    counts = (
        categories[categories["at"] <= AS_OF].groupby(["person", "category__ci"]).size().reset_index(name="n")
    )
    first = counts.sort_values(["n", "category__ci"], ascending=[False, True]).drop_duplicates("person")
    last = bought.groupby("person")["at"].max()
    expected = {
        "cart_add then email_click within 20 days then purchase within 30 days, last 200 days": chain[
            "person"
        ],
        "cart_add not followed by purchase within 9 days": left["person"],
        "purchase in at least 3 of the last 6 months": slices.index[slices >= 3],
        "restarted purchase after 90 days": ordered[pauses]["person"],
        "stopped purchase for 60 days": last.index[last <= AS_OF - dt.timedelta(days=60)],
        'most frequent(purchase.category) = "shirts"': first[first["category__ci"] == "shirts"]["person"],
    }
    tables = Tables(
        people=f"read_parquet('{world.people_file}')",
        activity={kind: f"read_parquet('{world.activity_file(kind)}')" for kind in SHARES},
    )
    conditions = {text: compile_expression(text, VOCABULARY) for text in expected}
    rules = rule_set(conditions)  # type: ignore[arg-type]
    found = evaluate(duckdb.connect(), rules, tables, as_of=AS_OF, zone=ZONE).members
    for text, people in expected.items():
        assert set(found[text]) == {int(person) for person in people}, text
        assert found[text], text
