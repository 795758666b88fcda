"""Klaviyo's collections, page by page: the cursors, and what each collection is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.errors import Unavailable
from connectors.klaviyo.answers import Json
from connectors.klaviyo.client import Client, Query, next_cursor

PAGE = 100


@dataclass(frozen=True, slots=True)
class Group:
    """A list of the account (`kind` "list") or a segment of the vendor's ("segment")."""

    id: str
    name: str
    kind: str


class Collections:
    """Every page of what is asked for. All methods may raise Refused."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def lists(self) -> list[Group]:
        """Every list, the oldest first."""
        return self._all_groups("get_lists", "list")

    def segments(self) -> list[Group]:
        """Every segment of the vendor's, the oldest first."""
        return self._all_groups("get_segments", "segment")

    def _all_groups(self, name: str, kind: str) -> list[Group]:
        query: Query = {"sort": "created", f"fields[{kind}]": "name"}
        return [
            Group(str(row["id"]), str((row.get("attributes") or {}).get("name") or ""), kind)
            for rows in self.rows(name, query=query)
            for row in rows
        ]

    def members(self, list_id: str) -> Iterator[list[Json]]:
        """Who is on a list, with their addresses."""
        query: Query = {"fields[profile]": "email", "page[size]": PAGE}
        return self.rows("get_profiles_for_list", list_id, query=query)

    def all_properties(self) -> Iterator[list[Json]]:
        """Everybody with address and properties."""
        query: Query = {"fields[profile]": "email,properties", "sort": "id", "page[size]": PAGE}
        return self.rows("get_profiles", query=query)

    def metrics(self) -> list[tuple[str, str]]:
        """(id, name) of every kind of event the account has."""
        return [
            (str(row["id"]), str((row.get("attributes") or {}).get("name") or ""))
            for rows in self.rows("get_metrics", query={})
            for row in rows
        ]

    def rows(self, name: str, *ids: str, query: Query) -> Iterator[list[Json]]:
        """`data` of every page."""
        for answer in self.answers(name, *ids, query=query):
            yield answer["data"]

    def answers(self, name: str, *ids: str, query: Query) -> Iterator[Json]:
        """Every page of a collection."""
        slow = "predictive_analytics" in str(query.get("additional-fields[profile]", ""))
        cursor: str | None = None
        while True:
            asked = query if cursor is None else {**query, "page[cursor]": cursor}
            answer = self._client.call(name, *ids, query=asked, slow=slow)
            if not isinstance(answer["data"], list):
                raise Unavailable("Klaviyo's answer is no collection; trying again later")
            yield answer
            after = next_cursor(answer)
            if after is None:
                return
            if after == cursor:
                raise Unavailable("Klaviyo's pages lead in a circle; trying again later")
            cursor = after
