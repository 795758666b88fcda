"""Asks Mailchimp who we are and what the key may do; changes nothing.

Keys have no scopes: a key may do what the role of its user allows. The account names the role; which of them
may not write to an audience is not in the vendor's description, so a role that is not known is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from connectors.base import AudienceKind, RemoteAudience
from connectors.checking import Findings, to_create
from connectors.errors import ConnectorError
from connectors.health import Creation, Health, Needs
from connectors.mailchimp.client import Client, Json, Refused
from connectors.mailchimp.refusals import judged

READ_ONLY_ROLES = ("viewer", "author")
ROLE = "the role manager, admin or owner"
LABEL = "segments"
"""What the run calls the field that stands for all segments."""
PLANS = {"forever_free": "free", "pay_as_you_go": "pay as you go", "monthly": "monthly"}
FIELDS_OF_MOST_PLANS = 30
"""Merge fields of an audience in all plans but the largest (unverified)."""


GRANT = (
    "In Mailchimp, open Profile, Account & billing, Users, and change the role of the key's user, or take a"
    " key of a user with such a role"
)


class Checker:
    """One check of one audience. `home` finds out its id; raises BadSource if there are several."""

    def __init__(self, client: Client, needs: Needs, *, own_field: str, connections: int) -> None:
        self._client = client
        self._needs = needs
        self._own_field = own_field
        self._connections = connections
        self._found = Findings(GRANT)
        self._role = ""

    def check(
        self,
        *,
        home: Callable[[], str],
        audiences: Callable[[], Sequence[RemoteAudience]],
        merge_fields: Callable[[], Sequence[Json]],
    ) -> Health:
        """Key, account, audience; what is wrong comes as a sentence, not as an exception."""
        found = self._found
        list_id = ""
        try:
            self._who()
            list_id = home()
            self._audience(list_id)
            if self._needs.read:
                self._reading(list_id)
            if self._needs.audiences:
                self._writing()
                self._creations(audiences(), merge_fields())
        except Refused as refused:
            found.problems.append(str(judged(list_id, refused)))
        except ConnectorError as error:
            found.problems.append(str(error))
        if found.account:
            found.quota = (
                f"no daily limit; 10 calls at the same time in the whole account, of which segsync uses"
                f" {self._connections}"
            )
        return found.health()

    def _who(self) -> None:
        self._client.read(self._client.ping.get, expect="health_status")
        fields = ["account_id", "account_name", "role", "total_subscribers", "pricing_plan_type"]
        told = self._client.read(self._client.root.get_root, fields=fields, expect="account_id")
        self._found.account = str(told.get("account_name") or told["account_id"])
        self._role = str(told.get("role") or "")
        plan = str(told.get("pricing_plan_type") or "")
        self._found.details.update(role=self._role, plan=PLANS.get(plan, plan))

    def _audience(self, list_id: str) -> None:
        told = self._client.read(
            self._client.lists.get_list, list_id, fields=["id", "name", "stats.member_count"], expect="id"
        )
        self._found.details.update(
            audience=str(told.get("name") or ""),
            list=str(told["id"]),
            subscribers=str((told.get("stats") or {}).get("member_count", "")),
        )

    def _reading(self, list_id: str) -> None:
        """One record of each kind that is read."""
        client = self._client

        def ask(blocks: str, method: Callable[..., Any], *args: str, expect: str) -> None:
            self._found.ask([ROLE], blocks, lambda: self._one(list_id, method, *args, expect=expect))

        ask("no member can be read", client.lists.get_list_members_info, list_id, expect="members")
        ask("no opens and clicks can be read", client.campaigns.list, expect="campaigns")
        ask("no order can be read", client.ecommerce.orders, expect="orders")

    def _one(self, list_id: str, method: Callable[..., Any], *args: str, expect: str) -> None:
        try:
            self._client.read(method, *args, count=1, fields=["total_items", f"{expect}.id"], expect=expect)
        except Refused as refused:
            raise judged(list_id, refused) from None

    def _writing(self) -> None:
        if self._role.casefold() in READ_ONLY_ROLES:
            self._found.lack(
                ROLE,
                f"the key's user is {_with_article(self._role)}, who may neither tag people nor write fields",
            )

    def _creations(self, there: Sequence[RemoteAudience], fields: Sequence[Json]) -> None:
        needs, found = self._needs, self._found
        tags = [one for one in there if one.kind is AudienceKind.TAG]
        wanted = needs.of(AudienceKind.TAG, default=AudienceKind.TAG)
        found.creates.extend(to_create(wanted, tags, "tag", object=self._home()))
        in_field = needs.of(AudienceKind.FIELD, default=AudienceKind.TAG)
        if not in_field:
            return
        own = next((field for field in fields if field["tag"] == self._own_field), None)
        if own is None:
            found.creates.append(Creation("merge field", self._own_field, LABEL, self._home()))
            if len(fields) >= FIELDS_OF_MOST_PLANS:
                found.notes.append(
                    f"the audience has {len(fields)} merge fields; most plans allow {FIELDS_OF_MOST_PLANS},"
                    f" so Mailchimp may refuse {self._own_field}: delete a field that is not used, or take"
                    " tags instead"
                )
        elif own["type"] != "text":
            found.problems.append(
                f"merge field {self._own_field} is of type {own['type']}, not text; "
                "choose another own_field or let segsync make it"
            )

    def _home(self) -> str:
        return f"the audience {self._found.details.get('audience', '')}"


def _with_article(role: str) -> str:
    return f"{'an' if role[:1].lower() in 'aeiou' else 'a'} {role}"
