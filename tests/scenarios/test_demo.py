"""`segsync demo` as a whole: what it prints, and what the simulated platforms say about it."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.hubspot.simulator import HubspotSimulator
from connectors.klaviyo.simulator import KlaviyoSimulator
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.simulation import Simulation
from sync.demo.accounts import simulations
from sync.demo.company import company
from sync.demo.data import DemoData
from sync.run.workspace import Workspace
from sync.store.ledger import AudienceRow
from tests.scenarios.company import command

NEVER_SENT = {"status", "status_if_new", "marketing_permissions", "email_address", "timestamp_opt", "ip_opt"}


ACCOUNTS = ("newsletter", "hub", "shop-mail", "crm")
PEOPLE = 300
HUB_SAYS_NO = ("hs_email_optout", "hs_email_hard_bounce_reason_enum")
OPTIONS = {"hub": 1}
"""Calls more than the minimum: HubSpot's field learns its options before it takes them."""


@dataclass(frozen=True)
class Demo:
    """The printed document, the accounts, consents at first, and the folder that was kept."""

    document: dict[str, Any]
    accounts: Accounts
    began: dict[tuple[str, str], object]
    folder: Path
    ended: float

    @property
    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document["runs"]
        return found

    @property
    def newsletter(self) -> MailchimpSimulator:
        return self.accounts.newsletter


@dataclass
class Accounts:
    """The simulators that the demo made."""

    newsletter: MailchimpSimulator
    hub: HubspotSimulator
    shop_mail: KlaviyoSimulator
    crm: SalesforceSimulator

    def consents(self) -> dict[tuple[str, str], object]:
        """(connection, address) → what the account holds of the person's consent."""
        found: dict[tuple[str, str], object] = {}
        for member in self.newsletter.audience.members.values():
            found["newsletter", member.address] = (member.status, member.left_by)
        for record in self.hub.records.live("contacts").values():
            about = {name: value for name, value in record.properties.items() if name.startswith("hs_email_")}
            found["hub", str(record.properties["email"])] = about
        for profile in self.shop_mail.account.profiles.values():
            found["shop-mail", str(profile.email)] = repr(profile.consent)
        for table in ("Contact", "Lead"):
            for row in self.crm.org.tables[table].values():
                found["crm", str(row["Email"])] = (row["HasOptedOutOfEmail"], row["EmailBouncedDate"])
        return found

    def unwilling(self) -> set[str]:
        """Addresses of who opted out or whose mail bounces on any platform."""
        found = {m.address for m in self.newsletter.audience.members.values() if m.left_by}
        for record in self.hub.records.live("contacts").values():
            if any(record.properties.get(name) for name in HUB_SAYS_NO):
                found.add(str(record.properties["email"]))
        for profile in self.shop_mail.account.profiles.values():
            if profile.consent.word == "UNSUBSCRIBED":
                found.add(str(profile.email))
        for table in ("Contact", "Lead"):
            for row in self.crm.org.tables[table].values():
                if row["HasOptedOutOfEmail"] or row["EmailBouncedDate"]:
                    found.add(str(row["Email"]))
        return {address.lower() for address in found}

    def members(self, row: AudienceRow) -> set[str]:
        """Addresses of who is in the audience, by the platform itself. A field holds the segments' ids."""
        name = row.name
        match row.connection, row.kind:
            case "newsletter", _:
                found = set(self.newsletter.tagged(name))
            case "hub", "list":
                found = self.hub.listed(name)
            case "shop-mail", "list":
                found = {str(address) for address in self.shop_mail.on_list(name)}
            case "crm", "campaign":
                found = self._campaign(name)
            case _:
                found = {address for address, values in self._field(row.connection) if row.segment in values}
        return {address.lower() for address in found}

    def _field(self, connection: str) -> Iterator[tuple[str, list[str]]]:
        """(address, values in our own field) of everybody."""
        match connection:
            case "hub":
                for record in self.hub.records.live("contacts").values():
                    joined = record.properties.get("segsync_segments") or ""
                    yield str(record.properties["email"]), joined.split(";")
            case "shop-mail":
                for profile in self.shop_mail.account.profiles.values():
                    listed = profile.properties.get("segsync_segments") or []
                    assert isinstance(listed, list)
                    yield str(profile.email), listed
            case _:
                for table in ("Contact", "Lead"):
                    for row in self.crm.org.tables[table].values():
                        yield str(row["Email"]), str(row["Segments__c"] or "").split(";")

    def _campaign(self, name: str) -> set[str]:
        tables = self.crm.org.tables
        (id_,) = [str(row["Id"]) for row in tables["Campaign"].values() if row["Name"] == name]
        people = {**tables["Contact"], **tables["Lead"]}
        return {str(people[member]["Email"]) for member in self.crm.members(id_)}


