"""Pages of collections: filters, order, opaque cursors that survive inserts, absolute links."""

from __future__ import annotations

import base64
import bisect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from connectors.klaviyo.simulated.filters import Term, parse
from connectors.klaviyo.simulated.problems import Json, invalid

PAIR = tuple[object, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of one request for a collection."""

    query: Mapping[str, str]
    url: str  # of the collection, on the host the request came to
    resource: str

    def terms(self) -> list[Term]:
        """The filter; none: an empty list."""
        return parse(self.query.get("filter", ""), self.resource)

    def sort(self, allowed: Sequence[str], default: str) -> tuple[str, bool]:
        """(field, descending)."""
        given = self.query.get("sort", default)
        name = given.removeprefix("-")
        if name not in allowed:
            raise invalid(f"Invalid sort provided: '{given}' is not a sortable field.", parameter="sort")
        return name, given.startswith("-")

    def size(self, default: int, most: int) -> int:
        """page[size]."""
        given = self.query.get("page[size]", str(default))
        if not given.isdigit() or not 1 <= int(given) <= most:
            raise invalid(f"Page size must be an integer between 1 and {most}.", parameter="page[size]")
        return int(given)

    def listed(self, name: str, allowed: Sequence[str]) -> frozenset[str]:
        """A comma-joined parameter such as additional-fields[profile]."""
        given = frozenset(part for part in self.query.get(name, "").split(",") if part)
        unknown = given - set(allowed)
        if unknown:
            raise invalid(f"'{min(unknown)}' is not a valid value.", parameter=name)
        return given

    def page(
        self,
        pairs: Sequence[PAIR],
        keeps: Callable[[str], bool],
        *,
        size: int,
        descending: bool = False,
        show: Callable[[str], Json],
    ) -> Json:
        """One page. `pairs`: (sort key, id) in ascending order; `keeps`: lets an id through."""
        after = self._cursor()
        order = range(len(pairs))
        if after is not None:
            low = bisect.bisect_left(pairs, after) if descending else bisect.bisect_right(pairs, after)
            order = range(low) if descending else range(low, len(pairs))
        found: list[PAIR] = []
        more = False
        for place in reversed(order) if descending else order:
            if not keeps(pairs[place][1]):
                continue
            if len(found) == size:
                more = True
                break
            found.append(pairs[place])
        return {
            "data": [show(id_) for _, id_ in found],
            "links": {
                "self": self._link(self.query.get("page[cursor]")),
                "next": self._link(self._encode(found[-1])) if more else None,
                "prev": None,
            },
        }

    def _link(self, cursor: str | None) -> str:
        query = {name: value for name, value in self.query.items() if name != "page[cursor]"}
        if cursor is not None:
            query["page[cursor]"] = cursor
        return f"{self.url}?{urlencode(query)}" if query else self.url

    def _mark(self) -> list[str]:
        """What must stay the same from page to page."""
        return [self.query.get(name, "") for name in ("filter", "sort", "page[size]")]

    def _encode(self, last: PAIR) -> str:
        content = json.dumps([*last, *self._mark()], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode()

    def _cursor(self) -> PAIR | None:
        given = self.query.get("page[cursor]")
        if given is None:
            return None
        try:
            key, id_, *mark = json.loads(base64.urlsafe_b64decode(given.encode()))
        except ValueError:
            mark = None
        if mark != self._mark():
            raise invalid("Invalid cursor provided.", parameter="page[cursor]")
        return key, id_
