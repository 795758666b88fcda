"""The recorded traffic of a real org, used both ways: through our mapping, and at the simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import page_schema
from connectors.salesforce import mapping
from connectors.salesforce.rows import result
from connectors.salesforce.simulated.schema import Field
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.simulation import Reply, Request
from tests.shared import shared

Exchange = Mapping[str, Any]
FILES = (
    "contacts_and_accounts",
    "leads_campaigns_conversion",
    "topics",
    "references_and_required",
    "query_105_rows",
)
TEXTS = ("Level__c", "Languages__c", "Custom_External_ID__c", "text_field__c")
NUMBERS = ("number_field__c", "percent_field__c", "float_field__c")
CUSTOM: Mapping[str, Mapping[str, str]] = {
    "Contact": {
        **dict.fromkeys(TEXTS, "string"),
        **dict.fromkeys(NUMBERS, "double"),
        **{"checkbox_field__c": "boolean", "datetime_field__c": "datetime", "phone_field__c": "phone"},
        **{"picklist_field__c": "picklist", "textarea_field__c": "textarea", "url_field__c": "url"},
        **{"email_field__c": "email", "date_field__c": "date", "currency_field__c": "currency"},
    },
    "Lead": dict.fromkeys(
        ("SICCode__c", "ProductInterest__c", "Primary__c", "CurrentGenerators__c", "NumberofLocations__c"),
        "string",
    ),
}
"""The recorded org's own fields."""
HIDDEN = (("Contact", "HasOptedOutOfEmail"), ("Lead", "HasOptedOutOfEmail"))
PASSING = ("LastViewedDate", "LastReferencedDate", "LastActivityDate", "IsUnreadByOwner", "PhotoUrl")
"""Depends on who looked at the record."""


def exchanges(name: str) -> list[Exchange]:
    path = shared("recordings/salesforce") / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Replay:
    """Sends recorded requests to a simulator; recorded ids stand for those the simulator made."""

    def __init__(self) -> None:
        self.now = datetime(2021, 12, 2, tzinfo=UTC)
        self.simulator = SalesforceSimulator(now=lambda: self.now)
        self.simulator.sessions["token"] = 10_000
        self.org = self.simulator.org
        for object, fields in CUSTOM.items():
            for name, type_ in fields.items():
                label = name.removesuffix("__c").replace("_", " ")
                self.org.schema[object.lower()].add(Field(name, type_, label, 255))
        for object, name in HIDDEN:
            self.simulator.hide(object, name)
        self.ids: dict[str, str] = {}

    def seed(self, object: str, id: str, **values: object) -> None:
        made = self.org.create(object, **values)  # type: ignore[arg-type]
        self.ids[id] = made

    def send(self, exchange: Exchange) -> Reply:
        self.now = datetime.strptime(
            exchange["response_headers"]["Date"], "%a, %d %b %Y %H:%M:%S GMT"
        ).replace(tzinfo=UTC)
        body = b"" if exchange["request_body"] is None else self.ours(exchange["request_body"]).encode()
        query = {name: json.loads(self.ours(value)) for name, value in exchange["query"].items()}
        path = json.loads(self.ours(exchange["path"]))
        headers = {"authorization": "Bearer token"}
        return self.simulator.answer(
            Request(exchange["method"], path, query, headers, body, "http://127.0.0.1")
        )

    def ours(self, content: object) -> str:
        """JSON text with our ids."""
        text = json.dumps(content)
        for theirs, ours in self.ids.items():
            text = text.replace(theirs, ours)
        return text

    def learn(self, exchange: Exchange, reply: Reply) -> None:
        """Which of our ids stands for which recorded one."""
        theirs, ours = exchange["response_body"], json.loads(reply.body or b"null")
        if exchange["method"] != "POST":
            return
        pairs = zip(theirs, ours, strict=True) if isinstance(theirs, list) else [(theirs, ours)]
        for there, here in pairs:
            if "id" in there and "id" in here:
                self.ids[there["id"]] = here["id"]


def compare(replay: Replay, exchange: Exchange, reply: Reply) -> None:
    where = f"#{exchange['source']['index']} {exchange['method']} {exchange['path']} {exchange['query']}"
    assert reply.status == exchange["status"], (where, reply.body[:400])
    theirs, ours = json.loads(replay.ours(exchange["response_body"])), json.loads(reply.body)
    recorded = {name.lower() for name in exchange["response_headers"]} - {"date", "vary", "etag"}
    assert recorded <= {name.lower() for name in reply.headers}, where
    if isinstance(theirs, dict) and "totalSize" in theirs:
        assert (ours["totalSize"], ours["done"]) == (theirs["totalSize"], theirs["done"]), where
        assert set(ours) == set(theirs)
        same = sorted(ours["records"], key=str) == sorted(theirs["records"], key=str)
        assert same, (where, ours, theirs)
    elif isinstance(theirs, dict) and "SystemModstamp" in theirs:
        compare_record(ours, theirs, where)
    else:
        assert ours == theirs, where


def compare_record(ours: Exchange, theirs: Exchange, where: str) -> None:
    assert set(ours) == set(theirs), (where, set(ours) ^ set(theirs))
    for name, value in theirs.items():
        if name in PASSING or name.endswith("ById") or name == "OwnerId":
            continue
        if name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
            assert isinstance(ours[name], str), (where, name)
            assert len(ours[name]) == len(value), (where, name)
        else:
            assert ours[name] == value, (where, name, ours[name], value)


