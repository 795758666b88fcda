"""Every documented error body leads to its reaction, and no message names anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.errors import (
    ConnectorError,
    QuotaSpent,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from connectors.hubspot.answers import Allowance, Refused, parsed, reaction
from connectors.simulation import Kind, Reply, Request, Script
from tests.connectors.hubspot.conftest import Portal

SEARCH_429 = {
    "status": "error",
    "message": "You have reached your secondly limit.",
    "category": "RATE_LIMITS",
}
WINDOW_429 = {
    "status": "error",
    "message": "You have reached your ten_secondly_rolling limit.",
    "errorType": "RATE_LIMIT",
    "policyName": "TEN_SECONDLY_ROLLING",
}
DAILY_429 = {"status": "error", "message": "You have reached your daily limit.", "policyName": "DAILY"}
INTERVAL = {"X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}


def told(message: str, category: str = "VALIDATION_ERROR") -> dict[str, str]:
    return {"status": "error", "message": message, "category": category}


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected", "wait_s"),
    [
        (400, {}, told("no"), Refused, None),
        (400, {}, told("Invalid input JSON on line 1, column 7: x"), UnexpectedResponse, None),
        (400, {}, None, UnexpectedResponse, None),
        (401, {}, told("no", "INVALID_AUTHENTICATION"), Unauthorized, None),
        (401, {}, None, Unauthorized, None),
        (403, {}, told("no", "MISSING_SCOPES"), Unauthorized, None),
        (404, {}, told("resource not found", "OBJECT_NOT_FOUND"), Refused, None),
        (404, {}, None, UnexpectedResponse, None),
        (405, {}, None, UnexpectedResponse, None),
        (409, {}, told("Contact already exists. Existing ID: 12345", "CONFLICT"), Refused, None),
        (414, {}, told("URI too long"), Refused, None),
        (423, {}, None, RateLimited, 2),
        (429, {}, SEARCH_429, RateLimited, 1),
        (429, INTERVAL, WINDOW_429, RateLimited, 10),
        (429, {}, WINDOW_429, RateLimited, 10),
        (429, {"Retry-After": "4"}, WINDOW_429, RateLimited, 4),
        (429, {}, DAILY_429, QuotaSpent, 3600),
        (429, {}, None, RateLimited, 10),
        (477, {"Retry-After": "86400"}, None, RateLimited, 86400),
        (477, {}, None, RateLimited, 3600),
        (500, {}, None, Unavailable, None),
        (502, {}, None, Unavailable, None),
        (503, {}, None, Unavailable, None),
        (504, {}, None, Unavailable, None),
        (524, {}, None, Unavailable, None),
        (418, {}, told("a teapot"), UnexpectedResponse, None),
    ],
)
def test_every_error_has_its_reaction(
    status: int, headers: dict[str, str], body: dict[str, Any] | None, expected: type, wait_s: float | None
) -> None:
    found = reaction(status, headers=headers, body=body)
    assert type(found) is expected
    if isinstance(found, RateLimited):
        assert found.retry_after_s == wait_s


def test_a_missing_scope_is_named() -> None:
    for key in ("requiredGranularScopes", "requiredScopes"):
        body = {
            **told("no", "MISSING_SCOPES"),
            "errors": [{"message": "no", "context": {key: ["crm.lists.read"]}}],
        }
        assert "crm.lists.read" in str(reaction(403, headers={}, body=body))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            'Property values were not valid: [{"isValid":false,"message":"x was not one of the allowed '
            'options: [a, b]","error":"INVALID_OPTION","name":"y"}]',
            {"INVALID_OPTION"},
        ),
        ('[{"error":"INVALID_EMAIL"},{"error" : "INVALID_LONG"}]', {"INVALID_EMAIL", "INVALID_LONG"}),
        ("nothing of the kind", set()),
    ],
)
def test_the_words_inside_the_text_are_found(message: str, words: set[str]) -> None:
    assert Refused(400, told(message)).words == words


def test_reasons_carry_no_address() -> None:
    refused = Refused(400, told("Email address ana.lopez@example.com is invalid"))
    assert refused.reason == "Email address (address) is invalid"
    assert refused.code == "validation_error"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"<html>", b"[1]", b'"x"', b'{"half":', None])
def test_a_body_that_is_no_json_object_is_none(body: bytes | None) -> None:
    assert parsed(body) is None


def test_limits_are_read_from_headers_whatever_their_case() -> None:
    found = Allowance.of({"x-hubspot-ratelimit-max": "190", "X-HubSpot-RateLimit-Daily": "650000"})
    assert (found.window_calls, found.window_s, found.day_calls, found.day_remaining) == (
        190,
        10,
        650000,
        None,
    )
    assert Allowance.of({"X-HubSpot-RateLimit-Max": "many"}).window_calls is None


# ---- through the SDK, over HTTP ------------------------------------------------------------------


def answering(portal: Portal, status: int, body: bytes, **headers: str) -> None:
    """The next answers to the lists' search are this one."""
    answer_of = portal.hubspot.answer

    def answer(request: Request) -> Reply:
        if request.path.endswith("/lists/2026-09/search"):
            return Reply(status, body, {k.replace("_", "-"): v for k, v in headers.items()})
        return answer_of(request)

    portal.hubspot.answer = answer  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", Unavailable),
        (200, b"<html>", Unavailable),
        (200, b"[]", Unavailable),
        (200, b"{}", Unavailable),
        (200, b"null", Unavailable),
        (200, b"\xff\xfe\xfa", Unavailable),
        (204, b"", Unavailable),
        (500, b"<html>\xff</html>", Unavailable),
        (502, b"", Unavailable),
        (404, b"<html>not here</html>", UnexpectedResponse),
        (404, json.dumps(told("gone", "OBJECT_NOT_FOUND")).encode(), UnexpectedResponse),
        (405, b"", UnexpectedResponse),
        (400, json.dumps(told("no ana@example.com")).encode(), UnexpectedResponse),
        (301, b"", UnexpectedResponse),
        (429, json.dumps(DAILY_429).encode(), RateLimited),
        (401, b"", Unauthorized),
    ],
)
def test_no_answer_of_any_kind_is_taken_for_a_success(
    portal: Portal, status: int, body: bytes, expected: type[ConnectorError]
) -> None:
    answering(portal, status, body)
    with pytest.raises(expected) as caught:
        portal.connect().audiences()
    assert "@" not in str(caught.value)
    assert portal.hubspot.key not in str(caught.value)


def test_a_record_locked_for_a_moment_is_waited_for(portal: Portal) -> None:
    answers = [Reply(423, b""), Reply(423, b"")]
    answer_of = portal.hubspot.answer

    def answer(request: Request) -> Reply:
        return answers.pop() if answers else answer_of(request)

    portal.hubspot.answer = answer  # type: ignore[method-assign]
    before = portal.clock.now_s()
    portal.connect().audiences()
    assert portal.clock.now_s() - before >= 4


def test_a_fault_on_one_connection_leaves_the_others_alone(portal: Portal) -> None:
    with pytest.raises(Unauthorized):
        portal.connect(**portal.wrong_credentials()).audiences()
    assert portal.connect().audiences() == []


def test_no_message_and_no_log_carries_key_or_address(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    portal.hubspot.add_contact("secret.person@example.com")
    portal.hubspot.faults.add(Script(Kind.HTML_502, "*", nth=2), Script(Kind.RATE_LIMITED, "*", nth=3))
    with caplog.at_level("INFO"):
        portal.rows()
    assert "secret.person" not in caplog.text
    assert portal.hubspot.key not in caplog.text
