"""What `explain` tells about one person, for people and as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rules import ir
from rules.engine.explain import Explanation
from rules.engine.walk import nodes
from sync.identify.explain import LinkedContact
from sync.quarantine import Standing
from sync.run.entering import Entry
from sync.run.outlook import Outlook
from sync.store.optouts import StoredOptOut


@dataclass(frozen=True, slots=True)
class SegmentAnswer:
    """One segment for one person. `since`: the instant of the run that saw the person enter."""

    segment: str
    name: str
    place: str
    version: str
    member: bool
    member_at_last_run: bool | None
    since: dt.datetime | None
    tree: Explanation
    outlook: Outlook
    entry: Entry | None  # looked for where one segment is asked about


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """A change of this person that a platform did not take, and what becomes of it."""

    connection: str
    segment: str  # "*": the owned field
    code: str
    reason: str
    state: Standing
    tries: int
    first_at: dt.datetime
    last_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything about one person that decides on segments."""

    person: int
    as_of: dt.datetime
    segments: tuple[SegmentAnswer, ...]
    sources: Mapping[str, tuple[str, str | None, dt.datetime | None]]
    """Fact → connection.column, contact, when it changed; or a model, no contact, when that was made."""
    contacts: tuple[LinkedContact, ...]
    refused: tuple[RefusedChange, ...] = ()  # what platforms did not take
    opt_outs: tuple[StoredOptOut, ...] = ()  # what was written to platforms because of others
    compared_as_of: dt.datetime | None = None  # by which evaluation people are compared; None: by none

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"person {self.person}, as of {self.as_of:%Y-%m-%d %H:%M} UTC"
        for contact in self.contacts:
            keys = ", ".join(
                f"{key.kind} {key.masked}{' (former)' if key.former else ''}" for key in contact.keys
            )
            yield f"  contact {contact.external_id} on {contact.connection}: {keys or 'no key'}"
        for no in self.refused:
            state = no.state.value.replace("_", " ")
            yield (
                f"  refused on {no.connection} ({no.segment}): {no.reason}; {state},"
                f" tries: {no.tries}, the last {no.last_at:%Y-%m-%d %H:%M} UTC"
            )
        for told in self.opt_outs:
            yield (
                f"  opt-out on {told.connection}: {told.state}, {told.at:%Y-%m-%d %H:%M} UTC,"
                f" because of {told.source}"
            )
        for one in self.segments:
            since = f" since {one.since:%Y-%m-%d %H:%M}" if one.since else ""
            yield ""
            yield f"{one.segment}: {'in' if one.member else 'not in'}{since}"
            yield f"  rule {one.version} at {one.place}"
            if one.entry is not None:
                yield from (f"  {line}" for line in one.entry.lines())
            yield from (f"  {line}" for line in one.tree.lines())
            yield from (f"  {line}" for line in one.outlook.lines())
        if self.compared_as_of is not None:
            yield ""
            yield f"Compared with the others as of {self.compared_as_of:%Y-%m-%d %H:%M} UTC"
        used = sorted({name for one in self.segments for name in _facts(one.tree)} & set(self.sources))
        if used:
            yield ""
            yield "Where the facts came from"
            for name in used:
                source, contact_id, when = self.sources[name]
                verb, of = ("made", "") if contact_id is None else ("changed", f", contact {contact_id}")
                changed = f", {verb} {when:%Y-%m-%d %H:%M}" if when else ""
                yield f"  {name}: {source}{of}{changed}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "person": self.person,
            "as_of": self.as_of.isoformat(),
            "compared_as_of": self.compared_as_of.isoformat() if self.compared_as_of else None,
            "contacts": [
                {"connection": c.connection, "external_id": c.external_id, "keys": [k.masked for k in c.keys]}
                for c in self.contacts
            ],
            "refused": [
                {**asdict(no), "first_at": no.first_at.isoformat(), "last_at": no.last_at.isoformat()}
                for no in self.refused
            ],
            "opt_outs": [
                {
                    "connection": told.connection,
                    "state": told.state.value,
                    "at": told.at.isoformat(),
                    "source": told.source,
                    "reason": told.reason,
                }
                for told in self.opt_outs
            ],
            "segments": [
                {
                    "segment": one.segment,
                    "name": one.name,
                    "place": one.place,
                    "version": one.version,
                    "member": one.member,
                    "member_at_last_run": one.member_at_last_run,
                    "since": one.since.isoformat() if one.since else None,
                    "entered": one.entry.document() if one.entry else None,
                    "tree": _tree(one.tree),
                    "outlook": one.outlook.document(),
                }
                for one in self.segments
            ],
            "sources": {
                name: {"source": source, "contact": contact, "changed_at": when.isoformat() if when else None}
                for name, (source, contact, when) in self.sources.items()
            },
        }


def _facts(tree: Explanation) -> Iterator[str]:
    yield from (node.name for node in nodes([tree.node]) if isinstance(node, ir.Fact))
    for child in tree.children:
        yield from _facts(child)


def _tree(tree: Explanation) -> dict[str, Any]:
    return {
        "text": tree.text,
        "result": tree.result,
        "values": {one.text: one.value for one in tree.observed},
        "counted": {
            one.text: {**asdict(one.counted), "at": one.counted.at.isoformat()}
            for one in tree.observed
            if one.counted is not None
        },
        "parts": [_tree(child) for child in tree.children],
    }