def test_recorded_contacts_and_accounts_replayed_are_answered_alike() -> None:
    replay = Replay()
    for exchange in exchanges("contacts_and_accounts"):
        reply = replay.send(exchange)
        replay.learn(exchange, reply)
        compare(replay, exchange, reply)


def test_a_recorded_conversion_replayed_is_answered_alike() -> None:
    """A lead is converted by hand between two of the recorded calls."""
    replay = Replay()
    converted = False
    for exchange in exchanges("leads_campaigns_conversion"):
        if exchange["source"]["index"] >= 67 and not converted:
            converted = True
            contact = replay.org.convert(replay.ids["00Q4S000002sSacUAE"])
            replay.ids["0034S000005YJYcQAO"] = contact
            account = replay.org.tables["Contact"][contact]["AccountId"]
            replay.ids["0014S000007NeNUQA0"] = account
        reply = replay.send(exchange)
        replay.learn(exchange, reply)
        compare(replay, exchange, reply)
    assert converted


def test_recorded_topics_replayed_are_answered_alike() -> None:
    """Two contacts came into being outside of the recording."""
    replay = Replay()
    for exchange in exchanges("topics"):
        if exchange["source"]["index"] == 33:
            replay.seed("Contact", "0034S000005YJXWQA4", LastName="Family", float_field__c=2)
        if exchange["source"]["index"] == 60:
            replay.seed("Contact", "0034S000005YJVeQAO", LastName="Family10", float_field__c=2)
        if exchange["source"]["index"] == 106:
            replay.seed("Contact", "0034S000005YJXBQA4", LastName="Family")
        reply = replay.send(exchange)
        replay.learn(exchange, reply)
        compare(replay, exchange, reply)


def test_recorded_refusals_are_answered_alike() -> None:
    replay = Replay()
    (exchange,) = exchanges("references_and_required")
    compare(replay, exchange, replay.send(exchange))


def test_a_recorded_page_of_105_rows_is_answered_alike() -> None:
    replay = Replay()
    (exchange,) = exchanges("query_105_rows")
    for record in exchange["response_body"]["records"]:
        object = record["attributes"]["type"]
        values = {name: value for name, value in record.items() if name not in ("attributes", "Id")}
        replay.seed(object, record["Id"], **values)
    compare(replay, exchange, replay.send(exchange))


@pytest.mark.parametrize("object", ["Contact", "Lead", "Campaign", "Account"])
def test_recorded_describes_have_the_keys_and_fields_of_ours(object: str) -> None:
    replay = Replay()
    recorded = next(e for e in exchanges("describes") if e["path"].endswith(f"/{object}/describe"))
    theirs, ours = recorded["response_body"], json.loads(replay.send(recorded).body)
    assert set(theirs) == set(ours)
    for name in ("name", "keyPrefix", "label", "queryable", "updateable", "createable"):
        assert ours[name] == theirs[name]
    shown = {f["name"]: f for f in ours["fields"]}
    for field in theirs["fields"]:
        if field["custom"]:
            continue
        assert field["name"] in shown
        mine = shown[field["name"]]
        assert set(mine) == set(field)
        for name in ("type", "updateable", "custom", "idLookup", "relationshipName", "unique"):
            assert mine[name] == field[name], (field["name"], name)


# ---- answers through our mapping -----------------------------------------------------------------


def test_every_recorded_contact_and_lead_passes_the_mapping() -> None:
    seen = 0
    for name in FILES[:3]:
        for exchange in exchanges(name):
            body = exchange["response_body"]
            if not (isinstance(body, dict) and "SystemModstamp" in body):
                continue
            object = body["attributes"]["type"]
            types = {"Contact": {}, "Lead": {}, object: dict.fromkeys(body, "string")}
            layout = mapping.layout(types["Contact"], types["Lead"], own_field="Segments__c", wanted=None)
            table, rejected = mapping.people_rows(layout, object, [body])
            (row,) = table.to_pylist()
            assert rejected == ()
            assert table.schema.equals(page_schema(layout.stream))
            assert row["external_id"] == body["Id"]
            assert row["Email"] == body["Email"]
            assert row["changed_at"].isoformat()[:19] == body["SystemModstamp"][:19]
            assert row["email_consent"] is None  # the field is hidden in that org
            assert row["ContactId"] == (body["Id"] if object == "Contact" else body["ConvertedContactId"])
            assert row["address"] == (body.get("ConvertedContactId") or body["Id"])
            seen += 1
    assert seen >= 5


def test_every_recorded_row_of_a_collection_is_understood() -> None:
    codes = set()
    for name in FILES:
        for exchange in exchanges(name):
            if exchange["path"].endswith("/composite/sobjects"):
                for row in exchange["response_body"]:
                    found = result(row)
                    assert (found.code is None) == row["success"]
                    assert "@" not in found.reason
                    codes.add(found.code)
    assert codes == {None, "INVALID_EMAIL_ADDRESS", "CANNOT_UPDATE_CONVERTED_LEAD", "REQUIRED_FIELD_MISSING"}


def test_the_recorded_counter_of_calls_runs_backwards() -> None:
    """Why the highest counter counts."""
    used = [
        int(e["response_headers"]["Sforce-Limit-Info"].split("=")[1].split("/")[0])
        for e in exchanges("topics")
    ]
    assert used != sorted(used)
