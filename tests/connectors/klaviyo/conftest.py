"""Fixtures of the Klaviyo tests: a small account by plain HTTP, and a rig with the connector."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from connectors.klaviyo.simulator import KEY, KlaviyoSimulator
from connectors.pacing import ManualClock
from connectors.simulation import serve
from tests.connectors.klaviyo.referee import FOLDER, Referee
from tests.connectors.klaviyo.rig import KlaviyoRig, klaviyo_rig


class Shop:
    """An empty simulated account with a client that speaks HTTP and nothing else."""

    def __init__(self, simulator: KlaviyoSimulator, clock: ManualClock, address: str) -> None:
        self.simulator = simulator
        self.clock = clock
        self.address = address
        self.session = requests.Session()
        self.session.headers.update(
            {
                "Authorization": f"Klaviyo-API-Key {KEY}",
                "revision": "2026-07-15",
                "Accept-Encoding": "identity",
                "Content-Type": "application/vnd.api+json",
            }
        )

    def call(self, method: str, path: str, body: object = None, **query: object) -> requests.Response:
        """`page_size` and the like become `page[size]`; dots and brackets may also be given as they are."""
        params = {NAMES.get(name, name): str(value) for name, value in query.items()}
        data = None if body is None else json.dumps(body)
        return self.session.request(method, f"{self.address}/api{path}", params=params, data=data)

    def get(self, path: str, **query: object) -> dict[str, Any]:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ids(self, path: str, **query: object) -> list[str]:
        return [row["id"] for row in self.get(path, **query)["data"]]

    def refused(self, method: str, path: str, body: object = None, **query: object) -> dict[str, Any]:
        """The first error of an answer that must be a 4xx."""
        answer = self.call(method, path, body, **query)
        assert 400 <= answer.status_code < 500, answer.text
        error: dict[str, Any] = answer.json()["errors"][0]
        assert error["status"] == answer.status_code
        return error

    def import_(self, *profiles: object, lists: tuple[str, ...] = ()) -> requests.Response:
        data: dict[str, Any] = {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": list(profiles)}},
        }
        if lists:
            data["relationships"] = {"lists": {"data": [{"type": "list", "id": id_} for id_ in lists]}}
        return self.call("POST", "/profile-bulk-import-jobs", {"data": data})


NAMES = {
    "page_size": "page[size]",
    "page_cursor": "page[cursor]",
    "fields_profile": "fields[profile]",
    "additional_profile": "additional-fields[profile]",
    "additional_list": "additional-fields[list]",
}


@pytest.fixture
def shop() -> Iterator[Shop]:
    clock = ManualClock()
    referee = Referee() if FOLDER.exists() else None
    simulator = KlaviyoSimulator(now=clock.utc_now, referee=referee)
    with serve(simulator) as address:
        made = Shop(simulator, clock, address)
        yield made
        made.session.close()
    assert referee is None or referee.broken == []


@pytest.fixture
def rig() -> Iterator[KlaviyoRig]:
    with klaviyo_rig(people=120) as made:
        yield made
