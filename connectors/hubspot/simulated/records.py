"""The live store of objects: contacts, companies, deals and custom ones, and what links them.

Times are whole milliseconds since 1970. Every write is told to the search index, which shows it later.
"""

from __future__ import annotations

import bisect
import heapq
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.hubspot.simulated.index import Index
from connectors.hubspot.simulated.problem import Json, Problem, not_found

FIRST_ID = {"contacts": 501, "companies": 7_945_000_001, "deals": 30_001}


def iso(milliseconds: int) -> str:
    """The time as HubSpot writes it, with milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest:03d}Z"


@dataclass(slots=True)
class Record:
    """One object. `own_change` is when HubSpot changes it once more by itself, after its creation."""

    id: str
    type: str
    created: int
    updated: int
    properties: dict[str, str | None] = field(default_factory=dict)
    archived_at: int | None = None

    @property
    def created_name(self) -> str:
        return "createdate" if self.type in ("contacts", "companies", "deals") else "hs_createdate"

    @property
    def modified_name(self) -> str:
        return "lastmodifieddate" if self.type == "contacts" else "hs_lastmodifieddate"

    def all(self) -> dict[str, str | None]:
        """All its properties with the id and the times."""
        return {
            **self.properties,
            "hs_object_id": self.id,
            self.created_name: self.properties.get(self.created_name) or iso(self.created),
            self.modified_name: iso(self.updated),
        }

    def shown(self, properties: Mapping[str, str | None]) -> Json:
        """The object in the shape of the answers, with only these properties."""
        body: Json = {
            "id": self.id,
            "properties": dict(sorted(properties.items())),
            "createdAt": iso(self.created),
            "updatedAt": iso(self.updated),
            "archived": self.archived_at is not None,
        }
        if self.archived_at is not None:
            body["archivedAt"] = iso(self.archived_at)
        return body


class Records:
    """All objects of the account. `now` gives milliseconds."""

    def __init__(self, *, now: Callable[[], int], index: Index) -> None:
        self.now = now
        self.index = index
        self.types: dict[str, dict[str, Record]] = {"contacts": {}, "companies": {}, "deals": {}}
        self.addresses: dict[str, str] = {}  # e-mail address, also a secondary one → id of the contact
        self.blocked: set[str] = set()
        self.merged: dict[str, str] = {}
        self.links: dict[tuple[str, str], dict[str, list[tuple[str, str]]]] = {}
        self._numbers = dict(FIRST_ID)
        self._own_changes: list[tuple[int, str, str]] = []
        self._order: dict[str, list[int]] = {}  # ids ever made, ascending; some are no more

    # ---- time ------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let happen what HubSpot does by itself as time passes."""
        now = self.now()
        while self._own_changes and self._own_changes[0][0] <= now:
            due, type_, id_ = heapq.heappop(self._own_changes)
            record = self.types[type_].get(id_)
            if record is not None and record.archived_at is None:
                record.updated = max(record.updated, due)
                self.index.note(record, at=due)
        self.index.tick(now)

    # ---- reading ---------------------------------------------------------------------------------

    def live(self, type_: str) -> dict[str, Record]:
        return self.types.setdefault(type_, {})

    def find(self, type_: str, id_: str) -> Record | None:
        """The unarchived object of that id."""
        found = self.live(type_).get(id_)
        return found if found is not None and found.archived_at is None else None

    def by_address(self, address: str) -> Record | None:
        id_ = self.addresses.get(address.strip().lower())
        return None if id_ is None else self.find("contacts", id_)

    def listed(
        self,
        type_: str,
        *,
        archived: bool,
        after: str | None = None,
        limit: int | None = None,
        before: bool = False,
    ) -> list[Record]:
        """By id as the list endpoint pages them: at most `limit`, from the id `after` on, that one included.

        `before`: the last `limit` that come before that id instead.
        """
        order, live = self._order.get(type_, []), self.live(type_)
        start = 0 if after is None else bisect.bisect_left(order, int(after))
        found: list[Record] = []
        for place in range(start - 1, -1, -1) if before else range(start, len(order)):
            record = live.get(str(order[place]))
            if record is not None and (record.archived_at is not None) == archived:
                found.append(record)
                if len(found) == limit:
                    break
        return found[::-1] if before else found

    # ---- writing ---------------------------------------------------------------------------------

    def create(
        self,
        type_: str,
        properties: Mapping[str, str | None],
        *,
        at: int | None = None,
        updated: int | None = None,
        settled: bool = False,
    ) -> Record:
        """A new object; HubSpot changes it once more 1 to 25 s later unless it is `settled`."""
        address = (properties.get("email") or "").lower()
        if type_ == "contacts" and address:
            if address in self.blocked:
                raise Problem(400, "This contact was erased and its address is on the blocklist")
            known = self.addresses.get(address)
            if known is not None and self.find("contacts", known) is not None:
                raise Problem(409, f"Contact already exists. Existing ID: {known}", "CONFLICT")
        number = self._numbers.setdefault(type_, 860_247_707)
        self._numbers[type_] = number + 1
        when = self.now() if at is None else at
        record = Record(str(number), type_, created=when, updated=when if updated is None else updated)
        record.properties.update(properties)
        record.properties.update(derived(type_, properties, new=str(number)))
        self.live(type_)[record.id] = record
        self._order.setdefault(type_, []).append(number)
        if type_ == "contacts" and address:
            self.addresses[address] = record.id
        self.index.note(record, at=record.updated)
        if not settled:
            due = when + 1_000 + zlib.crc32(record.id.encode()) % 24_000
            heapq.heappush(self._own_changes, (due, type_, record.id))
        return record

    def update(self, record: Record, properties: Mapping[str, str | None]) -> dict[str, str | None]:
        """Writes the values; returns those sent and those derived from them."""
        if record.type == "contacts" and properties.get("email"):
            address = str(properties["email"]).lower()
            owner = self.addresses.get(address)
            if owner not in (None, record.id) and self.find("contacts", str(owner)) is not None:
                raise Problem(409, f"Contact already exists. Existing ID: {owner}", "CONFLICT")
            self.addresses.pop((record.properties.get("email") or "").lower(), None)
            self.addresses[address] = record.id
        changed: dict[str, str | None] = {
            name: "" if value is None else value for name, value in properties.items()
        }
        changed.update(derived(record.type, properties))
        record.properties.update(changed)
        self.touch(record)
        return changed

    def touch(self, record: Record) -> None:
        """Something about it changes now."""
        record.updated = max(self.now(), record.updated)
        self.index.note(record, at=self.now())

    def archive(self, record: Record) -> None:
        record.archived_at = self.now()
        self.index.gone(record, at=self.now())

    def erase(self, record: Record) -> None:
        """For good: nothing of it stays, not even in the archive, and its addresses are blocked."""
        self.index.gone(record, at=self.now())
        del self.live(record.type)[record.id]
        for address in [a for a, id_ in self.addresses.items() if id_ == record.id]:
            del self.addresses[address]
            self.blocked.add(address)
        for pairs in self.links.values():
            pairs.pop(record.id, None)
            for targets in pairs.values():
                targets[:] = [target for target in targets if target[0] != record.id]

    def merge(self, primary: Record, other: Record) -> Record:
        """`other` disappears; `primary` lists its id and keeps its addresses as secondary ones."""
        self.index.gone(other, at=self.now())
        del self.live(other.type)[other.id]
        self.merged[other.id] = primary.id
        for address in [a for a, id_ in self.addresses.items() if id_ == other.id]:
            self.addresses[address] = primary.id
            more = [a for a in (primary.properties.get("hs_additional_emails") or "").split(";") if a]
            primary.properties["hs_additional_emails"] = ";".join([*more, address])
        old = [i for i in (primary.properties.get("hs_merged_object_ids") or "").split(";") if i]
        primary.properties["hs_merged_object_ids"] = ";".join([*old, other.id])
        for (from_type, _), pairs in self.links.items():
            if from_type == other.type and other.id in pairs:
                pairs.setdefault(primary.id, []).extend(pairs.pop(other.id))
            for targets in pairs.values():
                targets[:] = [(primary.id if t == other.id else t, label) for t, label in targets]
        self.touch(primary)
        return primary

    def link(self, one: Record, other: Record, *, label: str = "") -> None:
        """Associates two objects, in both directions."""
        for source, target in ((one, other), (other, one)):
            pairs = self.links.setdefault((source.type, target.type), {})
            pairs.setdefault(source.id, []).append((target.id, label))

    def linked(self, type_: str, id_: str, to: str) -> Iterator[tuple[str, str]]:
        """(id, label) of what the object is associated with and is still there."""
        for target, label in self.links.get((type_, to), {}).get(id_, []):
            if self.find(to, target) is not None:
                yield target, label

    def required(self, type_: str, id_: str) -> Record:
        found = self.find(type_, id_)
        if found is None:
            raise not_found()
        return found


def derived(type_: str, properties: Mapping[str, str | None], *, new: str | None = None) -> dict[str, str]:
    """Values that HubSpot fills in by itself."""
    found: dict[str, str] = {}
    if type_ == "contacts":
        if properties.get("email"):
            found["hs_email_domain"] = str(properties["email"]).rpartition("@")[2]
        if new is not None:
            found.update(hs_all_contact_vids=new, hs_is_contact="true", hs_is_unworked="true")
            found["hs_pipeline"] = "contacts-lifecycle-pipeline"
    if (
        type_ == "companies"
        and new is not None
        and properties.get("domain")
        and not properties.get("website")
    ):
        found["website"] = str(properties["domain"])
    if type_ == "deals" and properties.get("dealstage"):
        stage = properties["dealstage"]
        found["hs_is_closed"] = "true" if stage in ("closedwon", "closedlost") else "false"
        found["hs_is_closed_won"] = "true" if stage == "closedwon" else "false"
    return found
