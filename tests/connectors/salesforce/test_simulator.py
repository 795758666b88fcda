"""The simulated org by itself: a client that is not ours must find what the real service does."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.salesforce.client import Transport
from connectors.salesforce.simulated.ids import is_id, long_id, made_id
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.simulation import serve
from tests.patience import PATIENCE_S


class Org:
    """A simulator, the vendor's SDK as it comes, and plain HTTP."""

    def __init__(self, simulator: SalesforceSimulator, clock: ManualClock, address: str) -> None:
        self.simulator, self.clock, self.address = simulator, clock, address
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", Transport(base_url=address, connections=2))
        given = simulator.credentials
        self.sdk = Salesforce(
            domain="acme.my",
            consumer_key=given["consumer_key"],
            consumer_secret=given["consumer_secret"],
            session=session,
            version="66.0",
        )

    def http(self, method: str, path: str, body: object = None, **query: str) -> requests.Response:
        return requests.request(
            method,
            f"{self.address}/services/data/v66.0{path}",
            params=query,
            data=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {self.sdk.session_id}"},
            timeout=PATIENCE_S,
        )

    def ids(self, soql: str) -> list[str]:
        return [r["Id"] for r in self.sdk.query(soql)["records"]]


@pytest.fixture
def org() -> Iterator[Org]:
    clock = ManualClock()
    simulator = SalesforceSimulator(now=clock.utc_now)
    with serve(simulator) as address:
        yield Org(simulator, clock, address)


def many(org: Org, count: int) -> list[str]:
    return [org.simulator.add_contact(f"p{n}@example.com", LastName=f"L{n}") for n in range(count)]


def test_ids_have_their_checksum() -> None:
    for known in ("0034S000005YJVlQAO", "00Q4S000002sSacUAE", "00v4S000001VKQ1QAO"):
        assert long_id(known[:15]) == known
        assert is_id(known)
        assert not is_id(known[:-1] + "5")
    assert len({made_id("003", n) for n in range(5000)}) == 5000


def test_the_sdk_pages_through_2000_rows_a_page(org: Org) -> None:
    people = many(org, 4001)
    first = org.sdk.query("SELECT Id FROM Contact ORDER BY Id")
    assert (first["totalSize"], first["done"], len(first["records"])) == (4001, False, 2000)
    assert first["nextRecordsUrl"].endswith("-2000")
    org.simulator.org.delete("Contact", people[0])  # a cursor survives writes
    rest = org.sdk.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    last = org.sdk.query_more(rest["nextRecordsUrl"], identifier_is_url=True)
    assert last["done"]
    assert "nextRecordsUrl" not in last
    assert sorted(r["Id"] for p in (first, rest, last) for r in p["records"]) == sorted(people)
    assert len(list(org.sdk.query_all_iter("SELECT Id FROM Contact"))) == 4000


def test_a_cursor_dies_on_demand_and_after_two_days(org: Org) -> None:
    many(org, 2001)
    for end in (org.simulator.queries.forget, lambda: org.clock.advance(2 * 86_400 + 1)):
        first = org.sdk.query("SELECT Id FROM Contact")
        end()
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_QUERY_LOCATOR"):
            org.sdk.query_more(first["nextRecordsUrl"], identifier_is_url=True)


