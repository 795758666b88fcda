"""Our table of calls, the simulator's rules and the SDK against each other and the vendor's description."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_core.testing import MockRequest

from connectors.base import Action, Audience, AudienceKind, Batch, Change
from connectors.klaviyo.client import windows
from connectors.klaviyo.operations import OPERATIONS, Rate
from connectors.klaviyo.simulated.filters import ALLOWED
from connectors.klaviyo.simulated.routes import MORE
from connectors.simulation import Reply, Request
from tests.connectors.klaviyo.referee import BASE, Referee, description
from tests.connectors.klaviyo.rig import KlaviyoRig
from tests.connectors.rig import contacts
from tests.shared import shared

UNDESCRIBED = {"get_accounts"}
"""Calls of areas whose description is not among the shared files."""
BODILESS = {"delete_list"}
LISTED = {
    "profiles": ("profiles", "/api/profiles"),
    "lists": ("lists", "/api/lists"),
    "segments": ("segments", "/api/segments"),
    "list members": ("lists", "/api/lists/{id}/profiles"),
    "segment members": ("segments", "/api/segments/{id}/profiles"),
    "events": ("events", "/api/events"),
}


def described() -> dict[str, dict[str, Any]]:
    content = json.loads(shared("contracts/klaviyo/rate_limits.json").read_text(encoding="utf-8"))
    return {row["operation_id"]: row for row in content["operations"]}


@pytest.mark.parametrize("name", sorted({*OPERATIONS, *MORE} - UNDESCRIBED))
def test_every_call_is_as_the_vendor_describes_it(name: str) -> None:
    ours, theirs = {**OPERATIONS, **MORE}[name], described()[name]
    assert (ours.method, ours.path) == (theirs["method"], theirs["path"])
    assert ours.scopes == set(theirs["scopes"])
    rate = Rate(theirs["burst_per_second"], theirs["steady_per_minute"], theirs["per_day"])
    assert ours.rate == rate
    slower = {(w["burst_per_second"], w["steady_per_minute"]) for w in theirs.get("with_parameter", [])}
    assert slower == ({(ours.slow.burst, ours.slow.steady)} if ours.slow else set())


@pytest.mark.parametrize("resource", sorted(LISTED))
def test_the_simulator_allows_the_filters_that_klaviyo_allows(resource: str) -> None:
    area, path = LISTED[resource]
    document = json.loads((shared("contracts/klaviyo") / f"{area}.json").read_text(encoding="utf-8"))
    theirs = document["paths"][path]["get"]["x-klaviyo-filters"]
    for name, allowed in ALLOWED[resource].items():
        operators = theirs[name]["operators"]
        assert allowed.single == set(operators.get("single", [])), name
        assert allowed.listed == set(operators.get("list", [])), name


@pytest.mark.parametrize("rate", sorted({o.rate for o in OPERATIONS.values()}, key=lambda r: r.steady))
def test_our_pace_stays_under_both_windows_and_uses_nine_tenths(rate: Rate) -> None:
    pace = windows("call", rate, daily_reserve=0.1)[0]
    assert pace.rate_per_s is not None
    for seconds, most in ((1, rate.burst), (60, rate.steady)):
        assert pace.rate_per_s * seconds + pace.burst + 1 < most + 1  # whole calls
    assert pace.rate_per_s * 60 >= 0.9 * rate.steady


ARGUMENTS: dict[str, dict[str, Any]] = {
    "get_profiles": {
        "filter": "greater-than(updated,2026-11-01T00:00:00Z)",
        "sort": "updated",
        "page_size": 100,
        "additional_fields_profile": ["subscriptions", "predictive_analytics"],
    },
    "get_events": {"filter": 'equals(metric_id,"M1")', "page_size": 1000, "include": ["profile"]},
}
BODIES: dict[str, dict[str, Any]] = {
    "create_list": {"data": {"type": "list", "attributes": {"name": "VIP"}}},
    "update_list": {"data": {"type": "list", "id": "01A", "attributes": {"name": "VIP"}}},
    "add_profiles_to_list": {"data": [{"type": "profile", "id": "01A"}]},
    "remove_profiles_from_list": {"data": [{"type": "profile", "id": "01A"}]},
    "request_profile_deletion": {
        "data": {
            "type": "data-privacy-deletion-job",
            "attributes": {"profile": {"data": {"type": "profile", "id": "01A", "attributes": {}}}},
        }
    },
    "bulk_unsubscribe_profiles": {
        "data": {
            "type": "profile-subscription-bulk-delete-job",
            "attributes": {
                "profiles": {
                    "data": [
                        {
                            "type": "profile",
                            "attributes": {
                                "email": "ana@example.com",
                                "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}},
                            },
                        }
                    ]
                }
            },
        }
    },
    "bulk_import_profiles": {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {
                "profiles": {
                    "data": [
                        {"type": "profile", "id": "01A", "attributes": {"properties": {"own": ["vip"]}}},
                        {
                            "type": "profile",
                            "id": "01B",
                            "attributes": {},
                            "meta": {"patch_properties": {"unset": ["own"]}},
                        },
                    ]
                }
            },
        }
    },
}


@pytest.fixture(scope="module")
def kit() -> Any:
    """The SDK with its transport taken out: what it would have sent is remembered."""
    from klaviyo_api import KlaviyoAPI

    made = KlaviyoAPI("pk_x", max_retries=1, test_host=BASE)
    sent: list[tuple[Any, ...]] = []

    class Stop(Exception):
        pass

    def call_api(method: str, url: str, headers: Any = None, body: Any = None, *_: Any, **__: Any) -> Any:
        sent.append((method, url, headers, body))
        raise Stop

    made.api_client.call_api = call_api
    areas = ("Accounts", "Profiles", "Lists", "Segments", "Events", "Metrics", "Data_Privacy")
    apis = [getattr(made, area) for area in areas]

    def ask(name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        method = next(getattr(api, name) for api in apis if hasattr(api, name))
        with pytest.raises(Stop):
            method(*args, **kwargs)
        return sent[-1]

    return ask


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_sdk_would_send_the_same_call(kit: Any, name: str) -> None:
    ours = OPERATIONS[name]
    ids = ["01A"] if "{" in ours.path else []
    body = [BODIES[name]] if ours.write and name not in BODILESS else []
    method, url, headers, sent = kit(name, *ids, *body, **ARGUMENTS.get(name, {}))
    assert (method, url.partition("?")[0]) == (
        ours.method,
        BASE + ours.path.replace("{id}", "01A").replace("{job_id}", "01A"),
    )
    assert headers["revision"] == "2026-10-15"
    assert headers["Authorization"] == "Klaviyo-API-Key pk_x"
    if body:
        assert sent == body[0]  # its models neither refuse nor lose anything


def test_our_bodies_have_the_keys_of_those_above(rig: KlaviyoRig) -> None:
    """So that what the SDK's models were asked about is what we send."""
    connector = rig.connect()
    people = contacts(connector, 2)
    field = Audience("*", "segments", AudienceKind.FIELD, "segsync_segments")
    values = ["vip", ""]
    connector.write(
        Batch(field, [Change(Action.SET, i, a, v) for (i, a), v in zip(people, values, strict=True)])
    )
    (sent,) = [json.loads(log.body) for log in rig.simulation.traffic.log if log.method == "POST"]
    assert shape(sent) == shape(
        json.loads(json.dumps(BODIES["bulk_import_profiles"]).replace("own", "segsync_segments"))
    )


