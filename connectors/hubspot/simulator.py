"""HubSpot's CRM API over loopback HTTP, dated paths and v3/v4 alike, as far as segsync and a careful
foreign client need it.

The server part (sockets, faults, counts) is `connectors.simulation`; state, rules and shapes are in
`simulated/`; here are the account, authentication, limits and scopes. Left out: webhooks, exports, owners,
pipelines, single objects by other keys than id and e-mail, marketing e-mails, custom events.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import parse_qsl

from connectors.hubspot.moments import milliseconds
from connectors.hubspot.simulated.call import Account, Call
from connectors.hubspot.simulated.index import Index
from connectors.hubspot.simulated.limits import Limits
from connectors.hubspot.simulated.lists import ContactList, Lists
from connectors.hubspot.simulated.problem import Json, Problem
from connectors.hubspot.simulated.records import Record, Records
from connectors.hubspot.simulated.routes import ROUTES, plain
from connectors.hubspot.simulated.schema import Schema, definition, option
from connectors.simulation.platform import Reply, Request, Simulation

KEY = "pat-na1-00000000-1111-2222-3333-444444444444"
CLIENT = {"client_id": "simulated-client", "client_secret": "simulated-secret"}
REFRESH_TOKEN = "simulated-refresh-token"  # noqa: S105
TOKEN_LIVES_S = 1800
READING_POSTS = re.compile(r"/(search|batch/read|unsubscribe-all/read)$")
SHOWN_IDS = re.compile(r"(?<=/)(\d+|name/.+)(?=/|$)")


class HubspotSimulator(Simulation):
    """One simulated account. Seed it with `add_*`; `simulator.traffic` tells what it was asked.

    `people` makes so many made-up contacts with companies, deals and opt-outs (0: an empty account). `now`
    gives aware UTC times. `lag` False switches the delay of search off.
    """

    name: ClassVar[str] = "hubspot"

    def __init__(
        self,
        *,
        people: int = 0,
        seed: int = 1,
        key: str = KEY,
        now: Callable[[], datetime] | None = None,
        lag: bool = True,
    ) -> None:
        super().__init__()
        self.key = key
        self._now = now or (lambda: datetime.now(UTC))
        self.records = Records(now=self.milliseconds, index=Index(lag=lag))
        self.schema = Schema()
        self.lists = Lists(records=self.records, now=self.milliseconds)
        self.limits = Limits(now=self.milliseconds)
        self.account = Account(self.records, self.schema, self.lists)
        self.missing_scopes: set[str] = set()
        self.tokens: dict[str, int] = {}  # access token → when it ends
        self.refreshed = 0
        if people:
            from connectors.hubspot.simulated.people import populate

            populate(self, people=people, seed=seed)

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"access_token": self.key}

    def milliseconds(self) -> int:
        """The simulator's time in milliseconds since 1970."""
        return milliseconds(self._now())

    # ---- seeding ---------------------------------------------------------------------------------

    def add_contact(
        self, address: str | None, *, changed_at: datetime | None = None, **properties: str
    ) -> Record:
        """A contact that is already there (or, without `changed_at`, comes into being now)."""
        given = {"email": address, **properties} if address else dict(properties)
        if changed_at is None:
            return self.records.create("contacts", given)
        at = milliseconds(changed_at)
        return self.records.create("contacts", given, at=at, settled=True)

    def add_object(self, type_: str, *, changed_at: datetime | None = None, **properties: str) -> Record:
        """A company or a deal."""
        at = None if changed_at is None else milliseconds(changed_at)
        return self.records.create(type_, properties, at=at, settled=changed_at is not None)

    def add_property(
        self, name: str, *, type: str = "string", field_type: str = "text", options: Sequence[str] = ()
    ) -> Json:
        """A property of contacts that the account defined."""
        made = definition(
            name, type_=type, field_type=field_type, options=[option(o) for o in options], own=True
        )
        self.schema.of("contacts")[name] = made
        return made

    def listed(self, name: str) -> set[str]:
        """Addresses of the members of the list of that name."""
        found = self.lists.named(name)
        return set() if found is None else self.members(found)

    def members(self, one: ContactList) -> set[str]:
        """Addresses of the members of a list."""
        contacts = self.records.live("contacts")
        return {str(contacts[id_].properties.get("email")) for id_ in self.lists.present(one)}

    # ---- answering -------------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        path = plain(request.path) or request.path
        return f"{request.method} {SHOWN_IDS.sub('{id}', path)}".rstrip("/")

    def is_write(self, request: Request) -> bool:
        return request.method not in ("GET", "HEAD") and not READING_POSTS.search(request.path)

    def too_many(self, request: Request, *, retry_after_s: float | None = None) -> Reply:
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
        if request.path.endswith("/search"):
            return _refuse(
                Problem(429, "You have reached your secondly limit.", "RATE_LIMITS", headers=headers)
            )
        more = {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
        message = "You have reached your ten_secondly_rolling limit."
        return _refuse(Problem(429, message, None, more=more, headers=headers))

    def answer(self, request: Request) -> Reply:
        self.records.tick()
        if re.fullmatch(r"/oauth/(v1|2026-09)/token", request.path):
            return self._token(request)
        headers: dict[str, str | None] = {}
        try:
            oauth = self._authenticate(request)
            headers = self.limits.count(search=_is_search(request), oauth=oauth)
            path = plain(request.path)
            if path is None:
                return Reply(
                    405, b"<html><body>Method Not Allowed</body></html>", {"Content-Type": "text/html"}
                )
            status, content = self._perform(request, path)
        except Problem as problem:
            return _refuse(problem, headers)
        body = b"" if content is None else json.dumps(content, separators=(",", ":")).encode()
        return Reply(status, body, {**headers, "X-HubSpot-Correlation-Id": str(uuid.uuid4())})

    def _perform(self, request: Request, path: str) -> tuple[int, Json | None]:
        body: object = {}
        if request.body:
            try:
                body = json.loads(request.body)
            except ValueError:
                raise Problem(400, "Invalid input JSON on line 1, column 1: Unexpected character") from None
        given = body if isinstance(body, dict) else {}
        call = Call(self.account, request.pairs, request.query, given, request.address)
        other_methods = False
        for method, pattern, scope, handler in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                parts = found.groups()
                self._require(scope.format(self.account.type_of(parts[0]) if parts else ""))
                answer: tuple[int, Json | None] = handler(call, *parts)
                return answer
            other_methods = other_methods or found is not None
        if path.startswith("/communication-preferences/"):
            self.account.forbidden.append(f"{request.method} {path}")
            raise Problem(403, "This simulation lets nobody change consent", "FORBIDDEN")
        if other_methods:
            raise Problem(405, "Method not allowed", "METHOD_NOT_ALLOWED")
        raise Problem(404, "resource not found", "OBJECT_NOT_FOUND")

    def _require(self, scope: str) -> None:
        if scope in self.missing_scopes:
            message = "This app hasn't been granted all required scopes to make this call."
            context = {"requiredGranularScopes": [scope]}
            errors = [{"message": message, "code": "MISSING_SCOPES", "context": context}]
            raise Problem(403, message, "MISSING_SCOPES", more={"errors": errors})

    def _authenticate(self, request: Request) -> bool:
        """Whether the token is one of OAuth's. Raises Problem."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token == self.key:
            return False
        ends = self.tokens.get(token)
        if ends is None:
            raise Problem(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION")
        if self.milliseconds() >= ends:
            raise Problem(401, "The OAuth token used to make this call expired.", "EXPIRED_AUTHENTICATION")
        return True

    def _token(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.body.decode()))
        wanted = {"grant_type": "refresh_token", **CLIENT, "refresh_token": REFRESH_TOKEN}
        if form != wanted:
            return _refuse(Problem(400, "missing or invalid refresh token", "BAD_REFRESH_TOKEN"))
        self.refreshed += 1
        token = f"simulated-access-token-{self.refreshed}"
        self.tokens[token] = self.milliseconds() + TOKEN_LIVES_S * 1000
        content = {
            "access_token": token,
            "refresh_token": REFRESH_TOKEN,
            "expires_in": TOKEN_LIVES_S,
            "token_type": "bearer",
        }
        return Reply(200, json.dumps(content).encode())


def _is_search(request: Request) -> bool:
    """Searches of objects have a bucket of their own; the search of lists has not."""
    return request.path.endswith("/search") and "/lists/" not in request.path


def _refuse(problem: Problem, headers: Mapping[str, str | None] | None = None) -> Reply:
    correlation = str(uuid.uuid4())
    body = json.dumps(problem.body(correlation), separators=(",", ":")).encode()
    shown: dict[str, str | None] = {**(headers or {}), **problem.headers}
    return Reply(problem.status, body, {**shown, "X-HubSpot-Correlation-Id": correlation})
