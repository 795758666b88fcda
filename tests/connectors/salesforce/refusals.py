"""How Salesforce is known to refuse a call, and what each refusal must lead to (reference, section 3)."""

from __future__ import annotations

from connectors.errors import (
    BatchRefused,
    ConnectorError,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from tests.connectors.prescribing import Refusal, bare, told


def listed(status: int, code: str, reaction: type[ConnectorError], message: str = "words") -> Refusal:
    """Top-level errors are a list of one."""
    return told(status, [{"message": message, "errorCode": code}], reaction)


DOCUMENTED = (
    listed(400, "JSON_PARSER_ERROR", BatchRefused),
    listed(400, "UNKNOWN_EXCEPTION", BatchRefused, "for ana@example.com"),
    listed(400, "EXCEEDED_MAX_SIZE_REQUEST", BatchRefused),
    listed(401, "INVALID_SESSION_ID", Unauthorized),  # also with a session that was just opened
    listed(403, "API_DISABLED_FOR_ORG", Unauthorized),
    listed(403, "INSUFFICIENT_ACCESS", Unauthorized),
    listed(403, "FUNCTIONALITY_NOT_ENABLED", Unauthorized),
    listed(403, "REQUEST_LIMIT_EXCEEDED", RateLimited, "TotalRequests Limit exceeded."),
    listed(500, "UNKNOWN_EXCEPTION", Unavailable),
    bare(403, b"", Unavailable),
    bare(404, b"<html>not here</html>", UnexpectedResponse),
    bare(414, b"", UnexpectedResponse),
    bare(503, b"<html>SERVER_UNAVAILABLE</html>", Unavailable),
    bare(503, b"", Unavailable),
)
