"""Klaviyo's collections, page by page: the cursors, and what each collection is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.errors import Unavailable
from connectors.klaviyo.answers import Json
from connectors.klaviyo.client import Client, Query, next_cursor

PAGE = 100
MARK_PAGES = 10
"""Pages of ids that take less time at Klaviyo's pace than one call for the count."""


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

    def members_mark(self, list_id: str) -> str:
        """Who is on a list, in short: the same text as long as nobody came or went.

        Klaviyo tells of no change in a list, so the ids of those who came last are looked at. In a short list
        that is everybody; for a long one the count is asked for, too (15 calls a minute), which tells of
        those who left.
        """
        ids: list[str] = []
        query: Query = {"sort": "-joined_group_at", "page[size]": PAGE}
        pages = self.answers("get_profile_ids_for_list", list_id, query=query)
        for number, answer in enumerate(pages, start=1):
            ids += [str(row["id"]) for row in answer["data"]]
            if number == MARK_PAGES and next_cursor(answer) is not None:
                asked: Query = {"additional-fields[list]": "profile_count"}
                found = self._client.call("get_list", list_id, query=asked, slow=True)["data"]
                return f"{(found.get('attributes') or {}).get('profile_count')} {_digest(ids)}"
        return f"{len(ids)} {_digest(ids)}"

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


def _digest(ids: list[str]) -> str:
    """In no order: who came in the same second stands in any."""
    return hashlib.sha256(",".join(sorted(ids)).encode()).hexdigest()[:16]
