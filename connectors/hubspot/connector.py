"""The connector: one HubSpot account as source and destination.

Ordinary work writes two things only: who is on a list of ours, and the one property we own. No request body
built here has a key for consent, addresses or anything else of a contact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa

from connectors.base import (
    Audience,
    AudienceKind,
    Batch,
    BatchShape,
    Features,
    Outcome,
    Page,
    RemoteAudience,
    Stream,
)
from connectors.budget import Budgets, account_key, shared_budgets
from connectors.checking import everything
from connectors.errors import AudienceLost, BadSource, UnexpectedResponse
from connectors.health import Health, Needs
from connectors.hubspot import mapping
from connectors.hubspot.answers import Json, Refused
from connectors.hubspot.audiences import Audiences
from connectors.hubspot.checking import Checker, Wants
from connectors.hubspot.client import DATED, FIRST_CALLS, Client
from connectors.hubspot.deals import DEALS
from connectors.hubspot.objects import INPUTS
from connectors.hubspot.reading import Reader
from connectors.hubspot.refusals import expected, judged
from connectors.hubspot.settings import OAUTH, Reading, flag, settings_problems, texts, whole
from connectors.hubspot.tokens import OAuthApp
from connectors.hubspot.writing import Writer
from connectors.pacing import Clock
from connectors.registry import SettingValue

HOME = "https://api.hubapi.com"
NAME_LIMIT = 200
MEMBERS_PER_PAGE = 250
MEMBER_SCHEMA = pa.schema(
    [pa.field("external_id", pa.string(), nullable=False), pa.field("address", pa.string())]
)
FIELD_SCHEMA = MEMBER_SCHEMA.append(pa.field("value", pa.string()))


def open_connection(
    settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets | None = None
) -> HubspotConnector:
    """Check the settings and make the connector; nothing is sent. Raises BadSource."""
    given = {name: value for name, value in settings.items() if value is not None}
    problems = list(settings_problems(given))
    key = str(given.get("access_token") or "")
    app = OAuthApp(*(str(given.get(name) or "") for name in OAUTH))
    if not key and not app.refresh_token:
        problems.append("access_token: is missing; give a service key as env:NAME or file:PATH")
    if problems:
        raise BadSource(f"hubspot: {'; '.join(problems)}")
    connections = int(str(given.get("connections", 6)))
    base_url = str(given.get("base_url") or HOME)
    account = str(given.get("account") or "") or account_key(key or app.client_id + app.refresh_token)
    client = Client(
        access=key or app,
        base_url=base_url,
        api_version=str(given.get("api_version") or DATED),
        connections=connections,
        daily_reserve=float(str(given.get("daily_reserve", 0.1))),
        clock=clock,
        budget=(budgets or shared_budgets(clock)).account("HubSpot", account_key(account, base_url)),
    )
    return HubspotConnector(
        client,
        clock=clock,
        chosen=texts(given, "properties"),
        subscriptions=texts(given, "subscriptions"),
        own_field=str(given.get("own_field", "segsync_segments")),
        folder=str(given.get("folder", "segsync")),
        connections=connections,
        ids_per_call=whole(given, "ids_per_call"),
        deals=flag(given, "deals"),
        reading=Reading(
            lookback_s=whole(given, "lookback_s"),
            full_days=whole(given, "full_days"),
            archived_hours=whole(given, "archived_hours"),
            companies=flag(given, "companies"),
            ask_unsubscribed=flag(given, "ask_unsubscribed"),
        ),
    )


class HubspotConnector:
    """See connectors.base.Connector. `features` asks once for the account's properties of contacts."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        chosen: Sequence[str],
        subscriptions: Sequence[str],
        own_field: str,
        folder: str,
        connections: int,
        ids_per_call: int,
        deals: bool,
        reading: Reading,
    ) -> None:
        self._client = client
        self._clock = clock
        self._chosen = chosen
        self._subscriptions = subscriptions
        self._own_field = own_field
        self._connections = connections
        self._ids_per_call = ids_per_call
        self._deals = deals
        self._reading = reading
        self._audiences = Audiences(client, own_field=own_field, folder=folder)
        self._writer = Writer(client, self._audiences, own_field=own_field, ids_per_call=ids_per_call)
        self._shape: mapping.ContactShape | None = None

    # ---- who and what ----------------------------------------------------------------------------

    @property
    def features(self) -> Features:
        contacts = self._contacts().stream
        return Features(
            streams=(contacts, DEALS) if self._deals else (contacts,),
            audiences={
                AudienceKind.LIST: BatchShape(self._ids_per_call, self._ids_per_call, together=True),
                AudienceKind.FIELD: BatchShape(INPUTS, INPUTS, together=False),
            },
            name_limit=NAME_LIMIT,
            concurrency=self._connections,
            calls_per_s=FIRST_CALLS.rate_per_s,
        )

    def _contacts(self) -> mapping.ContactShape:
        if self._shape is None:
            definitions = self._definitions()
            problems = list(mapping.unknown_properties(definitions, self._chosen))
            if problems:
                raise BadSource(f"hubspot: properties: {'; '.join(problems)}")
            self._shape = mapping.contact_shape(
                definitions,
                chosen=self._chosen,
                own_field=self._own_field,
                companies=self._reading.companies,
                subscriptions=self._subscriptions,
            )
        return self._shape

    def _definitions(self) -> list[Json]:
        api = self._client.crm.properties.core_api
        answer = expected(lambda: self._client.read(api.get_all, "contacts", expect="results"))
        return list(answer["results"])

    def check(self, needs: Needs | None = None) -> Health:
        """Key, account, scopes, quota; what is wrong comes as sentences, not as an exception."""
        plan = Wants(
            needs=needs or everything((AudienceKind.LIST, AudienceKind.FIELD)),
            companies=self._reading.companies,
            deals=self._deals,
            opt_outs=self._reading.ask_unsubscribed,
        )
        return Checker(self._client, self._audiences, plan).check(contacts=self._contacts)

    def usage(self) -> Mapping[str, int]:
        """Requests sent, those sent again and those for tokens included."""
        pacers = (self._client.pacer, self._client.searches)
        return {
            "reads": self._client.reads,
            "writes": self._client.writes,
            "preparing": self._audiences.preparing,
            "retries": sum(pacer.retries for pacer in pacers),
            "rate_limited": sum(pacer.rate_limited for pacer in pacers),
        }

    def close(self) -> None:
        """Let go of all sockets."""
        self._client.close()

    # ---- reading ---------------------------------------------------------------------------------

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Pages of a stream of `features`; see reading.py for what makes them complete."""
        if stream.name == "contacts":
            return self._reader().contacts(self._contacts(), after)
        if stream.name == DEALS.name and self._deals:
            return self._reader().deals(after)
        raise BadSource(f"hubspot has no stream '{stream.name}'; it has: contacts, deals")

    def _reader(self) -> Reader:
        return Reader(
            self._client, clock=self._client.time, reading=self._reading, connections=self._connections
        )

    def members(self, audience: Audience) -> Iterator[Page]:
        """Who is on the list (by id, HubSpot tells no more), or has something in the own property."""
        if audience.kind is AudienceKind.FIELD:
            return self._field_pages()
        return self._list_pages(str(audience.remote_id))

    def _list_pages(self, list_id: str) -> Iterator[Page]:
        after: dict[str, str] = {}
        while True:
            try:
                answer = self._client.read(
                    self._client.crm.lists.memberships_api.get_page,
                    list_id,
                    limit=MEMBERS_PER_PAGE,
                    expect="results",
                    **after,
                )
            except Refused as refused:
                if refused.missing:
                    raise AudienceLost("the list was deleted on HubSpot") from None
                raise judged(refused) from None
            ids = [str(one["recordId"]) for one in answer["results"]]
            columns = {"external_id": ids, "address": [None] * len(ids)}
            yield Page(pa.table(columns, schema=MEMBER_SCHEMA), None)
            following = ((answer.get("paging") or {}).get("next") or {}).get("after")
            if following is None:
                return
            after = {"after": str(following)}

    def _field_pages(self) -> Iterator[Page]:
        for rows in self._reader().everybody(("email", self._own_field)):
            filled = [one for one in rows if one["properties"].get(self._own_field)]
            columns = {
                "external_id": [str(one["id"]) for one in filled],
                "address": [one["properties"].get("email") or None for one in filled],
                "value": [one["properties"][self._own_field] for one in filled],
            }
            yield Page(pa.table(columns, schema=FIELD_SCHEMA), None)

    # ---- writing ---------------------------------------------------------------------------------

    def audiences(self) -> list[RemoteAudience]:
        """All lists that can be written to, and the own property if it is there."""
        return self._audiences.all()

    def ensure(self, audience: Audience) -> str:
        """The list's id, or the own property's name; made if missing, renamed if its name is another."""
        if audience.kind is AudienceKind.FIELD:
            return self._audiences.ensure_field(audience)
        return self._audiences.ensure_list(audience)

    def preparation(self, missing: Sequence[Audience], values: Collection[str]) -> int:
        """A call for each list, for their folder, for the own property, and one for all its new options."""
        return self._audiences.preparation(missing, values)

    def declare(self, values: Collection[str]) -> None:
        """The own property gets options for these values, those of others stay."""
        self._audiences.require_options(values)

    def rename(self, audience: Audience) -> None:
        """A list gets its new name; its members stay. The own property's label is left alone."""
        if audience.kind is not AudienceKind.FIELD:
            self._audiences.rename_list(audience)

    def delete(self, audience: Audience) -> None:
        """The list goes (HubSpot can restore it for 90 days); the own property is never deleted."""
        if audience.kind is AudienceKind.FIELD:
            raise UnexpectedResponse("the own property may hold other segments; delete it in HubSpot itself")
        self._audiences.delete_list(audience)

    def write(self, batch: Batch) -> list[Outcome]:
        """One call for a batch: of changes to a list, or of values of the own property."""
        return self._writer.write(batch)

    def erase(self, external_id: str) -> Outcome:
        """Delete the person's data for good. HubSpot blocks the address from then on."""
        return self._writer.erase(external_id)
