"""What everybody else does while segsync is at work: a few edits at random calls, each remembered.

Edits of audiences and of the owned field go to the steady people, whom no rule moves, so what must come of
them is certain: whom others took out stays out, whom others put in stays in.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from tests.scenarios.campaign.accounts import Accounts, title_of
from tests.scenarios.campaign.company import FIELDS_OF, MEMBERS_OF, NAMES, PLATFORMS, Company, Human
from tests.scenarios.campaign.watch import Watch

DELETED = {
    "hub": "keen-in-crm",
    "crm": "buyers",
    "shop-mail": "keen-in-newsletter",
    "newsletter": "keen-in-hub",
}
"""Audiences that somebody deletes now and then; nobody edits those otherwise."""
ERASES = ("hub", "crm")
"""Where people are deleted now and then, and the platform tells of it."""
MOST_AT = 40
"""Edits of a life happen within so many calls."""

Place = tuple[str, str, str]
"""(connection, segment, "members" or "names"): a segment may be an audience and stand in the field, too."""


@dataclass
class Hands:
    """`taken_out` and `put_in`: whom others moved, by place; `foreign_names`: what else they wrote."""

    company: Company
    accounts: Accounts
    watches: dict[str, Watch]
    seed: int
    taken_out: dict[Place, set[int]] = field(default_factory=dict)
    put_in: dict[Place, set[int]] = field(default_factory=dict)
    foreign_names: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    settled: dict[Place, frozenset[int]] = field(default_factory=dict)
    """Members that a calm run has seen, so that nothing of them is under way."""
    poison: dict[str, set[int]] = field(default_factory=dict)
    erasing: bool = False
    erased: dict[str, set[int]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    done: list[str] = field(default_factory=list)
    _due: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    _calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(f"hands {self.seed}")
        self._whom = ""

    def plan(self, count: int) -> None:
        """So many edits in the next life, at calls of its own choice."""
        self._calls.clear()
        self._due = {name: [] for name in PLATFORMS}
        kinds = ["mood"] * 4 + ["sale"] * 2 + ["opt-out", "put in", "take out", "name by hand", "name taken"]
        kinds += ["erase"] * self.erasing
        for _ in range(count):
            name = self.random.choice(sorted(PLATFORMS))
            kind = self.random.choice(kinds) if self.random.random() > 0.04 else "delete"
            self._due[name].append((self.random.randrange(1, MOST_AT), kind))

    def everywhere(self) -> None:
        """One edit of each kind that must last, on every platform, at once."""
        for name in PLATFORMS:
            for kind in ("put in", "take out", "name by hand", "name taken", *["erase"] * self.erasing):
                for _ in range(5):  # not every audience has somebody for it
                    if self._edit(name, kind):
                        break

    def stop(self) -> None:
        """Nobody edits anything any more."""
        self._due = {}

    def act(self, name: str) -> None:
        """A call comes in: do what is due there."""
        self._calls[name] += 1
        due = [kind for at, kind in self._due.get(name, ()) if at == self._calls[name]]
        for kind in due:
            self._edit(name, kind)

    def _edit(self, name: str, kind: str) -> bool:
        before = self.watches[name].picture()
        if not self._do(name, kind):
            return False
        self.counts[f"by hand: {kind}"] += 1
        self.done.append(f"{name}: {kind} {self._whom}")
        self.watches[name].by_hand(before, self.watches[name].picture())
        return True

    def _do(self, name: str, kind: str) -> bool:
        choose, self._whom = self.random.choice, ""
        movers = [human for human in self.company.movers() if name in human.on]
        match kind:
            case "mood":
                human = choose(movers)
                self.accounts.change_mood(name, human, "cool" if human.moods[name] == "keen" else "keen")
            case "sale":
                if name not in ("newsletter", "shop-mail"):
                    return False
                self.accounts.sell(name, choose(movers))
            case "opt-out":
                some = [human for human in movers if not human.out]
                if len(some) < len(movers) // 2:
                    return False  # the company must not run out of people
                self.accounts.opt_out(name, choose(some))
            case "put in" | "take out":
                return self._move(name, into=kind == "put in")
            case "name by hand":
                human = choose(self._steady(name))
                self._set_names(name, human, add=f"by hand {self.random.randrange(5)}")
            case "name taken":
                segment = choose(FIELDS_OF[name])
                some = [
                    h
                    for h in self._steady(name)
                    if h.number in self.settled.get((name, segment, "names"), ())
                ]
                if not some:
                    return False
                human = choose(some)
                self._set_names(name, human, remove=segment)
                self._note(self.taken_out, (name, segment, "names"), human)
            case "erase":
                some = [human for human in movers if not human.out and len(human.on) > 1]
                if name not in ERASES or len(some) < len(self.company.humans) // 4:
                    return False  # the company must not run out of people
                human = choose(some)
                self.accounts.erase(name, human)
                self.erased.setdefault(name, set()).add(human.number)
                self.foreign_names.pop((name, human.number), None)
                self._whom = str(human.number)
            case "delete":
                self.accounts.delete_audience(name, title_of(DELETED[name], NAMES))
        return True

    def _steady(self, name: str) -> list[Human]:
        return [
            human
            for human in self.company.humans
            if human.steady and name in human.on and human.number not in self.poison.get(name, ())
        ]

    def _move(self, name: str, *, into: bool) -> bool:
        segment = self.random.choice([one for one in MEMBERS_OF[name] if one != DELETED[name]])
        title, place = title_of(segment, NAMES), (name, segment, "members")
        members = self.accounts.audiences(name).get(title)
        if members is None or place not in self.settled:
            return False
        settled = self.settled[place]
        steady = {human.number: human for human in self._steady(name)}
        if into:
            wanted = self.company.desired(name, segment, self.company.segments())
            out = self.taken_out.get(place, set())
            some = sorted(steady.keys() - members - settled - wanted - out)
        else:
            some = sorted(steady.keys() & members & settled)
        if not some:
            return False
        human = steady[self.random.choice(some)]
        self.accounts.move_member(name, title, human, into=into)
        self._whom = f"{human.number} {segment}"
        self._note(self.put_in if into else self.taken_out, place, human)
        return True

    def _set_names(self, name: str, human: Human, *, add: str | None = None, remove: str = "") -> None:
        held = self.accounts.people(name)[human.number][0]
        self._whom = f"{human.number} {add or remove}"
        if add is not None:
            self.foreign_names.setdefault((name, human.number), set()).add(add)
        self.accounts.set_names(name, human, frozenset(held - {remove} | ({add} if add else set())))

    def _note(self, moved: dict[Place, set[int]], place: Place, human: Human) -> None:
        moved.setdefault(place, set()).add(human.number)
        self.settled[place] = self.settled[place] - {human.number}
