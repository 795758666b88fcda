"""The token of a call: a service key as it is, or an OAuth access token that is renewed in time.

Many threads may need a new token at the same moment; only one asks for it, the others wait for its answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from connectors.errors import Unauthorized, Unavailable
from connectors.pacing import Clock

EARLY_S = 60.0
"""An access token is renewed so long before it ends, so that no call travels with one that just ended."""


class Tokens(Protocol):
    """Where a call gets its token from."""

    def current(self) -> str:
        """The token to send now. Raises the engine's reactions if it cannot be had."""

    def refused(self, token: str) -> bool:
        """HubSpot answered 401 to `token`; True: another one may help, send the call again."""

    def accepted(self) -> None:
        """A call was answered as one of ours."""


class ServiceKey:
    """A token that stays: a service key, or the token of a private app made before 2026-10-26."""

    def __init__(self, token: str) -> None:
        self._token = token

    def current(self) -> str:
        return self._token

    def refused(self, token: str) -> bool:  # noqa: ARG002 - the protocol's signature
        return False

    def accepted(self) -> None:
        """Nothing to remember: there is no other token."""


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """What the app's registration and the installation by an admin gave us."""

    client_id: str
    client_secret: str
    refresh_token: str


class OAuthTokens:
    """Access tokens of an OAuth app, which live half an hour.

    `exchange` sends a form to the token address and returns its answer, or raises the engine's reactions.
    """

    def __init__(
        self, app: OAuthApp, *, exchange: Callable[[Mapping[str, str]], dict[str, Any]], clock: Clock
    ) -> None:
        self._app = app
        self._exchange = exchange
        self._clock = clock
        self._lock = threading.Lock()
        self._refresh_token = app.refresh_token
        self._token: str | None = None
        self._ends_s = 0.0
        self._fresh = False  # nobody has used it with success yet

    def current(self) -> str:
        with self._lock:
            if self._token is None or self._clock.now_s() >= self._ends_s - EARLY_S:
                self._renew()
            return str(self._token)

    def refused(self, token: str) -> bool:
        """A 401 need not mean that the token has ended; but one that was just made will not get better."""
        with self._lock:
            if token != self._token:
                return True  # another thread has renewed it meanwhile
            if self._fresh:
                return False
            self._renew()
            self._fresh = True
            return True

    def accepted(self) -> None:
        """The current token is good: a later 401 is worth asking for another one."""
        self._fresh = False

    def _renew(self) -> None:
        answer = self._exchange(
            {
                "grant_type": "refresh_token",
                "client_id": self._app.client_id,
                "client_secret": self._app.client_secret,
                "refresh_token": self._refresh_token,
            }
        )
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise Unavailable("HubSpot's answer holds no access token; the same call is sent again")
        try:
            lives_s = float(answer.get("expires_in") or 0)
        except ValueError:
            lives_s = 0.0
        if lives_s <= 0:
            raise Unauthorized("HubSpot gave an access token that has ended already")
        self._token = token
        self._refresh_token = str(answer.get("refresh_token") or self._refresh_token)
        self._ends_s = self._clock.now_s() + lives_s
