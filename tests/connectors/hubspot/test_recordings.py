"""The simulator answers as HubSpot did when its traffic was recorded, and we read what HubSpot answered.

The run of 63 calls is replayed on the simulator with the recorded times; its answers must have the recorded
statuses, keys and values (ids and times apart). Where the recording falls into the half minute in which
search lags, only the shape is compared, for the lag is random on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import pytest
import requests

from connectors.base import Consent, FieldType
from connectors.errors import RateLimited
from connectors.hubspot import mapping
from connectors.hubspot.answers import Allowance, Refused, reaction
from connectors.hubspot.consent import NAMES, email_consent
from connectors.hubspot.moments import moment
from connectors.hubspot.simulated.schema import Schema, definition
from connectors.hubspot.simulator import KEY, HubspotSimulator
from connectors.pacing import ManualClock
from connectors.simulation import serve
from tests.patience import PATIENCE_S
from tests.shared import shared

Json = dict[str, Any]
VOLATILE = {"createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_createdate", "hs_object_id",
            "hs_all_contact_vids"}  # fmt: skip


@cache
def exchanges(name: str) -> list[Json]:
    path = shared(f"recordings/hubspot/{name}.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def answered(name: str, verb: str) -> Iterator[Json]:
    for one in exchanges(name):
        if one["path"].endswith(f"/{verb}"):
            yield one


def key_of(properties: Json) -> str:
    """What a recorded contact or company is known by."""
    return str(properties.get("email") or properties.get("domain"))


class Replay:
    """The simulator at the recorded times, with recorded ids translated into its own."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2022, 2, 17, 12, 0, tzinfo=UTC))
        self.simulator = HubspotSimulator(now=self.clock.utc_now)
        self.simulator.limits.calls = 100
        self.simulator.limits.daily = 250_000
        for name, kind in (("text_field", "string"), ("number_field", "number"), ("date_field", "date")):
            self.simulator.add_property(name, type=kind)
        self.ids: dict[str, str] = {}
        self.written = self.clock.utc_now()

    def send(self, address: str, one: Json) -> requests.Response:
        at = parsedate_to_datetime(one["response_headers"]["Date"])
        self.clock.advance(max(0.0, (at - self.clock.utc_now()).total_seconds()))
        body = json.dumps(one["request_body"])
        for recorded, ours in self.ids.items():
            body = body.replace(f'"{recorded}"', f'"{ours}"')
        url = f"{address}{one['path']}"
        answer = requests.request(
            one["method"], url, data=body, headers={"Authorization": f"Bearer {KEY}"}, timeout=PATIENCE_S
        )
        if one["path"].endswith("batch/create"):
            self._learn(one["response_body"]["results"], answer.json()["results"])
        if "/batch/" in one["path"]:
            self.written = self.clock.utc_now()
        return answer

    def _learn(self, recorded: list[Json], ours: list[Json]) -> None:
        by_key = {json.dumps(self.values(o)): o["id"] for o in ours}
        for one in recorded:
            self.ids[one["id"]] = by_key[json.dumps(self.values(one))]

    def values(self, one: Json) -> Json:
        return {k: v for k, v in sorted(one["properties"].items()) if k not in VOLATILE}

    @property
    def settled(self) -> bool:
        """Nothing was written for so long that the index has caught up."""
        return self.clock.utc_now() - self.written > timedelta(seconds=30)


def test_the_recorded_run_of_contacts_gets_the_recorded_answers() -> None:
    replay = Replay()
    first = replay.simulator.add_contact(
        "acme@example.com", changed_at=replay.clock.utc_now(), firstname="Given13"
    )
    replay.ids["286101"] = first.id
    run = [one for one in exchanges("contacts_run") if one["source"]["index"] <= 62]
    assert len(run) > 50
    compared = 0
    with serve(replay.simulator) as address:
        for one in run:
            if one["status"] == 429:
                continue  # other calls of the account were under way; see the test of 429 below
            recorded, answer = one["response_body"], replay.send(address, one)
            where = one["source"]["index"]
            assert answer.status_code == one["status"], where
            if not recorded:
                assert answer.content == b"", where
                continue
            ours = answer.json()
            assert set(ours) == set(recorded), where
            for theirs in recorded["results"]:
                assert set(theirs) == {"id", "properties", "createdAt", "updatedAt", "archived"}
            lagging = one["path"].endswith("/search") and not replay.settled
            if lagging:
                assert isinstance(ours["total"], int)
                continue
            compared += 1
            if "total" in recorded:
                assert ours["total"] == recorded["total"], where
            key = json.dumps
            assert sorted(key(replay.values(o)) for o in ours["results"]) == sorted(
                key(replay.values(o)) for o in recorded["results"]
            ), where
            assert sorted(set(o["properties"]) for o in ours["results"]) == sorted(
                set(o["properties"]) for o in recorded["results"]
            ), where
    assert compared > 25


