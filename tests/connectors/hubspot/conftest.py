"""A running simulator, empty at first, with the connector's settings at hand and a plain HTTP client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import requests

from connectors.hubspot.simulator import KEY, HubspotSimulator
from connectors.pacing import ManualClock
from connectors.simulation import serve
from tests.connectors.hubspot.rig import HubspotRig
from tests.patience import PATIENCE_S


class Portal(HubspotRig):
    """The rig with a client that speaks HTTP and nothing else."""

    people = 0

    def call(self, method: str, path: str, body: object = None, **query: object) -> requests.Response:
        """One call outside of the connector; `path` begins with /."""
        return requests.request(
            method,
            f"{self.address}{path}",
            params={k: str(v) for k, v in query.items()},
            data=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=PATIENCE_S,
        )

    def search(self, *filters: dict[str, Any], type_: str = "contacts", **more: object) -> requests.Response:
        body = {"filterGroups": [{"filters": list(filters)}] if filters else [], "limit": 100, **more}
        return self.call("POST", f"/crm/objects/2026-09/{type_}/search", body)

    def fill(self, count: int) -> list[str]:
        """So many contacts p0@, p1@, …, which were there before; their ids."""
        when = self.clock.utc_now() - timedelta(days=9)
        return [
            self.hubspot.add_contact(f"p{n}@example.com", changed_at=when + timedelta(seconds=n)).id
            for n in range(count)
        ]

    def rows(self, cursor: str | None = None, **settings: object) -> dict[str, dict[str, Any]]:
        """Contacts by id, read by a connector from `cursor` on."""
        connector = self.connect(**settings)
        found: dict[str, dict[str, Any]] = {}
        for page in connector.read(connector.features.streams[0], cursor):
            found.update({row["external_id"]: row for row in page.rows.to_pylist()})
            self.cursor = page.cursor
        return found


@pytest.fixture
def portal() -> Iterator[Portal]:
    """At the end, every request it saw is looked at: none may touch what is not ours."""
    with running() as made:
        yield made
        made.close()


@pytest.fixture
def foreign() -> Iterator[Portal]:
    """For clients that may write what we never do."""
    with running() as made:
        yield made


@contextmanager
def running() -> Iterator[Portal]:
    clock = ManualClock()
    simulator = HubspotSimulator(now=clock.utc_now)
    with serve(simulator) as address:
        yield Portal(simulator, clock, address)