def test_queries_compare_as_the_service_does(org: Org) -> None:
    make = org.simulator.add_contact
    account = org.simulator.org.create("Account", Name="Acme's")
    ana = make(
        "ana@example.com", LastName="Ána", AccountId=account, stamp=1_700_000_000, Birthdate="1980-01-02"
    )
    ben = make("Ben@Example.com", LastName="Ben", stamp=1_700_000_001, HasOptedOutOfEmail=True)
    nil = make(None, LastName="O'Neil", stamp=1_700_000_002)
    everything = {
        "Email = 'BEN@example.COM'": [ben],
        "Email != null": [ana, ben],
        "Email = null": [nil],
        "LastName = 'O\\'Neil'": [nil],
        "LastName LIKE 'b%'": [ben],
        "LastName IN ('BEN', 'o\\'neil')": [ben, nil],
        "LastName NOT IN ('Ben')": [ana, nil],
        "NOT LastName = 'Ben'": [ana, nil],
        "SystemModstamp > 2023-11-14T22:13:20Z": [ben, nil],
        "SystemModstamp >= 2023-11-14T22:13:20.000Z AND SystemModstamp < 2023-11-14T23:13:22+01:00": [
            ana,
            ben,
        ],
        "HasOptedOutOfEmail = true": [ben],
        "(LastName = 'Ben' OR Email = null) AND HasOptedOutOfEmail = false": [nil],
        "Account.Name = 'acme\\'s'": [ana],
        "Account.Name = null": [ben, nil],
        f"AccountId = '{account}'": [ana],
        f"Id > '{ana}'": [ben, nil],
        "Birthdate < 1990-01-01": [ana],
    }
    for where, expected in everything.items():
        assert org.ids(f"SELECT Id FROM Contact WHERE {where} ORDER BY Id") == expected, where
    assert org.ids("SELECT Id FROM Contact ORDER BY LastName DESC, Id LIMIT 1") == [ana]
    assert org.sdk.query("SELECT count() FROM Contact") == {"totalSize": 3, "done": True, "records": []}
    (row,) = org.sdk.query(f"SELECT Id, Account.Name, SystemModstamp FROM Contact WHERE Id = '{ana}'")[
        "records"
    ]
    assert row["Account"]["Name"] == "Acme's"
    assert row["SystemModstamp"] == "2023-11-14T22:13:20.000+0000"
    assert row["Account"]["attributes"]["type"] == "Account"


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Contacts", "INVALID_TYPE"),
        ("SELECT Id, Nothing FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Nothing = 1", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-02T03:04:05Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Email = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Email > null", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Email = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact ORDER BY Description", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Owner.Manager.Name = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Email INCLUDES ('x')", "INVALID_FIELD"),
        ("DELETE FROM Contact", "MALFORMED_QUERY"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY"),
    ],
)
def test_queries_that_the_service_would_refuse_are_refused(org: Org, soql: str, code: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        org.sdk.query(soql)
    assert caught.value.content[0]["errorCode"] == code  # type: ignore[index]


def test_a_hidden_field_is_nowhere(org: Org) -> None:
    (id,) = many(org, 1)
    assert "HasOptedOutOfEmail" in org.sdk.restful(f"sobjects/Contact/{id}")  # type: ignore[operator]
    org.simulator.hide("Contact", "HasOptedOutOfEmail")
    described = {f["name"] for f in org.sdk.restful("sobjects/Contact/describe")["fields"]}  # type: ignore[index]
    assert "HasOptedOutOfEmail" not in described
    assert "HasOptedOutOfEmail" not in org.sdk.restful(f"sobjects/Contact/{id}")  # type: ignore[operator]
    with pytest.raises(SalesforceMalformedRequest, match="No such column"):
        org.sdk.query("SELECT HasOptedOutOfEmail FROM Contact")
    answer = org.http("PATCH", f"/sobjects/Contact/{id}", {"HasOptedOutOfEmail": True})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_FIELD")


def collection(org: Org, method: str, records: list[dict[str, Any]]) -> requests.Response:
    return org.http(method, "/composite/sobjects", {"allOrNone": False, "records": records})


def contact(**values: object) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}, **values}


def test_collections_answer_row_by_row_in_order(org: Org) -> None:
    good, locked, gone = many(org, 3)
    org.simulator.org.locks[locked] = 1
    org.simulator.org.delete("Contact", gone)
    records = [
        contact(id=good, LastName="New"),
        contact(id=locked, LastName="New"),
        contact(id=gone, LastName="New"),
        contact(id=good, Email="bad"),
        contact(id=good, LastName=None),
        contact(id=good, LastName="x" * 81),
        contact(id="003000000000000AAA", LastName="New"),
        contact(id="nonsense", LastName="New"),
        contact(id=good, Name="New"),
        contact(id=good, AccountId=good),
    ]
    answer = collection(org, "PATCH", records)
    assert answer.status_code == 200
    rows = answer.json()
    assert rows[0] == {"id": good, "success": True, "errors": []}
    assert all("id" not in row for row in rows[1:])
    assert [row["errors"][0]["statusCode"] for row in rows[1:]] == [
        "UNABLE_TO_LOCK_ROW",
        "ENTITY_IS_DELETED",
        "INVALID_EMAIL_ADDRESS",
        "REQUIRED_FIELD_MISSING",
        "STRING_TOO_LONG",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "INVALID_CROSS_REFERENCE_KEY",
    ]


