"""Mailchimp set up for the contract suite, and the consent rule checked over every request it saw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from connectors.base import Audience, Connector
from connectors.mailchimp import reading
from connectors.mailchimp.simulated.audience import subscriber_hash
from connectors.mailchimp.simulator import KEY, MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import Reply, Request, serve
from tests.connectors.mailchimp.refusals import DOCUMENTED
from tests.connectors.prescribing import Refusal
from tests.connectors.rig import Rig, keys

ROWS = 300
"""Members of a page of ours; 1000 outside the tests, which would prove the same with more work."""
PEOPLE = 690
STATUSES = ("subscribed",) * 6 + ("unsubscribed", "cleaned", "transactional", "pending")
FORBIDDEN = {"status", "status_if_new", "marketing_permissions", "email_address", "timestamp_opt", "ip_opt"}


class MailchimpRig(Rig):
    platform = "mailchimp"
    people = PEOPLE
    tells_deletes = False  # who was erased is in no answer any more
    most_read_again = ROWS  # seconds are read again as a whole, and many people share one
    unordered = ("members_added", "members_removed", "errors", "email_addresses")
    write_operation = "POST /lists/{id}/segments/{id}"
    read_operation = "GET /lists/{id}/members"

    def __init__(self, simulation: MailchimpSimulator, clock: ManualClock, address: str) -> None:
        self.simulation = self.mailchimp = simulation
        self.clock = clock
        self.address = address
        self._open: list[Connector] = []

    def settings(self) -> Mapping[str, object]:
        return {**self.mailchimp.credentials, "base_url": self.address, "lookback_s": 0}

    def connect(self, **settings: object) -> Connector:
        given = {**self.settings(), **settings}
        connector = platform("mailchimp").open(given, self.clock)  # type: ignore[arg-type]
        self._open.append(connector)
        return connector

    def wrong_credentials(self) -> Mapping[str, object]:
        return {"api_key": "f" * 32 + "-us1"}

    def unreachable(self) -> Mapping[str, object]:
        return {"base_url": "http://127.0.0.1:9"}

    def add_contact(self, number: int) -> None:
        self.mailchimp.add_member(f"new{number}@example.com", changed_at=self.clock.utc_now())

    def change_contacts(self, addresses: Iterable[str]) -> None:
        with self.mailchimp.lock:
            for address in addresses:
                member = self.mailchimp.audience.find(address)
                assert member is not None
                member.merge["LNAME"] = "Changed"
                self.mailchimp.audience.touch(member)

    def carriers(self, audience: Audience) -> set[str]:
        segment = self.mailchimp.audience.segments[int(str(audience.remote_id))]
        return {m.address for m in segment.members.values()}

    def put_in(self, audience: Audience, address: str) -> None:
        home = self.mailchimp.audience
        member = home.find(address)
        assert member is not None
        home.tag(member, home.segments[int(str(audience.remote_id))])

    def type_in(self, address: str, names: Sequence[str]) -> None:
        with self.mailchimp.lock:
            member = self.mailchimp.audience.find(address)
            assert member is not None
            member.merge["SEGMENTS"] = ";".join(names)
            self.mailchimp.audience.touch(member)

    def field_values(self) -> dict[str, list[str]]:
        members = self.mailchimp.audience.members.values()
        return {m.address: str(v).split(";") for m in members if (v := m.merge.get("SEGMENTS"))}

    def delete(self, audience: Audience) -> None:
        home = self.mailchimp.audience
        home.drop_segment(home.segments[int(str(audience.remote_id))])

    def rename(self, audience: Audience, name: str) -> None:
        self.mailchimp.audience.segments[int(str(audience.remote_id))].name = name

    def take_out(self, audience: Audience, address: str) -> None:
        home = self.mailchimp.audience
        member = home.find(address)
        assert member is not None
        home.untag(member, home.segments[int(str(audience.remote_id))])

    def delete_contact(self, address: str) -> None:
        """For good; archived people are contacts still, who have opted out."""
        member = self.mailchimp.audience.find(address)
        assert member is not None
        self.mailchimp.audience.remove(member)

    def stranger(self, number: int) -> tuple[str, str]:
        return f"stranger{number}", f"stranger{number}@example.com"

    def names(self, request: Request, external_id: str, address: str) -> bool:
        return subscriber_hash(address) in request.path or super().names(request, external_id, address)

    def documented(self) -> Sequence[Refusal]:
        return DOCUMENTED

    def poison_reply(self) -> Reply:
        content = {"type": "x", "title": "Invalid Resource", "status": 400, "detail": "This cannot be."}
        return Reply(400, json.dumps(content).encode())

    def revoke(self) -> None:
        self.mailchimp.key = "f" * 32 + "-us1"

    def restore(self) -> None:
        self.mailchimp.key = KEY

    def close(self) -> None:
        """At the end of every test: no body the simulator ever received may touch consent or addresses."""
        for connector in self._open:
            connector.close()
        for logged in self.simulation.traffic.log:
            if logged.body:
                sent = set(keys(json.loads(logged.body)))
                assert not sent & FORBIDDEN, f"{logged.operation} sent {sorted(sent & FORBIDDEN)}"


def seeded(clock: ManualClock, *, kind: type[MailchimpSimulator] = MailchimpSimulator) -> MailchimpSimulator:
    """Two and a bit pages of members of every kind; a third of them share one second, as imports do."""
    simulator = kind(now=clock.utc_now)
    start = clock.utc_now() - timedelta(days=30)
    for number in range(PEOPLE):
        changed = start if number % 3 == 0 else start + timedelta(seconds=number // 4)
        simulator.add_member(
            f"person{number}@example.com",
            status="archived" if number % 23 == 0 else STATUSES[number % 10],
            merge={"FNAME": f"Name{number}"},
            tags=["newsletter"] if number % 5 == 0 else [],
            changed_at=changed,
        )
    sent = clock.utc_now() - timedelta(days=10)
    for title in ("one", "two", "three"):
        to = [f"person{n}@example.com" for n in range(0, 390)]
        campaign = simulator.add_campaign(title, sent_at=sent, to=to)
        for address in to[:120]:
            simulator.add_activity(campaign, address, "open", at=sent + timedelta(hours=1))
        simulator.add_activity(campaign, to[375], "open", at=sent)  # on the second page
        simulator.add_activity(campaign, to[0], "click", at=sent, url="https://example.com/a")
        simulator.add_activity(campaign, to[1], "bounce", at=sent, type="hard")
    for number in range(360):
        simulator.add_order(f"person{number}@example.com", total=19.99, at=sent, lines=[("cup", 1, 19.99)])
    return simulator


@contextmanager
def mailchimp_rig(simulator: MailchimpSimulator | None = None) -> Iterator[MailchimpRig]:
    """A running rig."""
    clock = ManualClock()
    simulation = simulator or seeded(clock)
    with pytest.MonkeyPatch.context() as patch, serve(simulation) as address:
        patch.setattr(reading, "PAGE", ROWS)
        rig = MailchimpRig(simulation, clock, address)
        yield rig
        rig.close()