@pytest.mark.parametrize(("name", "type_"), [("companies", "COMPANY"), ("custom_object", "2-3604285")])
def test_other_types_get_answers_of_the_recorded_shape(name: str, type_: str) -> None:
    replay = Replay()
    schema = replay.simulator.schema.of(replay.simulator.account.type_of(type_))
    fields = "twitterhandle facebookfans date_field acme_object_property first_name last_name number_field"
    for field in (*fields.split(), "text_field"):
        schema.setdefault(field, definition(field, type_="string", field_type="text", own=True))
    with serve(replay.simulator) as address:
        for one in exchanges(name):
            recorded = one["response_body"]
            if not one["path"].endswith("batch/create"):
                continue
            answer = replay.send(address, one)
            assert answer.status_code == one["status"] == 201
            assert set(answer.json()) == set(recorded)
            ours = sorted(map(json.dumps, (replay.values(o) for o in answer.json()["results"])))
            assert ours == sorted(map(json.dumps, (replay.values(o) for o in recorded["results"])))
            assert set(answer.json()["results"][0]["properties"]) == set(recorded["results"][0]["properties"])
            replay.clock.advance(60)
            update = {"inputs": [{"id": o["id"], "properties": {}} for o in answer.json()["results"][:1]]}
            again = requests.post(
                f"{address}/crm/v3/objects/{type_}/batch/update",
                json=update,
                headers={"Authorization": f"Bearer {KEY}"},
                timeout=PATIENCE_S,
            )
            theirs = next(iter(answered(name, "update")))["response_body"]["results"][0]
            always = {p for p in theirs["properties"] if p in VOLATILE}
            assert set(again.json()["results"][0]["properties"]) == always


def test_results_of_batches_come_in_no_order_as_recorded() -> None:
    moved = 0
    creates = [one for name in ("contacts_run", "companies") for one in answered(name, "create")]
    for one in creates:
        sent = [key_of(i["properties"]) for i in one["request_body"]["inputs"]]
        back = [key_of(o["properties"]) for o in one["response_body"]["results"]]
        assert set(sent) >= set(back)
        moved += sent[: len(back)] != back
    assert moved >= 2
    clock = ManualClock()
    simulator = HubspotSimulator(now=clock.utc_now)
    with serve(simulator) as address:
        inputs = [{"properties": {"email": f"p{n}@example.com"}} for n in range(30)]
        answer = requests.post(
            f"{address}/crm/v3/objects/contacts/batch/create",
            json={"inputs": inputs},
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=PATIENCE_S,
        )
    back = [o["properties"]["email"] for o in answer.json()["results"]]
    assert back != [i["properties"]["email"] for i in inputs]
    assert sorted(back) == sorted(i["properties"]["email"] for i in inputs)


def test_rate_limit_headers_are_those_recorded() -> None:
    def limits(headers: Any) -> set[str]:
        return {name for name in headers if name.startswith("X-HubSpot-RateLimit")}

    clock = ManualClock()
    simulator = HubspotSimulator(now=clock.utc_now)
    simulator.tokens["token"] = simulator.milliseconds() + 10_000
    body = {"filterGroups": [], "limit": 1}
    with serve(simulator) as address:
        for key, name in ((KEY, "contacts_run"), ("token", "contacts_oauth_headers")):
            for verb, sent in (("search", body), ("create", {"inputs": []})):
                url = f"{address}/crm/v3/objects/contacts/{'batch/' if verb != 'search' else ''}{verb}"
                answer = requests.post(
                    url, json=sent, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_S
                )
                recorded = next(one for one in answered(name, verb) if one["status"] < 300)
                assert limits(answer.headers) == limits(recorded["response_headers"]), (name, verb)


def test_a_429_of_search_is_the_recorded_one() -> None:
    recorded = next(one for one in exchanges("contacts_run") if one["status"] == 429)
    clock = ManualClock()
    simulator = HubspotSimulator(now=clock.utc_now)
    simulator.limits.searches = 0
    with serve(simulator) as address:
        answer = requests.post(
            f"{address}{recorded['path']}",
            json=recorded["request_body"],
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=PATIENCE_S,
        )
    ignored = {"correlationId"}
    assert answer.status_code == 429
    assert {k: v for k, v in answer.json().items() if k not in ignored} == {
        k: v for k, v in recorded["response_body"].items() if k not in ignored
    }
    assert answer.headers["X-HubSpot-Correlation-Id"] == answer.json()["correlationId"]


