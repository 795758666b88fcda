"""Mailchimp's Marketing API 3.0 over loopback HTTP, as far as segsync and a careful foreign client need it.

The server part (sockets, faults, counts) is `connectors.simulation`; state, rules and shapes are in
`simulated/`; here are the account, authentication and the addresses. Left out: groups (interests), member
notes and goals, the activity feed, saved (conditional) segments, automations, sending, calls to webhooks.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from connectors.mailchimp.simulated import routes
from connectors.mailchimp.simulated.audience import Audience, Member, Segment, digest
from connectors.mailchimp.simulated.batches import Batches
from connectors.mailchimp.simulated.call import Call
from connectors.mailchimp.simulated.reports import Campaign, Did, Order, Store
from connectors.mailchimp.simulated.rules import Problem, not_found
from connectors.simulation.platform import Reply, Request, Simulation

KEY = "0123456789abcdef0123456789abcdef-us1"
TOKEN = "simulated-oauth-token"  # noqa: S105
SETTLED_S = 10
"""Seeded members changed so long ago, so that a read that stays clear of the present sees them."""
IDENTIFIED = ("lists", "members", "segments", "merge-fields", "campaigns", "reports", "stores", "orders")


class MailchimpSimulator(Simulation):
    """One simulated account. Seed it with `add_*`; `simulator.traffic` tells what it was asked.

    `people` makes so many made-up members with tags, campaigns and orders (0: one empty audience). `now`
    gives aware UTC times; `fake` are addresses that are refused as "looks fake or invalid".
    """

    name: ClassVar[str] = "mailchimp"
    simultaneous: ClassVar[int | None] = 10

    def __init__(
        self,
        *,
        people: int = 0,
        seed: int = 1,
        key: str = KEY,
        now: Callable[[], datetime] | None = None,
        fake: Sequence[str] = ("foo@example.com",),
    ) -> None:
        super().__init__()
        self.key = key
        self.role = "owner"
        """Of the key's user; "viewer" and "author" may not write (which roles may is unverified)."""
        self.fake = frozenset(address.lower() for address in fake)
        self._now = now or (lambda: datetime.now(UTC))
        self.audiences: dict[str, Audience] = {}
        self.campaigns: dict[str, Campaign] = {}
        self.stores: dict[str, Store] = {}
        self.batches = Batches(self)
        self._segments_made = 5_000_000
        self.audience = self.add_audience("Customers")
        """The first audience; `add_member` and the others use it unless told otherwise."""
        if people:
            from connectors.mailchimp.simulated.people import populate

            populate(self, people=people, seed=seed)

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"api_key": self.key, "list": next(iter(self.audiences), "")}

    def seconds(self) -> int:
        """The simulator's time in whole seconds since 1970."""
        return int(self._now().timestamp())

    # ---- seeding ---------------------------------------------------------------------------------

    def add_audience(self, name: str, *, id: str | None = None) -> Audience:
        """A new audience with Mailchimp's usual merge fields."""
        made = Audience(
            id=id or digest("list", name, len(self.audiences), length=10),
            name=name,
            created=self.seconds() - 86_400 * 365,
            now=self.seconds,
        )
        self.audiences[made.id] = made
        return made

    def add_member(
        self,
        address: str,
        *,
        status: str = "subscribed",
        merge: Mapping[str, object] | None = None,
        tags: Sequence[str] = (),
        changed_at: datetime | None = None,
        audience: Audience | None = None,
        **more: object,
    ) -> Member:
        """A member that is already there; `more` are attributes of `Member`, e.g. left_by="contact"."""
        home = audience or self.audience
        changed = self.seconds() - SETTLED_S if changed_at is None else int(changed_at.timestamp())
        member = home.create(address, status=status, changed=changed)
        member.merge.update(merge or {})
        for name, value in more.items():
            setattr(member, name, value)
        for tag in tags:
            home.tag(member, self.add_tag(tag, audience=home))
        return member

    def add_tag(self, name: str, *, audience: Audience | None = None) -> Segment:
        """The tag of that name, made if it is not there."""
        home = audience or self.audience
        found = home.segment_named(name)
        if found is None:
            self._segments_made += 1
            found = Segment(self._segments_made, name, self.seconds(), self.seconds())
            home.segments[found.id] = found
        return found

    def add_campaign(
        self, title: str, *, sent_at: datetime, to: Sequence[str] = (), audience: Audience | None = None
    ) -> Campaign:
        """A campaign sent to these addresses."""
        made = Campaign(
            id=digest("campaign", title, len(self.campaigns), length=10),
            audience=audience or self.audience,
            title=title,
            sent=int(sent_at.timestamp()),
            recipients={address: [] for address in to},
        )
        self.campaigns[made.id] = made
        return made

    def add_activity(
        self, campaign: Campaign, address: str, action: str, *, at: datetime, url: str = "", type: str = ""
    ) -> None:
        """An `open`, `click` or `bounce` of a recipient."""
        did = Did(action, int(at.timestamp()), url, type)
        campaign.recipients.setdefault(address, []).append(did)

    def add_order(
        self,
        address: str,
        *,
        total: float,
        at: datetime,
        id: str | None = None,
        store: str = "shop",
        currency: str = "EUR",
        lines: Sequence[tuple[str, int, float]] = (),
        cancelled_at: datetime | None = None,
        audience: Audience | None = None,
    ) -> Order:
        """An order in a store of the audience; the store is made if it is not there."""
        home = self.stores.setdefault(store, Store(store, audience or self.audience, store.title(), currency))
        made = Order(
            id=id or f"{store}-{len(home.orders) + 1}",
            store=store,
            address=address,
            total=total,
            currency=currency,
            at=int(at.timestamp()),
            lines=list(lines),
            cancelled=None if cancelled_at is None else int(cancelled_at.timestamp()),
        )
        home.orders[made.id] = made
        return made

    def tagged(self, name: str, *, audience: Audience | None = None) -> set[str]:
        """Addresses that carry the tag now, whatever their status."""
        found = (audience or self.audience).segment_named(name)
        return set() if found is None else {m.address for m in found.members.values()}

    # ---- answering -------------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        parts = request.path.removeprefix("/3.0").strip("/").split("/")
        shown = [
            "{id}" if n and parts[n - 1] in (*IDENTIFIED, "batches", "webhooks") else part
            for n, part in enumerate(parts)
        ]
        return f"{request.method} /{'/'.join(shown)}"

    def key_of(self, request: Request) -> str:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                return base64.b64decode(value).decode().partition(":")[2]
            except ValueError:
                return ""
        return value

    def too_many(self, request: Request, *, retry_after_s: float | None = None) -> Reply:
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
        detail = "You have exceeded the limit of 10 simultaneous connections."
        return self._refuse(request, Problem(429, "Too Many Requests", detail, headers=headers))

    def answer(self, request: Request) -> Reply:
        if request.path == "/oauth2/metadata":
            return self._metadata(request)
        if request.path.startswith(Batches.RESULTS):
            return self.batches.result(request)
        try:
            self._authenticate(request)
            self._permit(request)
            return self.perform(
                request.method, request.path.removeprefix("/3.0"), request.query, request.body, request
            )
        except Problem as problem:
            return self._refuse(request, problem)

    def perform(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, request: Request
    ) -> Reply:
        """One authenticated call; batches come in here too. Raises Problem."""
        content: object = None
        if body:
            try:
                content = json.loads(body)
            except ValueError:
                raise Problem(
                    400, "JSON Parse Error", "We encountered an unspecified JSON parsing error."
                ) from None
        call = Call(self, query, content if isinstance(content, dict) else {}, request.address)
        other_methods = []
        for verb, pattern, handler in routes.ROUTES:
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                status, answer = handler(call, *found.groups())
                return self._reply(request, status, answer)
            if found:
                other_methods.append(verb)
        if other_methods:
            raise Problem(
                405,
                "Method Not Allowed",
                "The requested method and resource are not compatible.",
                headers={"Allow": ", ".join(other_methods)},
            )
        raise not_found()

    def _authenticate(self, request: Request) -> None:
        given = self.key_of(request)
        if given in (self.key, TOKEN):
            return
        own, _, centre = self.key.rpartition("-")
        if given.startswith(f"{own}-"):
            other = given.removeprefix(f"{own}-")
            detail = f"The API key provided is linked to datacenter '{centre}', not '{other}'"
            raise Problem(403, "Wrong Datacenter", detail)
        if not given:
            raise Problem(401, "API Key Missing", "Your request did not include an API key.")
        raise Problem(
            401,
            "API Key Invalid",
            "Your API key may be invalid, or you've attempted to access the wrong datacenter.",
        )

    def _permit(self, request: Request) -> None:
        if request.method != "GET" and self.role in ("viewer", "author"):
            raise Problem(403, "Forbidden", "Your user role does not allow this action.")

    def _metadata(self, request: Request) -> Reply:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        content: dict[str, object] = {"error": "invalid_token"}
        if kind == "OAuth" and token == TOKEN:
            content = {
                "dc": "us1",
                "role": self.role,
                "accountname": "Example Company",
                "user_id": 70000001,
                "login": {"email": "owner@example.com", "login_id": 70000002},
                "login_url": "https://login.mailchimp.com",
                "api_endpoint": request.address,
            }
        return Reply(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _reply(self, request: Request, status: int, content: object) -> Reply:
        headers: dict[str, str | None] = {
            "X-Request-Id": str(uuid.uuid4()),
            "Link": _described_by(request, "Instance"),
        }
        body = b"" if content is None else json.dumps(content, separators=(",", ":")).encode()
        return Reply(status, body, headers)

    def _refuse(self, request: Request, problem: Problem) -> Reply:
        instance = str(uuid.uuid4())
        content: dict[str, object] = {} if problem.type is None else {"type": problem.type}
        content.update(title=problem.title, status=problem.status, detail=problem.detail, instance=instance)
        if problem.errors:
            content["errors"] = problem.errors
        headers: dict[str, str | None] = {
            "Content-Type": "application/problem+json; charset=utf-8",
            "X-Request-Id": instance,
            "Link": _described_by(request, "Definitions/ProblemDetailDocument"),
            **problem.headers,
        }
        return Reply(problem.status, json.dumps(content).encode(), headers)


def _described_by(request: Request, schema: str) -> str:
    return f'<{request.address}/schema/3.0/{schema}.json>; rel="describedBy"'
