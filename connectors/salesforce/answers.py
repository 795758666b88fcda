"""What an answer that is no success means for the engine. Pure; knows no SDK.

Messages of the platform can repeat what was sent, so only the words that name no person get through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.errors import (
    ConnectorError,
    QuotaSpent,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)

QUOTA_WAIT_S = 3600.0
CONCURRENCY_WAIT_S = 60.0
SESSION_OVER = "INVALID_SESSION_ID"


@dataclass(frozen=True, slots=True)
class Answer:
    """The last answer of a thread. `status` 0: there was none."""

    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> list[tuple[str, str]] | None:
        """(code, message) of each error; None if the body is not in the platform's own form."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return None
        rows = content if isinstance(content, list) else [content]
        found = []
        for row in rows:
            if not isinstance(row, dict):
                return None
            code = row.get("errorCode") or row.get("error")
            if not isinstance(code, str):
                return None
            found.append((code, str(row.get("message") or row.get("error_description") or "")))
        return found or None


class Refused(Exception):
    """The platform's own refusal of a whole call, for the caller to judge."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = without_addresses(message)

    @property
    def missing(self) -> bool:
        """There is no such record or object."""
        return self.code in ("NOT_FOUND", "ENTITY_IS_DELETED")


class SessionOver(Exception):
    """The session has ended: log in and send again."""


def without_addresses(text: str) -> str:
    """The text with every e-mail address replaced: messages and logs carry none."""
    return re.sub(r"[^\s\"'<>:]+@[^\s\"'<>]+", "(address)", text)


def first_line(message: str) -> str:
    """The part of an error message that says something: queries are repeated before it."""
    lines = [line.strip() for line in message.splitlines() if line.strip() and line.strip() != "^"]
    return without_addresses(lines[-1] if lines else "")


def reaction(answer: Answer, *, token: bool = False) -> ConnectorError | Refused | SessionOver:
    """What has to be done about an answer. `token`: it came from the login address."""
    status, errors = answer.status, answer.errors
    if status == 0:
        return Unavailable("Salesforce did not answer")
    if status < 300:
        return Unavailable(f"Salesforce answered {status} without a readable result")
    code, message = errors[0] if errors else ("", "")
    if code == "REQUEST_LIMIT_EXCEEDED" or status == 429:
        return _limited(answer, message)
    if status in (408, 420, 425) or status >= 500:
        return Unavailable(f"Salesforce answered {status} {code}".rstrip())
    if not errors:
        if status in (401, 403):
            return Unavailable(f"something before Salesforce answered {status}")
        return UnexpectedResponse(
            f"something that is not Salesforce answered {status}; check domain and base_url"
        )
    if token:
        return Unauthorized(f"Salesforce refuses the login: {code}: {without_addresses(message)}")
    if code == SESSION_OVER:
        return SessionOver()
    if status in (401, 403):
        return Unauthorized(f"Salesforce forbids this: {code}: {first_line(message)}")
    return Refused(status, code, first_line(message))


def _limited(answer: Answer, message: str) -> RateLimited:
    """The platform names no delay: the day's quota takes an hour, too many at once a minute."""
    said = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", said):
        return RateLimited("Salesforce has too many calls", retry_after_s=float(said))
    if "concurrent" in message.lower() or answer.status == 429:
        return RateLimited("Salesforce has too many calls at once", retry_after_s=CONCURRENCY_WAIT_S)
    return QuotaSpent("the org's daily Salesforce calls are used up", retry_after_s=QUOTA_WAIT_S)


def judged(refused: Refused) -> UnexpectedResponse:
    """A refusal nobody expected."""
    return UnexpectedResponse(f"Salesforce answered {refused.status} {refused.code}: {refused.message}")