pytestmark = pytest.mark.xdist_group("demo")  # its runs are made once


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo") / "company"
    made: dict[str, Any] = {}
    began: dict[tuple[str, str], object] = {}

    def seeded(names: Iterable[str], data: DemoData, **given: Any) -> dict[str, Simulation]:
        made.update(simulations(names, data, **given))
        began.update(Accounts(*(made[name] for name in ACCOUNTS)).consents())
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sync.demo.company.simulations", seeded)
        # served by this process instead of another, so that the platforms can be asked afterwards
        patch.setattr("sync.demo.company.company_apart", company)
        answer = command("demo", "--format", "json", "--folder", folder, "--people", str(PEOPLE))
        assert answer.code == 0, answer.said
        for variable in re.findall(r"env:(\w+)", (folder / "config.toml").read_text()):
            patch.setenv(variable, "any")
        yield Demo(answer.document, Accounts(*(made[name] for name in ACCOUNTS)), began, folder, time.time())


def test_the_document_has_the_documented_shape(demo: Demo) -> None:
    first, second = demo.runs
    for one in (first, second):
        assert one["people"] == PEOPLE
        assert all(isinstance(size, int) and 0 <= size <= PEOPLE for size in one["segments"].values())
        assert set(one["connections"]) == {"shop", *ACCOUNTS}
        for part in one["connections"].values():
            counts = {
                name: part[name] for name in ("changes", "calls", "minimum_calls", "refused", "unreachable")
            }
            assert all(isinstance(count, int) and count >= 0 for count in counts.values())
            assert "stopped" not in part
    assert len(first["segments"]) >= 15
    tiers = [size for name, size in first["segments"].items() if name.startswith("lifecycle/")]
    assert sum(tiers) == PEOPLE  # each person is in exactly one


def test_the_first_run_takes_the_fewest_calls(demo: Demo) -> None:
    for name in ACCOUNTS:
        part = demo.runs[0]["connections"][name]
        assert 0 < part["minimum_calls"] <= part["calls"], name
        assert part["calls"] <= part["minimum_calls"] + OPTIONS.get(name, 0), name
        assert part["changes"] > 20
        assert part["refused"] == part["held"] == part["unknown"] == 0
    part = demo.runs[0]["connections"]["newsletter"]
    assert part["changes"] > 2 * PEOPLE
    operations = demo.newsletter.traffic.operations
    assert operations["POST /lists/{id}/segments/{id}"] == part["calls"]
    assert demo.newsletter.traffic.writes == part["calls"] + part["created"]


def test_the_second_run_has_nothing_to_do(demo: Demo) -> None:
    """What we wrote moves the platforms' times of change: it is read again, and none of it is news."""
    second = demo.runs[1]
    assert second["lake_rows_changed"] == second["changes"] == 0
    for name, part in second["connections"].items():
        assert (part["changes"], part["calls"], part["created"]) == (0, 0, 0), name
        if name == "shop":
            assert part["read"] == 0
        if name == "newsletter":  # at most those to whom we wrote, once their second is over
            assert part["read"] <= demo.runs[0]["connections"][name]["changes"]
    assert second["segments"] == demo.runs[0]["segments"]
    assert second["as_of"] == demo.runs[0]["as_of"]
    began = demo.ended - sum(second["seconds"].values())
    files = [f for f in (demo.folder / "lake").rglob("*.parquet") if f.stat().st_mtime > began]
    assert files == []