# ---- what HubSpot answered, read by us -----------------------------------------------------------


def test_every_recorded_429_is_waited_out() -> None:
    found = 0
    for name in ("contacts_run", "companies", "custom_object", "contacts_oauth_headers"):
        for one in exchanges(name):
            if one["status"] == 429:
                got = reaction(429, headers=one["response_headers"], body=one["response_body"])
                assert isinstance(got, RateLimited)
                assert got.retry_after_s == 1
                found += 1
    assert found >= 6


def test_recorded_refusals_are_understood() -> None:
    words = []
    for one in exchanges("legacy_v1_errors_and_properties"):
        if one["status"] >= 400:
            got = reaction(one["status"], headers={}, body=one["response_body"])
            assert isinstance(got, Refused)
            assert "@" not in got.reason
            words.append((one["status"], sorted(got.words)))
    assert words == [(404, []), (400, ["INVALID_LONG"]), (400, ["INVALID_EMAIL"])]


def test_recorded_headers_tell_the_allowance() -> None:
    seen = {
        (a.window_calls, a.window_s, a.day_calls)
        for one in exchanges("contacts_run")
        if (a := Allowance.of(one["response_headers"])).window_calls
    }
    assert seen == {(100, 10.0, 250_000)}


def recorded_shape() -> mapping.ContactShape:
    contact = exchanges("schemas")[0]["response_body"]
    return mapping.contact_shape(contact["properties"], chosen=["text_field"], own_field="x", companies=False)


def test_recorded_property_definitions_make_the_stream() -> None:
    found = recorded_shape()
    types = {f.name: f.type for f in found.stream.fields}
    assert types["email"] is FieldType.TEXT
    assert types["hs_email_open"] is FieldType.NUMBER
    assert types["createdate"] is FieldType.DATETIME
    assert set(found.consent) <= set(NAMES)
    assert "hs_email_optout" in found.consent


def test_recorded_contacts_become_rows() -> None:
    found = recorded_shape()
    rows: list[tuple[Json, Json]] = []
    for one in answered("contacts_run", "search"):
        if one["status"] == 200 and one["response_body"]["results"]:
            table, rejected = mapping.contact_rows(found, one["response_body"]["results"])
            assert rejected == ()
            rows += zip(table.to_pylist(), one["response_body"]["results"], strict=True)
    assert len(rows) > 20
    for row, recorded in rows:
        assert row["external_id"] == recorded["id"]
        assert row["address"] == recorded["properties"]["email"]
        assert row["changed_at"] == moment(recorded["updatedAt"])
        assert row["email_consent"] is None  # the opt-out property was not asked for
        assert row["deleted"] is False


def test_the_simulators_definitions_have_the_recorded_types_and_rights() -> None:
    ours = Schema().of("contacts")
    v3 = {p["name"]: p for p in exchanges("schemas")[0]["response_body"]["properties"]}
    for name, recorded in v3.items():
        mine = ours[name]
        assert (mine["type"], mine["fieldType"]) == (recorded["type"], recorded["fieldType"]), name
        rights = recorded["modificationMetadata"]
        assert mine["modificationMetadata"]["readOnlyValue"] == rights["readOnlyValue"], name
        assert set(recorded) - set(mine) <= {"createdUserId", "updatedUserId", "showCurrencySymbol"}, name
    v1 = next(
        one["response_body"]
        for one in exchanges("legacy_v1_errors_and_properties")
        if isinstance(one["response_body"], list)
    )
    for recorded in v1:
        name = recorded["name"]
        assert name in ours, name
        assert ours[name]["type"] == recorded["type"], name
        assert ours[name]["modificationMetadata"]["readOnlyValue"] == recorded["readOnlyValue"], name


def test_recorded_consent_values_are_read() -> None:
    """The options of the confirmation property as they were recorded."""
    v1 = next(
        one["response_body"]
        for one in exchanges("legacy_v1_errors_and_properties")
        if isinstance(one["response_body"], list)
    )
    options = next(p["options"] for p in v1 if p["name"] == "hs_emailconfirmationstatus")
    asked = ("hs_email_optout", "hs_emailconfirmationstatus")
    seen = {o["value"]: email_consent({asked[0]: None, asked[1]: o["value"]}, asked=asked) for o in options}
    assert seen == {
        "": Consent.NEVER_ASKED,
        "Confirmed": Consent.OPTED_IN,
        "Confirmation Pending": Consent.PENDING,
        "Confirmation Email Sent": Consent.PENDING,
    }
