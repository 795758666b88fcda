"""Calls to Imaginary, and what their answers mean for the engine. It has no SDK."""

from __future__ import annotations

import threading
from typing import Any

import requests

from connectors.budget import Budget
from connectors.errors import RateLimited, Unauthorized, Unavailable, UnexpectedResponse
from connectors.pacing import Clock, Limits, Pacer, retry_after_s
from connectors.server_time import ServerTime
from connectors.standing import AtOnce

CONNECTIONS = 6
Json = dict[str, Any]


class Refused(Exception):
    """The platform's own no; `code` is its word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Client:
    """Paced, counted calls."""

    def __init__(self, key: str, base_url: str, clock: Clock, budget: Budget) -> None:
        at_once = AtOnce("at once", CONNECTIONS)
        self.pacer = Pacer(Limits(concurrency=CONNECTIONS, at_once=at_once), clock=clock, budget=budget)
        self.time = ServerTime(clock, lambda: self.call("GET", "me", expect="account"), refused=Refused)
        self._base_url = base_url
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {key}"
        self._lock = threading.Lock()
        self.reads = 0
        self.writes = 0

    def close(self) -> None:
        """Let go of all sockets."""
        self._http.close()

    def call(
        self, method: str, path: str, *, expect: str | None, body: Json | None = None, **query: str
    ) -> Json:
        """Sent until it is answered with the key `expect` (None: without a body). Raises Refused."""
        return self.pacer.call(lambda: self._once(method, path, expect, body, query))

    def _once(
        self, method: str, path: str, expect: str | None, body: Json | None, query: dict[str, str]
    ) -> Json:
        with self._lock:
            self.reads += method == "GET"
            self.writes += method != "GET"
        try:
            answer = self._http.request(
                method, f"{self._base_url}/{path}", json=body, params=query, timeout=(5, 60)
            )
        except requests.RequestException as error:
            raise Unavailable(f"Imaginary did not answer ({type(error).__name__})") from None
        self.time.heard(answer.headers)
        status = answer.status_code
        if status == 429:
            wait_s = retry_after_s(answer.headers.get("Retry-After"), now=self.time.utc_now())
            raise RateLimited("Imaginary has too many calls", retry_after_s=wait_s)
        if status == 401:
            raise Unauthorized("Imaginary does not know the api_key")
        if status == 204 and expect is None:
            return {}
        try:
            content = answer.json()
        except ValueError:
            content = None
        if status >= 500 or not isinstance(content, dict):
            raise Unavailable(f"Imaginary answered {status} without a readable result")
        if "error" in content:
            raise Refused(str(content["error"]))
        if expect not in content:
            raise UnexpectedResponse(f"Imaginary answered {status} without {expect}")
        return content
