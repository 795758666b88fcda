"""Salesforce's REST API over loopback HTTP, as far as segsync and a careful foreign client need it.

The server part (sockets, faults, counts) is `connectors.simulation`; records, rules, queries and bulk jobs
are in `simulated/`; here are the org, logins, sessions and the quota. Left out: composite requests, upserts,
sub-queries, bulk queries, `updated`/`deleted`, search, sending mail.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from connectors.salesforce.simulated import logins
from connectors.salesforce.simulated.answers import Problem, refusal
from connectors.salesforce.simulated.jobs import Jobs
from connectors.salesforce.simulated.org import Org
from connectors.salesforce.simulated.queries import Queries
from connectors.salesforce.simulated.routes import Call, route
from connectors.salesforce.simulated.schema import MULTIPICKLIST_LENGTH, Field
from connectors.simulation.platform import Reply, Request, Simulation

CONSUMER_KEY = "3MVG9simulatedConsumerKey"
CONSUMER_SECRET = "5A1F0simulatedConsumerSecret"  # noqa: S105
USERNAME = "segsync@acme.example"
DOMAIN = "acme.my.salesforce.com"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105
SETTLED_S = 600
"""Seeded records changed so long ago, so that the overlap of two reads does not hold them."""


class SalesforceSimulator(Simulation):
    """One simulated org. Seed it through `org` and `add_*`; `simulator.traffic` tells what it was asked.

    `people` makes so many made-up contacts and leads with activity (0: an empty org). `now` gives aware UTC
    times. `public_key` (PEM) switches on the JWT login.
    """

    name: ClassVar[str] = "salesforce"
    simultaneous: ClassVar[int | None] = 25

    def __init__(
        self,
        *,
        people: int = 0,
        seed: int = 1,
        now: Callable[[], datetime] | None = None,
        public_key: str | None = None,
        page: int = 2000,
    ) -> None:
        super().__init__()
        self._now = now or (lambda: datetime.now(UTC))
        self.org = Org(self.seconds)
        self.queries = Queries(self.org, page=page)
        self.jobs = Jobs(self.org, version="66.0")
        self.public_key = public_key
        self.sessions: dict[str, int] = {}
        """Token → calls it is still good for."""
        self.session_calls = 1_000_000
        self.logins = 0
        self.sessions_work = True
        self.may_customise = False
        self.may_manage_sets = True
        self.api_enabled = True
        self.daily_calls = 100_000
        self.used = 0
        self.org.create("Organization", Name="Acme", OrganizationType="Developer Edition")
        self._rights = self.org.create("UserPermissionAccess")
        if people:
            from connectors.salesforce.simulated.people import populate

            populate(self, people=people, seed=seed)

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"domain": DOMAIN, "consumer_key": CONSUMER_KEY, "consumer_secret": CONSUMER_SECRET}

    def seconds(self) -> int:
        """The simulator's time in whole seconds since 1970."""
        return int(self._now().timestamp())

    # ---- seeding ---------------------------------------------------------------------------------

    def add_contact(self, email: str | None, *, stamp: int | None = None, **values: Any) -> str:
        """A contact that is already there; returns its id."""
        moment = self.seconds() - SETTLED_S if stamp is None else stamp
        values.setdefault("LastName", "Doe")
        return self.org.create("Contact", stamp=moment, Email=email, **values)

    def add_lead(self, email: str | None, *, stamp: int | None = None, **values: Any) -> str:
        """A lead that is already there; returns its id."""
        moment = self.seconds() - SETTLED_S if stamp is None else stamp
        values.setdefault("LastName", "Doe")
        values.setdefault("Company", "Acme")
        return self.org.create("Lead", stamp=moment, Email=email, **values)

    def add_own_field(self, name: str = "Segments__c", *, restricted: bool = False) -> None:
        """The multi-select picklist on contacts and leads, as an admin makes it, with its permissions."""
        for object in ("Contact", "Lead"):
            self.org.schema[object.lower()].add(
                Field(name, "multipicklist", "Segments", MULTIPICKLIST_LENGTH, restricted=restricted)
            )
            for record in self.org.tables[object].values():
                record.setdefault(name, None)

    def hide(self, object: str, field: str, *, hidden: bool = True) -> None:
        """Field-level security: the field is there, but not for us."""
        self.org.schema[object.lower()].fields[field.lower()].visible = not hidden

    def members(self, campaign_id: str) -> set[str]:
        """Ids of contacts and leads in a campaign now."""
        table = self.org.tables["CampaignMember"].values()
        return {str(m["ContactId"] or m["LeadId"]) for m in table if m["CampaignId"] == campaign_id}

    def expire_sessions(self) -> None:
        """Every session ends now."""
        self.sessions.clear()

    # ---- answering -------------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        if request.path == TOKEN_PATH:
            return f"{request.method} /token"
        path = re.sub(r"^/services/data/v[\d.]+", "", request.path).rstrip("/")
        path = re.sub(r"/(?=\w*\d)\w{15,18}(?=/|-|$)", "/{id}", path)
        return f"{request.method} {path}{_object_of(request)}"

    def is_write(self, request: Request) -> bool:
        return request.path != TOKEN_PATH and super().is_write(request)

    def too_many(self, _: Request, *, retry_after_s: float | None = None) -> Reply:
        """The real service names no delay; Retry-After stands for what a gateway before it may say."""
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
        message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
        return refusal(Problem(403, "REQUEST_LIMIT_EXCEEDED", message), headers)

    def answer(self, request: Request) -> Reply:
        if request.path == TOKEN_PATH:
            return self._login(request)
        try:
            found = re.fullmatch(r"/services/data/v(\d+\.0)/(.+?)/?", request.path)
            if found is None:
                raise Problem(404, "NOT_FOUND", "The requested resource does not exist")
            self._authenticate(request)
            self._permit()
            self._count()
            call = Call(self, found.group(1), request.query, request.body)
            reply = route(call, request.method, found.group(2))
        except Problem as problem:
            return refusal(problem, self._limit_info())
        return Reply(reply.status, reply.body, {**reply.headers, **self._limit_info()})

    def _authenticate(self, request: Request) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        left = self.sessions.get(token, 0)
        if left <= 0 or not self.sessions_work:
            raise Problem(401, "INVALID_SESSION_ID", "Session expired or invalid")
        self.sessions[token] = left - 1

    def _permit(self) -> None:
        """System permissions, as the only row of UserPermissionAccess shows them."""
        if not self.api_enabled:
            raise Problem(403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
        self.org.tables["UserPermissionAccess"][self._rights].update(
            PermissionsApiEnabled=True,
            PermissionsCustomizeApplication=self.may_customise,
            PermissionsManageProfilesPermissionsets=self.may_manage_sets,
            PermissionsBulkApiHardDelete=self.jobs.may_hard_delete,
        )

    def _count(self) -> None:
        if self.used >= self.daily_calls:
            raise Problem(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1

    def _limit_info(self) -> dict[str, str | None]:
        """Approximate: it runs backwards now and then, as the recorded one does."""
        shown = max(0, self.used - self.used * 7 % 4)
        return {"Sforce-Limit-Info": f"api-usage={shown}/{self.daily_calls}"}

    def _login(self, request: Request) -> Reply:
        problem = logins.problem(
            request, key=CONSUMER_KEY, secret=CONSUMER_SECRET, username=USERNAME, public_key=self.public_key
        )
        if problem is not None:
            content: dict[str, str] = {"error": problem[0], "error_description": problem[1]}
            return Reply(
                400, json.dumps(content).encode(), {"Content-Type": "application/json;charset=UTF-8"}
            )
        self.logins += 1
        token = f"00D000000000001!AQ{base64.b32encode(f'session {self.logins}'.encode()).decode().strip('=')}"
        self.sessions[token] = self.session_calls
        content = {
            "access_token": token,
            "signature": "c2ltdWxhdGVk",
            "scope": "api",
            "instance_url": f"https://{DOMAIN}",
            "id": "https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA",
            "token_type": "Bearer",
            "issued_at": str(self.seconds() * 1000),
        }
        return Reply(200, json.dumps(content).encode(), {"Content-Type": "application/json;charset=UTF-8"})


def _object_of(request: Request) -> str:
    """The object that a query reads or a collection writes, for faults and counts by object."""
    if "/query" in request.path and "q" in request.query:
        found = re.search(r"\bFROM\s+(\w+)", request.query["q"], re.IGNORECASE)
    elif request.path.rstrip("/").endswith("/composite/sobjects") and request.method != "DELETE":
        found = re.search(r'"type":\s*"(\w+)"', request.body[:2000].decode("utf-8", "replace"))
    else:
        found = None
    return f" {found.group(1)}" if found else ""
