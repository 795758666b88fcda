"""Klaviyo's API over loopback HTTP, as far as segsync and a careful foreign client need it.

The server part (sockets, faults, counts) is `connectors.simulation`; state, rules and shapes are in
`simulated/`; here are the account, authentication, limits and headers. Where nothing settles how the
platform behaves, a comment says "choice" and the unpleasant one is taken. Left out: tags, merging by call,
push tokens, custom metrics, writing events, webhooks.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import ClassVar

from connectors.klaviyo.simulated import shapes
from connectors.klaviyo.simulated.account import (
    IDENTIFIERS,
    PLAIN,
    Account,
    Consent,
    Event,
    Group,
    Metric,
    Profile,
)
from connectors.klaviyo.simulated.call import Call
from connectors.klaviyo.simulated.jobs import Jobs
from connectors.klaviyo.simulated.limiter import Limiter
from connectors.klaviyo.simulated.problems import Json, Problem, invalid, throttled
from connectors.klaviyo.simulated.routes import ROUTES, Route
from connectors.simulation.platform import Reply, Request, Simulation

KEY = "pk_0123456789abcdef0123456789abcdef01"
MEDIA_TYPE = "application/vnd.api+json"
CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
SETTLED_S = 10
WORDS = {"subscribed": "SUBSCRIBED", "unsubscribed": "UNSUBSCRIBED", "never": "NEVER_SUBSCRIBED"}
Referee = Callable[[Request, Reply], None]


class KlaviyoSimulator(Simulation):
    """One simulated account. Seed it with `add_*`; `simulator.traffic` tells what it was asked.

    `people` makes so many made-up profiles with events and lists (0: an empty account). `now` gives aware
    UTC times. `scopes`: what the key may do (None: everything). `referee` sees every request with its answer.
    """

    name: ClassVar[str] = "klaviyo"

    def __init__(
        self,
        *,
        people: int = 0,
        seed: int = 1,
        key: str = KEY,
        now: Callable[[], datetime] | None = None,
        scopes: Sequence[str] | None = None,
        referee: Referee | None = None,
    ) -> None:
        super().__init__()
        self.key = key
        self._now = now or (lambda: datetime.now(UTC))
        self.account = Account(self.seconds)
        self.jobs = Jobs(self.account)
        self.limiter = Limiter()
        self.scopes = None if scopes is None else frozenset(scopes)
        self.referee = referee
        self.retired: frozenset[str] = frozenset()
        """Revisions that are gone: 410."""
        self.retry_after = "seconds"
        """The dress of a 429: "seconds", "date" or "none" (seen in the wild)."""
        self.canned: list[tuple[str, Reply]] = []
        """(operation, reply): the next call of the operation is answered so, and changes nothing."""
        if people:
            from connectors.klaviyo.simulated.people import populate

            populate(self, people=people, seed=seed)

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"api_key": self.key}

    def seconds(self) -> int:
        """The simulator's time in whole seconds since 1970."""
        return int(self._now().timestamp())

    # ---- seeding ---------------------------------------------------------------------------------

    def add_profile(
        self,
        email: str | None = None,
        *,
        consent: str = "subscribed",
        suppressed: Sequence[str] = (),
        changed_at: datetime | None = None,
        properties: Mapping[str, object] | None = None,
        location: Mapping[str, object] | None = None,
        predictive: Mapping[str, object] | None = None,
        lists: Sequence[str] = (),
        **more: str | None,
    ) -> Profile:
        """A profile that is already there; `more`: phone_number, external_id, first_name, ….

        `consent`: subscribed, unsubscribed, never. `suppressed`: Klaviyo's reasons.
        """
        changed = self.seconds() - SETTLED_S if changed_at is None else int(changed_at.timestamp())
        identifiers = {"email": email, **{name: more.get(name) for name in IDENTIFIERS[1:]}}
        made = self.account.create({n: v for n, v in identifiers.items() if v}, at=changed)
        made.plain.update({name: more[name] for name in PLAIN if name in more})
        made.properties.update(properties or {})
        made.location.update(location or {})
        made.predictive.update(predictive or {})
        made.consent = Consent(WORDS[consent], None if consent == "never" else changed)
        made.consent.suppression = [(reason, changed) for reason in suppressed]
        for name in lists:
            self.add_list(name).members.setdefault(made.id, changed)
        return made

    def add_list(self, name: str) -> Group:
        """The list of that name, made if it is not there."""
        return self._group(name, self.account.lists)

    def add_segment(self, name: str) -> Group:
        """A segment of the vendor's, made if it is not there."""
        return self._group(name, self.account.segments)

    def _group(self, name: str, home: dict[str, Group]) -> Group:
        found = next((group for group in home.values() if group.name == name), None)
        return found or self.account.add_group(name, home)

    def add_metric(self, name: str) -> Metric:
        """The metric of that name, made if it is not there."""
        known = self.account.metrics
        found = next((metric for metric in known.values() if metric.name == name), None)
        if found is None:
            found = Metric(self.account.number(6), name, self.seconds())
            known[found.id] = found
        return found

    def add_event(
        self, profile: Profile, metric: str, *, at: datetime, properties: Mapping[str, object] | None = None
    ) -> Event:
        """Something the person did."""
        home = self.add_metric(metric)
        return self.account.add_event(home, profile, at=int(at.timestamp()), properties=properties or {})

    def on_list(self, name: str) -> set[str | None]:
        """Addresses of who is on the list of that name now."""
        found = next((group for group in self.account.lists.values() if group.name == name), None)
        return set() if found is None else {self.account.profiles[id_].email for id_ in found.members}

    # ---- answering -------------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        route, _ = self._route(request)
        path = request.path.rstrip("/") if route is None else route.operation.path
        return f"{request.method} {path.replace('{job_id}', '{id}')}"

    def _route(self, request: Request) -> tuple[Route | None, tuple[str, ...]]:
        for route in ROUTES:
            found = route.pattern.fullmatch(request.path.rstrip("/"))
            if found and route.operation.method == request.method:
                return route, found.groups()
        return None, ()

    def too_many(self, request: Request, *, retry_after_s: float | None = None) -> Reply:  # noqa: ARG002
        return self._refuse(self._throttled(retry_after_s))

    def _throttled(self, wait_s: float | None) -> Problem:
        if wait_s is None or self.retry_after == "none":
            return throttled(math.ceil(wait_s or 1), headers={})
        if self.retry_after == "date":
            moment = self._now() + timedelta(seconds=math.ceil(wait_s))
            return throttled(math.ceil(wait_s), headers={"Retry-After": format_datetime(moment, usegmt=True)})
        return throttled(math.ceil(wait_s), headers={"Retry-After": str(math.ceil(wait_s))})

    def answer(self, request: Request) -> Reply:
        operation = self.operation(request)
        for place, (wanted, reply) in enumerate(self.canned):
            if wanted == operation:
                del self.canned[place]
                return reply
        self.jobs.advance()
        self.account.settle()
        try:
            reply = self._answer(request)
        except Problem as problem:
            reply = self._refuse(problem)
        if self.referee is not None:
            self.referee(request, reply)
        return self._packed(request, reply)

    def _answer(self, request: Request) -> Reply:
        self._authenticate(request)
        route, ids = self._route(request)
        if route is None:
            known = any(r.pattern.fullmatch(request.path.rstrip("/")) for r in ROUTES)
            status, code = (405, "method_not_allowed") if known else (404, "not_found")
            raise Problem(status, code, code.replace("_", " ").title(), "The address is not known.")
        self._permit(route)
        endpoint, rate = route.rate(request.query)
        now_s = self._now().timestamp()
        wait_s = self.limiter.admit(endpoint, rate, now_s)
        if wait_s is not None:
            raise self._throttled(wait_s)
        limits = self.limiter.headers(endpoint, rate, now_s)
        try:
            status, content = route.handler(self._call(request), *ids)
        except Problem as problem:
            problem.headers.update(limits)
            raise
        return self._reply(status, content, limits)

    def _call(self, request: Request) -> Call:
        content: object = {}
        if request.body:
            try:
                content = json.loads(request.body)
            except ValueError:
                raise invalid("The body is not valid JSON.") from None
        return Call(
            account=self.account,
            jobs=self.jobs,
            query=request.query,
            body=content if isinstance(content, dict) else {},
            size=len(request.body),
            base=request.address,
            path=request.path,
        )

    def _authenticate(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme != "Klaviyo-API-Key" or not given:
            detail = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
            raise Problem(401, "not_authenticated", "Authentication credentials were not provided.", detail)
        if given != self.key:
            title = "Incorrect authentication credentials."
            raise Problem(401, "authentication_failed", title, title)
        revision = request.headers.get("revision", "")
        if not revision:
            raise invalid("The revision header is required.")
        if revision in self.retired:
            detail = f"Revision {revision} has been retired."
            raise Problem(410, "gone", "This API revision is no longer supported.", detail)

    def _permit(self, route: Route) -> None:
        missing = set() if self.scopes is None else route.operation.scopes - self.scopes
        if missing:
            detail = f"The API key specified is missing required scopes: {', '.join(sorted(missing))}"
            raise Problem(
                403,
                "permission_denied",
                "You do not have permission to perform this action.",
                detail,
            )

    def _reply(self, status: int, content: Json | None, headers: Mapping[str, str]) -> Reply:
        body = b"" if content is None else json.dumps(content, separators=(",", ":")).encode()
        kind = None if content is None else MEDIA_TYPE
        return Reply(status, body, {"Content-Type": kind, **headers})

    def _refuse(self, problem: Problem) -> Reply:
        return self._reply(problem.status, {"errors": problem.errors}, problem.headers)

    def _packed(self, request: Request, reply: Reply) -> Reply:
        if not reply.body or "gzip" not in request.headers.get("accept-encoding", ""):
            return reply
        packed = gzip.compress(reply.body, compresslevel=1)
        return Reply(reply.status, packed, {**reply.headers, "Content-Encoding": "gzip"})


def challenge() -> Reply:
    """Cloudflare's bot check, which says nothing about the key."""
    headers: dict[str, str | None] = {"Content-Type": "text/html; charset=UTF-8", "cf-mitigated": "challenge"}
    return Reply(403, CHALLENGE, headers)


def consent_of(profile: Profile) -> Json:
    """What the account says of the profile's consent, for tests that compare before and after."""
    return shapes.subscriptions(profile)
