"""Asks Klaviyo which scopes the key has, one cheap call for each, and changes nothing.

The right to opt people out is not tried: there is no call for it that could not do it.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.base import AudienceKind, RemoteAudience
from connectors.checking import Findings, named, to_create
from connectors.errors import ConnectorError, Unauthorized
from connectors.health import Creation, Health, Needs
from connectors.klaviyo.answers import Refused
from connectors.klaviyo.client import Client
from connectors.klaviyo.collections import Collections
from connectors.klaviyo.operations import OPERATIONS
from connectors.klaviyo.settings import Settings

NO_LIST = "AAAAAA"
"""Has the form of a list's id. Should there be such a list: adding nobody to it changes nothing."""
NAMES = {"get_profiles": "profiles", "get_events": "events", "get_lists": "lists", "get_metrics": "metrics"}


GRANT = (
    "A key's scopes are chosen when it is made: in Klaviyo, open Settings, API keys, make a new private key"
    " that has this scope, too, and put it into the config"
)


class Checker:
    """One check of one account."""

    def __init__(
        self, client: Client, settings: Settings, needs: Needs, *, judged: Callable[[Refused], ConnectorError]
    ) -> None:
        self._client = client
        self._account = Collections(client)
        self._settings = settings
        self._needs = needs
        self._judged = judged
        self._found = Findings(GRANT)

    def check(self) -> Health:
        """Key, account and scopes; what is wrong comes as a sentence, not as an exception."""
        found = self._found
        try:
            self._client.call("get_metrics")
        except Unauthorized as error:
            if not error.scopes:
                found.problems.append(str(error))
                return found.health()
            for scope in error.scopes:
                found.lack(scope, "it is not known which events there are, so nothing can be read or written")
        except (Refused, ConnectorError) as error:
            found.problems.append(str(self._judged(error) if isinstance(error, Refused) else error))
            return found.health()
        found.account = self._account_name() or "Klaviyo account"
        found.details["own property"] = self._settings.own_property
        if self._settings.record_opt_outs:
            found.details["opt-outs"] = "those of other platforms are recorded here"
            found.notes.append(
                "record_opt_outs needs subscriptions:write, too, and that cannot be tried without opting"
                " somebody out"
            )
        else:
            found.details["opt-outs"] = "those of other platforms are not recorded (record_opt_outs = false)"
        if self._needs.read:
            self._reading()
        if self._needs.audiences:
            self._writing()
        self._quota()
        return found.health()

    def _account_name(self) -> str:
        """The company's name; empty if the key may not see it, which is no fault."""
        try:
            found = self._client.call("get_accounts")["data"]
        except (ConnectorError, Refused):
            return ""
        attributes = (found[0].get("attributes") or {}) if isinstance(found, list) and found else {}
        about = attributes.get("contact_information") or {}
        return str(about.get("organization_name") or attributes.get("public_api_key") or "")

    def _ask(self, name: str, blocks: str, call: Callable[[], object], *, empty: bool = False) -> bool:
        def sent() -> None:
            try:
                call()
            except Refused as refused:
                raise self._judged(refused) from None

        return self._found.ask(sorted(OPERATIONS[name].scopes), blocks, sent, empty=empty)

    def _reading(self) -> None:
        one = {"page[size]": 1}
        self._ask(
            "get_profiles", "no profile can be read", lambda: self._client.call("get_profiles", query=one)
        )
        self._ask("get_events", "no event can be read", lambda: self._client.call("get_events", query=one))
        if self._settings.lists:
            blocks = "the lists and segments named in the config cannot be read (see lists)"
            for name in ("get_lists", "get_segments"):
                self._ask(name, blocks, self._one(name, sized=False))

    def _writing(self) -> None:
        lists = self._needs.of(AudienceKind.LIST, default=AudienceKind.FIELD)
        fields = self._needs.of(AudienceKind.FIELD, default=AudienceKind.FIELD)
        there: list[RemoteAudience] = []

        def look() -> None:
            there.extend(
                RemoteAudience(one.id, one.name, AudienceKind.LIST, None) for one in self._account.lists()
            )

        seen = self._ask("get_lists", "it is not known which lists there are, so no plan can be made", look)
        self._ask("get_profiles", "it is not known who has which value already", self._one("get_profiles"))
        blocks = (
            "no list of ours can be made or filled" if lists else "no value can be written: imports need it"
        )
        self._ask("add_profiles_to_list", blocks, self._add_nobody, empty=True)
        if named(fields) and all(one.remote_id is None for one in named(fields)):
            self._found.creates.append(
                Creation("custom property", self._settings.own_property, object="profiles")
            )
        if seen:
            made = to_create(lists, there, "list")
            self._found.creates.extend(made)
            most = OPERATIONS["create_list"].rate.per_day or 0
            if len(made) > most:
                self._found.notes.append(
                    f"{len(made)} lists would be made; Klaviyo allows {most} new ones a day, the rest follows"
                )

    def _one(self, name: str, *, sized: bool = True) -> Callable[[], object]:
        """The smallest call that needs the scope. Pages of lists and segments always hold ten."""
        return lambda: self._client.call(name, query={"page[size]": 1} if sized else {})

    def _add_nobody(self) -> None:
        """A right of writing: lists that are not there are refused, after the key was looked at."""
        self._client.call("add_profiles_to_list", NO_LIST, body={"data": []}, expect=None)

    def _quota(self) -> None:
        left = [
            f"{NAMES[name]} {remaining:,} of {most:,}"
            for name, (most, remaining) in sorted(self._client.windows.items())
            if name in NAMES
        ]
        imports, made = OPERATIONS["bulk_import_profiles"].rate, OPERATIONS["create_list"].rate
        self._found.quota = (
            f"no daily limit; left of this minute: {', '.join(left)}. At most"
            f" {imports.steady:,} imports a minute and {made.per_day:,} new lists a day"
        )
