"""Why people entered and left is told apart exactly; an earlier text goes back into its file, only that."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from sync.store.tidy import tidy
from tests.scenarios.company import NOW, Company, join, people

OLD = "count(purchase, last 3 days) >= 1"
NEW = "count(purchase, last 3 days) >= 2"
FILE = (
    '# who bought lately\r\n[[segment]]\r\nid = "buyers"   # never changes\r\n'
    "when = '" + OLD + '\'   # by the day\r\nto = [ "newsletter" ]\r\n\r\n'
    '[[segment]]\r\nid="all"\r\nwhen="country is known"\r\n'
)


def order(number: int, customer: int, *, day: float) -> tuple[str, str, str, int]:
    return f"o{number}", f"c{customer}", (NOW + dt.timedelta(days=day)).isoformat(), 10


def rules(firm: Company, text: str) -> Path:
    folder = firm.folder / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "buyers.toml").write_bytes(text.encode())
    return folder / "buyers.toml"


@pytest.fixture
def shop(firm: Company) -> Company:
    """Three runs: first 1 and 2 are in; then 1 leaves by time, 3 comes by data; then 3 leaves by edit."""
    firm.customers(people(range(1, 6)))
    join(firm.newsletter, range(1, 6))
    rules(firm, FILE)
    orders = [order(1, 1, day=-2.5), order(2, 2, day=-0.2), order(3, 2, day=-0.1)]
    firm.orders(orders)
    firm.run()
    firm.later(days=1)
    firm.orders([*orders, order(4, 3, day=0.9)])
    firm.run()
    firm.later(hours=1)
    rules(firm, FILE.replace(OLD, NEW))
    firm.run()
    firm.later(hours=1)
    return firm


def history(firm: Company, segment: str = "buyers") -> Any:
    answer = firm.segsync("history", segment, "--format", "json")
    assert answer.code == 0, answer.said
    return answer.document


def test_entries_and_leaves_are_told_by_cause(shop: Company) -> None:
    found = history(shop)
    assert [one["text"] for one in found["versions"]] == [NEW, OLD]
    edit, moved = found["changes"]
    assert moved["causes"] == {"time": {"enter": 0, "leave": 1}, "data": {"enter": 1, "leave": 0}}
    assert edit["causes"] == {"edit": {"enter": 0, "leave": 1}}
    assert (edit["size"], moved["size"]) == (1, 2)
    told = shop.segsync("history", "buyers").out
    assert OLD in told
    assert "time +0 −1" in told


def test_what_cannot_be_told_apart_any_more_says_so(shop: Company) -> None:
    with shop.open() as workspace:
        tidy(workspace.store.lake, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=8), keep_days=7)
    edit, moved = history(shop)["changes"]
    assert edit["causes"] == {"edit": {"enter": 0, "leave": 1}}, "the last state is still there"
    assert moved["causes"] == {"data_or_time": {"enter": 1, "leave": 1}}
    assert "keep_lake_days" in moved["note"]
    assert edit["note"] == ""


def test_a_rollback_puts_back_one_text_and_no_other_byte(shop: Company) -> None:
    file = shop.folder / "rules" / "buyers.toml"
    earlier = history(shop)["versions"][1]["version"]
    before = file.read_bytes()
    refused = shop.segsync("rollback", "buyers", "0" * 16)
    assert refused.code == 1
    assert file.read_bytes() == before
    asked = shop.segsync("rollback", "buyers", earlier[:8], "--format", "json")
    assert (asked.document["written"], asked.document["version"]) == (False, earlier)
    assert f"+when = '{OLD}'   # by the day" in asked.document["diff"]
    assert file.read_bytes() == before
    done = shop.segsync("rollback", "buyers", earlier[:8], "--yes")
    assert done.code == 0, done.said
    assert f"+when = '{OLD}'   # by the day" in done.out
    assert file.read_bytes() == FILE.encode()
    assert [path.name for path in file.parent.iterdir()] == ["buyers.toml"], "nothing is left lying about"
    same = shop.segsync("rollback", "buyers", earlier[:8], "--yes", "--format", "json")
    assert (same.document["written"], same.document["diff"]) == (False, [])
    again = shop.segsync("rollback", "buyers", earlier[:8])
    assert again.code == 0
    assert "nothing was changed" in again.out
    shop.run()
    with shop.open() as workspace:
        assert workspace.store.segments.latest()["buyers"].version == earlier


def test_a_rollback_that_would_not_check_or_is_not_confirmed_changes_nothing(shop: Company) -> None:
    earlier = history(shop)["versions"][1]["version"]
    file = rules(shop, FILE.replace(OLD, NEW).replace('"country is known"', '"contry is known"'))
    before = file.read_bytes()
    refused = shop.segsync("rollback", "buyers", earlier, "--yes")
    assert refused.code == 1
    assert "contry" in refused.err
    assert file.read_bytes() == before
    file = rules(shop, FILE.replace(OLD, NEW))
    before = file.read_bytes()
    unasked = shop.segsync("rollback", "buyers", earlier)
    assert unasked.code == 1
    assert "--yes" in unasked.err
    assert file.read_bytes() == before
