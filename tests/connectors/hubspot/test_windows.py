"""Changes are found completely, although search shows 10,000 results at most, lags, and pages by offset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import Unavailable
from connectors.hubspot import windows
from connectors.hubspot.windows import Windows

Json = dict[str, Any]


class Shelf:
    """The bare rules of a search: times of change by id, offset paging, a ceiling. Not a mock of our code:
    the simulator has the same rules, this is small enough to try thousands of cases."""

    def __init__(self, times: dict[str, int], *, ceiling: int, ghosts: int = 0) -> None:
        self.times = times
        self.ceiling = ceiling
        self.ghosts = ghosts
        self.calls = 0
        self.before_call: Callable[[int], None] = lambda _: None

    def search(self, body: Json) -> Json:
        self.calls += 1
        self.before_call(self.calls)
        (wanted,) = body["filterGroups"][0]["filters"]
        low, high = int(wanted["value"]), int(wanted["highValue"])
        after, limit = int(body["after"]), int(body["limit"])
        assert after < self.ceiling, "HubSpot refuses to page beyond its ceiling"
        found = sorted((t, id_) for id_, t in self.times.items() if low <= t <= high)
        answer: Json = {
            "total": len(found) + self.ghosts,
            "results": [{"id": id_, "updatedAt": str(t)} for t, id_ in found[after : after + limit]],
        }
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return answer


def found_by(shelf: Shelf, low: int, high: int, *, page: int = 4) -> tuple[set[str], list[int], Windows]:
    reader = Windows(shelf.search, modified="lastmodifieddate", properties=["email"], page=page)
    ids: list[str] = []
    reached: list[int] = []
    for rows, to in reader.changed(low, high):
        ids += [row["id"] for row in rows]
        reached += [] if to is None else [to]
    assert len(ids) == len(set(ids)), "somebody came twice"
    return set(ids), reached, reader


@pytest.fixture(autouse=True)
def low_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "CEILING", 20)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3_000_000), max_size=120), st.integers(0, 3))
def test_all_that_changed_is_found_beyond_the_ceiling(times: list[int], ghosts: int) -> None:
    windows.CEILING = 20
    shelf = Shelf({str(n): t for n, t in enumerate(times)}, ceiling=20, ghosts=ghosts)
    ids, reached, reader = found_by(shelf, 0, 3_000_000)
    tied = any(times.count(t) + ghosts > 20 for t in times)
    if tied:
        assert reader.overflowed
    else:
        assert ids == {str(n) for n in range(len(times))}
        assert reached == sorted(reached)
        assert reached[-1] == 3_000_000


def test_a_tie_beyond_the_ceiling_in_one_millisecond_is_noticed_not_looped_over() -> None:
    shelf = Shelf({str(n): 500_000 for n in range(21)}, ceiling=20)
    _, _, reader = found_by(shelf, 0, 1_000_000)
    assert reader.overflowed
    assert shelf.calls < 60


def test_a_tie_at_the_ceiling_is_read() -> None:
    shelf = Shelf({str(n): 500_000 for n in range(20)}, ceiling=20)
    ids, _, reader = found_by(shelf, 0, 1_000_000)
    assert len(ids) == 20
    assert not reader.overflowed


def test_a_total_that_is_too_low_cannot_hide_anybody() -> None:
    """The index's total is an opinion: paging goes on, and where the ceiling is met the span is halved."""
    shelf = Shelf({str(n): n * 1000 for n in range(60)}, ceiling=20, ghosts=-50)
    ids, _, _ = found_by(shelf, 0, 59_000)
    assert len(ids) == 60


def test_objects_that_leave_the_span_while_we_page_hide_nobody() -> None:
    """Each leaves a place behind, all later ones move up, and the next page would begin one too late."""
    shelf = Shelf({f"{n:02d}": 100 + n for n in range(18)}, ceiling=20)

    def leave(call: int) -> None:
        if call in (2, 3):
            shelf.times[f"{call:02d}"] = 5_000_000

    shelf.before_call = leave
    ids, _, _ = found_by(shelf, 0, 1_000_000)
    assert ids >= {f"{n:02d}" for n in range(18)} - {"02", "03"}


def test_objects_that_change_without_end_are_given_up_with_a_reason() -> None:
    shelf = Shelf({f"{n:02d}": 100 + n for n in range(12)}, ceiling=20)

    def shuffle(call: int) -> None:
        shelf.times[f"{call % 12:02d}"] = 200 + call

    shelf.before_call = shuffle
    with pytest.raises(Unavailable, match="faster than they can be read"):
        found_by(shelf, 0, 1_000_000)


def test_nothing_changed_is_one_call() -> None:
    shelf = Shelf({}, ceiling=20)
    ids, reached, _ = found_by(shelf, 0, 1_000_000)
    assert (ids, reached, shelf.calls) == (set(), [1_000_000], 1)


def test_a_few_changes_are_one_call() -> None:
    shelf = Shelf({"a": 10, "b": 999_999}, ceiling=20)
    ids, _, _ = found_by(shelf, 0, 1_000_000)
    assert (ids, shelf.calls) == ({"a", "b"}, 1)


def test_an_empty_span_asks_nothing() -> None:
    shelf = Shelf({"a": 10}, ceiling=20)
    assert found_by(shelf, 20, 10)[0] == set()
    assert shelf.calls == 0
