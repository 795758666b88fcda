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
    def alike(self) -> bool:
        """Whether one is like the other."""
        return self.fresh is None and self.ats.count(self.ats[0]) == len(self.ats)

    @property
    def first(self) -> dict[str, object]:
        """One of the activity that is alike."""
        return {**{name: value for name, value, _ in self.fields}, "at": self.ats[0]}

    @property
    def rows(self) -> list[dict[str, object]]:
        """The activity itself."""
        if self.alike:
            return [self.first] * self.n
        shared = {name: value for name, value, _ in self.fields}
        ats = self.ats if len(self.ats) == self.n else self.ats[:1] * self.n
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


_FIRST, _LAST = -(2**63), 2**63 - 1


def storable(edit: Edit) -> bool:
    """Whether there can be such values: whole numbers have 64 bits."""
    if isinstance(edit, More):
        found = [one for _, one, _ in edit.fields]
    else:
        found = [edit.value] if isinstance(edit, SetFact) else []
    for one in found:  # noqa: SIM110 - asked of every offer, and a generator takes twice as long
        if isinstance(one, int) and not _FIRST <= one <= _LAST:
            return False
    return True


def cost(edits: Sequence[Edit]) -> float:
    """What is nearer costs less: few edits before many; what people do before what is known of them; before
    what would have to be undone."""
    return sum(map(_cost, edits))


LEAST = 1.02
"""What one more activity costs; nothing costs less."""
LEAST_OF_FACTS = 1.1
"""What another fact costs; but for more activity nothing costs less."""


def least_cost(edits: Sequence[Edit]) -> float:
    """What is left of these costs at least so much, however much of it can be left out."""
    return min(_cost(edit, most=1) for edit in edits)


def _same(one: More, other: More) -> bool:
    """Whether two are of the same activity, each at one instant."""
    ats = {*one.ats, *other.ats}
    return (
        len(ats) == 1 and one.kind == other.kind and one.fresh == other.fresh and one.fields == other.fields
    )


def beyond(edits: Sequence[Edit], others: Sequence[Edit]) -> bool:
    """Whether these are the others and more of the very same."""
    if len(edits) != 1 or len(others) != 1:
        return False
    match edits[0], others[0]:
        case More() as more, More() as other:
            return more.n >= other.n and _same(more, other)
        case Fewer(kind, places), Fewer(kind_, places_):
            return kind == kind_ and places[: len(places_)] == places_
    return False


def _cost(edit: Edit, most: int = 99) -> float:
    if isinstance(edit, More):
        return 1 + min(edit.n, most) / 50
    if isinstance(edit, SetFact):
        return LEAST_OF_FACTS
    if isinstance(edit, Fewer):
        return 1.3 + min(len(edit.places), most) / 1000
    return 1.2


def known_of(person: PersonFacts, edits: Sequence[Edit]) -> PersonFacts:
    """The person as they would be, but for their activity."""
    if all(isinstance(edit, (More, Fewer)) for edit in edits):
        return person
    facts, consented, lists = person.facts, person.consented, person.lists
    suppressed = person.suppressed
    for edit in edits:
        match edit:
            case SetFact(name, value):
                facts = {**facts, name: value}
            case SetConsent(channel, given):
                consented = {**consented, channel: given}
            case SetList(name, on):
                lists = lists | {name} if on else lists - {name}
            case SetSuppressed(suppressed):
                pass
    return PersonFacts(person.person, facts, person.activity, suppressed, consented, lists)


def activity_of(edits: Sequence[Edit]) -> tuple[dict[str, list[Row]], dict[str, set[int]]]:
    """By kind, what there would be more of it, and the places of what would be gone."""
    more: dict[str, list[Row]] = {}
    gone: dict[str, set[int]] = {}
    for edit in edits:
        match edit:
            case More(kind):
                more.setdefault(kind, []).extend(edit.rows)
            case Fewer(kind, places):
                gone.setdefault(kind, set()).update(places)
    return more, gone


def applied(person: PersonFacts, edits: Sequence[Edit]) -> PersonFacts:
    """The person as they would be. Places of `Fewer` are those of the person as given."""
    more, gone = activity_of(edits)
    activity = dict(person.activity)
    for kind in {*more, *gone}:
        without, there = gone.get(kind, ()), enumerate(activity.get(kind, ()))
        activity[kind] = [*(row for place, row in there if place not in without), *more.get(kind, ())]
    return replace(known_of(person, edits), activity=activity)
