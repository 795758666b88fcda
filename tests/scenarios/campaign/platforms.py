"""The process of the platforms: the company, its accounts over HTTP, their faults and what watches them.

The driver asks for the methods of `Platforms` through a pipe; everything that goes back is plain data.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.simulation import Kill, Point, Reply, Request, Simulation, serve
from tests.scenarios.campaign.accounts import Accounts, title_of
from tests.scenarios.campaign.clock import SharedClock
from tests.scenarios.campaign.company import (
    FIELDS_OF,
    MEMBERS_OF,
    NAMES,
    PLATFORMS,
    RULES,
    SEGMENTS,
    Company,
)
from tests.scenarios.campaign.hands import Hands
from tests.scenarios.campaign.poison import halving, names, refusal
from tests.scenarios.campaign.undone import undo, without_some
from tests.scenarios.campaign.watch import Watch
from tests.scenarios.campaign.weather import Weather

CHANGES = {
    "hub": re.compile(
        r"PUT .*/memberships|POST .*/objects/contacts/batch/update|POST .*/contacts/batch/update"
    ),
    "crm": re.compile(r"(POST|PATCH) .*/composite/sobjects|DELETE .*/composite/sobjects"),
    "shop-mail": re.compile(r"(POST|DELETE) .*/lists/\{id\}/relationships/|POST .*bulk-import"),
    "newsletter": re.compile(r"POST /lists/\{id\}/segments/\{id\}|PATCH /lists/\{id\}/members/"),
}
"""Operations that carry changes; the other writes make audiences and declare values."""
SETTLING_S = 3600.0


class Platforms:
    """Everything outside segsync."""

    def __init__(self, folder: Path, clock: SharedClock, *, people: int, seed: int) -> None:
        self.folder = folder
        self.clock = clock
        self.company = Company(folder, people, seed)
        self.accounts = Accounts(self.company, clock.true_now)
        self.watches = {name: Watch(name, self.accounts) for name in PLATFORMS}
        self.hands = Hands(self.company, self.accounts, self.watches, seed)
        self.weathers: dict[str, Weather] = {}
        self.writes: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self._stack = ExitStack()
        self._absurd = 0
        self._halving: Counter[str] = Counter()
        self._met: dict[str, set[int]] = {name: set() for name in PLATFORMS}
        self._calls_of_a_life = dict.fromkeys(PLATFORMS, 15)
        self._calls_before: Counter[str] = Counter()
        self._erased: dict[str, set[int]] = {}
        self._undone: dict[str, set[tuple[str, int]]] = {}
        self._random = random.Random(f"platforms {seed}")
        for name, simulation in self.accounts.simulations.items():
            weather = Weather(name, simulation, clock, seed=seed)
            self.weathers[name] = weather
            simulation.faults = weather
            self._wrap(name, simulation, weather)
        self._choose_poison()
        self.company.write()

    def start(self, database: str) -> str:
        """Serve, write config and rules; the config's path."""
        addresses = {
            name: self._stack.enter_context(serve(one)) for name, one in self.accounts.simulations.items()
        }
        (self.folder / "rules").mkdir()
        (self.folder / "rules" / "company.toml").write_text(RULES)
        return str(self.accounts.config(self.folder, addresses, database=database))

    # ---- every call ------------------------------------------------------------------------------

    def _wrap(self, name: str, simulation: Simulation, weather: Weather) -> None:
        answer_of = simulation.answer

        def answer(request: Request) -> Reply:
            plain = {key: value for key, value in request.headers.items() if key != "accept-encoding"}
            request = replace(request, headers=plain)
            write = simulation.is_write(request)
            self.hands.act(name)
            instead = weather.instead(request)
            if instead is None and write and self._is_poisoned(name, request):
                weather.counts["poison person refused with its batch"] += 1
                instead = refusal(name)
            if instead is not None:
                return instead
            if weather.kind == "token expired" and self._expire(name):
                weather.count()
            return weather.dress(self._applied(name, simulation, weather, request, answer_of))

        simulation.answer = answer  # type: ignore[method-assign]

    def _applied(
        self, name: str, simulation: Simulation, weather: Weather, request: Request, answer_of: Any
    ) -> Reply:
        watch, operation = self.watches[name], simulation.operation(request)
        carries = CHANGES[name].match(operation) is not None
        for number in self._erased.get(name, ()) if simulation.is_write(request) else ():
            if names(name, self.accounts, request, number):
                watch.violations.append(f"{name}: I4 our call names human {number}, who was erased there")
        before = watch.picture()
        if carries and weather.kind == "partial batch":
            shortened = without_some(name, self.accounts, request, weather.random)
            if shortened is not None:
                weather.count()
                request, mend = shortened
                reply = mend(answer_of(request))
                watch.compare(request, before, watch.picture())
                return reply  # type: ignore[no-any-return]
        reply: Reply = answer_of(request)
        if reply.status == 401:
            watch.refused_logins += 1
        after = watch.picture()
        swallowed = carries and weather.kind == "2xx with nothing written" and reply.status < 300
        undone = self._undone.setdefault(name, set())
        if swallowed and after != before and undo(name, self.accounts, before, after, undone=undone):
            weather.count()
            after = watch.picture()
        watch.compare(request, before, after)
        if simulation.is_write(request) and not carries and reply.status < 300:
            watch.made.add((operation, request.path.encode() + request.body))
        return reply

    def _is_poisoned(self, name: str, request: Request) -> bool:
        for number in self.hands.poison[name]:
            if names(name, self.accounts, request, number):
                met = self._met[name]
                if number not in met:  # the first call of a life that names somebody is the largest
                    self._halving[name] += halving(request)
                met.add(number)
                return True
        return False

    def _expire(self, name: str) -> bool:
        if name == "crm":
            self.accounts.crm.expire_sessions()
        elif name == "hub":
            self.accounts.hub.tokens = dict.fromkeys(self.accounts.hub.tokens, 0)
        return name in ("crm", "hub")

    def _choose_poison(self) -> None:
        """One or two steady people on each platform whom it always refuses, whatever is written to them."""
        fitting = self.company.segments()
        for name in PLATFORMS:
            wanted: set[int] = set()
            for segment in (*MEMBERS_OF[name], *FIELDS_OF[name]):
                wanted |= self.company.desired(name, segment, fitting)
            steady = sorted(n for n in wanted if self.company.humans[n].steady)
            self.hands.poison[name] = set(self._random.sample(steady, 2 if name == "newsletter" else 1))

    # ---- what the driver asks for ----------------------------------------------------------------

    def secrets(self) -> dict[str, str]:
        """The variables of the environment that the config names."""
        return {key: value for key, value in os.environ.items() if key.startswith("SEGSYNC_CAMPAIGN_")}

    def credentials(self) -> list[str]:
        """Every secret, which no output may show."""
        return [value for value in self.secrets().values() if len(value) > 10]

    def step(self, count: int) -> None:
        """A day passes in the shop."""
        self.company.move(count)
        self.company.write()
        for watch in self.watches.values():
            watch.close_round()

    def edit(self, *, erasing: bool) -> None:
        """Others leave their mark on every platform, so that no campaign is without it. `erasing`: people are
        deleted, too, from now on."""
        self.hands.erasing = erasing
        self.hands.everywhere()

    def storm(self, edits: int) -> None:
        """Faults from now on, and so many edits by hand."""
        self.hands.plan(edits)
        for weather in self.weathers.values():
            weather.on = True
        self.disarm(False)

    def calm(self) -> None:
        """No faults, no edits, no kills, and enough time for everything to be seen."""
        self.hands.stop()
        for name, weather in self.weathers.items():
            weather.on = False
            self.accounts.simulations[name].kills.arm()
            self._met[name].clear()
        self.clock.advance(SETTLING_S)

    def absurd(self) -> bool:
        """Whether somebody was told to wait a day, since this was last asked."""
        name = "429 with an absurd time"
        count = sum(weather.counts[name] for weather in self.weathers.values())
        before, self._absurd = self._absurd, count
        return count > before

    def arm(self, name: str, pid: int, point: str, share: float) -> None:
        """The next life dies at a call of this platform: `share` (0 to 1) of the way through its calls."""
        kills = self.accounts.simulations[name].kills
        kills.register(pid)
        nth = 1 + int(share * self._calls_of_a_life[name])
        kills.arm(Kill(Point(point), nth=nth, writes=False))

    def disarm(self, whole: bool) -> None:
        """The life is over; `whole`: by itself, so that its calls tell how many there are to choose from."""
        for name, simulation in self.accounts.simulations.items():
            simulation.kills.arm()
            calls = simulation.traffic.reads + simulation.traffic.writes
            if whole:
                self._calls_of_a_life[name] = max(4, calls - self._calls_before[name])
            self._calls_before[name] = calls
            self._met[name].clear()

    def settle(self) -> None:
        """A calm run is over: whoever is where a rule wants them now, and by our hand, is settled, and it is
        known who was erased."""
        fitting = self.company.segments()
        self._erased = {name: set(numbers) for name, numbers in self.hands.erased.items()}
        for name, watch in self.watches.items():
            audiences, people = self.accounts.audiences(name), self.accounts.people(name)
            for segment in MEMBERS_OF[name]:
                title = title_of(segment, NAMES)
                there = audiences.get(title, frozenset()) & watch.ours.get(title, set())
                self._settle(name, segment, "members", there, fitting)
            for segment in FIELDS_OF[name]:
                there = {n for n, one in people.items() if segment in one[0]}
                there &= {n for n, names in watch.our_names.items() if segment in names}
                self._settle(name, segment, "names", there, fitting)

    def _settle(self, name: str, segment: str, kind: str, there: Any, fitting: dict[str, set[int]]) -> None:
        wanted = self.company.desired(name, segment, fitting)
        self.hands.settled[name, segment, kind] = frozenset(there) & wanted

    def traffic(self) -> dict[str, dict[str, int]]:
        """Per connection: calls so far, and what the bound is made of."""
        found = {}
        for name, simulation in self.accounts.simulations.items():
            watch = self.watches[name]
            watch.close_round()
            operations = simulation.traffic.operations
            logins = sum(count for one, count in operations.items() if one.startswith("POST /oauth/"))
            found[name] = {
                "reads": simulation.traffic.reads + logins,
                "writes": simulation.traffic.writes - logins,
                "fewest": watch.fewest + len(watch.made),
                "logins": watch.refused_logins,
                "halving": self._halving[name],
                "kills": simulation.kills.done,
                "partial": self.weathers[name].counts["partial batch"]
                + self.weathers[name].counts["2xx with nothing written"],
            }
        return found

    def edits(self) -> list[str]:
        """What was done by hand since this was last asked."""
        done, self.hands.done = self.hands.done, []
        return done

    def faults(self) -> dict[str, int]:
        found: Counter[str] = Counter(self.hands.counts)
        for weather in self.weathers.values():
            found.update(weather.counts)
        return dict(found)

    def violations(self) -> list[str]:
        """What must never have happened at any moment."""
        return [text for watch in self.watches.values() for text in watch.violations]

    def poison(self) -> dict[str, list[int]]:
        return {name: sorted(numbers) for name, numbers in self.hands.poison.items()}

    def keys(self) -> dict[str, dict[str, int]]:
        """Connection → id of a contact → human."""
        found = {
            name: {str(key): number for key, number in numbers.items()}
            for name, numbers in self.accounts._numbers.items()
        }
        members = self.accounts.mailchimp.audience.members.values()
        found["newsletter"] = {m.contact_id: self.accounts.number("newsletter", m.address) for m in members}
        found["shop"] = {f"c{human.number}": human.number for human in self.company.humans}
        return found

    def orders(self) -> dict[str, int]:
        return {where: len(orders) for where, orders in self.company.orders.items()}

    def differences(self, memberships: dict[str, list[str]]) -> list[str]:
        """Every audience that is not as it must be. `memberships`: segment → ids in the shop's own table."""
        wrong: list[str] = []
        fitting = self.company.segments()
        for name in (*PLATFORMS, "shop"):
            audiences = {} if name == "shop" else self.accounts.audiences(name)
            people = {} if name == "shop" else self.accounts.people(name)
            for segment in MEMBERS_OF[name]:
                if name == "shop":
                    found = {int(key.removeprefix("c")) for key in memberships.get(segment, [])}
                else:
                    found = set(audiences.get(title_of(segment, NAMES), frozenset()))
                wrong += self._difference((name, segment, "members"), found, fitting)
            for segment in FIELDS_OF.get(name, ()):
                found = {number for number, one in people.items() if segment in one[0]}
                wrong += self._difference((name, segment, "names"), found, fitting)
            for number, (held, _, _) in people.items():
                foreign = set(held) - SEGMENTS
                if foreign != self.hands.foreign_names.get((name, number), set()):
                    wrong.append(f"I3 {name}: the foreign names in the owned field of human {number} differ")
        return wrong

    def _difference(
        self, place: tuple[str, str, str], found: set[int], fitting: dict[str, set[int]]
    ) -> list[str]:
        name, segment, kind = place
        wanted = self.company.desired(name, segment, fitting)
        wanted -= self.hands.taken_out.get(place, set()) | self.hands.poison.get(name, set())
        wanted |= self.hands.put_in.get(place, set())
        if found == wanted:
            return []
        missing, extra = sorted(wanted - found), sorted(found - wanted)
        return [f"I1 {name}, {segment} ({kind}): missing {missing[:8]}, too many {extra[:8]}"]
