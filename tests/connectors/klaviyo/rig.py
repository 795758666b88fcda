"""Klaviyo set up for the contract suite, and the consent rule checked over every request it saw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from connectors.base import Audience, Connector
from connectors.klaviyo.simulated.account import Profile
from connectors.klaviyo.simulator import KEY, KlaviyoSimulator
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import Reply, serve
from tests.connectors.klaviyo.referee import FOLDER, Referee
from tests.connectors.klaviyo.refusals import DOCUMENTED
from tests.connectors.prescribing import Refusal
from tests.connectors.rig import Rig, keys

PEOPLE = 330
CONSENTS = ("subscribed",) * 6 + ("unsubscribed", "never", "subscribed", "subscribed")
FORBIDDEN_KEYS = {"consent", "subscriptions", "consented_at", "historical_import", "email", "phone_number"}
FORBIDDEN_PATHS = ("subscription", "suppression", "profile-import", "profile-merge")
OPT_OUT = "POST /api/profile-subscription-bulk-delete-jobs"


class KlaviyoRig(Rig):
    platform = "klaviyo"
    people = PEOPLE
    tells_deletes = False  # profiles that are gone are in no answer any more
    most_read_again = 300  # whole seconds that many share, and a day of events
    unordered = ("data",)
    write_operation = "POST /api/lists/{id}/relationships/profiles"
    read_operation = "GET /api/profiles"
    connections = 4

    def __init__(self, simulation: KlaviyoSimulator, clock: ManualClock, address: str) -> None:
        self.simulation = self.klaviyo = simulation
        self.people = len(simulation.account.profiles)
        self.clock = clock
        self.address = address
        self._open: list[Connector] = []
        self.may_opt_out = False
        self._before = {p.id: p.consent.rank() for p in simulation.account.profiles.values()}

    def settings(self) -> Mapping[str, object]:
        return {**self.klaviyo.credentials, "base_url": self.address, "lookback_s": 0}

    def connect(self, **settings: object) -> Connector:
        self.may_opt_out |= settings.get("record_opt_outs") is True
        given = {**self.settings(), **settings}
        connector = platform("klaviyo").open(given, self.clock)  # type: ignore[arg-type]
        self._open.append(connector)
        return connector

    def wrong_credentials(self) -> Mapping[str, object]:
        return {"api_key": "pk_" + "f" * 34}

    def unreachable(self) -> Mapping[str, object]:
        return {"base_url": "http://127.0.0.1:9"}

    def add_contact(self, number: int) -> None:
        self.klaviyo.add_profile(f"new{number}@example.com", changed_at=self.clock.utc_now())

    def profile(self, address: str) -> Profile:
        found = self.klaviyo.account.find("email", address)
        assert found is not None
        return found

    def change_contacts(self, addresses: Iterable[str]) -> None:
        with self.klaviyo.lock:
            for address in addresses:
                profile = self.profile(address)
                profile.plain["last_name"] = "Changed"
                self.klaviyo.account.touch(profile)

    def carriers(self, audience: Audience) -> set[str]:
        members = self.klaviyo.account.lists[str(audience.remote_id)].members
        return {str(self.klaviyo.account.profiles[id_].email) for id_ in members}

    def put_in(self, audience: Audience, address: str) -> None:
        group = self.klaviyo.account.lists[str(audience.remote_id)]
        self.klaviyo.account.join(group, self.profile(address))

    def type_in(self, address: str, names: Sequence[str]) -> None:
        with self.klaviyo.lock:
            profile = self.profile(address)
            profile.properties["segsync_segments"] = list(names)
            self.klaviyo.account.touch(profile)

    def field_values(self) -> dict[str, list[str]]:
        profiles = self.klaviyo.account.profiles.values()
        return {str(p.email): v for p in profiles if (v := p.properties.get("segsync_segments"))}

    def delete(self, audience: Audience) -> None:
        del self.klaviyo.account.lists[str(audience.remote_id)]

    def rename(self, audience: Audience, name: str) -> None:
        self.klaviyo.account.lists[str(audience.remote_id)].name = name

    def take_out(self, audience: Audience, address: str) -> None:
        group = self.klaviyo.account.lists[str(audience.remote_id)]
        self.klaviyo.account.leave(group, self.profile(address).id)

    def delete_contact(self, address: str) -> None:
        self.klaviyo.account.vanish(self.profile(address))

    def stranger(self, number: int) -> tuple[str, str]:
        return f"01ZZZZZZZZZZZZZZZZZZZZ{number:04}", f"stranger{number}@example.com"

    def documented(self) -> Sequence[Refusal]:
        return DOCUMENTED

    def poison_reply(self) -> Reply:
        error = {"id": "x", "status": 400, "code": "invalid", "title": "Invalid input.", "detail": "No."}
        body = {"errors": [{**error, "source": {"pointer": "/data"}}]}
        return Reply(400, json.dumps(body).encode(), {"Content-Type": "application/vnd.api+json"})

    def revoke(self) -> None:
        self.klaviyo.key = "pk_" + "f" * 34

    def restore(self) -> None:
        self.klaviyo.key = KEY

    def close(self) -> None:
        """At the end of every test: nothing sent may touch consent or addresses, or break the description."""
        for connector in self._open:
            connector.close()
        for logged in self.simulation.traffic.log:
            if logged.operation == OPT_OUT and self.may_opt_out:
                assert_only_opts_out(json.loads(logged.body))
                continue
            assert not any(part in logged.path for part in FORBIDDEN_PATHS), logged.operation
            if logged.body:
                sent = set(keys(json.loads(logged.body)))
                assert not sent & FORBIDDEN_KEYS, f"{logged.operation} sent {sorted(sent & FORBIDDEN_KEYS)}"
        for id_, before in self._before.items():
            profile = self.klaviyo.account.profiles.get(id_)
            assert profile is None or profile.consent.rank() <= before
        referee = self.klaviyo.referee
        assert not isinstance(referee, Referee) or referee.broken == []


def assert_only_opts_out(body: Mapping[str, object]) -> None:
    """Nothing but addresses with the one word; no list, whose non-members would be reached, too."""
    rows = body["data"]["attributes"]["profiles"]["data"]  # type: ignore[index]
    for row in rows:
        email = row["attributes"]["email"]
        stop = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
        assert row == {"type": "profile", "attributes": {"email": email, "subscriptions": stop}}
    inner = {"profiles": {"data": rows}}
    assert body == {"data": {"type": "profile-subscription-bulk-delete-job", "attributes": inner}}
    assert 1 <= len(rows) <= 100


def seeded(clock: ManualClock, *, people: int = PEOPLE) -> KlaviyoSimulator:
    """Pages of profiles of every consent; a third of them share one second, as imports do."""
    simulator = KlaviyoSimulator(now=clock.utc_now, referee=Referee() if FOLDER.exists() else None)
    start = clock.utc_now() - timedelta(days=30)
    for number in range(people):
        changed = start if number % 3 == 0 else start + timedelta(seconds=1 + number)
        profile = simulator.add_profile(
            f"person{number}@example.com",
            consent=CONSENTS[number % 10],
            suppressed=["HARD_BOUNCE"] if number % 17 == 0 else [],
            changed_at=changed,
            first_name=f"Name{number}",
            lists=["newsletter"] if number % 5 == 0 else [],
        )
        for title, kind in (("Placed Order", number % 4), ("Opened Email", number % 2), ("Loyalty", 0)):
            if kind == 0:
                at = start + timedelta(minutes=number)
                value = {"$value": 19.99, "$event_id": f"o{number}"} if title == "Placed Order" else {}
                simulator.add_event(profile, title, at=at, properties=value)
    simulator.add_segment("Engaged")
    return simulator


@contextmanager
def klaviyo_rig(simulator: KlaviyoSimulator | None = None, *, people: int = PEOPLE) -> Iterator[KlaviyoRig]:
    """A running rig."""
    clock = ManualClock()
    simulation = simulator or seeded(clock, people=people)
    with serve(simulation) as address:
        rig = KlaviyoRig(simulation, clock, address)
        yield rig
        rig.close()
