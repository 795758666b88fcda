"""The connector: one Mailchimp audience as source and destination.

Ordinary work writes two things only: who carries a tag of ours, and the text in the one merge field we
own. No request body built here has a key for consent, opt-in times or addresses of people.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from connectors.base import (
    Audience,
    AudienceKind,
    Batch,
    BatchShape,
    Consent,
    Features,
    Outcome,
    Page,
    RemoteAudience,
    Stream,
)
from connectors.budget import Budgets, account_key, shared_budgets
from connectors.checking import everything
from connectors.errors import (
    AudienceLost,
    BadSource,
    UnexpectedResponse,
)
from connectors.health import Health, Needs
from connectors.mailchimp import mapping
from connectors.mailchimp.checking import Checker
from connectors.mailchimp.client import Client, Json, Refused
from connectors.mailchimp.reading import PAGE, Reader
from connectors.mailchimp.refusals import judged, lost
from connectors.mailchimp.settings import address_for, settings_problems
from connectors.mailchimp.writing import Writer
from connectors.pacing import Clock
from connectors.registry import SettingValue
from connectors.values import FIELD_SCHEMA, MEMBER_SCHEMA

PEOPLE_PER_CALL = 500
NAME_LIMIT = 100


def open_connection(
    settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets | None = None
) -> MailchimpConnector:
    """Check the settings and make the connector; nothing is sent. Raises BadSource."""
    given = {name: value for name, value in settings.items() if value is not None}
    problems = list(settings_problems(given))
    key = str(given.get("api_key") or "")
    address = str(given.get("base_url") or address_for(key) or "")
    if not key:
        problems.append("api_key: is missing; give it as env:NAME or file:PATH")
    elif not address:
        problems.append("api_key: must end with its data centre, as in …-us21")
    if problems:
        raise BadSource(f"mailchimp: {'; '.join(problems)}")
    connections = int(str(given.get("connections", 6)))
    account = account_key(str(given.get("account") or key), address)
    budget = (budgets or shared_budgets(clock)).account("Mailchimp", account)
    return MailchimpConnector(
        Client(key=key, base_url=address, connections=connections, clock=clock, budget=budget),
        clock=clock,
        list_id=str(given.get("list") or "") or None,
        own_field=str(given.get("own_field", "SEGMENTS")),
        connections=connections,
        lookback_s=int(str(given.get("lookback_s", 60))),
        campaign_days=int(str(given.get("campaign_days", 180))),
        full_days=int(str(given.get("full_days", 7))),
    )


class MailchimpConnector:
    """See connectors.base.Connector. `features` asks once for the audience's merge fields."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        list_id: str | None,
        own_field: str,
        connections: int,
        lookback_s: int,
        campaign_days: int,
        full_days: int,
    ) -> None:
        self._client = client
        self._clock = clock
        self._given_list = list_id
        self._own_field = own_field
        self._connections = connections
        self._lookback_s = lookback_s
        self._campaign_days = campaign_days
        self._full_days = full_days
        self._features: Features | None = None
        self._found_list: str | None = None

    # ---- who and what ----------------------------------------------------------------------------

    @property
    def features(self) -> Features:
        if self._features is None:
            fields = self._merge_fields()
            self._features = Features(
                streams=(
                    mapping.members_stream(fields, own_field=self._own_field),
                    mapping.CAMPAIGN_ACTIVITY,
                    mapping.ORDERS,
                ),
                audiences={
                    AudienceKind.TAG: BatchShape(PEOPLE_PER_CALL, PEOPLE_PER_CALL, together=True),
                    AudienceKind.FIELD: BatchShape(
                        PEOPLE_PER_CALL, PEOPLE_PER_CALL, together=True, calls_per_change=True
                    ),
                },
                name_limit=NAME_LIMIT,
                concurrency=self._connections,
                unlisted=frozenset({Consent.PENDING}),
            )
        return self._features

    @property
    def _list(self) -> str:
        if self._found_list is None:
            self._found_list = self._given_list or self._only_list()
        return self._found_list

    def _only_list(self) -> str:
        answer = self._client.read(
            self._client.lists.get_all_lists,
            count=PAGE,
            fields=["lists.id", "lists.name", "total_items"],
            expect="lists",
        )
        found = answer["lists"]
        if len(found) == 1:
            return str(found[0]["id"])
        names = ", ".join(f"{a['id']} ({a['name']})" for a in found) or "none"
        raise BadSource(f'mailchimp: say with list = "…" which audience is meant; the account has: {names}')

    def _reader(self) -> Reader:
        return Reader(
            self._client,
            self._list,
            clock=self._client.time,
            lookback_s=self._lookback_s,
            campaign_days=self._campaign_days,
            full_days=self._full_days,
        )

    def _merge_fields(self) -> list[Json]:
        fields = ["merge_fields.tag", "merge_fields.name", "merge_fields.type", "total_items"]
        try:
            answer = self._client.read(
                self._client.lists.get_list_merge_fields,
                self._list,
                count=PAGE,
                fields=fields,
                expect="merge_fields",
            )
        except Refused as refused:
            raise judged(self._list, refused) from None
        return list(answer["merge_fields"])

    def check(self, needs: Needs | None = None) -> Health:
        """Key, account, audience; what is wrong comes as a sentence, not as an exception."""
        asked = needs or everything((AudienceKind.TAG, AudienceKind.FIELD))
        checker = Checker(self._client, asked, own_field=self._own_field, connections=self._connections)
        return checker.check(
            home=lambda: self._list, audiences=self.audiences, merge_fields=self._merge_fields
        )

    def usage(self) -> Mapping[str, int]:
        """Requests sent, those sent again included."""
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
        """Pages of a stream of `features`; see reading.py for what makes them complete."""
        reader = self._reader()
        pages = {
            "members": lambda: reader.members(stream, after),
            mapping.CAMPAIGN_ACTIVITY.name: lambda: reader.campaign_activity(after),
            mapping.ORDERS.name: reader.orders,
        }
        if stream.name not in pages:
            raise BadSource(f"mailchimp has no stream '{stream.name}'; it has: {', '.join(pages)}")
        return self._pages(pages[stream.name]())

    def _pages(self, pages: Iterator[Page]) -> Iterator[Page]:
        while True:
            try:
                page = next(pages, None)
            except Refused as refused:
                raise judged(self._list, refused) from None
            if page is None:
                return
            yield page

    def members(self, audience: Audience) -> Iterator[Page]:
        """Who carries the tag, or has something in the own field, whatever the consent."""
        if audience.kind is AudienceKind.FIELD:
            return self._pages(self._field_pages())
        return self._tag_pages(str(audience.remote_id))

    def _tag_pages(self, segment_id: str) -> Iterator[Page]:
        rows = self._reader().tagged(segment_id, ("id", "contact_id", "email_address"))
        while True:
            try:
                found = next(rows, None)
            except Refused as refused:
                raise lost(self._client, self._list, refused) from None
            if found is None:
                return
            yield Page(_member_table(found), None)

    def _field_pages(self) -> Iterator[Page]:
        for rows in self._reader().all_members(("id", "contact_id", "email_address", "merge_fields")):
            filled = [m for m in rows if (m.get("merge_fields") or {}).get(self._own_field)]
            yield Page(_member_table(filled, own_field=self._own_field), None)

    # ---- audiences -------------------------------------------------------------------------------

    def audiences(self) -> list[RemoteAudience]:
        """All tags, and the own field if it is there."""
        found = [
            RemoteAudience(
                remote_id=str(s["id"]),
                name=str(s["name"]),
                kind=AudienceKind.TAG,
                members=int(s.get("member_count") or 0),
                changed=s.get("updated_at"),
            )
            for s in self._segments("id", "name", "member_count", "updated_at")
        ]
        for field in self._merge_fields():
            if field["tag"] == self._own_field:
                name = str(field["name"])
                found.append(RemoteAudience(self._own_field, name, AudienceKind.FIELD, None))
        return found

    def _segments(self, *keys: str) -> list[Json]:
        found: list[Json] = []
        while True:
            try:
                answer = self._client.read(
                    self._client.lists.list_segments,
                    self._list,
                    type="static",
                    count=PAGE,
                    offset=len(found),
                    fields=[*(f"segments.{key}" for key in keys), "total_items"],
                    expect="segments",
                )
            except Refused as refused:
                raise judged(self._list, refused) from None
            found.extend(answer["segments"])
            if not answer["segments"] or len(found) >= int(answer["total_items"]):
                return found

    def ensure(self, audience: Audience) -> str:
        """The tag's id, or the own field's merge tag; made if missing, found again if renamed."""
        if audience.kind is AudienceKind.FIELD:
            return self._ensure_field(audience.name)
        found = self._find_tag(audience)
        if found is not None:
            return found
        try:
            made = self._client.write(
                self._client.lists.create_segment,
                self._list,
                {"name": audience.name, "static_segment": []},
                expect="id",
            )
        except Refused as refused:
            found = self._find_tag(audience)  # somebody made it between our look and our call
            if found is not None:
                return found
            raise judged(self._list, refused) from None
        return str((made or {})["id"])

    def rename(self, audience: Audience) -> None:
        """A tag gets its new name; `static_segment` is never sent, for it would replace the members."""
        if audience.kind is AudienceKind.FIELD:
            return
        self._manage(self._client.lists.update_segment, audience, {"name": audience.name}, expect="id")

    def delete(self, audience: Audience) -> None:
        """The tag goes, its members stay on the list. The own field is never deleted."""
        if audience.kind is AudienceKind.FIELD:
            raise UnexpectedResponse("the own field may hold other segments; delete it in Mailchimp itself")
        with contextlib.suppress(AudienceLost):
            self._manage(self._client.lists.delete_segment, audience, expect=None)

    def _manage(
        self, method: Callable[..., Any], audience: Audience, *body: Json, expect: str | None
    ) -> None:
        try:
            self._client.write(method, self._list, audience.remote_id, *body, expect=expect)
        except Refused as refused:
            raise lost(self._client, self._list, refused) from None

    def _find_tag(self, audience: Audience) -> str | None:
        """By id, else by name without regard to case, which Mailchimp may change."""
        segments = self._segments("id", "name")
        if any(str(s["id"]) == audience.remote_id for s in segments):
            return audience.remote_id
        folded = audience.name.casefold()
        return next((str(s["id"]) for s in segments if str(s["name"]).casefold() == folded), None)

    def _ensure_field(self, name: str) -> str:
        if self._own_field_is_there():
            return self._own_field
        body = {"name": name, "tag": self._own_field, "type": "text", "public": False, "required": False}
        try:
            self._client.write(self._client.lists.add_list_merge_field, self._list, body, expect="tag")
        except Refused as refused:
            if not self._own_field_is_there():
                raise judged(self._list, refused) from None
        return self._own_field

    def _own_field_is_there(self) -> bool:
        for field in self._merge_fields():
            if field["tag"] == self._own_field:
                if field["type"] != "text":
                    raise UnexpectedResponse(
                        f"merge field {self._own_field} is of type {field['type']}, not text; "
                        "choose another own_field or let segsync make it"
                    )
                return True
        return False

    # ---- writing ---------------------------------------------------------------------------------

    def write(self, batch: Batch) -> list[Outcome]:
        """One call for a batch of tag changes, one per person for the own field."""
        return self._writer().write(batch)

    def erase(self, external_id: str) -> Outcome:
        """Delete the person's data for good. The address cannot be imported again, by anybody."""
        return self._writer().erase(external_id)

    def _writer(self) -> Writer:
        return Writer(self._client, self._list, own_field=self._own_field, connections=self._connections)


def _member_table(rows: list[Json], *, own_field: str | None = None) -> pa.Table:
    columns: dict[str, list[str | None]] = {
        "external_id": [mapping.external_id(m) for m in rows],
        "address": [str(m.get("email_address") or "") or None for m in rows],
    }
    if own_field is None:
        return pa.table(columns, schema=MEMBER_SCHEMA)
    columns["value"] = [str(m["merge_fields"][own_field]) for m in rows]
    return pa.table(columns, schema=FIELD_SCHEMA)
