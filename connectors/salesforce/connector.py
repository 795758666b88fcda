"""The connector: one Salesforce org as source and destination.

Ordinary work writes two things only: who is in a campaign of ours, and the text in the one field we own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa

from connectors.base import (
    Action,
    Audience,
    AudienceKind,
    Batch,
    BatchShape,
    Change,
    Features,
    Outcome,
    OutcomeState,
    Page,
    RemoteAudience,
    Stream,
)
from connectors.budget import Budgets, account_key, shared_budgets
from connectors.checking import everything
from connectors.errors import AudienceLost, Unauthorized, Unavailable, UnexpectedResponse
from connectors.health import Health, Needs
from connectors.pacing import Clock
from connectors.registry import SettingValue
from connectors.salesforce import activity
from connectors.salesforce.answers import Refused, judged
from connectors.salesforce.bulk import run_job
from connectors.salesforce.catalog import Catalog
from connectors.salesforce.checking import Checker, Parts
from connectors.salesforce.checking import blind as blind_spots
from connectors.salesforce.client import Client, Json
from connectors.salesforce.field import OBJECTS, OwnField
from connectors.salesforce.mapping import Layout
from connectors.salesforce.reading import Reader, quoted
from connectors.salesforce.rows import MOST_ROWS
from connectors.salesforce.settings import Settings, load
from connectors.salesforce.streams import Streams
from connectors.salesforce.writing import FIELD_SHAPE, ID, LINKS, PREFIXES, Writer, campaign_there

NAME_LIMIT = 80
CREATE_TRIES = 4
MEMBER_SCHEMA = pa.schema(
    [pa.field("external_id", pa.string(), nullable=False), pa.field("address", pa.string())]
)
FIELD_SCHEMA = MEMBER_SCHEMA.append(pa.field("value", pa.string()))


def open_connection(
    settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets | None = None
) -> SalesforceConnector:
    """Check the settings and make the connector; nothing is sent. Raises BadSource."""
    given = load(settings)
    account = account_key(given.domain, given.base_url)
    budget = (budgets or shared_budgets(clock)).account("Salesforce", account)
    return SalesforceConnector(Client(given, clock=clock, budget=budget), given)


class SalesforceConnector:
    """See connectors.base.Connector. `features` asks once for the fields our user can see."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._catalog = Catalog(client)
        self._reader = Reader(client, lookback_s=settings.lookback_s)
        self._streams = Streams(self._reader, self._catalog, settings)
        self._field = OwnField(client, self._catalog, self._reader, settings)
        self._writer = Writer(client, self._reader, self._field)
        self._layout: Layout | None = None
        self._features: Features | None = None

    # ---- who and what ----------------------------------------------------------------------------

    @property
    def features(self) -> Features:
        if self._features is None:
            self._layout = self._streams.layout()
            self._features = Features(
                streams=(self._layout.stream, *activity.STREAMS),
                audiences={
                    AudienceKind.CAMPAIGN: BatchShape(MOST_ROWS, MOST_ROWS, together=False),
                    AudienceKind.FIELD: FIELD_SHAPE,
                },
                name_limit=NAME_LIMIT,
                concurrency=self._settings.connections,
            )
        return self._features

    def check(self, needs: Needs | None = None) -> Health:
        """Login, org, rights and quota; what is wrong comes as sentences, not as an exception."""
        parts = Parts(self._client, self._catalog, self._reader, self._field, self._settings)
        self._catalog.forget()
        return Checker(parts, needs or everything((AudienceKind.CAMPAIGN, AudienceKind.FIELD))).check()

    def usage(self) -> Mapping[str, int]:
        """Requests sent, logins and those sent again included."""
        pacer = self._client.pacer
        return {
            "reads": self._client.reads,
            "writes": self._client.writes,
            "retries": pacer.retries,
            "rate_limited": pacer.rate_limited,
        }

    def close(self) -> None:
        """Let go of all sockets."""
        self._client.close()

    # ---- reading ---------------------------------------------------------------------------------

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Pages of a stream of `features`; see position.py for what makes them complete."""
        if self._layout is None:
            self._layout = self._streams.layout()
        return self._streams.read(stream, self._layout, after)

    def members(self, audience: Audience) -> Iterator[Page]:
        """Who is in the campaign, or has something in the own field."""
        if audience.kind is AudienceKind.FIELD:
            if self._field.there() is None:
                raise AudienceLost(f"the field {self._field.name} is not there any more")
            return self._field_members()
        if not campaign_there(self._reader, str(audience.remote_id)):
            raise AudienceLost("the campaign was deleted on Salesforce")
        return self._campaign_members(str(audience.remote_id))

    def _campaign_members(self, campaign_id: str) -> Iterator[Page]:
        for rows in self._reader.scan("CampaignMember", LINKS, f"CampaignId = {quoted(campaign_id)}"):
            ids = [str(r["ContactId"] or r["LeadId"]) for r in rows]
            yield Page(pa.table({"external_id": ids, "address": ids}, schema=MEMBER_SCHEMA), None)

    def _field_members(self) -> Iterator[Page]:
        """Converted leads are left out: what stands there nobody can change, their contact counts."""
        name = self._field.name
        for object in OBJECTS:
            unconverted = " AND IsConverted = false" if object == "Lead" else ""
            for rows in self._reader.scan(object, (name,), f"{name} != null{unconverted}"):
                ids = [str(r["Id"]) for r in rows]
                columns = {"external_id": ids, "address": ids, "value": [str(r[name]) for r in rows]}
                yield Page(pa.table(columns, schema=FIELD_SCHEMA), None)

    # ---- audiences -------------------------------------------------------------------------------

    def audiences(self) -> list[RemoteAudience]:
        """All campaigns, and the own field if it is there."""
        counts = self._catalog.visible("Campaign", ("NumberOfContacts", "NumberOfLeads"))
        found = []
        for rows in self._reader.scan("Campaign", ("Name", *counts)):
            for row in rows:
                members = sum(int(row[name] or 0) for name in counts) if counts else None
                found.append(RemoteAudience(str(row["Id"]), str(row["Name"]), AudienceKind.CAMPAIGN, members))
        field = self._field.there()
        if field is not None:
            found.append(RemoteAudience(self._field.name, str(field["label"]), AudienceKind.FIELD, None))
        return found

    def ensure(self, audience: Audience) -> str:
        """The campaign's id, or the own field's name; made if missing, found again by id or name."""
        if audience.kind is AudienceKind.FIELD:
            self._layout = None  # from now on contacts come with the field
            return self._field.ensure()
        return self._find_campaign(audience) or self._make_campaign(audience)

    def _find_campaign(self, audience: Audience) -> str | None:
        """By id, else by name without regard to case; of several the oldest."""
        wanted = f"Name = {quoted(audience.name)}"
        if audience.remote_id is not None and ID.fullmatch(audience.remote_id):
            wanted = f"({wanted} OR Id = {quoted(audience.remote_id)})"
        rows = [row for some in self._reader.scan("Campaign", ("Name",), wanted) for row in some]
        if any(row["Id"] == audience.remote_id for row in rows):
            return audience.remote_id
        folded = audience.name.casefold()
        return next((str(row["Id"]) for row in rows if str(row["Name"]).casefold() == folded), None)

    def _make_campaign(self, audience: Audience) -> str:
        """Names are not unique, so after a lost answer we look before we make another one."""
        body: Json = {"Name": audience.name, "IsActive": True}
        wait_s = 1.0
        for attempt in range(CREATE_TRIES):
            try:
                return str(self._client.create_once("sobjects/Campaign", body)["id"])
            except Refused as refused:
                raise judged(refused) from None
            except Unavailable:
                if attempt == CREATE_TRIES - 1:
                    raise
            self._client.clock.sleep(wait_s)
            wait_s *= 2
            found = self._find_campaign(audience)
            if found is not None:
                return found
        raise Unavailable("Salesforce did not make the campaign")

    def preparation(self, missing: Sequence[Audience], values: Collection[str]) -> int:  # noqa: ARG002
        """One call for a campaign; for the own field two for each object that lacks it. Values need none."""
        calls = sum(1 for one in missing if one.kind is not AudienceKind.FIELD)
        return calls + (self._field.calls_to_make() if calls < len(missing) else 0)

    def declare(self, values: Collection[str]) -> None:
        """Nothing to do: the own field takes any value."""

    def rename(self, audience: Audience) -> None:
        """A campaign gets its new name; its members stay. The own field's label is left alone."""
        if audience.kind is AudienceKind.FIELD:
            return
        try:
            self._client.change_one("Campaign", str(audience.remote_id), {"Name": audience.name})
        except Refused as refused:
            if refused.missing:
                raise AudienceLost("the campaign was deleted on Salesforce") from None
            raise judged(refused) from None

    def delete(self, audience: Audience) -> None:
        """The campaign goes into the bin, its people stay. The own field is never deleted."""
        if audience.kind is AudienceKind.FIELD:
            raise UnexpectedResponse("the own field may hold other segments; delete it in Salesforce itself")
        try:
            self._client.delete_one("Campaign", str(audience.remote_id))
        except Refused as refused:
            if not refused.missing:
                raise judged(refused) from None

    # ---- writing ---------------------------------------------------------------------------------

    def write(self, batch: Batch) -> list[Outcome]:
        """⌈adds/200⌉ + ⌈removes/200⌉ calls for campaigns; ⌈N/200⌉ for the own field, or of large batches
        one bulk job an object.
        """
        blind = list(blind_spots(self._catalog, self._settings))
        if blind:
            raise Unauthorized(f"salesforce: {'; '.join(blind)}")
        return self._writer.write(batch)

    def erase(self, external_id: str) -> Outcome:
        """Into the bin, which is emptied after about 15 days; at once for good with `hard_delete`."""
        change = Change(Action.REMOVE, external_id, external_id)
        object = PREFIXES.get(external_id[:3]) if ID.fullmatch(external_id) else None
        gone = Outcome(change, OutcomeState.DONE, code="not_found", reason="nobody there to erase")
        if object is None:
            return gone
        try:
            if not self._settings.hard_delete:
                self._client.delete_one(object, external_id)
                reason = "moved to the recycle bin, which Salesforce empties after about 15 days"
                return Outcome(change, OutcomeState.DONE, code="recycle_bin", reason=reason)
            found = run_job(self._client, object, "hardDelete", ("Id",), [[external_id]])[external_id]
        except Refused as refused:
            if refused.missing:
                return gone
            return Outcome(change, OutcomeState.REFUSED, refused.code.lower(), refused.message)
        if found is None or found.code is None:
            state = OutcomeState.UNKNOWN if found is None else OutcomeState.DONE
            return Outcome(change, state)
        return Outcome(change, OutcomeState.REFUSED, found.code.lower(), found.reason)