def test_the_201st_record_is_refused_with_all_others(org: Org) -> None:
    people = many(org, 201)
    answer = collection(org, "PATCH", [contact(id=id, LastName="New") for id in people])
    assert answer.status_code == 400
    assert org.ids("SELECT Id FROM Contact WHERE LastName = 'New'") == []
    assert org.http("DELETE", "/composite/sobjects", ids=",".join(people)).status_code == 400


def test_members_are_unique_and_count_at_their_campaign(org: Org) -> None:
    (id,) = many(org, 1)
    lead = org.simulator.add_lead("lead@example.com")
    campaign = org.sdk.Campaign.create({"Name": "Fair"})["id"]  # type: ignore[union-attr]

    def member(**values: str) -> dict[str, Any]:
        return {"attributes": {"type": "CampaignMember"}, "CampaignId": campaign, **values}

    rows = collection(
        org, "POST", [member(ContactId=id), member(ContactId=id), member(LeadId=lead), member()]
    )
    assert [row["success"] for row in rows.json()] == [True, False, True, False]
    assert rows.json()[1]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    (row,) = org.sdk.query("SELECT Id, NumberOfContacts, NumberOfLeads FROM Campaign")["records"]
    assert (row["NumberOfContacts"], row["NumberOfLeads"]) == (1, 1)
    converted = org.simulator.org.convert(lead)
    (member_row,) = org.sdk.query(
        f"SELECT Id, ContactId, LeadId FROM CampaignMember WHERE LeadId = '{lead}'"
    )["records"]
    assert member_row["ContactId"] == converted  # the same row names both
    again = collection(org, "POST", [member(ContactId=converted)]).json()
    assert again[0]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    org.sdk.Contact.delete(id)  # type: ignore[union-attr]
    assert org.sdk.query("SELECT Id FROM CampaignMember")["totalSize"] == 1


def test_deleted_records_stay_in_the_bin(org: Org) -> None:
    (id,) = many(org, 1)
    org.clock.advance(5)
    org.sdk.Contact.delete(id)  # type: ignore[union-attr]
    assert org.ids("SELECT Id FROM Contact") == []
    (row,) = org.sdk.query("SELECT Id, IsDeleted FROM Contact WHERE IsDeleted = true", include_deleted=True)[
        "records"
    ]
    assert row["Id"] == id
    with pytest.raises(SalesforceResourceNotFound):
        org.sdk.Contact.get(id)  # type: ignore[union-attr]


def test_multi_select_values_are_kept_in_the_order_of_the_list(org: Org) -> None:
    (id,) = many(org, 1)
    org.simulator.add_own_field()
    for given, kept in (("new;vip", "new;vip"), ("vip;new;new", "new;vip"), ("", "new;vip"), (None, None)):
        collection(org, "PATCH", [contact(id=id, Segments__c=given)])
        (row,) = org.sdk.query("SELECT Segments__c FROM Contact")["records"]
        assert row["Segments__c"] == kept
    collection(org, "PATCH", [contact(id=id, Segments__c="vip;new")])
    assert org.ids("SELECT Id FROM Contact WHERE Segments__c INCLUDES ('vip;new', 'other')") == [id]
    assert org.ids("SELECT Id FROM Contact WHERE Segments__c EXCLUDES ('vip')") == []


# ---- bulk ----------------------------------------------------------------------------------------


