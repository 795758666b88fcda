"""Which objects and fields our user can see, as the org describes them; asked once per connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from connectors.salesforce.answers import Refused, judged
from connectors.salesforce.client import Client, Json

RELATED: Mapping[str, tuple[str, ...]] = {
    "Account": (
        *("Name", "Industry", "Type", "Rating", "Website"),
        *("AnnualRevenue", "NumberOfEmployees", "CurrencyIsoCode"),
    ),
    "Individual": ("HasOptedOutSolicit", "HasOptedOutProcessing", "ShouldForget"),
    "Campaign": ("Name", "Type"),
    "Opportunity": (
        *("Amount", "StageName", "IsWon", "IsClosed", "CloseDate", "CreatedDate"),
        *("AccountId", "Type", "CurrencyIsoCode"),
    ),
}
"""Fields reached over a relationship of the same name."""
OPT_OUT = "HasOptedOutOfEmail"


class Catalog:
    """The org's objects as our user sees them. Safe for threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._seen: dict[str, dict[str, Json]] = {}
        self._may: dict[str, set[str]] = {}

    def forget(self) -> None:
        """Ask anew: an admin, or we, changed something."""
        with self._lock:
            self._seen.clear()
            self._may.clear()

    def fields(self, object: str) -> Mapping[str, Json]:
        """Name → description of every visible field; empty if the object is not there for us."""
        with self._lock:
            if object not in self._seen:
                try:
                    described = self._client.describe(object)
                    self._seen[object] = {str(f["name"]): dict(f) for f in described["fields"]}
                    self._may[object] = {name for name, on in described.items() if on is True}
                except Refused as refused:
                    if not refused.missing:
                        raise judged(refused) from None
                    self._seen[object] = {}
            return self._seen[object]

    def may(self, object: str, flag: str) -> bool:
        """Whether our user may do that with records of the object: createable, updateable, deletable."""
        return bool(self.fields(object)) and flag in self._may[object]

    def types(self, object: str) -> Mapping[str, str]:
        """Path → type of every visible field, those of related records included."""
        found = {name: str(field["type"]) for name, field in self.fields(object).items()}
        for field in list(self.fields(object).values()):
            related = str(field.get("relationshipName") or "")
            if related in RELATED and related in (field.get("referenceTo") or []):
                there = self.fields(related)
                found.update(
                    {
                        f"{related}.{name}": str(there[name]["type"])
                        for name in RELATED[related]
                        if name in there
                    }
                )
        return found

    def visible(self, object: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Those of the paths that can be asked for."""
        types = self.types(object)
        return tuple(path for path in paths if path in types)

    def blind(self) -> Iterator[str]:
        """Objects whose opt-outs our user cannot see."""
        for object in ("Contact", "Lead"):
            fields = self.fields(object)
            if fields and OPT_OUT not in fields:
                yield object
