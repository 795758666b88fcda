"""Salesforce set up for the contract suite, and the consent rule checked over every request it saw."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from connectors.base import Audience, AudienceKind, Connector, Stream
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.salesforce.simulated.ids import made_id
from connectors.salesforce.simulator import TOKEN_PATH, SalesforceSimulator
from connectors.simulation import Reply, Request, serve
from tests.connectors.prescribing import Refusal, intercept
from tests.connectors.rig import YEAR_S, Rig, keys
from tests.connectors.salesforce.refusals import DOCUMENTED

CONTACTS, LEADS = 300, 150
PAGE = 100
OWN_FIELD = "Segments__c"
WRITABLE = {
    *("allOrNone", "records", "attributes", "type", "id", OWN_FIELD),  # the own field, by collections
    *("CampaignId", "ContactId", "LeadId", "Name", "IsActive"),  # campaigns and their members
    *("operation", "object", "contentType", "columnDelimiter", "lineEnding", "state", "Id"),  # bulk jobs
}
"""All that ordinary work may ever send; field creation (tests of that alone) sends more."""
DAY_S = 86_400


class SalesforceRig(Rig):
    platform = "salesforce"
    crowd = 2010  # a batch of the field that goes out as a bulk job, whose results come in any order
    most_read_again = 1  # an empty last page
    write_operation = "POST /composite/sobjects CampaignMember"
    read_operation = "GET /query Contact"

    def __init__(self, simulation: SalesforceSimulator, clock: ManualClock, address: str) -> None:
        self.simulation = self.salesforce = simulation
        self.org = simulation.org
        self.clock = clock
        self.address = address
        self.people = len(self.org.tables["Contact"]) + len(self.org.tables["Lead"])
        self.opt_outs = self._opt_outs()
        self._open: list[Connector] = []

    def settings(self) -> Mapping[str, object]:
        own = {"base_url": self.address, "lookback_s": 0, "connections": self.connections}
        return {**self.salesforce.credentials, **own}

    def connect(self, **settings: object) -> Connector:
        given = {**self.settings(), **settings}
        connector = platform("salesforce").open(given, self.clock)  # type: ignore[arg-type]
        self._open.append(connector)
        return connector

    def wrong_credentials(self) -> Mapping[str, object]:
        return {"consumer_secret": "5A1F0wrong"}

    def unreachable(self) -> Mapping[str, object]:
        return {"base_url": "http://127.0.0.1:9"}

    def add_contact(self, number: int) -> None:
        self.salesforce.add_contact(f"new{number}@example.com", stamp=self.salesforce.seconds())

    def change_contacts(self, addresses: Iterable[str]) -> None:
        with self.salesforce.lock:
            for id in addresses:
                self.org.change("Lead" if id.startswith("00Q") else "Contact", id, LastName="Changed")

    def carriers(self, audience: Audience) -> set[str]:
        if audience.kind is AudienceKind.FIELD:
            rows = [r for name in ("Contact", "Lead") for r in self.org.tables[name].values()]
            return {r["Id"] for r in rows if r.get(OWN_FIELD)}
        return self.salesforce.members(str(audience.remote_id))

    def put_in(self, audience: Audience, address: str) -> None:
        link = "LeadId" if address.startswith("00Q") else "ContactId"
        self.org.insert("CampaignMember", {"CampaignId": audience.remote_id, link: address})

    def type_in(self, address: str, names: Sequence[str]) -> None:
        with self.salesforce.lock:
            object = "Lead" if address.startswith("00Q") else "Contact"
            self.org.change(object, address, **{OWN_FIELD: ";".join(names)})

    def field_values(self) -> dict[str, list[str]]:
        rows = [r for name in ("Contact", "Lead") for r in self.org.tables[name].values()]
        return {str(r["Id"]): r[OWN_FIELD].split(";") for r in rows if r.get(OWN_FIELD)}

    def delete(self, audience: Audience) -> None:
        self.org.delete("Campaign", audience.remote_id)

    def rename(self, audience: Audience, name: str) -> None:
        self.org.change("Campaign", str(audience.remote_id), Name=name)

    def take_out(self, audience: Audience, address: str) -> None:
        members = self.org.tables["CampaignMember"].values()
        (member,) = [
            one["Id"]
            for one in members
            if one["CampaignId"] == audience.remote_id and address in (one["ContactId"], one["LeadId"])
        ]
        self.org.delete("CampaignMember", member)

    def delete_contact(self, address: str) -> None:
        self.org.delete("Lead" if address.startswith("00Q") else "Contact", address)

    def ahead(self) -> tuple[Connector, Stream, str | None]:
        """Positions are stamps of records, so one of them has to be from that time, too."""
        self.clock.advance(YEAR_S)
        self.add_contact(9_000_000)
        self.clock.advance(-YEAR_S)
        return super().ahead()

    def stranger(self, number: int) -> tuple[str, str]:
        id = made_id("003", 9_000_000 + number)
        return id, id

    def answer_in_another_order(self) -> None:
        """The simulated jobs shuffle their results by themselves; other answers come in the order sent."""

    def names(self, request: Request, external_id: str, address: str) -> bool:
        return address in request.body.decode()

    def documented(self) -> Sequence[Refusal]:
        return DOCUMENTED

    def poison_reply(self) -> Reply:
        content = [{"message": "An unexpected error occurred.", "errorCode": "UNKNOWN_EXCEPTION"}]
        return Reply(400, json.dumps(content).encode())

    def revoke(self) -> None:
        """No session is valid any more, and there is no new one."""

        def refuse(request: Request) -> Reply | None:
            content = {"error": "invalid_grant", "error_description": "no client credentials user enabled"}
            return Reply(400, json.dumps(content).encode()) if request.path == TOKEN_PATH else None

        self.salesforce.expire_sessions()
        self._undo = intercept(self.salesforce, refuse)

    def restore(self) -> None:
        self._undo()

    def _opt_outs(self) -> dict[str, object]:
        rows = [r for name in ("Contact", "Lead") for r in self.org.tables[name].values()]
        return {str(r["Id"]): r["HasOptedOutOfEmail"] for r in rows}

    def close(self) -> None:
        """At the end of every test: no body the simulator received has a key beyond what we may write."""
        for connector in self._open:
            connector.close()
        for logged in self.simulation.traffic.log:
            if logged.body and logged.path != TOKEN_PATH and "tooling" not in logged.path:
                if logged.path.endswith("/FieldPermissions"):
                    continue
                sent = set(sent_keys(logged.body, is_csv=logged.path.endswith("/batches")))
                assert sent <= WRITABLE, f"{logged.operation} sent {sorted(sent - WRITABLE)}"
        now = self._opt_outs()
        assert {id: now.get(id, was) for id, was in self.opt_outs.items()} == self.opt_outs


def seeded(clock: ManualClock, *, contacts: int = CONTACTS, leads: int = LEADS) -> SalesforceSimulator:
    """Several pages of contacts; a third of them share one second, as imports do. Some are converted."""
    simulator = SalesforceSimulator(now=clock.utc_now)
    simulator.add_own_field()
    org = simulator.org
    start = int((clock.utc_now() - timedelta(days=30)).timestamp())
    account = org.create("Account", Name="Acme", Industry="Retail", stamp=start)
    people = []
    for number in range(contacts + leads):
        stamp = start if number % 3 == 0 else start + number // 4
        opted_out = number % 11 == 0
        if number < contacts:
            id = simulator.add_contact(
                f"person{number}@example.com",
                stamp=stamp,
                FirstName=f"Name{number}",
                HasOptedOutOfEmail=opted_out,
                AccountId=account if number % 2 else None,
            )
        else:
            id = simulator.add_lead(f"person{number}@example.com", stamp=stamp, HasOptedOutOfEmail=opted_out)
        people.append(id)
    for lead, contact in zip(people[contacts : contacts + 5], people[:5], strict=False):
        org.convert(lead, contact_id=contact)
        org.tables["Lead"][lead]["SystemModstamp"] = start + 9
    campaign = org.create("Campaign", Name="Autumn fair", Type="Trade Show", stamp=start)
    for number, id in enumerate(people[: contacts + leads : 2]):
        kind = "Lead" if id.startswith("00Q") else "Contact"
        if org.tables[kind][id].get("IsConverted"):
            continue
        member = org.insert("CampaignMember", {"CampaignId": campaign, f"{kind}Id": id})
        stamps = {"CreatedDate": start + number, "SystemModstamp": start + number // 2}
        answered = {"HasResponded": True, "FirstRespondedDate": "2026-10-20"} if number % 5 == 0 else {}
        org.tables["CampaignMember"][member].update(**stamps, **answered)
        org.create("Task", stamp=start + number, WhoId=id, Subject="Call", Status="Completed")
        org.create("Event", stamp=start, WhoId=id, Subject="Visit", StartDateTime=start - DAY_S)
        if kind == "Contact" and number % 3 == 0:
            stage = ("Closed Won", "Closed Lost", "Negotiation")[number // 3 % 3]
            deal = org.create(
                "Opportunity", stamp=start, Name="Deal", StageName=stage, Amount=99.5, CloseDate="2026-10-21"
            )
            org.create("OpportunityContactRole", stamp=start + number, OpportunityId=deal, ContactId=id)
    return simulator


@contextmanager
def salesforce_rig(
    *, contacts: int = CONTACTS, leads: int = LEADS, page: int = 2000
) -> Iterator[SalesforceRig]:
    """A running rig. `page`: how many rows the server sends at once."""
    clock = ManualClock()
    simulation = seeded(clock, contacts=contacts, leads=leads)
    simulation.queries.page = page
    with serve(simulation) as address:
        rig = SalesforceRig(simulation, clock, address)
        yield rig
        rig.close()


def sent_keys(body: bytes, *, is_csv: bool) -> Iterator[str]:
    """Every key of a JSON body at any depth; the columns of a CSV body."""
    if is_csv:
        yield from next(csv.reader(io.StringIO(body.decode())))
    else:
        yield from keys(json.loads(body))
