"""Asks HubSpot who we are and which scopes the token has, one cheap call for each, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.base import AudienceKind
from connectors.checking import Findings
from connectors.errors import ConnectorError
from connectors.health import Health, Needs
from connectors.hubspot.audiences import Audiences
from connectors.hubspot.client import Client
from connectors.hubspot.consent import unsubscribed_path
from connectors.hubspot.refusals import expected

NO_ADDRESS = "nobody@invalid.example"
"""Asked for by the call that needs the scope of the preferences; it is nobody's."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What the config asks: the needs of the rules, and which parts of reading are on."""

    needs: Needs
    companies: bool
    deals: bool
    opt_outs: bool


GRANT = (
    "In HubSpot, open Development, Keys, Service keys, edit the key and add the scope. An OAuth app gets it"
    " in its own settings and is then installed again"
)


class Checker:
    """One check of one account."""

    def __init__(self, client: Client, audiences: Audiences, wants: Wants) -> None:
        self._client = client
        self._audiences = audiences
        self._wants = wants
        self._found = Findings(GRANT)

    def check(self, *, contacts: Callable[[], object]) -> Health:
        """`contacts` finds out the shape of the contact stream."""
        try:
            self._who()
        except ConnectorError as error:
            self._found.problems.append(str(error))
            return self._found.health()
        needs = self._wants.needs
        # Features are asked before anything is read or written, and they need the properties' definitions.
        known = self._found.ask(
            ["crm.schemas.contacts.read"],
            "the properties of contacts are not known, so nothing can be read or written",
            contacts,
        )
        if needs.read:
            self._reading()
        lists = needs.of(AudienceKind.LIST, default=AudienceKind.LIST)
        field = bool(needs.of(AudienceKind.FIELD, default=AudienceKind.LIST))
        seen = True
        if needs.audiences:
            seen = self._found.ask(
                ["crm.lists.read"],
                "it is not known which lists there are, so no plan can be made for this account",
                self._audiences.all,
            )
        if lists:
            self._lists()
        if field:
            self._field()
        if needs.audiences and known and seen and not self._found.stopped:
            self._creations()
        self._quota()
        return self._found.health()

    def _who(self) -> None:
        found = expected(self._client.who)
        self._found.account = str(found["portalId"])
        self._found.details = {
            "account type": str(found.get("accountType") or ""),
            "time zone": str(found.get("timeZone") or ""),
            "currency": str(found.get("companyCurrency") or ""),
        }

    def _reading(self) -> None:
        self._can_list("contacts", "no contact can be read")
        if self._wants.companies:
            self._can_list(
                "companies", "contacts come without facts of their company (or set companies = false)"
            )
        if self._wants.deals:
            self._can_list("deals", "no deal can be read (or set deals = false)")
        if self._wants.opt_outs:
            path = unsubscribed_path(self._client.api_version)
            self._found.ask(
                ["communication_preferences.statuses.batch.read"],
                "who unsubscribed from everything cannot be asked (or set ask_unsubscribed = false)",
                lambda: self._client.ask(
                    "POST", path, body={"inputs": [NO_ADDRESS]}, expect="results", channel="EMAIL"
                ),
            )

    def _can_list(self, type_: str, blocks: str) -> None:
        method = self._client.crm.objects.basic_api.get_page
        self._found.ask(
            [f"crm.objects.{type_}.read"],
            blocks,
            lambda: expected(lambda: self._client.read(method, type_, limit=1, expect="results")),
        )

    def _lists(self) -> None:
        """A list without a name is refused, after the token was looked at."""
        create = self._client.crm.lists.lists_api.create
        self._found.ask(
            ["crm.lists.write"],
            "no list of ours can be made, renamed or filled",
            lambda: expected(lambda: self._client.write(create, {}, expect="list")),
            empty=True,
        )

    def _field(self) -> None:
        """A property without a name is refused, and a batch without contacts changes none."""
        create = self._client.crm.properties.core_api.create
        self._found.ask(
            ["crm.schemas.contacts.write"],
            "our property of contacts can neither be made nor get new values to choose from",
            lambda: expected(lambda: self._client.write(create, "contacts", {}, expect="name")),
            empty=True,
        )
        update = self._client.crm.objects.batch_api.update
        self._found.ask(
            ["crm.objects.contacts.write"],
            "no value can be written into our property of contacts",
            lambda: expected(
                lambda: self._client.write(update, "contacts", {"inputs": []}, expect="results")
            ),
            empty=True,
        )

    def _creations(self) -> None:
        needs = self._wants.needs
        field = bool(needs.of(AudienceKind.FIELD, default=AudienceKind.LIST))
        lists = needs.of(AudienceKind.LIST, default=AudienceKind.LIST)
        try:
            self._found.creates.extend(self._audiences.missing(lists, field=field))
            problem = self._audiences.field_problem() if field else None
        except ConnectorError as error:
            self._found.problems.append(str(error))
            return
        if problem is not None:
            self._found.problems.append(problem)

    def _quota(self) -> None:
        seen, reserve = self._client.allowance, self._client.daily_reserve
        if seen is None or seen.day_remaining is None:
            self._found.quota = "HubSpot does not tell OAuth apps how many calls of the day are left"
            return
        pace = f"; at most {seen.window_calls:,} in {seen.window_s:.0f} seconds" if seen.window_calls else ""
        self._found.quota = (
            f"{seen.day_remaining:,} of {seen.day_calls:,} left today; {reserve:.0%} of a day are kept for"
            f" your other tools (daily_reserve){pace}"
        )
