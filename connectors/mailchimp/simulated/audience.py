"""State of the simulated Mailchimp: audiences, members, tags. It checks nothing; rules.py does.

Times are whole seconds since 1970, as the service resolves no finer.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

ACTIVE = frozenset({"subscribed", "unsubscribed", "cleaned", "pending", "transactional"})


def subscriber_hash(address: str) -> str:
    """MD5 of the lower-cased address, as Mailchimp names members in paths."""
    return hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest()


def digest(*parts: object, length: int = 32) -> str:
    """A made-up but stable id."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:length]


def iso(seconds: int | None) -> str:
    """`2022-02-23T19:37:40+00:00`, or "" for no time, as in every answer of the service."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


@dataclass(slots=True, eq=False)
class Member:
    """One contact of one audience. `left_by` tells who unsubscribed it: api, contact, bounce, complaint."""

    number: int
    address: str
    id: str
    contact_id: str
    web_id: int
    status: str
    last_changed: int
    merge: dict[str, object]
    timestamp_opt: int | None = None
    timestamp_signup: int | None = None
    left_by: str | None = None
    language: str = ""
    vip: bool = False
    country_code: str = ""
    region: str = ""
    timezone: str = ""
    latitude: float = 0
    longitude: float = 0
    rating: int = 2
    open_rate: float = 0
    click_rate: float = 0
    source: str = "API - Generic"
    tags: dict[int, int] = field(default_factory=dict)  # segment id → when it was added

    @property
    def unique_email_id(self) -> str:
        """Ten digits that follow the address."""
        return digest("unique", self.address.lower(), length=10)


@dataclass(slots=True)
class MergeField:
    """A merge field of an audience."""

    merge_id: int
    tag: str
    name: str
    type: str
    public: bool = False
    required: bool = False
    default_value: str = ""
    help_text: str = ""
    options: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Segment:
    """A static segment, which is the same thing as a tag."""

    id: int
    name: str
    created: int
    updated: int
    members: dict[int, Member] = field(default_factory=dict)  # by Member.number, in order of adding


class Audience:
    """One audience ("list") with everything in it."""

    def __init__(self, *, id: str, name: str, created: int, now: Callable[[], int]) -> None:
        self.id = id
        self.name = name
        self.created = created
        self.now = now
        self.web_id = 400_000_000 + int(digest("web", id, length=5), 16)
        self.double_optin = False
        self.marketing_permissions = False
        self.members: dict[str, Member] = {}
        self.by_contact: dict[str, Member] = {}
        self.segments: dict[int, Segment] = {}
        self.erased: set[str] = set()
        self.webhooks: dict[str, dict[str, object]] = {}
        self.events: list[tuple[Member, dict[str, object]]] = []
        self.version = 0
        self._members_made = 0
        self._sorted: dict[tuple[str | None, str], tuple[int, list[Member], list[int]]] = {}
        self.merge_fields = [
            MergeField(1, "FNAME", "First Name", "text", public=True, options={"size": 25}),
            MergeField(2, "LNAME", "Last Name", "text", public=True, options={"size": 25}),
            MergeField(3, "ADDRESS", "Address", "address", options={"default_country": 164}),
            MergeField(4, "PHONE", "Phone Number", "phone", options={"phone_format": "none"}),
            MergeField(5, "BIRTHDAY", "Birthday", "birthday", options={"date_format": "MM/DD"}),
        ]

    def find(self, name: str) -> Member | None:
        """A member by hash (any case), contact_id or address."""
        if "@" in name:
            return self.members.get(subscriber_hash(name))
        return self.members.get(name.lower()) or self.by_contact.get(name)

    def create(self, address: str, *, status: str, changed: int) -> Member:
        """A new member under its own hash."""
        self._members_made += 1
        number = self._members_made
        member = Member(
            number=number,
            address=address,
            id=subscriber_hash(address),
            contact_id=digest("contact", self.id, number),
            web_id=self.web_id + number,
            status=status,
            last_changed=changed,
            merge={f.tag: "" for f in self.merge_fields},
            timestamp_opt=changed if status == "subscribed" else None,
        )
        self.members[member.id] = member
        self.by_contact[member.contact_id] = member
        self.version += 1
        return member

    def move(self, member: Member, address: str) -> None:
        """The same contact under a new address: id and unique_email_id change, contact_id stays."""
        del self.members[member.id]
        member.address, member.id = address, subscriber_hash(address)
        self.members[member.id] = member
        self.version += 1

    def remove(self, member: Member) -> None:
        """Forget the member for ever."""
        del self.members[member.id]
        del self.by_contact[member.contact_id]
        for segment_id in member.tags:
            self.segments[segment_id].members.pop(member.number, None)
        self.erased.add(member.id)
        self.version += 1

    def touch(self, member: Member) -> None:
        """The member changed now."""
        member.last_changed = self.now()
        self.version += 1

    def add_merge_field(self, tag: str, name: str, type: str, **more: object) -> MergeField:
        """A new merge field, empty for everybody."""
        made = MergeField(max((f.merge_id for f in self.merge_fields), default=0) + 1, tag, name, type)
        for key, value in more.items():
            setattr(made, key, value)
        self.merge_fields.append(made)
        for member in self.members.values():
            member.merge[tag] = ""
        return made

    def segment_named(self, name: str) -> Segment | None:
        """The tag of that name, compared without regard to case."""
        folded = name.casefold()
        return next((s for s in self.segments.values() if s.name.casefold() == folded), None)

    def tag(self, member: Member, segment: Segment) -> bool:
        """True if the member did not have the tag."""
        if segment.id in member.tags:
            return False
        member.tags[segment.id] = segment.updated = self.now()
        segment.members[member.number] = member
        return True

    def untag(self, member: Member, segment: Segment) -> bool:
        """True if the member had the tag."""
        if member.tags.pop(segment.id, None) is None:
            return False
        segment.members.pop(member.number, None)
        segment.updated = self.now()
        return True

    def drop_segment(self, segment: Segment) -> None:
        """Delete a tag; its people stay."""
        for member in segment.members.values():
            member.tags.pop(segment.id, None)
        del self.segments[segment.id]

    def window(
        self, *, status: str | None, sort: str, since: float | None, before: float | None
    ) -> list[Member]:
        """Members of a status (None: all but archived) by `sort`, ties in storage order.

        `sort` is "number", "last_changed", "timestamp_opt" or "timestamp_signup"; the bounds are strict
        and apply to the sorted column. The sorted list is kept until something changes, so that reading
        all pages does not sort once per page.
        """
        kept = self._sorted.get((status, sort))
        if kept is None or kept[0] != self.version:
            chosen = [
                m
                for m in self.members.values()
                if (m.status == status if status is not None else m.status in ACTIVE)
            ]
            chosen.sort(key=lambda m: (getattr(m, sort) or 0, m.number))
            kept = (self.version, chosen, [getattr(m, sort) or 0 for m in chosen])
            self._sorted[status, sort] = kept
        _, ordered, keys = kept
        first = 0 if since is None else bisect_right(keys, since)
        last = len(keys) if before is None else bisect_left(keys, before)
        return ordered[first:last] if first or last < len(keys) else ordered
