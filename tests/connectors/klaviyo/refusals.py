"""How Klaviyo is known to refuse a call, and what each refusal must lead to (reference, section 3)."""

from __future__ import annotations

from connectors.errors import (
    AudienceLost,
    BatchRefused,
    ConnectorError,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from connectors.klaviyo.simulator import challenge
from tests.connectors.prescribing import Refusal, bare, told


def refused(
    status: int, code: str, reaction: type[ConnectorError], detail: str = "", **headers: str
) -> Refusal:
    """As JSON:API."""
    error = {"id": "x", "status": status, "code": code, "title": code, "detail": detail}
    return told(status, {"errors": [error]}, reaction, **headers)


DOCUMENTED = (
    refused(400, "invalid", BatchRefused, "ana@example.com is wrong"),
    refused(401, "not_authenticated", Unauthorized),
    refused(401, "authentication_failed", Unauthorized),
    refused(403, "permission_denied", Unauthorized),
    refused(404, "not_found", AudienceLost),
    refused(409, "conflict", UnexpectedResponse),
    refused(410, "gone", UnexpectedResponse),
    refused(413, "payload_too_large", BatchRefused),
    refused(429, "throttled", RateLimited, Retry_After="3600"),
    refused(429, "throttled", RateLimited, "Request was throttled. Expected available in 3600 seconds."),
    refused(500, "error", Unavailable),
    Refusal(challenge(), Unavailable),
    bare(404, b"<html>not here</html>", UnexpectedResponse),
    bare(502, b"<html>bad gateway</html>", Unavailable),
    bare(503, b"", Unavailable),
    bare(524, b"", Unavailable),
)
