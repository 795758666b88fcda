"""What an edit of the rules does to segments: who enters and leaves, and why. Values only; reads no store.

Both sets of rules were asked at one instant over the same data, so whatever differs comes from the edit.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pyroaring import BitMap

from rules import ir
from rules.engine import Evaluation
from rules.engine.walk import nodes
from rules.language import render
from rules.ruleset import CLUSTER, Place, RuleSet, Segment

SAMPLES = 10
_SETTINGS = ("name", "to", "mode", "expect")


class Status(StrEnum):
    """What became of a segment. MOVED: its own rule is as it was, and it uses one that was edited."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    MOVED = "moved"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Difference:
    """One segment before and after. `because`: the edited segments and clusterings that it uses, if any.

    `settings`: which of name, destinations, mode and limits were edited, which moves nobody by itself.
    """

    segment: str
    status: Status
    place: Place
    before: BitMap
    after: BitMap
    people: int
    text: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def enter(self) -> BitMap:
        """Who is in it only by the edited rules."""
        return self.after - self.before

    @property
    def leave(self) -> BitMap:
        """Who is in it only by the rules in force."""
        return self.before - self.after

    @property
    def moves(self) -> bool:
        """Whether anybody enters or leaves."""
        return self.before != self.after

    def document(self) -> dict[str, Any]:
        """As JSON; people are numbers."""
        return {
            "segment": self.segment,
            "status": self.status.value,
            "file": self.place.file,
            "line": self.place.line,
            "before": len(self.before),
            "after": len(self.after),
            "share_before": _share(self.before, self.people),
            "share_after": _share(self.after, self.people),
            "enter": len(self.enter),
            "leave": len(self.leave),
            "sample_enter": list(self.enter[:SAMPLES]),
            "sample_leave": list(self.leave[:SAMPLES]),
            "because": list(self.because),
            "settings": list(self.settings),
            "text": list(self.text),
        }


def differences(old: RuleSet, new: RuleSet, before: Evaluation, after: Evaluation) -> tuple[Difference, ...]:
    """Every segment of either set: in the order of the new one, then those that are gone."""
    found = []
    edited = {name for name, one in new.segments.items() if _is_edited(old.segments.get(name), one)}
    for name, segment in new.segments.items():
        earlier = old.segments.get(name)
        was, now = before.members.get(name, BitMap()), after.members[name]
        used = tuple(one for one in _uses(segment, new.segments) if one in edited)
        used += tuple(f"clustering {one}" for one in _other_clusters(segment, old, new))
        if earlier is None:
            status = Status.NEW
        elif name in edited:
            status = Status.CHANGED
        else:
            status = Status.MOVED if was != now else Status.UNCHANGED
        found.append(
            Difference(
                name,
                status,
                segment.place,
                before=was,
                after=now,
                people=after.people,
                text=tuple(text_diff(earlier, segment)) if status in (Status.NEW, Status.CHANGED) else (),
                because=used if was != now else (),
                settings=_settings(earlier, segment),
            )
        )
    for name, earlier in old.segments.items():
        if name not in new.segments:
            text = tuple(text_diff(earlier, None))
            members = before.members[name]
            found.append(Difference(name, Status.GONE, earlier.place, members, BitMap(), after.people, text))
    return tuple(found)


def text_diff(old: Segment | None, new: Segment | None) -> Iterator[str]:
    """Lines of the rule that went (`- `), came (`+ `) and stayed; of the meaning, if the text is the same.

    A named field that it uses, or an earlier tier, was edited then.
    """
    was, now = old.source if old else "", new.source if new else ""
    if old is not None and new is not None and was == now:
        was, now = render(old.when), render(new.when)
    for line in difflib.ndiff(_lines(was), _lines(now)):
        if not line.startswith("?"):
            yield line


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _is_edited(old: Segment | None, new: Segment) -> bool:
    return old is None or old.version != new.version


def _settings(old: Segment | None, new: Segment) -> tuple[str, ...]:
    if old is None:
        return ()
    return tuple(name for name in _SETTINGS if getattr(old, name) != getattr(new, name))


def _uses(segment: Segment, segments: Mapping[str, Segment]) -> list[str]:
    """All segments that decide it, also through others, nearest first."""
    found: dict[str, None] = {}
    waiting = [segment]
    while waiting:
        for node in nodes([waiting.pop(0).when]):
            used = node.segment if isinstance(node, ir.InSegment | ir.HeldSegment) else None
            if used is not None and used not in found and used in segments:
                found[used] = None
                waiting.append(segments[used])
    return list(found)


def _other_clusters(segment: Segment, old: RuleSet, new: RuleSet) -> list[str]:
    """The clusterings whose clusters decide it, also through others, and are others by the new rules."""
    through = [new.segments[name] for name in _uses(segment, new.segments)]
    facts = {one.name for one in nodes(each.when for each in (segment, *through)) if isinstance(one, ir.Fact)}
    return [
        id_
        for id_, one in new.clusterings.items()
        if (one.fact in facts or (CLUSTER in facts and len(new.clusterings) == 1))
        and (id_ not in old.clusterings or old.clusterings[id_].version != one.version)
    ]


def _share(people: BitMap, of: int) -> float:
    return len(people) / of if of else 0.0
