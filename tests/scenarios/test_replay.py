"""`segsync replay` asks new rules over the days that were, and says where a day cannot be asked any more."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sync.store.tidy import tidy
from tests.scenarios.company import NOW, Company, join, people, segment

EVERYONE = range(1, 21)
DAYS = 6
WINDOW = 2
RECENT = segment("recent", f"count(purchase, last {WINDOW} days) >= 1")


def bought_on(day: int) -> list[int]:
    """Who buys on a day: everybody in turn, and the first one every fourth day."""
    return [n for n in EVERYONE if n % DAYS == day or (n == 1 and day % 4 == 0)]


def live(firm: Company) -> pd.DataFrame:
    """A run on each of some days, of which the fourth has none; the orders as they are at the end."""
    firm.customers(people(EVERYONE))
    join(firm.newsletter, EVERYONE)
    firm.rules(segment("known", "country is known"))
    orders: list[tuple[str, str, str, int]] = []
    for day in range(DAYS):
        at = (NOW + dt.timedelta(days=day, hours=-1)).isoformat()
        orders += [(f"o{day}-{n}", f"c{n}", at, 10) for n in bought_on(day)]
        firm.orders(orders)
        if day != 3:
            firm.run()
        if day < DAYS - 1:
            firm.later(days=1)
    return pd.DataFrame(orders, columns=["order", "customer", "at", "total"]).assign(
        at=lambda frame: pd.to_datetime(frame["at"])
    )


def edited(firm: Company) -> Path:
    folder = firm.folder / "edited"
    folder.mkdir()
    (folder / "new.toml").write_text(RECENT, encoding="utf-8")
    return folder


def replay(firm: Company, *words: str | Path) -> Any:
    answer = firm.segsync("replay", *words, "--format", "json")
    assert answer.code == 0, answer.said
    return answer.document["segments"]


def test_each_day_is_asked_as_it_was_and_told_by_pandas(firm: Company) -> None:
    orders = live(firm)
    (found,) = replay(firm, "recent", "--rules", edited(firm), "--days", "7")
    assert [day["missing"] for day in found["days"][:2]] == ["no run", "no run"]
    days = found["days"][2:]
    assert [day["missing"] for day in days] == [None] * 3 + ["no run"] + [None] * 2
    before: set[str] | None = None
    events: dict[str, list[str]] = {}
    for number, day in enumerate(days):
        if day["missing"]:
            continue
        as_of = pd.Timestamp(NOW) + pd.Timedelta(days=number)
        inside = orders[(orders["at"] <= as_of) & (orders["at"] >= as_of - pd.Timedelta(days=WINDOW))]
        now = set(inside["customer"])
        assert day["size"] == len(now)
        if before is not None:
            assert (day["enter"], day["leave"]) == (len(now - before), len(before - now))
            for one in now - before:
                events.setdefault(one, []).append("in")
            for one in before - now:
                events.setdefault(one, []).append("out")
        before = now
    assert found["entered"] == sum("in" in some for some in events.values())
    assert found["left"] == sum("out" in some for some in events.values())
    assert found["came_and_left"] == sum("in" in s and "out" in s[s.index("in") :] for s in events.values())
    assert found["left_and_came"] == sum("out" in s and "in" in s[s.index("out") :] for s in events.values())
    assert found["flapping"] == sum(len(some) > 1 for some in events.values()) > 0


def test_a_day_whose_lake_is_gone_says_so_and_the_last_one_kept_is_asked(firm: Company) -> None:
    live(firm)
    folder = edited(firm)
    with firm.open() as workspace:
        table = workspace.store.lake.table("activity")
        assert table is not None
        assert len(table.metadata.snapshots) > 1
        tidy(workspace.store.lake, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=8), keep_days=7)
    (found,) = replay(firm, "recent", "--rules", folder, "--days", "5")
    assert [day["missing"] is None for day in found["days"]] == [False] * 5 + [True]
    assert found["days"][0]["missing"] == "the lake as it was is gone: keep_lake_days is 7"
    told = firm.segsync("replay", "recent", "--rules", folder, "--days", "5").out
    assert "keep_lake_days is 7" in told
    assert "█" in told


def test_without_new_rules_it_gives_what_the_runs_gave(firm: Company) -> None:
    live(firm)
    (found,) = replay(firm, "--days", "5")
    with firm.open() as workspace:
        sizes = [run.stats["segments"]["known"] for run in workspace.store.runs.latest()]  # type: ignore[index]
    assert sorted(day["size"] for day in found["days"] if day["size"] is not None) == sorted(sizes)
    assert "known" in firm.segsync("replay", "--days", "5").out
    wrong = firm.segsync("replay", "knwon")
    assert wrong.code == 1
    assert 'did you mean "known"?' in wrong.err


def test_a_pull_request_gets_what_past_days_would_have_given_at_the_rules_own_lines(
    firm: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(firm)
    monkeypatch.chdir(firm.folder)
    folder = edited(firm)
    (one,) = replay(firm, "recent", "--rules", folder, "--days", "7")
    answer = firm.segsync("replay", "--rules", "edited", "--days", "7", "--format", "github")
    assert answer.code == 0, answer.said
    sizes = [day["size"] for day in one["days"] if day["size"] is not None]
    text = (folder / "new.toml").read_text(encoding="utf-8").splitlines()
    (line,) = [number for number, row in enumerate(text, 1) if "count(purchase" in row]
    assert answer.out.splitlines() == [
        f"::notice file=edited/new.toml,line={line}::recent on {len(sizes)} of the last {len(one['days'])} "
        f"days: {sizes[0]} → {sizes[-1]} people, least {min(sizes)}, most {max(sizes)}; "
        f"{one['entered']} entered, {one['left']} left, {one['flapping']} went to and fro"
    ]
    (folder / "new.toml").write_text('[[segment]]\nid = "a"\nwhen = \'contry = "DE"\'\n', encoding="utf-8")
    wrong = firm.segsync("replay", "--rules", "edited", "--format", "github")
    assert wrong.code == 1
    assert wrong.out.startswith("::error file=edited/new.toml,line=3,col=9::unknown fact")
