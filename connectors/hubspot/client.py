"""Calls to HubSpot through its SDK, with its transport hooked. The only importer of the SDK.

The hook sits in the public `ApiClient.call_api`, which gets the path's template: paths become dated, every
call gets a time limit, every answer comes back as a plain object (the SDK's models drop errors and unknown
keys), all APIs share one pool of connections. `Client` paces and counts calls and turns answers into the
engine's reactions. What remains a `Refused` is for the caller to judge.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from hubspot import HubSpot  # type: ignore[import-untyped]
from urllib3.util.retry import Retry

from connectors.budget import Budget
from connectors.errors import Unauthorized, Unavailable, UnexpectedResponse
from connectors.hubspot.answers import DAILY_WAIT_S, Allowance, Json, Refused, parsed, reaction
from connectors.hubspot.tokens import OAuthApp, OAuthTokens, ServiceKey, Tokens
from connectors.pacing import Clock, Limits, Pacer
from connectors.server_time import ServerTime
from connectors.standing import AtOnce, Quota, Window

LOOPBACK = ("127.0.0.1", "::1", "localhost")
AREA = re.compile(r"^/crm/v[34]/(objects|lists|properties|associations|exports|owners|pipelines)(?=/|$)")
DATED = "2026-09"
TIMEOUT_S = (5.0, 60.0)
SEARCHES = Window.of("search", calls=4, seconds=1)
"""HubSpot allows 5 a second to the whole account (4 in 2022), shared with all its tools."""
ONE_SEARCH = AtOnce("search at once", 1)
FIRST_CALLS = Window.of("calls", calls=100, seconds=10)
"""The smallest plan's, until the headers of the first answer tell more."""
TRIES = 8
"""A first load is ten thousand calls in a row: one that fails five times must not end it."""


def dated_path(path: str, api_version: str) -> str:
    """The SDK's path in the chosen version. LookupError for one that has no known dated form."""
    if api_version == "v3" or f"/{api_version}" in path:
        return path
    new, hits = AREA.subn(rf"/crm/\1/{api_version}", path.rstrip("/"))
    if not hits:
        raise LookupError(f"{path} has no known {api_version} form")
    return new


def _pool(base_url: str, *, connections: int) -> urllib3.PoolManager:
    """One pool for all calls. A company's proxy holds for HubSpot, never for a simulator on this machine."""
    host = urlsplit(base_url).hostname or ""
    options: dict[str, Any] = {
        "maxsize": connections,
        "block": True,
        "retries": Retry(0, redirect=0),
        "ca_certs": os.environ.get("SSL_CERT_FILE") or certifi.where(),
    }
    proxy = getproxies().get(urlsplit(base_url).scheme)
    if proxy and host not in LOOPBACK and not proxy_bypass(host):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


class Hook:
    """Builds the SDK's API objects, once each, around one pool of connections.

    `token` gives the token of the call under way in this thread, `answered` is told the headers of answers.
    """

    def __init__(
        self,
        pool: urllib3.PoolManager,
        *,
        api_version: str,
        token: Callable[[], str],
        answered: Callable[[Mapping[str, str]], None],
    ) -> None:
        self._pool = pool
        self._api_version = api_version
        self._token = token
        self._answered = answered
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Any] = {}

    def __call__(self, package: ModuleType, api_name: str, config: Mapping[str, Any]) -> Any:
        """The SDK's `api_factory`; it asks anew on every access to an API."""
        with self._lock:
            key = package.__name__, api_name
            if key not in self._made:
                self._made[key] = self._build(package, api_name, config)
            return self._made[key]

    def _build(self, package: ModuleType, api_name: str, config: Mapping[str, Any]) -> Any:
        hook = self
        inner: Any = package

        class HookedClient(inner.ApiClient):  # type: ignore[misc]
            def call_api(self, resource_path: str, method: str, *args: Any, **options: Any) -> Any:
                options["_request_timeout"] = TIMEOUT_S
                options["response_types_map"] = dict.fromkeys((200, 201, 202, 207), "object")
                path = dated_path(resource_path, hook._api_version)
                return super().call_api(path, method, *args, **options)

            def update_params_for_auth(
                self,
                headers: dict[str, str],
                queries: Any,  # noqa: ARG002
                auth_settings: Any,  # noqa: ARG002
                request_auth: Any = None,  # noqa: ARG002 - the SDK's signature
            ) -> None:
                headers["Authorization"] = f"Bearer {hook._token()}"

            def request(self, method: str, url: str, **options: Any) -> Any:
                answer = super().request(method, url, **options)
                hook._answered(dict(answer.urllib3_response.headers))
                return answer

        client = HookedClient(configuration=inner.Configuration(host=config.get("host")))
        client.rest_client.pool_manager = self._pool
        client.user_agent = "segsync (hubspot-api-client 12.0.0)"
        return getattr(inner, api_name)(api_client=client)


