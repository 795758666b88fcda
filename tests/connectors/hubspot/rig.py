"""HubSpot set up for the contract suite, and the consent rule checked over every request it saw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from connectors.base import Audience, Connector
from connectors.hubspot import reading
from connectors.hubspot.simulated.problem import Problem
from connectors.hubspot.simulator import KEY, HubspotSimulator
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import Reply, serve
from tests.connectors.hubspot.refusals import DOCUMENTED
from tests.connectors.prescribing import Refusal
from tests.connectors.rig import Rig

ROWS = 300
"""Contacts of a page of ours; 1000 outside the tests, which would prove the same with more work."""
PEOPLE = 690
OWN_FIELD = "segsync_segments"
OPT_OUTS: tuple[dict[str, str], ...] = (
    {"hs_email_optout": "true"},
    {"hs_email_optout_9714480": "true"},
    {"hs_email_bad_address": "true"},
)


class HubspotRig(Rig):
    platform = "hubspot"
    people = PEOPLE
    unordered = ("results", "errors", "recordIdsMissing", "recordsIdsAdded", "recordIdsRemoved")
    field_is_halved = True  # batches of a list are divided by the connector itself
    write_operation = "PUT /lists/{id}/memberships/add-and-remove"
    read_operation = "GET /objects/contacts"

    def __init__(self, simulation: HubspotSimulator, clock: ManualClock, address: str) -> None:
        self.simulation = self.hubspot = simulation
        self.clock = clock
        self.address = address
        self._open: list[Connector] = []

    def settings(self) -> Mapping[str, object]:
        return {**self.hubspot.credentials, "base_url": self.address, "archived_hours": 0}

    def connect(self, **settings: object) -> Connector:
        given = {**self.settings(), **settings}
        connector = platform("hubspot").open(given, self.clock)  # type: ignore[arg-type]
        self._open.append(connector)
        return connector

    def wrong_credentials(self) -> Mapping[str, object]:
        return {"access_token": "pat-na1-ffffffff-ffff-ffff-ffff-ffffffffffff"}

    def unreachable(self) -> Mapping[str, object]:
        return {"base_url": "http://127.0.0.1:9"}

    def add_contact(self, number: int) -> None:
        with self.hubspot.lock:
            self.hubspot.add_contact(f"new{number}@example.com")

    def change_contacts(self, addresses: Iterable[str]) -> None:
        with self.hubspot.lock:
            for address in addresses:
                record = self.hubspot.records.by_address(address)
                assert record is not None
                self.hubspot.records.update(record, {"lastname": "Changed"})

    def carriers(self, audience: Audience) -> set[str]:
        return self.hubspot.members(self.hubspot.lists.find(str(audience.remote_id)))

    def put_in(self, audience: Audience, address: str) -> None:
        record = self.hubspot.records.by_address(address)
        assert record is not None
        self.hubspot.lists.find(str(audience.remote_id)).members[record.id] = 0

    def type_in(self, address: str, names: Sequence[str]) -> None:
        with self.hubspot.lock:
            options = self.hubspot.schema.find("contacts", OWN_FIELD)["options"]
            there = {option["value"] for option in options}
            options += [
                {"label": name, "value": name, "displayOrder": -1, "hidden": False}
                for name in names
                if name not in there
            ]
            record = self.hubspot.records.by_address(address)
            assert record is not None
            self.hubspot.records.update(record, {OWN_FIELD: ";".join(names)})

    def field_values(self) -> dict[str, list[str]]:
        records = self.hubspot.records.live("contacts").values()
        held = {str(r.properties["email"]): r.properties.get(OWN_FIELD) for r in records}
        return {address: value.split(";") for address, value in held.items() if value}

    def delete(self, audience: Audience) -> None:
        self.hubspot.lists.delete(self.hubspot.lists.find(str(audience.remote_id)))

    def rename(self, audience: Audience, name: str) -> None:
        self.hubspot.lists.rename(self.hubspot.lists.find(str(audience.remote_id)), name)

    def take_out(self, audience: Audience, address: str) -> None:
        record = self.hubspot.records.by_address(address)
        assert record is not None
        del self.hubspot.lists.find(str(audience.remote_id)).members[record.id]

    def delete_contact(self, address: str) -> None:
        record = self.hubspot.records.by_address(address)
        assert record is not None
        self.hubspot.records.archive(record)

    def stranger(self, number: int) -> tuple[str, str]:
        return f"99{number:07}", f"stranger{number}@example.com"

    def documented(self) -> Sequence[Refusal]:
        return DOCUMENTED

    def poison_reply(self) -> Reply:
        problem = Problem(400, "a validation rule of the account was not met")
        return Reply(400, json.dumps(problem.body()).encode())

    def revoke(self) -> None:
        self.hubspot.key = "pat-na1-ffffffff-ffff-ffff-ffff-ffffffffffff"

    def restore(self) -> None:
        self.hubspot.key = KEY

    def close(self) -> None:
        """At the end of every test: no request the simulator ever received may touch consent, addresses,
        or any property of a contact that is not ours."""
        for connector in self._open:
            connector.close()
        assert_harmless(self.hubspot)


def assert_harmless(simulator: HubspotSimulator, own_field: str = OWN_FIELD) -> None:
    """Looks at every body the simulator ever saw."""
    assert simulator.account.forbidden == []
    for logged in simulator.traffic.log:
        if logged.method == "GET" or "oauth" in logged.path:
            continue
        assert logged.operation in WRITES | READS, logged.operation
        if logged.operation == "POST /objects/contacts/batch/update":
            body = json.loads(logged.body)
            for one in body["inputs"]:
                assert set(one["properties"]) == {own_field}, logged.operation
                assert set(one) == {"id", "properties", "objectWriteTraceId"}
            assert set(body) == {"inputs"}
        if logged.operation in ("POST /properties/contacts", f"PATCH /properties/contacts/{own_field}"):
            assert json.loads(logged.body).get("name", own_field) == own_field


WRITES = {
    "POST /objects/contacts/batch/update",
    "POST /objects/contacts/gdpr-delete",
    "POST /properties/contacts",
    f"PATCH /properties/contacts/{OWN_FIELD}",
    "POST /lists",
    "PUT /lists/{id}/update-list-name",
    "DELETE /lists/{id}",
    "PUT /lists/{id}/memberships/add-and-remove",
    "POST /lists/folders",
}
READS = {
    "POST /lists/search",
    "POST /communication-preferences/statuses/batch/unsubscribe-all/read",
    "POST /associations/contacts/companies/batch/read",
    "POST /associations/companies/contacts/batch/read",
    "POST /associations/deals/contacts/batch/read",
    *(f"POST /objects/{t}/{w}" for t in ("contacts", "companies", "deals") for w in ("search", "batch/read")),
}


def seeded(clock: ManualClock, *, kind: type[HubspotSimulator] = HubspotSimulator) -> HubspotSimulator:
    """Two and a bit pages of contacts of every kind; a third of them share one millisecond, as imports do."""
    simulator = kind(now=clock.utc_now)
    start = clock.utc_now() - timedelta(days=30)
    companies = [
        simulator.add_object("companies", changed_at=start, name=f"Company {n}", industry="RETAIL")
        for n in range(20)
    ]
    for number in range(PEOPLE):
        changed = start if number % 3 == 0 else start + timedelta(seconds=number // 4)
        contact = simulator.add_contact(
            f"person{number}@example.com",
            changed_at=changed,
            firstname=f"Name{number}",
            **(OPT_OUTS[number % 3] if number % 10 == 0 else {}),
        )
        if number % 4 == 0:
            simulator.records.link(contact, companies[number % 20], label="Primary")
        if number % 9 == 0:
            deal = simulator.add_object(
                "deals", changed_at=changed, dealname="Deal", amount="19.99", dealstage="closedwon"
            )
            simulator.records.link(deal, contact)
    simulator.lists.make("Newsletter")
    simulator.lists.make_folder("segsync")
    return simulator


@contextmanager
def hubspot_rig(simulator: HubspotSimulator | None = None) -> Iterator[HubspotRig]:
    """A running rig."""
    clock = ManualClock()
    simulation = simulator or seeded(clock)
    with pytest.MonkeyPatch.context() as patch, serve(simulation) as address:
        patch.setattr(reading, "ROWS", ROWS)
        rig = HubspotRig(simulation, clock, address)
        yield rig
        rig.close()
