"""What a plan foretells is what carrying it out takes, and no fewer calls would do: on all four platforms.

Three counts that know nothing of one another are compared: the least that the changes of the memberships can
take (worked out here from the people's own groups), what `plan` shows and stores, and what the simulated
platforms were sent by `apply`.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from sync.errors import ExitCode
from sync.run.workspace import Workspace
from tests.scenarios.company import Answer, command
from tests.scenarios.region import Human, Region

Counts = dict[str, tuple[int, int]]
"""Connection → calls that carry changes, calls that come before them; only where there are any."""
CITIES = [f"town {groups}" for groups in range(16)]
"""Where somebody lives tells the groups they are in."""
TARGETS: dict[str, Mapping[str, str]] = {
    "alpha": {"newsletter": "tag", "hub": "list", "shop-mail": "list", "crm": "campaign"},
    "beta": {"newsletter": "tag", "hub": "field", "shop-mail": "field", "crm": "field"},
    "gamma": {"hub": "field", "shop-mail": "field", "crm": "field"},
    "delta": {"newsletter": "field", "hub": "list", "shop-mail": "list", "crm": "campaign"},
}
"""Segment → where it goes, as what. A person's groups are bits, one for each segment in this order."""
CARRYING = (
    "/memberships",
    "/batch/update",
    "/composite/",
    "/jobs/",
    "/relationships/",
    "-import-jobs",
    "/members/",
)
TAGGING = "POST /lists/{id}/segments/{id}"
LIST_CHUNK = 150
"""People in one call to a list of HubSpot's, each way, by setting."""


