"""Looks at a platform before and after every single call of segsync, and notes what must never happen.

It also counts what our calls really changed, which is what the fewest possible calls are computed from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from connectors.simulation import Request
from tests.scenarios.campaign.accounts import Accounts, Numbers
from tests.scenarios.campaign.company import PREFIX, SEGMENTS

PER_CALL = {
    ("hub", "members"): 1000,
    ("hub", "names"): 100,
    ("crm", "members"): 200,
    ("crm", "names"): 200,
    ("shop-mail", "members"): 1000,
    ("shop-mail", "names"): 10_000,
    ("newsletter", "members"): 500,
    ("newsletter", "names"): 1,
}
"""The biggest batch each operation takes, by the platforms' fact sheets."""
TOGETHER = frozenset({"hub", "newsletter"})
"""Adds and removes ride in one call."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A platform at one moment."""

    audiences: dict[str, Numbers]
    people: dict[int, tuple[frozenset[str], object, object]]


@dataclass
class Watch:
    """Of one platform. `ours` and `our_names`: what our calls brought about and nobody undid since."""

    name: str
    accounts: Accounts
    violations: list[str] = field(default_factory=list)
    ours: dict[str, set[int]] = field(default_factory=dict)
    our_names: dict[int, set[str]] = field(default_factory=dict)
    changed: dict[tuple[str, str], set[object]] = field(default_factory=dict)
    made: set[tuple[str, bytes]] = field(default_factory=set)
    fewest: int = 0
    refused_logins: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def picture(self) -> Picture:
        return Picture(self.accounts.audiences(self.name), self.accounts.people(self.name))

    # ---- our calls -------------------------------------------------------------------------------

    def compare(self, request: Request, before: Picture, after: Picture) -> bool:
        """What the call changed, judged and counted; whether it changed a member or a name."""
        moved = False
        for title in before.audiences.keys() | after.audiences.keys():
            was, now = before.audiences.get(title), after.audiences.get(title)
            if now is None:
                self._wrong(f"I3 our call deleted the audience {title}")
                continue
            moved |= self._members(title, was or frozenset(), now)
        if before.people.keys() != after.people.keys():
            self._wrong("I3 our call made or deleted a person")
        for number in before.people.keys() & after.people.keys():
            old, new = before.people[number], after.people[number]
            if old == new:
                continue
            if new[1] > old[1]:  # type: ignore[operator]
                self._wrong(f"I2 our call loosened the consent of human {number}")
            if new[2] != old[2]:
                self._wrong(f"I3 our call changed something else of human {number} than the owned field")
            moved |= self._names(number, old[0], new[0])
        return moved

    def _members(self, title: str, was: Numbers, now: Numbers) -> bool:
        if was == now:
            return False
        if not title.startswith(PREFIX):
            self._wrong(f"I3 our call changed the members of the foreign audience {title}")
        mine = self.ours.setdefault(title, set())
        for number in sorted(was - now - mine):
            self._wrong(f"I3 our call took human {number}, whom others had put there, out of {title}")
        mine |= now - was
        mine -= was - now
        ways = {"add": now - was, "remove": was - now}
        for way, people in ways.items():
            if people:
                key = (title, "members" if self.name in TOGETHER else f"members {way}")
                self.changed.setdefault(key, set()).update((way, number) for number in people)
        return True

    def _names(self, number: int, was: frozenset[str], now: frozenset[str]) -> bool:
        if was == now:
            return False
        mine = self.our_names.setdefault(number, set())
        for name in sorted((was ^ now) - SEGMENTS):
            self._wrong(f"I3 our call changed the foreign name {name} in the owned field of human {number}")
        for name in sorted((was - now) & SEGMENTS - mine):
            self._wrong(f"I3 our call took the name {name}, set by others, off human {number}")
        mine |= now - was
        mine -= was - now
        self.changed.setdefault(("field", "names"), set()).add(number)
        return True

    def _wrong(self, text: str) -> None:
        self.violations.append(f"{self.name}: {text}")

    # ---- hands -----------------------------------------------------------------------------------

    def by_hand(self, before: Picture, after: Picture) -> None:
        """Others changed it: what they took away is not ours any more, what they put there never was."""
        for title, was in before.audiences.items():
            now = after.audiences.get(title, frozenset())
            self.ours.setdefault(title, set()).difference_update(was ^ now)
        for number, (names, _, _) in before.people.items():
            now_there = after.people[number][0] if number in after.people else frozenset()
            self.our_names.setdefault(number, set()).difference_update(names ^ now_there)

    # ---- counting --------------------------------------------------------------------------------

    def close_round(self) -> None:
        """The fewest calls for what was changed since the last time."""
        for (_, operation), things in self.changed.items():
            most = PER_CALL[self.name, operation.split()[0]]
            ways = Counter(thing[0] for thing in things if isinstance(thing, tuple))
            count = max(ways.values()) if ways else len(things)
            self.fewest += -(-count // most)
        self.changed.clear()
