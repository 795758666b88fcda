"""What an answer of Klaviyo's means for the engine. Knows no SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.errors import ConnectorError, RateLimited, Unauthorized, Unavailable, UnexpectedResponse
from connectors.pacing import retry_after_s
from connectors.redaction import without_addresses

Json = dict[str, Any]
SCOPE = re.compile(r"\b[a-z]+(?:-[a-z]+)*:(?:read|write)\b")
GONE = "this version of segsync speaks a revision of Klaviyo's API that is retired: update segsync"


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of `errors`. `detail` may hold addresses and ids; show `reason` to people."""

    code: str
    title: str
    detail: str
    pointer: str
    parameter: str

    @property
    def reason(self) -> str:
        """A sentence without personal values."""
        return without_addresses(self.detail or self.title or self.code)


class Refused(Exception):
    """An answer that is no success. `json_api` tells whether Klaviyo itself said so, in its own form."""

    def __init__(self, status: int, *, faults: Sequence[Fault] = (), json_api: bool = False) -> None:
        super().__init__(status)
        self.status = status
        self.faults = tuple(faults)
        self.json_api = json_api

    @property
    def missing(self) -> bool:
        """Klaviyo itself (and not something on the way) says that there is no such thing."""
        return self.status == 404 and self.json_api

    @property
    def code(self) -> str:
        """Short and stable, e.g. `invalid`."""
        return self.faults[0].code if self.faults else f"status_{self.status}"

    @property
    def reason(self) -> str:
        """Sentences without personal values."""
        return "; ".join(dict.fromkeys(fault.reason for fault in self.faults)) or f"status {self.status}"


def refusal(status: int, body: bytes) -> Refused:
    """The refusal as an exception, whatever the body holds."""
    content = parsed(body)
    given = content.get("errors") if content is not None else None
    faults = [_fault(one) for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    return Refused(status, faults=faults, json_api=bool(faults))


def parsed(body: bytes) -> Json | None:
    """The body as a JSON object; None if it is none."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _fault(one: Mapping[str, Any]) -> Fault:
    source = one.get("source")
    where = source if isinstance(source, Mapping) else {}
    return Fault(
        code=str(one.get("code") or ""),
        title=str(one.get("title") or ""),
        detail=str(one.get("detail") or ""),
        pointer=str(where.get("pointer") or ""),
        parameter=str(where.get("parameter") or ""),
    )


def reaction(
    refused: Refused, headers: Mapping[str, str], *, scopes: frozenset[str], now: datetime
) -> ConnectorError | None:
    """What the engine has to do; None: the caller knows better what it means (400, 404, 409, 413)."""
    status = refused.status
    if status == 429:
        return RateLimited(
            "Klaviyo has too many calls of this account", retry_after_s=wait_s(refused, headers, now)
        )
    if status == 401:
        return Unauthorized("Klaviyo does not accept the API key; give a private key that is still valid")
    if status == 403:
        if not refused.json_api:  # a bot check on the way, which says nothing about the key
            return Unavailable("Klaviyo's gateway put a call off without giving a reason")
        needed = _scopes_named(refused) or tuple(sorted(scopes))
        return Unauthorized(f"the API key needs these scopes in Klaviyo: {', '.join(needed)}", scopes=needed)
    if status == 410:
        return UnexpectedResponse(GONE)
    if status in (408, 425) or status >= 500:
        return Unavailable(f"Klaviyo answered {status}")
    if not refused.json_api and status != 413:
        return UnexpectedResponse(f"something that is not Klaviyo answered {status}; check base_url")
    return None


def _scopes_named(refused: Refused) -> tuple[str, ...]:
    """The scopes a refusal names, such as `lists:write`; Klaviyo need not name any."""
    found = [name for fault in refused.faults for name in SCOPE.findall(fault.detail)]
    return tuple(dict.fromkeys(found))


def wait_s(refused: Refused, headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait after a 429: the header, else the number in the text; None: nobody said."""
    named = retry_after_s(headers.get("Retry-After"), now=now)
    if named is not None:
        return named
    for fault in refused.faults:
        found = re.search(r"available in (\d+)", fault.detail)
        if found:
            return max(1.0, float(found[1]))
    return None


def whole_number(text: str | None) -> int | None:
    """The first whole number of a header such as `150, 150;w=60`."""
    found = re.search(r"\d+", text or "")
    return None if found is None else int(found[0])