def test_the_sdks_own_bulk_update_works(org: Org) -> None:
    people = many(org, 3)
    org.simulator.add_own_field()
    records = [
        {"Id": people[0], "Segments__c": "vip", "LastName": 'Café, the "first"'},
        {"Id": people[1], "Segments__c": "#N/A", "LastName": ""},
        {"Id": "003000000000000AAA", "Segments__c": "vip", "LastName": "x"},
    ]
    org.simulator.org.change("Contact", people[1], Segments__c="old", LastName="Kept")
    (job,) = org.sdk.bulk2.Contact.update(records=records, wait=0.01)  # type: ignore[union-attr,call-arg]
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (3, 1)
    table = org.simulator.org.tables["Contact"]
    assert table[people[0]]["LastName"] == 'Café, the "first"'
    assert (table[people[1]]["Segments__c"], table[people[1]]["LastName"]) == (None, "Kept")
    failed = org.http("GET", f"/jobs/ingest/{job['job_id']}/failedResults")
    (row,) = csv.DictReader(io.StringIO(failed.content.decode()))
    assert row["sf__Error"].startswith("INVALID_CROSS_REFERENCE_KEY:")


def test_a_job_goes_through_its_states_and_takes_one_upload(org: Org) -> None:
    (id,) = many(org, 1)
    org.simulator.jobs.polls = 2
    body = {"operation": "update", "object": "Contact", "contentType": "CSV", "lineEnding": "LF"}
    job = org.http("POST", "/jobs/ingest", body).json()
    place = f"/jobs/ingest/{job['id']}"
    headers = {"Authorization": f"Bearer {org.sdk.session_id}", "Content-Type": "text/csv"}
    url = f"{org.address}/services/data/v66.0{place}/batches"
    assert org.http("PATCH", place, {"state": "UploadComplete"}).status_code == 400  # nothing uploaded
    first = requests.put(url, data=f"Id,LastName\n{id},New\n".encode(), headers=headers, timeout=PATIENCE_S)
    assert (first.status_code, first.content) == (201, b"")
    assert requests.put(url, data=b"Id\n", headers=headers, timeout=PATIENCE_S).status_code == 400
    org.http("PATCH", place, {"state": "UploadComplete"})
    states = [org.http("GET", place).json()["state"] for _ in range(3)]
    assert states == ["UploadComplete", "InProgress", "JobComplete"]
    assert org.http("PATCH", place, {"state": "Aborted"}).status_code == 400
    org.clock.advance(7 * 86_400 + 1)
    assert org.http("GET", place).status_code == 404


# ---- logins, quota, the rest ---------------------------------------------------------------------


def test_wrong_logins_and_methods_have_the_services_words(org: Org) -> None:
    token = f"{org.address}/services/oauth2/token"
    form = {"grant_type": "client_credentials"}
    wrong = requests.post(token, data=form, auth=("k", "s"), timeout=PATIENCE_S)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_client")
    form = {"grant_type": "password"}
    assert requests.post(token, data=form, timeout=PATIENCE_S).json()["error"] == "unsupported_grant_type"
    assert org.http("DELETE", "/limits").status_code == 405
    assert org.http("GET", "/nothing").status_code == 404
    stranger = requests.get(f"{org.address}/services/data/v66.0/limits", timeout=PATIENCE_S)
    assert (stranger.status_code, stranger.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_the_quota_is_counted_told_and_ends(org: Org) -> None:
    used = []
    for _ in range(30):
        told = org.http("GET", "/limits").headers["Sforce-Limit-Info"]
        used.append(int(told.split("=")[1].split("/")[0]))
    assert used != sorted(used)
    assert abs(max(used) - org.simulator.used) <= 3
    org.simulator.daily_calls = org.simulator.used
    answer = org.http("GET", "/limits")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_a_made_up_org_can_be_read_by_a_connection() -> None:
    clock = ManualClock()
    simulator = SalesforceSimulator(people=120, now=clock.utc_now)
    with serve(simulator) as address:
        given = {**simulator.credentials, "base_url": address}
        connector = platform("salesforce").open(given, clock)  # type: ignore[arg-type]
        assert connector.check().ok
        for stream in connector.features.streams:
            rows = sum(page.rows.num_rows for page in connector.read(stream, None))
            assert rows == 120 if stream.name == "people" else rows > 10
        connector.close()
