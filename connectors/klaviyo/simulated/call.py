"""One authenticated request to the simulated Klaviyo while it is handled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.klaviyo.simulated.account import Account
from connectors.klaviyo.simulated.paging import Asked
from connectors.klaviyo.simulated.problems import Json, invalid

if TYPE_CHECKING:
    from connectors.klaviyo.simulated.jobs import Jobs

Answer = tuple[int, Json | None]
Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Call:
    """The account, the query and the body (a JSON object; empty if there was none)."""

    account: Account
    jobs: Jobs
    query: Mapping[str, str]
    body: Mapping[str, object]
    size: int  # bytes of the body as it came
    base: str
    path: str

    def asked(self, resource: str) -> Asked:
        """The query as one for a collection."""
        return Asked(self.query, f"{self.base}{self.path}", resource)

    def data(self, type_: str) -> Mapping[str, object]:
        """`data` of the body, which must be of this type."""
        found = self.body.get("data")
        if not isinstance(found, Mapping):
            raise invalid("'data' is a required field.", pointer="/data")
        if found.get("type") != type_:
            raise invalid(
                f"'{found.get('type')}' is not a valid type, expected '{type_}'.", pointer="/data/type"
            )
        return found

    def attributes(self, type_: str) -> Mapping[str, object]:
        """`data.attributes` of the body."""
        return mapping(self.data(type_).get("attributes"), "/data/attributes")


def mapping(found: object, pointer: str) -> Mapping[str, object]:
    """A JSON object, or 400."""
    if not isinstance(found, Mapping):
        raise invalid(f"'{pointer.rpartition('/')[2]}' is a required field.", pointer=pointer)
    return found


def rows(found: object, pointer: str) -> list[Mapping[str, object]]:
    """A list of JSON objects, or 400."""
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        raise invalid(f"'{pointer.rpartition('/')[2]}' must be a list.", pointer=pointer)
    return found


def empty(found: object) -> Mapping[str, object]:
    """A JSON object, or an empty one."""
    return found if isinstance(found, Mapping) else {}