class Client:
    """Paced, counted calls. Every method raises the engine's reactions, or `Refused` for the caller."""

    def __init__(
        self,
        *,
        access: str | OAuthApp,
        base_url: str,
        api_version: str,
        connections: int,
        daily_reserve: float,
        clock: Clock,
        budget: Budget,
    ) -> None:
        self.api_version = api_version
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self.daily_reserve = daily_reserve
        self._http = _pool(base_url, connections=connections)
        self._tokens: Tokens = (
            ServiceKey(access)
            if isinstance(access, str)
            else OAuthTokens(access, exchange=self._exchange, clock=clock)
        )
        self._sending = threading.local()
        hook = Hook(
            self._http, api_version=api_version, token=lambda: str(self._sending.token), answered=self._learn
        )
        api = HubSpot(access_token="", host=self._base_url, api_factory=hook)
        self.crm = api.crm
        self._raw = self.crm.contacts.basic_api.api_client
        self._day = Quota(daily_reserve, ask_again_s=DAILY_WAIT_S)
        calls = Limits(concurrency=connections, windows=(FIRST_CALLS,), quota=self._day, tries=TRIES)
        searches = replace(calls, concurrency=1, windows=(SEARCHES,), at_once=ONE_SEARCH)
        self.pacer = Pacer(calls, clock=clock, budget=budget)
        self.searches = Pacer(searches, clock=clock, budget=budget)
        self._lock = threading.Lock()
        self.allowance: Allowance | None = None
        self.time = ServerTime(clock, self.who, refused=Refused)
        self.reads = 0
        self.writes = 0

    def close(self) -> None:
        """Let go of all sockets."""
        self._http.clear()

    def read(self, method: Callable[..., Any], *args: object, expect: str, **kwargs: object) -> Json:
        """A call that changes nothing, whose answer must have the key `expect`."""
        return self._call(self.pacer, method, args, kwargs, expect=expect) or {}

    def search(self, type_: str, body: Json) -> Json:
        """A search for objects of a type; it has a rate of its own."""
        method = self.crm.objects.search_api.do_search
        return self._call(self.searches, method, (type_, body), {}, expect="results") or {}

    def write(
        self, method: Callable[..., Any], *args: object, expect: str | None, **kwargs: object
    ) -> Json | None:
        """Any other call; `expect` None for those that answer 204."""
        return self._call(self.pacer, method, args, kwargs, expect=expect, write=True)

    def ask(self, verb: str, path: str, *, body: Json | None = None, expect: str, **query: str) -> Json:
        """A reading call for which the SDK has no method; `path` is complete, with its version."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}

        def send() -> object:
            return self._raw.call_api(
                path, verb, {}, list(query.items()), headers, body=body, _return_http_data_only=True
            )

        return self._call(self.pacer, send, (), {}, expect=expect) or {}

    def who(self) -> Json:
        """The account that the token belongs to; the cheapest call there is."""
        path = f"/account-info/{'v3' if self.api_version == 'v3' else DATED}/details"
        return self.ask("GET", path, expect="portalId")

    def _call(
        self,
        pacer: Pacer,
        method: Callable[..., Any],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        *,
        expect: str | None,
        write: bool = False,
    ) -> Json | None:
        def send() -> Json | None:
            token = self._sending.token = self._tokens.current()
            with self._lock:
                self.writes += write
                self.reads += not write
            try:
                answer = method(*args, **kwargs)
            except LookupError as error:
                raise UnexpectedResponse(f"segsync cannot send this call: {error}") from None
            except urllib3.exceptions.HTTPError as error:
                raise Unavailable(f"HubSpot did not answer ({type(error).__name__})") from None
            except ValueError:
                raise Unavailable("HubSpot's answer is not readable; the same call is sent again") from None
            except Exception as error:
                found = self._refusal(error, token)
                if found is error:
                    raise
                raise found from None
            self._tokens.accepted()
            if expect is None:
                return None
            if not isinstance(answer, dict) or expect not in answer:
                raise Unavailable("HubSpot's answer is incomplete; the same call is sent again")
            return answer

        return pacer.call(send)

    def _refusal(self, error: Exception, token: str) -> Exception:
        """The reaction to one of the SDK's many ApiExceptions; any other exception is a fault of ours."""
        status = getattr(error, "status", None)
        if not isinstance(status, int):
            return error
        headers = dict(getattr(error, "headers", None) or {})
        self._learn(headers)
        if status == 0:
            return Unavailable("HubSpot did not answer (TLS)")
        found = reaction(status, headers=headers, body=parsed(getattr(error, "body", None)))
        if isinstance(found, Unauthorized) and status == 401 and self._tokens.refused(token):
            return Unavailable("HubSpot's access token had ended; the same call is sent with a new one")
        return found

    # ---- what headers and tokens tell ------------------------------------------------------------

    def _learn(self, headers: Mapping[str, str]) -> None:
        """Pace by what the platform says it allows; leave a share of the day to the company's other tools."""
        self.time.heard(headers)
        seen = Allowance.of(headers)
        if seen.window_calls:
            window = Window.of(FIRST_CALLS.name, calls=seen.window_calls, seconds=seen.window_s)
            if self.pacer.limits.windows != (window,):
                self.pacer.limits = replace(self.pacer.limits, windows=(window,))
        if seen.day_calls and seen.day_remaining is not None:
            self.allowance = seen
            used = seen.day_calls - seen.day_remaining
            self.pacer.budget.told(self._day, used=used, limit=seen.day_calls)

    def _exchange(self, form: Mapping[str, str]) -> Json:
        """One call to the token address; not paced, for it happens inside a call that is."""
        version = "v1" if self.api_version == "v3" else self.api_version
        with self._lock:
            self.writes += 1
        try:
            answer = self._http.request(
                "POST",
                f"{self._base_url}/oauth/{version}/token",
                fields=dict(form),
                encode_multipart=False,
                timeout=urllib3.Timeout(connect=TIMEOUT_S[0], read=TIMEOUT_S[1]),
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"HubSpot did not answer ({type(error).__name__})") from None
        body = parsed(answer.data)
        if 200 <= answer.status < 300:
            if body is None:
                raise Unavailable("HubSpot's answer to the refresh token is not readable")
            return body
        found = reaction(answer.status, headers=dict(answer.headers), body=body)
        if isinstance(found, Refused):
            raise Unauthorized(
                f"HubSpot does not accept the refresh token or the app's secret ({found.reason}): "
                "install the app again and put the new refresh token into the config"
            )
        raise found
