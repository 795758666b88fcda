"""`[approval]`: whether whoever edited a rule may approve what follows from it, and who is who."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.config.section import Section

ENOUGH = 2
"""Fewer people cannot check each other."""


@dataclass(frozen=True, slots=True)
class ApprovalSettings:
    """`people`: each person's name here → all that git, the machine and `--by` call them."""

    four_eyes: bool = False
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def person(self, *names: str) -> str | None:
        """Who is called one of these names, the first that is known; None: nobody that was named."""
        known = {_plain(alias): person for person, also in self.people.items() for alias in (person, *also)}
        return next((known[_plain(name)] for name in names if _plain(name) in known), None)


def read_approval(section: Section) -> ApprovalSettings:
    """Four eyes are asked for as soon as two people are named, unless the config says otherwise."""
    table = section.table("people")
    people: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    for person in table.values:
        written = table.placed_texts(person)
        for position, alias in [(None, person), *written]:
            if taken.setdefault(_plain(alias), person) != person:
                path = (*table.path, person, *(() if position is None else (position,)))
                told = f"{taken[_plain(alias)]} is called so, too; each name is one person's"
                section.report.error(path, told)
        people[person] = tuple(alias for _, alias in written)
    four_eyes = section.yes_no("four_eyes", len(people) >= ENOUGH)
    if four_eyes and 0 < len(people) < ENOUGH:
        section.error("four_eyes", "nobody could approve the edits of the only one in [approval.people]")
    section.close()
    return ApprovalSettings(four_eyes=four_eyes, people=people)


def _plain(name: str) -> str:
    return name.strip().casefold()
