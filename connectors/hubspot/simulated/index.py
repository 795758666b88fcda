"""The search index: what a search finds, which lags behind what the store holds.

A write becomes findable 2 to 25 s later. An object that is archived or erased is in no result from then
on, but `total` goes on counting it for a few seconds. Searches return values of the live record.
"""

from __future__ import annotations

import heapq
import json
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.hubspot.moments import moment
from connectors.hubspot.simulated.problem import Json, Problem

if TYPE_CHECKING:
    from connectors.hubspot.simulated.records import Record

Snapshot = Mapping[str, str | None]
GHOST_MS = 3_000
MOST_GROUPS, MOST_FILTERS, MOST_IN_ALL = 5, 6, 18
CEILING = 10_000
OPERATORS = (
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
    "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
)  # fmt: skip


class Index:
    """`lag` False: everything is findable at once."""

    def __init__(self, *, lag: bool = True) -> None:
        self.lag = lag
        self._now = 0
        self._shown: dict[str, dict[str, Snapshot]] = {}
        self._coming: list[tuple[int, int, str, str, Snapshot | None]] = []
        self._count = 0
        self._found: dict[str, list[str]] = {}  # search → ids, until the index shows something new

    def note(self, record: Record, *, at: int) -> None:
        """A write at that time; findable after the lag."""
        due = at
        if self.lag:
            due += 2_000 + zlib.crc32(f"{record.id}/{at}".encode()) % 23_000
        self._plan(due, record, record.all())

    def gone(self, record: Record, *, at: int) -> None:
        """Archived or erased at that time; counted in `total` for a while."""
        self._plan(at + (GHOST_MS if self.lag else 0), record, None)

    def tick(self, now: int) -> None:
        """Show what is due."""
        self._now = now
        while self._coming and self._coming[0][0] <= now:
            _, _, type_, id_, snapshot = heapq.heappop(self._coming)
            self._found.clear()
            shown = self._shown.setdefault(type_, {})
            if snapshot is None:
                shown.pop(id_, None)
            else:
                shown[id_] = snapshot

    def _plan(self, due: int, record: Record, snapshot: Snapshot | None) -> None:
        self._count += 1
        heapq.heappush(self._coming, (due, self._count, record.type, record.id, snapshot))

    def matching(self, type_: str, body: Json, *, numbers: set[str]) -> list[str]:
        """Ids of all that the index finds, in the order asked for. Raises Problem.

        `numbers`: properties that compare as numbers or times; the rest, also ids, compare as text.
        """
        groups = _checked(body)
        asked = json.dumps([type_, groups, body.get("sorts"), sorted(numbers)])
        kept = self._found.get(asked)
        if kept is not None:  # further pages of a search: the index has not moved
            return kept
        found = [
            (id_, snapshot)
            for id_, snapshot in self._shown.get(type_, {}).items()
            if not groups or any(all(_fits(f, snapshot, numbers) for f in g) for g in groups)
        ]
        for sort in reversed(body.get("sorts") or [{"propertyName": "createdate"}]):
            name = str(sort.get("propertyName"))
            found.sort(
                key=lambda entry: _rank(entry[1].get(name), number=name in numbers),
                reverse=sort.get("direction") == "DESCENDING",
            )
        ids = [id_ for id_, _ in found]
        self._found = {asked: ids}
        return ids


def _checked(body: Json) -> list[list[Json]]:
    groups = [list(group.get("filters") or []) for group in body.get("filterGroups") or []]
    if len(groups) > MOST_GROUPS or any(len(g) > MOST_FILTERS for g in groups):
        raise Problem(400, f"at most {MOST_GROUPS} groups of {MOST_FILTERS} filters are allowed")
    if sum(map(len, groups)) > MOST_IN_ALL:
        raise Problem(400, f"at most {MOST_IN_ALL} filters are allowed in all")
    if len(body.get("sorts") or []) > 1:
        raise Problem(400, "at most one sort is allowed")
    for wanted in (f for g in groups for f in g):
        if wanted.get("operator") not in OPERATORS:
            raise Problem(400, f"{wanted.get('operator')} is not an operator of search")
    return groups


def _fits(wanted: Json, snapshot: Snapshot, numbers: set[str]) -> bool:
    name, operator = str(wanted["propertyName"]), str(wanted["operator"])
    held = snapshot.get(name)
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return bool(held) == (operator == "HAS_PROPERTY")
    if operator in ("IN", "NOT_IN"):
        values = [str(value).lower() for value in wanted.get("values") or []]
        return ((held or "").lower() in values) == (operator == "IN")
    if operator.endswith("CONTAINS_TOKEN"):
        tokens = set((held or "").lower().replace("@", " ").replace(";", " ").split())
        token = str(wanted.get("value") or "").lower()
        return (token in tokens) == (operator == "CONTAINS_TOKEN")
    number = name in numbers
    mine, value = _rank(held, number=number), _rank(wanted.get("value"), number=number)
    if operator == "NEQ":
        return mine != value
    if held is None or held == "":
        return False
    match operator:
        case "EQ":
            return mine == value
        case "LT":
            return mine < value
        case "LTE":
            return mine <= value
        case "GT":
            return mine > value
        case "GTE":
            return mine >= value
    return value <= mine <= _rank(wanted.get("highValue"), number=number)


def _rank(value: object, *, number: bool) -> tuple[int, float, str]:
    """Sorts nothing first, then numbers, then texts without regard to case."""
    text = "" if value is None else str(value)
    if not text:
        return (0, 0.0, "")
    if number:
        if text.lstrip("-").replace(".", "", 1).isdigit():
            return (1, float(text), "")
        found = moment(text)
        if found is not None:
            return (1, round(found.timestamp() * 1000), "")
    return (2, 0.0, text.lower())


def bounds(ids: list[str], body: Json) -> tuple[int, int]:
    """Start and end of the page asked for. Raises Problem beyond the ceiling."""
    limit, after = int(body.get("limit") or 10), int(body.get("after") or 0)
    if not 1 <= limit <= 200:
        raise Problem(400, "limit must be between 1 and 200")
    if after >= CEILING:
        raise Problem(400, "paging beyond 10,000 results of a search is not possible")
    return after, min(after + limit, len(ids))
