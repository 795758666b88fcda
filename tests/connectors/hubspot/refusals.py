"""How HubSpot is known to refuse a call, and what each refusal must lead to (reference, section 3)."""

from __future__ import annotations

from connectors.errors import (
    AudienceLost,
    ConnectorError,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from tests.connectors.prescribing import Refusal, bare, told


def refused(status: int, category: str, reaction: type[ConnectorError], message: str = "no") -> Refusal:
    """In HubSpot's own form."""
    return told(status, {"status": "error", "message": message, "category": category}, reaction)


DAILY = {"status": "error", "message": "You have reached your daily limit.", "policyName": "DAILY"}
TEN_SECONDLY = {
    "status": "error",
    "message": "You have reached your ten_secondly_rolling limit.",
    "errorType": "RATE_LIMIT",
    "policyName": "TEN_SECONDLY_ROLLING",
}
DOCUMENTED = (
    refused(401, "INVALID_AUTHENTICATION", Unauthorized),
    refused(401, "EXPIRED_AUTHENTICATION", Unauthorized),
    refused(403, "MISSING_SCOPES", Unauthorized),
    refused(404, "OBJECT_NOT_FOUND", AudienceLost),
    refused(409, "CONFLICT", Unavailable),
    told(429, DAILY, RateLimited),
    told(429, TEN_SECONDLY, RateLimited, Retry_After="3600"),
    bare(477, b"", RateLimited),
    refused(400, "VALIDATION_ERROR", UnexpectedResponse, "Invalid input JSON on line 1, column 7: x"),
    refused(405, "METHOD_NOT_ALLOWED", UnexpectedResponse),
    bare(404, b"<html>not here</html>", UnexpectedResponse),
    bare(500, b"", Unavailable),
    bare(502, b"<html>bad gateway</html>", Unavailable),
    bare(503, b"", Unavailable),
    bare(504, b"", Unavailable),
    bare(524, b"", Unavailable),
)