def shape(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: shape(value) for key, value in node.items()}
    if isinstance(node, list):
        return [shape(item) for item in node if not isinstance(item, str)]
    return None


def test_the_referee_sees_a_wrong_answer_and_a_wrong_request() -> None:
    folder = shared("contracts/klaviyo")
    headers = {"authorization": "Klaviyo-API-Key pk_x", "revision": "2026-07-15"}
    fine = {"data": [], "links": {"self": f"{BASE}/api/lists", "next": None}}
    good = {"type": "list", "attributes": {"name": "VIP"}}
    for method, body, answer, broken in (
        ("GET", None, fine, 0),
        ("GET", None, {**fine, "data": [{"type": "profile"}]}, 1),
        ("POST", {"data": good}, None, 0),
        ("POST", {"data": {**good, "attributes": {"name": 7}}}, None, 1),
    ):
        sent = b"" if body is None else json.dumps(body).encode()
        more = {"content-type": "application/vnd.api+json"} if sent else {}
        request = Request(method, "/api/lists", {}, {**headers, **more}, sent, BASE)
        made = {"type": "list", "id": "L", "attributes": {"name": "VIP"}, "links": {"self": f"{BASE}/x"}}
        content = answer if method == "GET" else {"data": {**made, "relationships": {}}}
        reply = Reply(200 if method == "GET" else 201, json.dumps(content).encode())
        for referee in (Referee(folder), Referee(folder)):  # the second one knows the exchange already
            referee(request, reply)
            assert len(referee.broken) == broken, (referee.broken, broken)


def test_the_description_knows_every_path_of_ours() -> None:
    folder = shared("contracts/klaviyo")
    for name, known in OPERATIONS.items():
        if name in UNDESCRIBED or known.write:
            continue
        area = known.path.split("/")[2].partition("-")[0]
        area = {"profile": "profiles", "data": "data_privacy"}.get(area, area)
        path = known.path.replace("{id}", "01A").replace("{job_id}", "01A")
        headers = {"authorization": "Klaviyo-API-Key pk_x", "revision": "2026-07-15"}
        request = MockRequest(BASE, "get", path, headers=headers)
        description(folder, area).validate_request(request)