def test_nobodys_consent_changed_on_any_platform(demo: Demo) -> None:
    assert {name for name, _ in demo.began} == set(ACCOUNTS)
    assert demo.accounts.consents() == demo.began
    states = {m.status for m in demo.newsletter.audience.members.values()}
    assert {"subscribed", "unsubscribed", "cleaned", "pending", "transactional"} <= states


def test_no_consent_was_ever_sent_to_the_newsletter(demo: Demo) -> None:
    sent: set[str] = set()
    for logged in demo.newsletter.traffic.log:
        if logged.body:
            sent |= set(keys(json.loads(logged.body)))
    assert sent  # there was something to look at
    assert not sent & NEVER_SENT


def keys(content: object) -> Iterator[str]:
    """Every key of a JSON document, at any depth."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield name
            yield from keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from keys(value)


def test_every_audience_holds_exactly_those_who_are_there_and_may_be_mailed(demo: Demo) -> None:
    """Computed here from the stored memberships, the shop's file and the platforms' own consent states."""
    with (demo.folder / "customers.csv").open(encoding="utf-8") as file:
        email_of = {row["customer_id"]: row["email"].lower() for row in csv.DictReader(file)}
    with Workspace.open(demo.folder / "config.toml") as workspace:
        segments = workspace.store.segments.latest()
        audiences = [row for row in workspace.store.ledger.audiences() if row.segment in segments]
        database = workspace.store.lake.connect()
        links = workspace.store.lake.relation("links")
        found = database.sql(f"SELECT person, external_id FROM {links} WHERE connection = 'shop'").fetchall()
        database.close()
    address_of = {person: email_of[customer] for person, customer in found}
    unwilling = demo.accounts.unwilling()
    known: dict[str, set[str]] = {name: set() for name in ACCOUNTS}
    for name, address in demo.began:
        known[name].add(address.lower())
    kinds = {(row.connection, row.kind) for row in audiences}
    assert kinds == {
        ("newsletter", "tag"), ("hub", "list"), ("hub", "field"), ("shop-mail", "list"),
        ("shop-mail", "field"), ("crm", "campaign"), ("crm", "field"),
    }  # fmt: skip
    assert sum(row.connection == "newsletter" for row in audiences) == 20
    filled = set()
    for row in audiences:
        there = {address_of[person] for person in segments[row.segment].members} & known[row.connection]
        expected = there if row.segment == "do-not-mail" else there - unwilling
        assert demo.accounts.members(row) == expected, row.segment
        if expected:
            filled.add((row.connection, row.kind))
    assert filled == kinds  # there was something to compare


def test_the_text_tells_who_got_what_and_who_could_not_be_reached(tmp_path: Path) -> None:
    answer = command("demo", "--people", "150", "--folder", tmp_path / "company")
    assert answer.code == 0, answer.said
    first, second = answer.out.split("── run 2 ")
    for text in (first, second):
        assert "150 people" in text
        reach = text[text.index("Reach") :]
        assert "people written" in reach
        assert "no contact there" in reach
        assert "must not be mailed" in reach
        assert all(name in reach for name in ACCOUNTS)
    assert "Nothing to do" in second


def test_what_is_no_number_of_people_is_a_mistake_told_in_words(tmp_path: Path) -> None:
    answer = command("demo", "--people", "many", "--folder", tmp_path / "company")
    assert answer.code == 1
    assert "sample or all or a number above 0, not many" in answer.err
    assert not (tmp_path / "company" / "customers.csv").exists()
