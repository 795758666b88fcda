"""Klaviyo's own OpenAPI description over everything that goes in and out of the simulator.

Checks the form only: unknown keys, numbers of items and forbidden filters pass it, so the simulator looks
after those itself. Requests that the simulator refuses with 4xx are not held against the sender.

The verdict follows from what was asked and answered alone, so the same exchange is judged once in a process:
most tests begin with the same pages of the same people.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.testing import MockRequest, MockResponse

from connectors.simulation import Reply, Request
from tests.shared import ROOT

FOLDER = ROOT / "contracts/klaviyo"
BASE = "http://simulator.test"
AREAS = {
    "profiles": "profiles",
    "profile": "profiles",
    "lists": "lists",
    "segments": "segments",
    "events": "events",
    "metrics": "metrics",
    "data": "data_privacy",
}


@cache
def description(folder: Path, area: str) -> OpenAPI:
    """One area of the description, mended where the real service is known to differ from it."""
    document = json.loads((folder / f"{area}.json").read_text(encoding="utf-8"))
    document["servers"] = [{"url": BASE}]
    _mend(document)
    return OpenAPI.from_dict(document)


def _mend(node: Any) -> None:
    """Last pages carry null links; and `nullable` beside `oneOf` is not understood by the validator."""
    if isinstance(node, dict):
        if node.get("nullable") and isinstance(node.get("oneOf"), list) and "$ref" not in node["oneOf"][0]:
            node["oneOf"][0]["nullable"] = True
        properties = node.get("properties")
        for name in ("next", "prev"):
            link = properties.get(name) if isinstance(properties, dict) else None
            if isinstance(link, dict) and link.get("format") == "uri":
                link["nullable"] = True
        for value in node.values():
            _mend(value)
    elif isinstance(node, list):
        for value in node:
            _mend(value)


class Referee:
    """Given to a simulator, it remembers what broke the description. Long collections: every `sample`th."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self.seen = 0
        self.broken: list[str] = []

    def __call__(self, request: Request, reply: Reply) -> None:
        area = AREAS.get(request.path.removeprefix("/api/").partition("/")[0].partition("-")[0])
        if area is None:
            return
        self.seen += 1
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        packed = "Content-Encoding" in reply.headers
        body = gzip.decompress(reply.body) if packed else reply.body
        body = body.replace(request.address.encode(), BASE.encode())  # in links: another port for every test
        exchange = (
            *(self._folder, area, request.method, request.path, request.body, reply.status),
            *(frozenset(request.query.items()), frozenset(headers.items()), hashlib.sha256(body).digest()),
        )
        if exchange not in VERDICTS:
            spec = description(self._folder, area)
            VERDICTS[exchange] = _judged(spec, request, headers, reply.status, body)
        self.broken.extend(VERDICTS[exchange])


VERDICTS: dict[tuple[object, ...], tuple[str, ...]] = {}
"""What broke the description, by exchange."""


def _judged(
    spec: OpenAPI, request: Request, headers: dict[str, str], status: int, body: bytes
) -> tuple[str, ...]:
    """What of one exchange breaks the description."""
    broken: list[str] = []
    query = dict(request.query)
    asked = MockRequest(
        BASE,
        request.method.lower(),
        request.path.rstrip("/"),
        args=query,
        headers=headers,
        data=request.body or None,
        content_type=request.headers.get("content-type", "application/vnd.api+json"),
    )
    where = f"{request.method} {request.path}?{urlencode(query)}"
    if status < 400:
        try:
            spec.validate_request(asked)
        except OpenAPIError as error:
            broken.append(f"request {where}: {_why(error)}")
    if not body and status in (202, 204):
        return tuple(broken)
    answered = MockResponse(_shortened(body), status_code=status, content_type="application/vnd.api+json")
    try:
        spec.validate_response(asked, answered)
    except PathError as error:
        if status < 400:
            broken.append(f"{where}: {_why(error)}")
    except OpenAPIError as error:
        broken.append(f"answer {status} to {where}: {_why(error)}")
    return tuple(broken)


def _shortened(body: bytes) -> bytes:
    """Three of many rows are as good as all of them, and a hundred times faster."""
    content = json.loads(body)
    for name in ("data", "included"):
        rows = content.get(name)
        if isinstance(rows, list) and len(rows) > 3:
            content[name] = [rows[0], rows[len(rows) // 2], rows[-1]]
    return json.dumps(content).encode()


def _why(error: BaseException) -> str:
    """The class of the first error and what the schema said, without the whole answer."""
    reasons: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        reasons.extend(
            f"{list(d.absolute_path)}: {d.message[:200]}" for d in getattr(cause, "schema_errors", [])
        )
        cause = cause.__cause__
    return f"{type(error).__name__} {'; '.join(reasons) or str(error)[:300]}"
