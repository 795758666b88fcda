"""The packs that ship: read from the package, wherever it is installed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

from rules.vocabulary import Field, Kind, Place, Type, Vocabulary

ORDER = (
    "demographic",
    "geographic",
    "psychographic",
    "behavioural",
    "firmographic",
    "needs",
    "rfm",
    "lifecycle",
    "engagement",
    "win-back",
    "cross-sell",
)
"""As people look for them: who they are, what they do, what they are worth, what to do next."""
_NORTH, _EAST = "latitude", "longitude"


class NeedKind(StrEnum):
    """A fact about a person, a kind of activity, a field of one, or a place made of two facts."""

    FACT = "fact"
    ACTIVITY = "activity"
    DETAIL = "activity field"
    PLACE = "place"


@dataclass(frozen=True, slots=True)
class Need:
    """A name that a pack's rules use. `types`: those that do, the usual first; none for activity and places.
    `like`: what sources also call it."""

    name: str
    kind: NeedKind
    meaning: str
    types: tuple[Type, ...] = ()
    like: tuple[str, ...] = ()

    @property
    def last(self) -> str:
        """The name without what stands before its last dot."""
        return self.name.rpartition(".")[2]

    @property
    def activity(self) -> str:
        """Of a field of an activity: its kind."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack. `rules`: the text of its rule file; `page`: its page, Markdown; `kind`: of segmentation."""

    name: str
    title: str
    kind: str
    summary: str
    needs: tuple[Need, ...]
    rules: str
    page: str

    @property
    def segments(self) -> tuple[str, ...]:
        """The ids of its segments, each tier for itself."""
        values = tomllib.loads(self.rules)
        alone = [str(one["id"]) for one in values.get("segment", ())]
        tiers = [f"{group['id']}/{one['id']}" for group in values.get("tiers", ()) for one in group["tier"]]
        return (*alone, *tiers)

    def vocabulary(self, *, zone: str = "UTC") -> Vocabulary:
        """The least vocabulary in which its rules are right."""
        facts = {need.name: _field(need) for need in self.needs if need.kind is NeedKind.FACT}
        places = {need.name: Place(need.name, _NORTH, _EAST) for need in self.needs if _is_place(need)}
        if places:
            facts |= {name: Field(name, Type.NUMBER) for name in (_NORTH, _EAST)}
        kinds = {
            need.name: Kind(
                need.name,
                {
                    inner.last: Field(inner.last, inner.types[0])
                    for inner in self.needs
                    if inner.kind is NeedKind.DETAIL and inner.activity == need.name
                },
            )
            for need in self.needs
            if need.kind is NeedKind.ACTIVITY
        }
        return Vocabulary(fields=facts, kinds=kinds, places=places, zone=zone)


def names() -> tuple[str, ...]:
    """The names of all packs."""
    there = {
        one.name for one in resources.files(__package__).iterdir() if one.joinpath("pack.toml").is_file()
    }
    return (*(name for name in ORDER if name in there), *sorted(there - set(ORDER)))


def pack(name: str) -> Pack:
    """The pack of this name. KeyError if there is none."""
    if name not in names():
        raise KeyError(name)
    folder = resources.files(__package__).joinpath(name)

    def text(file: str) -> str:
        return folder.joinpath(file).read_text(encoding="utf-8")

    about = tomllib.loads(text("pack.toml"))
    return Pack(
        name=name,
        title=about["title"],
        kind=about["kind"],
        summary=about["summary"],
        needs=tuple(_needs(about)),
        rules=text("rules.toml"),
        page=text("README.md"),
    )


def _needs(about: Mapping[str, Any]) -> Iterator[Need]:
    for name, one in about.get("facts", {}).items():
        yield _need(name, NeedKind.FACT, one)
    for name, one in about.get("places", {}).items():
        yield _need(name, NeedKind.PLACE, one)
    for name, one in about.get("activity", {}).items():
        yield _need(name, NeedKind.ACTIVITY, one)
        for inner, detail in one.get("fields", {}).items():
            yield _need(f"{name}.{inner}", NeedKind.DETAIL, detail)


def _need(name: str, kind: NeedKind, one: Mapping[str, Any]) -> Need:
    types = tuple(Type(each) for each in one.get("types", ()))
    return Need(name, kind, one["meaning"], types, tuple(one.get("like", ())))


def _field(need: Need) -> Field:
    return Field(need.name, need.types[0], meaning=need.meaning)


def _is_place(need: Need) -> bool:
    return need.kind is NeedKind.PLACE
