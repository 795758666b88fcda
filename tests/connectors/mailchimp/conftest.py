"""A simulator with a client that speaks HTTP and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from connectors.mailchimp.mapping import subscriber_hash
from connectors.mailchimp.simulator import KEY, MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.simulation import serve


class Shop:
    """A simulator with a client that speaks HTTP and nothing else."""

    def __init__(self, simulator: MailchimpSimulator, clock: ManualClock, address: str) -> None:
        self.simulator = simulator
        self.clock = clock
        self.address = address
        self.session = requests.Session()
        self.session.auth = ("anything", KEY)
        self.list = f"/lists/{simulator.audience.id}"

    def call(self, method: str, path: str, body: object = None, **query: object) -> requests.Response:
        data = None if body is None else json.dumps(body)
        params = {k: str(v) for k, v in query.items()}
        return self.session.request(method, f"{self.address}/3.0{path}", params=params, data=data)

    def member(self, address: str) -> str:
        return f"{self.list}/members/{subscriber_hash(address)}"

    def get(self, address: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", self.member(address)).json()
        return found


@pytest.fixture
def shop() -> Iterator[Shop]:
    clock = ManualClock()
    simulator = MailchimpSimulator(now=clock.utc_now)
    with serve(simulator) as address:
        made = Shop(simulator, clock, address)
        yield made
        made.session.close()
