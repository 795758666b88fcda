"""Calls to Klaviyo through its SDK. The only importer of the SDK, which loads when a client is made.

The SDK brings the address, the key's header, the API's revision, the serialisation and the sockets. Its
typed methods are passed by: they cost 3.5 times the processor time, break when a model drifts, and retry by
themselves, twice over. Every call ends in `Client.call`, which paces, counts, and turns answers into the
engine's reactions. What remains a `Refused` is for the caller to judge: a 400, 404, 409 or 413.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import getproxies, proxy_bypass

from connectors.budget import Budget, MemoryBudget
from connectors.errors import ConnectorError, Unavailable, UnexpectedResponse
from connectors.klaviyo.answers import Json, Refused, parsed, reaction, refusal, whole_number
from connectors.klaviyo.operations import OPERATIONS, Operation, Rate
from connectors.pacing import Clock, Limits, Pacer
from connectors.server_time import ServerTime
from connectors.standing import USED, Window

TIMEOUT_S = (5, 60)
IMPORT_TIMEOUT_S = (5, 120)
MEDIA_TYPE = "application/vnd.api+json"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
Query = Mapping[str, str | int]


DAY_S = 86_400
AT_ONCE_A_DAY = 0.85
"""So much of a day goes out at once; the rest comes evenly, for no answer tells when a day begins."""


def windows(name: str, rate: Rate, *, daily_reserve: float) -> tuple[Window, ...]:
    """The even pace that stays under the second and the minute of an endpoint, and our share of its day."""
    burst = max(0, min(rate.burst // 2, int(USED * rate.burst) - 2))
    # In one second at most per_s + burst + 1 calls go out, in a minute 60·per_s + burst + 1.
    even = Window.of(name, calls=rate.steady, seconds=60, burst=burst)
    if rate.per_day is None:
        return (even,)
    ours = rate.per_day * (1 - daily_reserve)
    day = Window.of(f"{name}, day", calls=ours, seconds=DAY_S, burst=int(AT_ONCE_A_DAY * ours))
    return (even, day)


class Client:
    """Paced, counted calls; each endpoint has windows of its own."""

    def __init__(
        self,
        *,
        key: str,
        base_url: str | None,
        connections: int,
        clock: Clock,
        budget: Budget | None = None,
        daily_reserve: float = 0.1,
    ) -> None:
        import urllib3
        from klaviyo_api import KlaviyoAPI, openapi_client  # type: ignore[import-untyped]

        kit = KlaviyoAPI(key, max_retries=1, test_host=base_url or "")
        kit.configuration.retries = urllib3.Retry(total=False, respect_retry_after_header=False)
        kit.configuration.connection_pool_maxsize = connections
        kit.configuration.proxy = _proxy(kit.configuration.host)
        self._api = kit.api_client
        self._api.rest_client = openapi_client.rest.RESTClientObject(kit.configuration)
        self._api.default_headers["Accept-Encoding"] = "gzip"
        self._faults = (urllib3.exceptions.HTTPError, openapi_client.ApiException, OSError)
        self._clock = clock
        self.time = ServerTime(clock, lambda: self.call("get_accounts"), refused=Refused)
        self._connections = connections
        self._budget = budget or MemoryBudget("Klaviyo", clock=clock)
        self._daily_reserve = daily_reserve
        self._pacers: dict[str, Pacer] = {}
        self._lock = threading.Lock()
        self.reads = 0
        self.writes = 0
        self.windows: dict[str, tuple[int, int]] = {}
        """Operation → calls allowed and left in its minute, as its last answer said."""

    def close(self) -> None:
        """Let go of all sockets."""
        self._api.rest_client.pool_manager.clear()

    @property
    def retries(self) -> int:
        """Calls that were sent again."""
        return sum(pacer.retries for pacer in list(self._pacers.values()))

    @property
    def rate_limited(self) -> int:
        """Answers that told us to slow down."""
        return sum(pacer.rate_limited for pacer in list(self._pacers.values()))

    def call(
        self,
        name: str,
        *ids: str,
        query: Query | None = None,
        body: Json | None = None,
        expect: str | None = "data",
        slow: bool = False,
        tries: int | None = None,
    ) -> Json:
        """Send the operation until it answers; the answer must have the key `expect` (None: it may be empty).

        `ids` fill the address in order. `slow`: the query has the parameter that Klaviyo answers more slowly.
        Raises the engine's reactions, or `Refused`.
        """
        operation = OPERATIONS[name]
        path = operation.path
        for given in ids:
            start, end = path.index("{"), path.index("}")
            path = f"{path[:start]}{_quoted(given)}{path[end + 1 :]}"
        pacer = self._pacer(f"{name}, slow" if slow else name, operation, slow=slow)

        def send() -> Json:
            return self._send(operation, path, query or {}, body, expect=expect, pacer=pacer, name=name)

        return pacer.call(send, tries=tries)

    def _pacer(self, key: str, operation: Operation, *, slow: bool) -> Pacer:
        with self._lock:
            if key not in self._pacers:
                rate = operation.slow if slow and operation.slow is not None else operation.rate
                drawn = windows(key, rate, daily_reserve=self._daily_reserve)
                limits = Limits(concurrency=self._connections, windows=drawn)
                self._pacers[key] = Pacer(limits, clock=self._clock, budget=self._budget)
            return self._pacers[key]

    def _send(
        self,
        operation: Operation,
        path: str,
        query: Query,
        body: Json | None,
        *,
        expect: str | None,
        pacer: Pacer,
        name: str,
    ) -> Json:
        with self._lock:
            if operation.write:
                self.writes += 1
            else:
                self.reads += 1
        status, headers, content = self._exchange(operation.method, path, query, body)
        self.time.heard(headers)
        if status >= 300:
            refused = refusal(status, content)
            known = reaction(refused, headers, scopes=operation.scopes, now=self._clock.utc_now())
            raise refused if known is None else known
        most = whole_number(headers.get("RateLimit-Limit"))
        left = whole_number(headers.get("RateLimit-Remaining"))
        if most is not None and left is not None:
            self.windows[name] = (most, left)
        if left == 0:
            pacer.hold(whole_number(headers.get("RateLimit-Reset")) or 0)
        if expect is None and not content:
            return {}
        answer = parsed(content)
        if answer is None or (expect is not None and answer.get(expect) is None):
            raise Unavailable("Klaviyo's answer is incomplete; the same call is sent again")
        return answer

    def _exchange(
        self, method: str, path: str, query: Query, body: Json | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request: (status, headers, body). Raises only Unavailable and UnexpectedResponse."""
        kinds = {"Accept": MEDIA_TYPE}
        if body is not None:
            kinds["Content-Type"] = MEDIA_TYPE
        try:
            method, url, headers, sent, _ = self._api.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params=kinds,
                body=body,
                auth_settings=["Klaviyo-API-Key"],
            )
            timeout_s = TIMEOUT_S if method == "GET" else IMPORT_TIMEOUT_S
            answer = self._api.call_api(method, url, headers, sent, _request_timeout=timeout_s)
            content: bytes = answer.read()
            return int(answer.status), answer.getheaders(), content
        except self._faults as error:
            raise Unavailable(f"Klaviyo did not answer ({type(error).__name__})") from None
        except ConnectorError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK lets its own faults out as whatever they are
            raise UnexpectedResponse(f"the Klaviyo SDK failed with {type(error).__name__}") from None


def _proxy(address: str) -> str | None:
    """The company's proxy holds for Klaviyo, never for a simulator on this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if host in LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def _quoted(id_: str) -> str:
    """An id in a path. An empty one would address the whole collection."""
    if not id_ or not all(c.isascii() and (c.isalnum() or c in "-_.~=") for c in id_):
        raise UnexpectedResponse("an id of Klaviyo's is empty or has characters that ids do not have")
    return id_


def next_cursor(page: Mapping[str, Any]) -> str | None:
    """The cursor in `links.next`, which may be absent or null on the last page."""
    link = (page.get("links") or {}).get("next")
    if not link:
        return None
    found = parse_qs(urlsplit(str(link)).query).get("page[cursor]")
    return found[0] if found else None


__all__ = ["Client", "Json", "Refused", "next_cursor", "windows"]
