"""Imaginary set up for the contract suite, and put where the registry finds it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import connectors
from connectors.base import Audience, Connector
from connectors.errors import AudienceLost, RateLimited, Unauthorized, Unavailable, UnexpectedResponse
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import Reply, Request, serve
from tests.connectors.prescribing import Refusal, bare, intercept, told
from tests.connectors.rig import Rig

PLATFORMS = Path(__file__).parent / "platforms"


@contextmanager
def installed() -> Iterator[None]:
    """As if the folder stood in `connectors/`: its place is all that makes it a platform."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectors, "__path__", [*connectors.__path__, str(PLATFORMS)])
        yield
    for name in [name for name in sys.modules if name.startswith("connectors.imaginary")]:
        del sys.modules[name]
    if hasattr(connectors, "imaginary"):
        del connectors.imaginary


def simulated(people: int, clock: ManualClock) -> Any:
    """The platform's own simulator, on our clock. Importable only while it is installed."""
    module = importlib.import_module("connectors.imaginary.simulator")
    return module.ImaginarySimulator(people, now=clock.utc_now)


class ImaginaryRig(Rig):
    platform = "imaginary"
    people = 160
    unordered = ("contacts", "tags", "members")
    bypass = MappingProxyType(
        {
            "test_whom_a_listing_lacks_is_gone_though_the_run_died_with_its_last_page": "it has no listings",
            "test_a_deleted_contact_is_seen": "it never tells, and its connector lists everybody only once",
            "test_halving_isolates_a_poison_record": "it names everybody whom it refuses",
            "test_halving_costs_few_calls": "it names everybody whom it refuses",
        }
    )
    write_operation = "POST /tags/{id}/members"
    read_operation = "GET /contacts"

    def __init__(self, simulation: Any, clock: ManualClock, address: str) -> None:
        self.simulation = self.imaginary = simulation
        self.clock = clock
        self.address = address

    def settings(self) -> Mapping[str, object]:
        return {**self.imaginary.credentials, "base_url": self.address}

    def connect(self, **settings: object) -> Connector:
        return platform("imaginary").open({**self.settings(), **settings}, self.clock)  # type: ignore[dict-item]

    def wrong_credentials(self) -> Mapping[str, object]:
        return {"api_key": "somebody-elses"}

    def unreachable(self) -> Mapping[str, object]:
        return {"base_url": "http://127.0.0.1:9"}

    def add_contact(self, number: int) -> None:
        self.imaginary.add(number)

    def change_contacts(self, addresses: Iterable[str]) -> None:
        now = self.clock.utc_now().isoformat(timespec="microseconds")
        for one in self.imaginary.contacts.values():
            if one["email"] in set(addresses):
                one["changed"] = now

    def carriers(self, audience: Audience) -> set[str]:
        return {self.imaginary.contacts[id_]["email"] for id_ in self._ids(audience)}

    def put_in(self, audience: Audience, address: str) -> None:
        known = {one["email"]: id_ for id_, one in self.imaginary.contacts.items()}
        self._ids(audience).add(known[address])

    def _ids(self, audience: Audience) -> set[str]:
        found: set[str] = self.imaginary.tags[audience.remote_id][1]
        return found

    def delete(self, audience: Audience) -> None:
        del self.imaginary.tags[audience.remote_id]

    def rename(self, audience: Audience, name: str) -> None:
        self.imaginary.tags[audience.remote_id] = (name, self._ids(audience))

    def take_out(self, audience: Audience, address: str) -> None:
        ids = self._ids(audience)
        ids -= {id_ for id_ in ids if self.imaginary.contacts[id_]["email"] == address}

    def delete_contact(self, address: str) -> None:
        gone = [id_ for id_, one in self.imaginary.contacts.items() if one["email"] == address]
        for id_ in gone:
            del self.imaginary.contacts[id_]

    def stranger(self, number: int) -> tuple[str, str]:
        return f"s{number}", f"stranger{number}@example.com"

    def documented(self) -> Sequence[Refusal]:
        return (
            told(400, {"error": "unheard_of"}, UnexpectedResponse),
            told(401, {"error": "wrong_key"}, Unauthorized),
            told(404, {"error": "no_such_tag"}, AudienceLost),
            told(429, {}, RateLimited, Retry_After="3600"),
            bare(503, b"", Unavailable),
        )

    def poison_reply(self) -> Reply:
        return Reply(500)

    def revoke(self) -> None:
        def refuse(_: Request) -> Reply:
            return Reply(401, b'{"error": "wrong_key"}')

        self._undo = intercept(self.imaginary, refuse)

    def restore(self) -> None:
        self._undo()


@contextmanager
def imaginary_rig() -> Iterator[ImaginaryRig]:
    """A running rig of the platform, which is installed meanwhile."""
    clock = ManualClock()
    with installed():
        simulation = simulated(ImaginaryRig.people, clock)
        with serve(simulation) as address:
            yield ImaginaryRig(simulation, clock, address)
