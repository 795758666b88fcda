"""Segments that last, that others were in for a while, and tiers: told by cause, asked again, put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.company import Company, people
from tests.scenarios.test_history import history, order, rules

FILE = (
    '# who bought\r\n[[segment]]\r\nid = "fans"\r\nwhen = "count(purchase, last 2 days) >= 1"  # soon\r\n'
    "leave_when = 'country = \"FR\"'\r\nstay = \"2 days\"\r\nwhy = 'They stay.'\r\n\r\n"
    "[[segment]]\r\nid = 'steady'\r\nwhen = 'in segment \"fans\" for 1 days'\r\n\r\n"
    "[[tiers]]\r\nid = 'order'\r\n"
    "[[tiers.tier]]\r\nid = 'new'\r\nwhen = 'count(purchase, last 1 days) >= 1'\r\n"
    "[[tiers.tier]]\r\nid = 'none'\r\notherwise = true\r\n"
)
EDITED = FILE.replace('"FR"', '"DE"').replace('stay = "2 days"\r\n', "")
EXPECTED = [
    {"fans": 2, "steady": 0, "order/new": 2, "order/none": 1},
    {"fans": 3, "steady": 2, "order/new": 1, "order/none": 2},
    {"fans": 2, "steady": 2, "order/new": 0, "order/none": 3},
]
"""Day 0: 1 and 2 bought. Day 1: 2 is held by `stay` though in France, 3 bought. Day 2: 2 is held no more,
1 stays though the order is too old."""


@pytest.fixture
def days(firm: Company) -> Company:
    rules(firm, FILE)
    first = [order(1, 1, day=-0.1), order(2, 2, day=-0.1)]
    firm.customers(people([1, 2, 3]))
    firm.orders(first)
    assert firm.run()["segments"] == EXPECTED[0]
    firm.later(days=1)
    firm.customers([*people([1, 3]), *people([2], country="FR")])
    firm.orders([*first, order(3, 3, day=0.9)])
    assert firm.run()["segments"] == EXPECTED[1]
    firm.later(days=1)
    assert firm.run()["segments"] == EXPECTED[2]
    return firm


def causes(firm: Company, segment: str) -> list[dict[str, tuple[int, int]]]:
    """Of each change, the newest first: cause → how many entered and left."""
    found: list[dict[str, Any]] = history(firm, segment)["changes"]
    return [{why: (one["enter"], one["leave"]) for why, one in change["causes"].items()} for change in found]


def edit(firm: Company) -> Path:
    firm.later(hours=1)
    file = rules(firm, EDITED)
    assert firm.run()["segments"] == {**EXPECTED[2], "fans": 0, "steady": 0}
    return file


def test_causes_of_lasting_held_and_tiered_segments_are_told_apart(days: Company) -> None:
    edit(days)
    assert causes(days, "fans") == [{"edit": (0, 2)}, {"time": (0, 1)}, {"data": (1, 0)}]
    assert causes(days, "steady") == [{"edit": (0, 2)}, {"time": (1, 1)}, {"time": (2, 0)}]
    assert causes(days, "order/new") == [{"time": (0, 1)}, {"data": (1, 0), "time": (0, 2)}]
    assert causes(days, "order/none") == [{"time": (1, 0)}, {"data": (0, 1), "time": (2, 0)}]
    rules(days, FILE[FILE.index("[[tiers]]") :])
    assert causes(days, "fans") == [{"edit": (0, 2)}, {"time": (0, 1)}, {"data": (1, 0)}], "also without it"


def test_each_day_asked_again_gives_what_the_run_gave(days: Company) -> None:
    answer = days.segsync("replay", "--days", "2", "--format", "json")
    assert answer.code == 0, answer.said
    told = {one["segment"]: [day["size"] for day in one["days"]] for one in answer.document["segments"]}
    assert told == {name: [day[name] for day in EXPECTED] for name in EXPECTED[0]}


def test_a_rollback_brings_leave_when_and_stay_back_to_the_letter(days: Company) -> None:
    file = edit(days)
    now, before = history(days, "fans")["versions"]
    assert "stay: 2 days" in before["text"]
    done = days.segsync("rollback", "fans", before["version"], "--yes")
    assert done.code == 0, done.said
    assert "+stay = '2 days'" in done.out
    put = file.read_bytes()
    assert sorted(put.replace(b"stay = '2 days'", b'stay = "2 days"').splitlines(True)) == sorted(
        FILE.encode().splitlines(True)
    )
    days.run()
    with days.open() as workspace:
        assert workspace.store.segments.latest()["fans"].version == before["version"]
    undone = days.segsync("rollback", "fans", now["version"], "--yes")
    assert undone.code == 0, undone.said
    assert file.read_bytes() == EDITED.encode()
