"""What the other three platforms know about the demo's people: some of them each, and not quite the same.

One generator per person and account, so that a person is the same in the small and in the large set.
Whoever is known there is also in the shop; addresses differ by capitals only, so that all are one person.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sync.demo.names import COUNTRIES, HOMES, plain

if TYPE_CHECKING:
    from sync.demo.data import Customer


class Wish(StrEnum):
    """What an account knows of somebody's wish to get mail. BOUNCED: mail came back."""

    ASKED_FOR_IT = "asked for it"
    SAID_NOTHING = "said nothing"
    LEFT = "left"
    BOUNCED = "bounced"


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact of one account. `lead`: somebody sales has not spoken to yet."""

    address: str
    first_name: str
    last_name: str
    country: str
    city: str
    wish: Wish
    changed_at: dt.datetime
    lead: bool


@dataclass(frozen=True, slots=True)
class Habits:
    """How an account is kept: shares in percent of all people, or of those who are known there."""

    known: int
    asked_for_it: int
    left: int
    bounced: int
    capitals: int  # addresses in capitals
    moved: int  # another country than the shop has
    country_names: bool  # countries by name, not by code
    plain_names: bool  # names without accents


HABITS: Mapping[str, Habits] = {
    "hub": Habits(known=55, asked_for_it=0, left=4, bounced=1, capitals=4, moved=5,
                  country_names=False, plain_names=False),
    "crm": Habits(known=30, asked_for_it=0, left=5, bounced=1, capitals=10, moved=8,
                  country_names=True, plain_names=True),
    "shop-mail": Habits(known=45, asked_for_it=70, left=6, bounced=0, capitals=2, moved=3,
                        country_names=True, plain_names=False),
}  # fmt: skip


def contacts(people: Iterable[Customer], *, seed: str) -> Mapping[str, tuple[Contact, ...]]:
    """Every account's contacts, by the account's name."""
    found: dict[str, list[Contact]] = {name: [] for name in HABITS}
    for person in people:
        for name, habits in HABITS.items():
            choice = random.Random(f"{seed}/{name}/{person.id}")
            if choice.randrange(100) < habits.known:
                found[name].append(_contact(person, habits, choice))
    return {name: tuple(own) for name, own in found.items()}


def _contact(person: Customer, habits: Habits, choice: random.Random) -> Contact:
    home = choice.choice(HOMES) if choice.randrange(100) < habits.moved else None
    country = person.country if home is None else home.country
    first, last = person.first_name, person.last_name
    if habits.plain_names:
        first, last = plain(first), plain(last)
    if choice.randrange(100) < 6:
        first = f"{first[0]}."
    shouted = choice.randrange(100) < habits.capitals
    return Contact(
        address=person.email.upper() if shouted else person.email,
        first_name=first,
        last_name=last,
        country=COUNTRIES[country] if habits.country_names else country,
        city=person.city if home is None else home.cities[0],
        wish=_wish(habits, choice.randrange(100)),
        changed_at=person.signed_up + dt.timedelta(minutes=choice.randrange(1, 600)),
        lead=choice.randrange(100) < 20,
    )


def _wish(habits: Habits, roll: int) -> Wish:
    if roll < habits.left:
        return Wish.LEFT
    if roll < habits.left + habits.bounced:
        return Wish.BOUNCED
    asked = roll < habits.left + habits.bounced + habits.asked_for_it
    return Wish.ASKED_FOR_IT if asked else Wish.SAID_NOTHING