@dataclass
class Crowd(Region):
    """People whose groups a shop's table tells; the first `leads` of them are leads in Salesforce."""

    leads: int = 0
    only: str | None = None  # one platform instead of all four
    removals_min: int = 1_000_000  # the brake on removals
    groups: list[int] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=lambda: {name: name.title() for name in TARGETS})
    held: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    """(connection, segment) → who is in its audience."""
    made: set[tuple[str, str]] = field(default_factory=set)
    """(connection, what): audiences, fields, options and folders that are there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.only is not None:
            self.simulations = {self.only: self.simulations[self.only]}
            for human in self.humans:
                human.on &= {self.only}
                human.out &= {self.only}
        self.groups = [0] * self.people

    def _add(self, name: str, human: Human, at: datetime) -> None:
        if self.only not in (None, name):
            return
        if name == "crm" and human.number < self.leads:
            self.crm.add_lead(human.address(name), HasOptedOutOfEmail=name in human.out)
        else:
            super()._add(name, human, at)

    # ---- the world -------------------------------------------------------------------------------

    def change(self, segment: str, *, enter: int, leave: int) -> None:
        """So many people come into a group, and so many go; nobody does both."""
        bit = 1 << list(TARGETS).index(segment)
        inside = [n for n, groups in enumerate(self.groups) if groups & bit]
        outside = [n for n, groups in enumerate(self.groups) if not groups & bit]
        choice = random.Random(f"{self.seed}{segment}{len(inside)}")
        for number in choice.sample(outside, enter) + choice.sample(inside, leave):
            self.groups[number] ^= bit

    def write(self) -> None:
        """The shop's table and the rules, as they are now."""
        with (self.folder / "customers.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "email", "city"])
            rows.writerows(
                (f"c{n}", f"human{n}@example.com", CITIES[groups]) for n, groups in enumerate(self.groups)
            )
        rules = ""
        for place, (segment, targets) in enumerate(TARGETS.items()):
            towns = ", ".join(f'"{town}"' for bits, town in enumerate(CITIES) if bits >> place & 1)
            to = ", ".join(
                f'{{ connection = "{name}", as = "{kind}" }}'
                for name, kind in targets.items()
                if name in self.simulations
            )
            rules += f'[[segment]]\nid = "{segment}"\nname = "{self.names[segment]}"\nto = [{to}]\n'
            rules += f"when = 'city in [{towns}]'\n"
        (self.folder / "rules" / "region.toml").write_text(rules)

    @contextmanager
    def ready(self) -> Iterator[Path]:
        """All platforms answer; the config's path."""
        with self.served("") as config:
            text = config.read_text().replace(
                "[connections.hub]\n", f"[connections.hub]\nids_per_call = {LIST_CHUNK}\n"
            )
            text += (
                '[connections.shop]\nplatform = "tables"\ndestination = false\nurl = "file:."\n'
                '[connections.shop.contacts]\nfrom = "customers.csv"\nkey = "id"\n'
                'columns = { email = "email", city = "city" }\n'
            )
            config.write_text(f"{text}[brakes]\nremovals_min = {self.removals_min}\n")
            yield config

    # ---- what it must come to --------------------------------------------------------------------

    def wanted(self, connection: str, segment: str) -> set[int]:
        """Who belongs into the segment's audience on the connection."""
        place = list(TARGETS).index(segment)
        return {
            human.number
            for human in self.humans
            if self.groups[human.number] >> place & 1 and human.mailable and connection in human.on
        }

    def fewest(self) -> Counts:
        """The least that it takes to bring all audiences to where they must be; they count as there then."""
        found = {}
        for connection in self.simulations:
            calls = before = 0
            in_field: set[int] = set()
            new_options = False
            for segment, targets in TARGETS.items():
                if connection not in targets:
                    continue
                there = self.held.get((connection, segment), set())
                wanted = self.wanted(connection, segment)
                enter, leave = wanted - there, there - wanted
                self.held[connection, segment] = wanted
                if targets[connection] == "field":
                    in_field |= enter | leave
                    if enter and connection == "hub":
                        new_options |= self._new(connection, f"option {segment}")
                elif enter or leave:
                    calls += audience_calls(targets[connection], connection, len(enter), len(leave))
                    before += self._new(connection, segment)
                    before += connection == "hub" and self._new(connection, "folder")
            if in_field:
                leads = sum(1 for number in in_field if number < self.leads)
                calls += field_calls(connection, len(in_field) - leads, leads)
                before += connection in ("hub", "newsletter") and self._new(connection, "field")
                before += new_options
            if calls or before:
                found[connection] = (calls, before)
        return found

    def _new(self, connection: str, what: str) -> bool:
        new = (connection, what) not in self.made
        self.made.add((connection, what))
        return new

    def used(self) -> Counts:
        """Write calls that the platforms have counted."""
        found = {}
        for name, simulation in self.simulations.items():
            carrying = sum(
                count
                for operation, count in simulation.traffic.operations.items()
                if not operation.startswith("GET ")
                and (operation == TAGGING or any(word in operation for word in CARRYING))
            )
            if simulation.traffic.writes:
                found[name] = (carrying, simulation.traffic.writes - carrying)
        return found


def portions(count: int, size: int) -> int:
    return -(-count // size)


def audience_calls(kind: str, connection: str, enter: int, leave: int) -> int:
    """Calls for one tag, list or campaign."""
    match kind, connection:
        case "tag", _:
            return portions(max(enter, leave), 500)
        case "campaign", _:
            return portions(enter, 200) + portions(leave, 200)
        case _, "hub":
            return portions(max(enter, leave), LIST_CHUNK)
        case _:
            return portions(enter, 1000) + portions(leave, 1000)


def field_calls(connection: str, others: int, leads: int) -> int:
    """Calls to set the owned field of so many people. One of Salesforce's bulk jobs takes three."""
    people = others + leads
    match connection:
        case "hub":
            return portions(people, 100)
        case "shop-mail":
            return portions(people, 10_000)
        case "newsletter":
            return people
    if people <= 2000:
        return portions(people, 200)
    return sum(min(3, portions(count, 200)) for count in (others, leads))


def told(document: Mapping[str, object], *, used: bool = False) -> Counts:
    """Calls by connection as a report tells them."""
    parts = document["connections"]
    assert isinstance(parts, dict)
    names = ("calls", "preparing_calls") if used else ("minimum_calls", "minimum_preparing_calls")
    found = {name: (part[names[0]], part[names[1]]) for name, part in parts.items()}
    return {name: counts for name, counts in found.items() if any(counts)}


def stored(crowd: Crowd, config: Path) -> Counts:
    """Calls by connection as the newest plan has them stored."""
    with Workspace.open(config, clock=crowd.clock) as workspace:
        forecasts = workspace.store.plans.latest(limit=1)[0].summary["forecast"]
    assert isinstance(forecasts, dict)
    return {name: (part["calls"], part["preparing_calls"]) for name, part in forecasts.items()}


def segsync(crowd: Crowd, config: Path, *words: str, code: int = 0) -> Answer:
    crowd.clock.advance(60)
    for simulation in crowd.simulations.values():
        simulation.traffic.reset()
    answer = command(*words, "--format", "json", config=config)
    assert answer.code == code, answer.said
    return answer


def planned_and_applied(crowd: Crowd, config: Path, fewest: Counts) -> None:
    """The three counts agree."""
    crowd.write()
    segsync(crowd, config, "pull")
    shown = segsync(crowd, config, "plan").document
    assert crowd.used() == {}, "a plan writes nothing"
    assert told(shown) == stored(crowd, config) == fewest
    assert {n: (p["calls"], p["preparing_calls"]) for n, p in shown["forecast"].items()} == fewest
    done = segsync(crowd, config, "apply").document
    assert crowd.used() == told(done) == told(done, used=True) == fewest


def crowd_of(folder: Path, patch: pytest.MonkeyPatch, **given: int | str) -> Crowd:
    """Most people are on all platforms and may be mailed."""
    crowd = Crowd(folder, on_share=0.95, out_share=0.02, **given)  # type: ignore[arg-type]
    patch.setattr("sync.run.workspace.SystemClock", lambda: crowd.clock)
    return crowd


EDGES = (0, 1, 99, 100, 101, 149, 150, 151, 199, 200, 201, 300, 301, 499, 500, 501, 600, 601)


def churn(crowd: Crowd, choice: random.Random) -> None:
    """People come and go in all groups, as many as make a batch full or begin another one."""
    for place, segment in enumerate(TARGETS):
        inside = sum(groups >> place & 1 for groups in crowd.groups)
        outside = len(crowd.groups) - inside
        if segment == "delta":  # one call a person; one at least stays, an emptied segment would be held
            enter, leave = choice.randrange(1, 30), choice.randrange(inside or 1)
        else:
            enter = choice.choice([count for count in EDGES if count <= outside])
            leave = choice.choice([count for count in EDGES if count < max(inside, 1)])
        crowd.change(segment, enter=enter, leave=leave)


@pytest.mark.parametrize(
    ("people", "leads", "rounds"),
    [
        pytest.param(700, 300, 1, id="few: collections on Salesforce"),
        pytest.param(
            700, 300, 3, id="few: collections on Salesforce, again and again", marks=pytest.mark.long
        ),
        pytest.param(
            2450,
            300,
            2,
            id="many contacts and few leads: one bulk job and collections",
            marks=pytest.mark.long,
        ),
        pytest.param(2450, 1100, 2, id="many of both: two bulk jobs", marks=pytest.mark.long),
    ],
)
def test_the_forecast_is_the_fewest_calls_and_what_apply_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, people: int, leads: int, rounds: int
) -> None:
    crowd = crowd_of(tmp_path, monkeypatch, people=people, leads=leads, seed=people + leads)
    choice = random.Random(crowd.seed)
    with crowd.ready() as config:
        crowd.change("alpha", enter=people // 3, leave=0)
        crowd.change("beta", enter=people, leave=0)
        crowd.change("delta", enter=20, leave=0)
        planned_and_applied(crowd, config, crowd.fewest())
        bulk = crowd.crm.traffic.operations["POST /jobs/ingest"]
        assert bulk == (0 if people < 2000 else 1 if leads < 600 else 2)
        for _ in range(rounds):
            churn(crowd, choice)
            planned_and_applied(crowd, config, crowd.fewest())
        planned_and_applied(crowd, config, {})


@pytest.mark.long
def test_imports_of_ten_thousand_and_lists_of_a_thousand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = crowd_of(tmp_path, monkeypatch, people=10_900, only="shop-mail")
    with crowd.ready() as config:
        crowd.change("alpha", enter=5000, leave=0)
        crowd.change("beta", enter=10_900, leave=0)
        fewest = crowd.fewest()
        assert fewest["shop-mail"][0] == 2 + portions(len(crowd.wanted("shop-mail", "alpha")), 1000)
        planned_and_applied(crowd, config, fewest)


@pytest.mark.long
def test_what_a_brake_holds_is_foretold_when_it_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = crowd_of(tmp_path, monkeypatch, people=500, removals_min=50)
    with crowd.ready() as config:
        for segment, enter in (("alpha", 400), ("beta", 300), ("gamma", 200), ("delta", 5)):
            crowd.change(segment, enter=enter, leave=0)
        planned_and_applied(crowd, config, crowd.fewest())
        for segment in ("alpha", "beta"):
            crowd.change(segment, enter=20, leave=250)
        crowd.write()
        segsync(crowd, config, "pull")
        shown = segsync(crowd, config, "plan").document
        assert shown["held"] > 0
        done = segsync(crowd, config, "apply", code=int(ExitCode.HELD)).document
        assert crowd.used() == told(done) == told(done, used=True) == told(shown)
        released = segsync(crowd, config, "approve", str(done["plan"])).document
        assert crowd.used() == told(released) == told(released, used=True) == stored(crowd, config)
        assert crowd.used()
        crowd.fewest()
        planned_and_applied(crowd, config, {})


def test_a_new_name_takes_a_call_for_each_audience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = crowd_of(tmp_path, monkeypatch, people=60)
    with crowd.ready() as config:
        crowd.change("alpha", enter=30, leave=0)
        planned_and_applied(crowd, config, crowd.fewest())
        crowd.names["alpha"] = "Alpha and all"
        planned_and_applied(crowd, config, dict.fromkeys(TARGETS["alpha"], (0, 1)))
        planned_and_applied(crowd, config, {})
