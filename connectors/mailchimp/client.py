"""Calls to Mailchimp through its SDK, with the transport replaced. The only importer of the SDK.

The SDK's own transport turns failures into successes (an empty or broken body comes back as a response
object) and opens a socket per call; `PooledApiClient` overrides `call_api`, where every generated method
ends. `Client` paces calls, counts them and turns answers into the engine's reactions. What remains a
`Refused` is for the caller to judge: a 400, 404 or 405 with a problem document.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from mailchimp_marketing.api.campaigns_api import CampaignsApi
from mailchimp_marketing.api.ecommerce_api import EcommerceApi
from mailchimp_marketing.api.lists_api import ListsApi
from mailchimp_marketing.api.ping_api import PingApi
from mailchimp_marketing.api.reports_api import ReportsApi
from mailchimp_marketing.api.root_api import RootApi
from mailchimp_marketing.api_client import ApiClient
from requests.adapters import HTTPAdapter

from connectors.budget import Budget
from connectors.errors import ConnectorError, RateLimited, Unauthorized, Unavailable, UnexpectedResponse
from connectors.pacing import Clock, Limits, Pacer, retry_after_s
from connectors.redaction import without_addresses
from connectors.server_time import ServerTime
from connectors.standing import AtOnce

Json = dict[str, Any]
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PATIENCE_WITH_BARE_403 = 10
"""The gateway answers a 403 without a problem document when it is busy; only so many in a row mean it."""


class Refused(Exception):
    """An answer that is no success. `problem` tells whether it came with a problem document."""

    def __init__(
        self,
        status: int,
        *,
        title: str = "",
        detail: str = "",
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        problem: bool = False,
    ) -> None:
        super().__init__(status, title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.problem = problem

    @property
    def missing(self) -> bool:
        """Mailchimp itself (and not something on the way) says that there is no such thing."""
        return self.status == 404 and self.problem

    @property
    def reason(self) -> str:
        """A sentence without personal values."""
        fields = "; ".join(f"{e.get('field', '')}: {e.get('message', '')}" for e in self.errors)
        return without_addresses(" ".join(part for part in (self.detail or self.title, fields) if part))

    @property
    def code(self) -> str:
        """The title as a short stable word, e.g. `invalid_resource`."""
        return re.sub(r"\W+", "_", self.title.lower()).strip("_") or f"status_{self.status}"


class PooledApiClient(ApiClient):  # type: ignore[misc]
    """The SDK's client with one bounded, blocking pool and honest answers.

    Returns None for 204 and a dict for every other success; raises `Refused` for everything else, also
    for a success whose body is not a JSON object. Cookies are refused; the key is never logged.
    """

    def __init__(
        self,
        *,
        key: str,
        base_url: str,
        timeout_s: tuple[float, float] = (5, 130),
        connections: int = 6,
        answered: Callable[[Mapping[str, str]], object] = lambda _: None,
    ) -> None:
        super().__init__({"api_key": key, "server": ""})  # "" switches the SDK's url.replace off
        self.host = base_url.rstrip("/") + "/3.0"
        self.timeout_s = timeout_s
        self.answered = answered
        self.session = requests.Session()
        self.session.auth = ("segsync", key)
        # A company's proxy and certificates hold for Mailchimp, never for a simulator on this machine.
        self.session.trust_env = urlsplit(base_url).hostname not in LOOPBACK
        self.default_headers["User-Agent"] = "segsync (mailchimp-marketing 3.0.80)"
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            adapter = HTTPAdapter(pool_maxsize=connections, pool_block=True, max_retries=0)
            self.session.mount(scheme, adapter)

    def call_api(
        self,
        resource_path: str,
        method: str,
        path_params: Mapping[str, object] | None = None,
        query_params: Any = None,
        header_params: Mapping[str, str] | None = None,  # noqa: ARG002 - the SDK's signature
        body: object = None,
        collection_formats: Mapping[str, str] | None = None,
        **ignored: object,  # noqa: ARG002
    ) -> Json | None:
        for name, value in (path_params or {}).items():
            resource_path = resource_path.replace("{%s}" % name, quote(str(value), safe=""))  # noqa: UP031
        query = [
            (name, str(value).lower() if isinstance(value, bool) else value)
            for name, value in self.parameters_to_tuples(query_params or [], collection_formats)
        ]
        try:
            answer = self.session.request(
                method,
                self.host + resource_path,
                params=query,
                timeout=self.timeout_s,
                data=None if body is None else json.dumps(body),
                headers=self.default_headers,
            )
        except requests.RequestException as error:
            raise Refused(0, title=type(error).__name__) from None
        self.answered(answer.headers)
        if answer.status_code == 204:
            return None
        try:
            content = answer.json()
        except ValueError:
            content = None
        if answer.status_code < 400 and isinstance(content, dict):
            return content
        problem = isinstance(content, dict) and "title" in content
        told = content if problem else {}
        raise Refused(
            answer.status_code,
            title=str(told.get("title") or answer.reason or ""),
            detail=str(told.get("detail") or ""),
            errors=[e for e in told.get("errors") or [] if isinstance(e, dict)],
            headers=answer.headers,
            problem=problem,
        )


class Client:
    """Paced, counted calls. Every method raises the engine's reactions, or `Refused` for the caller."""

    def __init__(
        self, *, key: str, base_url: str, connections: int, clock: Clock, budget: Budget | None = None
    ) -> None:
        self.time = ServerTime(
            clock, lambda: self.read(self.ping.get, expect="health_status"), refused=Refused
        )
        self._api = PooledApiClient(
            key=key, base_url=base_url, connections=connections, answered=self.time.heard
        )
        self._clock = clock
        at_once = AtOnce("at once", connections)
        self.pacer = Pacer(Limits(concurrency=connections, at_once=at_once), clock=clock, budget=budget)
        self._lock = threading.Lock()
        self._bare_403 = 0
        self.reads = 0
        self.writes = 0
        self.lists = ListsApi(self._api)
        self.reports = ReportsApi(self._api)
        self.campaigns = CampaignsApi(self._api)
        self.ecommerce = EcommerceApi(self._api)
        self.ping = PingApi(self._api)
        self.root = RootApi(self._api)

    def close(self) -> None:
        """Let go of all sockets."""
        self._api.session.close()

    def read(self, method: Callable[..., Any], *args: object, expect: str, **kwargs: object) -> Json:
        """A GET whose answer must have the key `expect`."""
        return self._call(method, args, kwargs, expect=expect, write=False) or {}

    def write(
        self, method: Callable[..., Any], *args: object, expect: str | None, **kwargs: object
    ) -> Json | None:
        """Any other call; `expect` None for those that answer 204."""
        return self._call(method, args, kwargs, expect=expect, write=True)

    def _call(
        self,
        method: Callable[..., Any],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        *,
        expect: str | None,
        write: bool,
    ) -> Json | None:
        def send() -> Json | None:
            with self._lock:
                if write:
                    self.writes += 1
                else:
                    self.reads += 1
            try:
                answer: Json | None = method(*args, **kwargs)
            except Refused as refused:
                reaction = self._reaction(refused)
                if reaction is None:
                    raise
                raise reaction from None
            self._count_bare_403(None)
            if expect is not None and expect not in (answer or {}):
                raise Unavailable("Mailchimp's answer is incomplete; the same call is sent again")
            return answer

        return self.pacer.call(send)

    def _count_bare_403(self, refused: Refused | None) -> int:
        with self._lock:
            bare = refused is not None and refused.status == 403 and not refused.problem
            self._bare_403 = self._bare_403 + 1 if bare else 0
            return self._bare_403

    def _reaction(self, refused: Refused) -> ConnectorError | None:
        """What the engine has to do; None: the caller knows better what the refusal means."""
        bare_403 = self._count_bare_403(refused)
        status = refused.status
        if status == 0:
            return Unavailable(f"Mailchimp did not answer ({refused.title})")
        if status == 401:
            return Unauthorized(f"Mailchimp does not accept the API key: {refused.reason}")
        if status == 403:
            if refused.problem:
                return Unauthorized(f"Mailchimp forbids this: {refused.reason}")
            if bare_403 >= PATIENCE_WITH_BARE_403:
                return Unauthorized(f"Mailchimp refused {bare_403} calls in a row without giving a reason")
            return RateLimited("Mailchimp's gateway is busy", retry_after_s=self._retry_after_s(refused))
        if status == 429:
            return RateLimited(
                "Mailchimp has too many calls of ours", retry_after_s=self._retry_after_s(refused)
            )
        if status in (408, 423, 425) or status >= 500 or 200 <= status < 300:
            return Unavailable(f"Mailchimp answered {status} without a readable result")
        if not refused.problem:
            return UnexpectedResponse(f"something that is not Mailchimp answered {status}; check base_url")
        return None

    def _retry_after_s(self, refused: Refused) -> float | None:
        return retry_after_s(refused.headers.get("Retry-After"), now=self._clock.utc_now())
