"""What could be otherwise about one person: a fact, some activity more or less, a list, consent.

An edit is applied to the person's facts as a value; nothing of it is ever written anywhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from rules import ir
from rules.engine.activity import Row
from rules.engine.person import PersonFacts
from rules.vocabulary import Type


@dataclass(frozen=True, slots=True)
class SetFact:
    """A fact becomes `value`. `options`: any of these would do as well; `other`: anything but these."""

    name: str
    value: object
    fact: ir.Fact
    options: tuple[ir.Literal, ...] = ()
    other: bool = False


@dataclass(frozen=True, slots=True)
class More:
    """`n` more activities of a kind, each with these fields; `fresh`: a field in which they differ."""

    kind: str
    n: int
    fields: tuple[tuple[str, object, Type], ...]
    ats: tuple[dt.datetime, ...]  # one instant, or as many as n
    fresh: str | None = None

    @property
    def rows(self) -> list[dict[str, object]]:
        """The activity itself."""
        ats = self.ats if len(self.ats) == self.n else self.ats[:1] * self.n
        shared = {name: value for name, value, _ in self.fields}
        own: list[dict[str, object]] = [
            {} if self.fresh is None else {self.fresh: f"new {n}"} for n in range(1, self.n + 1)
        ]
        return [{**shared, **one, "at": at} for one, at in zip(own, ats, strict=True)]


@dataclass(frozen=True, slots=True)
class Fewer:
    """Activities of a kind that are not there, or do not count any more; by their places in the person's."""

    kind: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SetConsent:
    """Consent for a channel is given, or not given."""

    channel: str
    given: bool


@dataclass(frozen=True, slots=True)
class SetList:
    """Is put on a list, or taken off it."""

    name: str
    on: bool


@dataclass(frozen=True, slots=True)
class SetSuppressed:
    """Must not be marketed to, or may be."""

    suppressed: bool


Edit: TypeAlias = SetFact | More | Fewer | SetConsent | SetList | SetSuppressed


def storable(edit: Edit) -> bool:
    """Whether there can be such values: whole numbers have 64 bits."""
    match edit:
        case SetFact(_, value):
            values = [value]
        case More(_, _, fields):
            values = [value for _, value, _ in fields]
        case _:
            return True
    return all(-(2**63) <= one < 2**63 for one in values if isinstance(one, int))


def cost(edits: Sequence[Edit]) -> float:
    """What is nearer costs less: few edits before many; what people do before what is known of them; before
    what would have to be undone."""
    total = 0.0
    for edit in edits:
        match edit:
            case More(_, n):
                total += 1 + min(n, 99) / 50
            case SetFact():
                total += 1.1
            case Fewer(_, places):
                total += 1.3 + min(len(places), 99) / 1000
            case _:
                total += 1.2
    return total


def applied(person: PersonFacts, edits: Sequence[Edit]) -> PersonFacts:
    """The person as they would be. Places of `Fewer` are those of the person as given."""
    facts, consented, lists = dict(person.facts), dict(person.consented), set(person.lists)
    suppressed = person.suppressed
    more: dict[str, list[Row]] = {}
    gone: dict[str, set[int]] = {}
    for edit in edits:
        match edit:
            case SetFact(name, value):
                facts[name] = value
            case More(kind):
                more.setdefault(kind, []).extend(edit.rows)
            case Fewer(kind, places):
                gone.setdefault(kind, set()).update(places)
            case SetConsent(channel, given):
                consented[channel] = given
            case SetList(name, on):
                (lists.add if on else lists.discard)(name)
            case SetSuppressed(suppressed):
                pass
    activity = dict(person.activity)
    for kind in {*more, *gone}:
        rows = person.activity.get(kind, ())
        kept = [row for place, row in enumerate(rows) if place not in gone.get(kind, ())]
        activity[kind] = [*kept, *more.get(kind, ())]
    return replace(
        person,
        facts=facts,
        activity=activity,
        suppressed=suppressed,
        consented=consented,
        lists=frozenset(lists),
    )
