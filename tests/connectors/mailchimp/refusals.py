"""How Mailchimp is known to refuse a call, and what each refusal must lead to (reference, section 3)."""

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
from tests.connectors.prescribing import Refusal, bare, told


def problem(
    status: int, title: str, reaction: type[ConnectorError], detail: str = "", **headers: str
) -> Refusal:
    """As `application/problem+json`."""
    content = {"type": "x", "title": title, "status": status, "detail": detail, "instance": "1"}
    return told(status, content, reaction, Content_Type="application/problem+json; charset=utf-8", **headers)


DOCUMENTED = (
    problem(401, "API Key Invalid", Unauthorized, "Your API key may be invalid"),
    problem(401, "API Key Missing", Unauthorized),
    problem(403, "Forbidden", Unauthorized),
    problem(403, "User Disabled", Unauthorized),
    problem(403, "Wrong Datacenter", Unauthorized, "linked to datacenter 'us6'"),
    problem(400, "Invalid Resource", BatchRefused, "ana@example.com is not valid"),
    problem(400, "Bad Request", BatchRefused, "Maximum allowed member items exceeded"),
    problem(400, "JSON Parse Error", BatchRefused),
    problem(404, "Resource Not Found", AudienceLost),
    problem(405, "Method Not Allowed", UnexpectedResponse),
    problem(429, "Too Many Requests", RateLimited, Retry_After="3600"),
    problem(500, "Internal Server Error", Unavailable),
    problem(503, "Service Unavailable", Unavailable),
    bare(403, b"", Unauthorized),  # the tenth in a row
    bare(404, b"<html>not here</html>", UnexpectedResponse),
    bare(502, b"<html>bad gateway</html>", Unavailable),
    bare(504, b"", Unavailable),
)
