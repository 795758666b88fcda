"""Finds what changed in a span of time by search, which shows 10,000 results at most and pages by offset.

A span with more is halved until it fits. Results contradict the filter (their values are newer than the
index), so nothing is ever concluded from the times in them. Objects that change while we page leave the span
and move all later ones up; a span of several pages is therefore read again until a pass agrees with its own
total or finds nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from connectors.errors import Unavailable
from connectors.hubspot.answers import Json

PAGE = 200
CEILING = 10_000
SETTLED_MS = 60_000
"""The index is complete for what changed before the last minute (it lags up to 30 s)."""
MOST_PASSES = 20

Found = tuple[list[Json], int | None]


class Windows:
    """Searches one type of object. `search` sends a body; `modified` is the type's time of change."""

    def __init__(
        self, search: Callable[[Json], Json], *, modified: str, properties: Sequence[str], page: int = PAGE
    ) -> None:
        self._search = search
        self._modified = modified
        self._properties = list(properties)
        self._page = page
        self._seen: set[tuple[str, str]] = set()
        self.overflowed = False
        """More than 10,000 changed in one millisecond: search cannot tell all of them, so it ended there."""

    def changed(self, start: int, end: int) -> Iterator[Found]:
        """Objects changed from `start` to `end` (milliseconds, both included), each version of one once.

        With them comes the time up to which everything is known by then, or None inside a span.
        """
        settled = end - SETTLED_MS
        spans = [(start, end)] if start <= end else []
        while spans:
            low, high = spans.pop()
            first = self._ask(low, high, after="0")
            total = int(first.get("total") or 0)
            cut: int | None = None
            if total > CEILING:
                cut = (low + high) // 2
            elif total > self._page and low <= settled < high:
                cut = settled
            if cut is None:
                if (yield from self._span(low, high, first)):
                    yield [], high
                    continue
                cut = (low + high) // 2
            if low == high:
                self.overflowed = True
                return
            spans += [(cut + 1, high), (low, cut)]

    def _span(self, low: int, high: int, first: Json) -> Generator[Found, None, bool]:
        """Passes over one span until one is clean. Its value: False if the ceiling was met after all."""
        for _ in range(MOST_PASSES):
            answer, news, pages = first, 0, 0
            ids: set[str] = set()
            while True:
                pages += 1
                results = answer["results"]
                ids.update(str(one["id"]) for one in results)
                fresh = self._fresh(results)
                news += len(fresh)
                if fresh:
                    yield fresh, None
                after = ((answer.get("paging") or {}).get("next") or {}).get("after")
                if after is None:
                    break
                if int(after) >= CEILING:
                    return False
                answer = self._ask(low, high, after=str(after))
            agrees = first.get("total") == answer.get("total") == len(ids)
            if pages == 1 or agrees or news == 0:
                return True
            first = self._ask(low, high, after="0")
        raise Unavailable("HubSpot's objects change faster than they can be read; trying again later")

    def _fresh(self, results: Sequence[Json]) -> list[Json]:
        found = []
        for one in results:
            key = str(one["id"]), str(one.get("updatedAt"))
            if key not in self._seen:
                self._seen.add(key)
                found.append(one)
        return found

    def _ask(self, low: int, high: int, *, after: str) -> Json:
        between = {
            "propertyName": self._modified,
            "operator": "BETWEEN",
            "value": str(low),
            "highValue": str(high),
        }
        return self._search(
            {
                "filterGroups": [{"filters": [between]}],
                "sorts": [{"propertyName": self._modified, "direction": "ASCENDING"}],
                "properties": self._properties,
                "limit": self._page,
                "after": after,
                "query": "",
            }
        )
