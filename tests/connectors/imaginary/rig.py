"""Imaginary set up for the contract suite, and put where the registry finds it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import connectors
from connectors.base import Audience, Connector
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import serve
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
    people = 160
    write_operation = "POST /tags/{id}/members"
    read_operation = "GET /contacts"

    def __init__(self, simulation: Any, clock: ManualClock, address: str) -> None:
        self.simulation = self.imaginary = simulation
        self.clock = clock
        self.address = address

    def connect(self, **settings: object) -> Connector:
        given = {**self.imaginary.credentials, "base_url": self.address, **settings}
        return platform("imaginary").open(given, self.clock)

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


@contextmanager
def imaginary_rig() -> Iterator[ImaginaryRig]:
    """A running rig of the platform, which is installed meanwhile."""
    clock = ManualClock()
    with installed():
        simulation = simulated(ImaginaryRig.people, clock)
        with serve(simulation) as address:
            yield ImaginaryRig(simulation, clock, address)
