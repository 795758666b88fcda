"""What HubSpot's error answers mean. Pure: status, headers and body in, the engine's reaction out.

All keys of an error body are optional, and what stands between us and HubSpot answers HTML; only a 404 in
HubSpot's own form says that something is gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.errors import (
    ConnectorError,
    QuotaSpent,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from connectors.redaction import without_addresses

Json = dict[str, Any]
SEARCH_WAIT_S = 1.0
CONFLICT_WAIT_S = 2.0
WINDOW_WAIT_S = 10.0
DAILY_WAIT_S = 3600.0
"""A used-up day ends at midnight of the account, whose time zone no answer names: ask again every hour."""
MOVING_WAIT_S = 3600.0


class Refused(Exception):
    """A refusal that the caller has to judge: 400, 404, 409, 413 and 414 in HubSpot's own form."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body

    @property
    def missing(self) -> bool:
        """HubSpot itself (and not something on the way) says that there is no such thing."""
        return self.status == 404

    @property
    def too_big(self) -> bool:
        """The call holds too much."""
        return self.status in (413, 414)

    @property
    def words(self) -> set[str]:
        """The short codes of what was wrong, e.g. INVALID_OPTION."""
        return set(error_words(self.body))

    @property
    def code(self) -> str:
        """One short stable word."""
        found = sorted(self.words) or [str(self.body.get("category") or "")]
        return found[0].lower() or f"status_{self.status}"

    @property
    def reason(self) -> str:
        """A sentence without personal values."""
        return error_reason(self.body) or f"HubSpot answered {self.status}"


def error_words(error: Mapping[str, Any]) -> Iterator[str]:
    """`error` words of a body or of one entry of `errors`; they may stand in a JSON list inside a text."""
    for told in (error, *_entries(error.get("errors"))):
        for word in (told.get("errorType"), told.get("error"), told.get("code"), told.get("subCategory")):
            if isinstance(word, str) and word:
                yield word
        for result in _entries(told.get("validationResults")):
            yield str(result.get("error") or "INVALID")
        yield from re.findall(r'"error"\s*:\s*"([A-Z_]+)"', str(told.get("message") or ""))


def error_reason(error: Mapping[str, Any]) -> str:
    """HubSpot's words, without addresses and without the list of options inside."""
    texts = [str(told.get("message") or "") for told in (error, *_entries(error.get("errors")))]
    texts += [str(told.get("message") or "") for told in _entries(error.get("validationResults"))]
    whole = " ".join(dict.fromkeys(text for text in texts if text))
    return without_addresses(re.sub(r"\[[^\[\]]{80,}\]", "[…]", whole))[:500]


def parsed(body: object) -> Json | None:
    """The body as a JSON object; None for everything else (HTML, half an answer, nothing)."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", errors="replace")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return None
    return body if isinstance(body, dict) else None


def reaction(status: int, *, headers: Mapping[str, str], body: Json | None) -> ConnectorError | Refused:
    """What has to happen after an answer that is no success."""
    own = body is not None and ("message" in body or "category" in body or body.get("status") == "error")
    told = body or {}
    if status == 429:
        return _limited(headers, told)
    if status == 401:
        return Unauthorized(
            "HubSpot does not accept the token: renew the service key (or the app's authorisation) and "
            f"put it into the config. HubSpot says: {error_reason(told) or 'nothing'}"
        )
    if status == 403:
        return _forbidden(told)
    if status == 423:
        return RateLimited("HubSpot has locked this record for a moment", retry_after_s=CONFLICT_WAIT_S)
    if status == 477:
        wait_s = retry_after_s(headers)
        return RateLimited(
            "HubSpot is moving this account to another data centre",
            retry_after_s=MOVING_WAIT_S if wait_s is None else wait_s,
        )
    if status in (408, 425) or status >= 500 or 200 <= status < 300:
        return Unavailable(f"HubSpot answered {status} without a readable result")
    if not own:
        return UnexpectedResponse(
            f"something answered {status} that is not HubSpot's API, or not in this version; "
            "check base_url and api_version"
        )
    if status == 400 and "Invalid input JSON" in str(told.get("message")):
        return UnexpectedResponse(f"HubSpot does not understand a call of ours: {error_reason(told)}")
    if status in (400, 404, 409, 413, 414):
        return Refused(status, told)
    return UnexpectedResponse(f"HubSpot answered {status}: {error_reason(told)}")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, where HubSpot names them (it need not)."""
    try:
        return max(0.0, float(_header(headers, "Retry-After") or ""))
    except ValueError:
        return None


def _limited(headers: Mapping[str, str], told: Json) -> RateLimited:
    """Search counts by the second, the rest by a window of ten seconds and by the day."""
    wait_s = retry_after_s(headers)
    policy = f"{told.get('policyName') or ''} {told.get('message') or ''}".lower()
    if "daily" in policy:
        return QuotaSpent(
            "the account's HubSpot calls for today are used up",
            retry_after_s=DAILY_WAIT_S if wait_s is None else wait_s,
        )
    if wait_s is None:
        wait_s = WINDOW_WAIT_S
        interval = _header(headers, "X-HubSpot-RateLimit-Interval-Milliseconds")
        if "secondly limit" in policy and "ten_secondly" not in policy:
            wait_s = SEARCH_WAIT_S
        elif interval and interval.isdigit():
            wait_s = int(interval) / 1000
    return RateLimited("HubSpot has too many calls from this account", retry_after_s=wait_s)


def _forbidden(told: Json) -> Unauthorized:
    scopes: list[str] = []
    for error in _entries(told.get("errors")):
        context = error.get("context")
        if isinstance(context, dict):
            for name in ("requiredGranularScopes", "requiredScopes"):
                scopes.extend(str(scope) for scope in context.get(name) or [])
    if scopes:
        some = ", ".join(dict.fromkeys(scopes))
        message = f"HubSpot refuses this call: the key lacks the scope {some}; add it to the service key"
        return Unauthorized(message, scopes=tuple(dict.fromkeys(scopes)))
    return Unauthorized(f"HubSpot forbids this call: {error_reason(told) or 'it names no reason'}")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the headers of an answer say of the limits; None where they are silent."""

    window_calls: int | None
    window_s: float
    day_calls: int | None
    day_remaining: int | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Allowance:
        interval = _number(headers, "X-HubSpot-RateLimit-Interval-Milliseconds")
        return cls(
            window_calls=_number(headers, "X-HubSpot-RateLimit-Max"),
            window_s=(interval or 10_000) / 1000,
            day_calls=_number(headers, "X-HubSpot-RateLimit-Daily"),
            day_remaining=_number(headers, "X-HubSpot-RateLimit-Daily-Remaining"),
        )


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = _header(headers, name) or ""
    return int(text) if text.isdigit() else None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    found = headers.get(name)
    if found is None:
        found = next((value for key, value in headers.items() if key.lower() == name.lower()), None)
    return found


def _entries(value: object) -> Sequence[Json]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
