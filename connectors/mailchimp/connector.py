"""The connector: one Mailchimp audience as source and destination.

Ordinary work writes two things only: who carries a tag of ours, and the text in the one merge field we
own. No request body built here has a key for consent, opt-in times or addresses of people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from connectors.base import (
    Action,
    Audience,
    AudienceKind,
    Batch,
    BatchShape,
    Change,
    Features,
    Health,
    Outcome,
    OutcomeState,
    Page,
    RemoteAudience,
    Stream,
)
from connectors.errors import (
    AudienceLost,
    BadSource,
    BatchRefused,
    ConnectorError,
    Unavailable,
    UnexpectedResponse,
)
from connectors.mailchimp import mapping
from connectors.mailchimp.client import Client, Json, Refused, without_addresses
from connectors.mailchimp.reading import PAGE, Reader
from connectors.pacing import Clock
from connectors.registry import SettingValue

PEOPLE_PER_CALL = 500
NAME_LIMIT = 100
FIELD_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,9}")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
MEMBER_SCHEMA = pa.schema(
    [pa.field("external_id", pa.string(), nullable=False), pa.field("address", pa.string())]
)
FIELD_SCHEMA = MEMBER_SCHEMA.append(pa.field("value", pa.string()))


def open_connection(settings: Mapping[str, SettingValue], clock: Clock) -> MailchimpConnector:
    """Check the settings and make the connector; nothing is sent. Raises BadSource."""
    key = str(settings.get("api_key") or "")
    base_url = str(settings.get("base_url") or "")
    if not key:
        raise BadSource("mailchimp: api_key is missing; give it as env:NAME or file:PATH")
    centre = key.rpartition("-")[2] if key.count("-") == 1 else ""
    if not base_url and not re.fullmatch(r"[a-z]+\d+", centre):
        raise BadSource("mailchimp: api_key must end with its data centre, as in …-us21")
    connections = _whole(settings, "connections", 6)
    if not 1 <= connections <= 10:
        raise BadSource("mailchimp: connections must be between 1 and 10, all that Mailchimp allows")
    own_field = str(settings.get("own_field") or "SEGMENTS")
    if not FIELD_NAME.fullmatch(own_field):
        raise BadSource("mailchimp: own_field is a merge tag: capital letters, digits and _, at most 10")
    return MailchimpConnector(
        Client(
            key=key,
            base_url=base_url or f"https://{centre}.api.mailchimp.com",
            connections=connections,
            clock=clock,
        ),
        clock=clock,
        list_id=str(settings.get("list") or "") or None,
        own_field=own_field,
        connections=connections,
        lookback_s=_whole(settings, "lookback_s", 60),
        campaign_days=_whole(settings, "campaign_days", 180),
    )


def _whole(settings: Mapping[str, SettingValue], name: str, default: int) -> int:
    value = settings.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadSource(f"mailchimp: {name} must be a whole number, not less than 0")
    return value


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
        lookback_s: int = 60,
        campaign_days: int = 180,
    ) -> None:
        self._client = client
        self._clock = clock
        self._given_list = list_id
        self._own_field = own_field
        self._connections = connections
        self._lookback_s = lookback_s
        self._campaign_days = campaign_days
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
            clock=self._clock,
            lookback_s=self._lookback_s,
            campaign_days=self._campaign_days,
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
            raise self._judged(refused) from None
        return list(answer["merge_fields"])

    def check(self) -> Health:
        """Key, account, audience; what is wrong comes as a sentence, not as an exception."""
        account = ""
        try:
            self._client.read(self._client.ping.get, expect="health_status")
            fields = ["account_id", "account_name", "role", "total_subscribers"]
            found = self._client.read(self._client.root.get_root, fields=fields, expect="account_id")
            account = str(found.get("account_name") or found["account_id"])
            home = self._client.read(
                self._client.lists.get_list,
                self._list,
                fields=["id", "name", "stats.member_count"],
                expect="id",
            )
        except Refused as refused:
            return Health(ok=False, account=account, problems=(str(self._judged(refused)),))
        except ConnectorError as error:
            return Health(ok=False, account=account, problems=(str(error),))
        details = {
            "role": str(found.get("role") or ""),
            "audience": str(home.get("name") or ""),
            "list": str(home["id"]),
            "subscribers": str((home.get("stats") or {}).get("member_count", "")),
        }
        return Health(ok=True, account=account, details=details)

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
                raise self._judged(refused) from None
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
                raise self._lost(refused) from None
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
            RemoteAudience(str(s["id"]), str(s["name"]), AudienceKind.TAG, int(s.get("member_count") or 0))
            for s in self._segments("id", "name", "member_count")
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
                raise self._judged(refused) from None
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
            raise self._judged(refused) from None
        return str((made or {})["id"])

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
                raise self._judged(refused) from None
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
        outcomes: dict[int, Outcome] = {}
        sent: list[tuple[int, Change]] = []
        for place, change in enumerate(batch.changes):
            refusal = _unsendable(change, batch.audience.kind)
            if refusal is None:
                sent.append((place, change))
            else:
                outcomes[place] = refusal
        if sent:
            write = self._write_field if batch.audience.kind is AudienceKind.FIELD else self._write_tag
            outcomes.update(
                zip((p for p, _ in sent), write(batch.audience, [c for _, c in sent]), strict=True)
            )
        return [outcomes[place] for place in range(len(batch.changes))]

    def _write_tag(self, audience: Audience, changes: list[Change]) -> list[Outcome]:
        body = {
            "members_to_add": [c.address for c in changes if c.action is Action.ADD],
            "members_to_remove": [c.address for c in changes if c.action is Action.REMOVE],
        }
        try:
            answer = self._client.write(
                self._client.lists.batch_segment_members,
                {name: addresses for name, addresses in body.items() if addresses},
                self._list,
                str(audience.remote_id),
                expect="errors",
            )
        except Refused as refused:
            if refused.status == 400:
                raise BatchRefused(
                    f"Mailchimp refused a batch: {refused.reason}", code=refused.code
                ) from None
            raise self._lost(refused) from None
        refused_by = dict(mapping.refused_addresses((answer or {})["errors"]))
        return [_tag_outcome(change, refused_by) for change in changes]

    def _write_field(self, audience: Audience, changes: list[Change]) -> list[Outcome]:
        """PATCH, not PUT: it answers 404 for strangers and so can create nobody (a PUT might), and a body
        with merge fields only leaves consent as it is. Required fields of the audience are not ours to fill.
        """
        if len(changes) == 1:
            return [self._set_field(changes[0])]

        def one(change: Change) -> Outcome:
            try:
                return self._set_field(change)
            except Unavailable as error:
                return Outcome(change, OutcomeState.UNKNOWN, code="unavailable", reason=str(error))

        with ThreadPoolExecutor(max_workers=self._connections) as pool:
            outcomes = list(pool.map(one, changes))
        if all(o.state is OutcomeState.UNKNOWN for o in outcomes):
            raise Unavailable(f"Mailchimp did not take any of {len(changes)} values of {audience.name}")
        return outcomes

    def _set_field(self, change: Change) -> Outcome:
        value = (change.value or "") if change.action is Action.SET else ""
        try:
            answer = self._client.write(
                self._client.lists.update_list_member,
                self._list,
                mapping.subscriber_hash(change.address),
                {"merge_fields": {self._own_field: value}},
                skip_merge_validation=True,
                expect="merge_fields",
            )
        except Refused as refused:
            if refused.missing:
                self._check_list()
                return _refusal(change, "not_found", "this address is not in the Mailchimp audience")
            return _refusal(change, refused.code, f"Mailchimp refused the value: {refused.reason}")
        if ((answer or {})["merge_fields"] or {}).get(self._own_field, "") != value:
            # Unknown merge fields are ignored silently: the field was deleted by hand.
            raise AudienceLost(f"the merge field {self._own_field} is not there any more")
        return Outcome(change, OutcomeState.DONE)

    def erase(self, external_id: str) -> Outcome:
        """Delete the person's data for good. The address cannot be imported again, by anybody."""
        change = Change(Action.REMOVE, external_id, "")
        lists = self._client.lists
        try:
            found = self._client.read(
                lists.get_list_member, self._list, external_id, fields=["id"], expect="id"
            )
            self._client.write(lists.delete_list_member_permanent, self._list, found["id"], expect=None)
        except Refused as refused:
            if refused.missing:
                self._check_list()
                return Outcome(change, OutcomeState.DONE, code="not_found", reason="nobody there to erase")
            return _refusal(change, refused.code, f"Mailchimp refused to erase: {refused.reason}")
        return Outcome(change, OutcomeState.DONE)

    # ---- refusals --------------------------------------------------------------------------------

    def _judged(self, refused: Refused) -> ConnectorError:
        """A refusal outside of a batch: the audience is wrong, or we do not understand it."""
        if refused.missing:
            return BadSource(
                f"mailchimp: there is no audience with the id {self._list}; see list in the config"
            )
        return UnexpectedResponse(f"Mailchimp answered {refused.status} {refused.code}: {refused.reason}")

    def _lost(self, refused: Refused) -> ConnectorError:
        """A tag that is not there: the tag alone, or the whole audience with it?"""
        if not refused.missing:
            return self._judged(refused)
        self._check_list()
        return AudienceLost("the tag was deleted on Mailchimp")

    def _check_list(self) -> None:
        """Raises BadSource if the audience itself is gone: a missing person or tag means nothing then."""
        try:
            self._client.read(self._client.lists.get_list, self._list, fields=["id"], expect="id")
        except Refused as refused:
            raise self._judged(refused) from None


def _unsendable(change: Change, kind: AudienceKind) -> Outcome | None:
    """What Mailchimp would refuse anyway, or what could spoil a whole batch."""
    if not ADDRESS.fullmatch(change.address):
        return _refusal(change, "invalid_address", "the contact has no usable e-mail address")
    if kind is AudienceKind.FIELD and len((change.value or "").encode()) > mapping.LONGEST_FIELD_BYTES:
        return _refusal(change, "value_too_long", "Mailchimp's fields hold 255 bytes; use tags instead")
    if kind is not AudienceKind.FIELD and change.action is Action.SET:
        return _refusal(change, "not_a_field", "a tag takes adds and removes, not values")
    return None


def _refusal(change: Change, code: str, reason: str) -> Outcome:
    return Outcome(change, OutcomeState.REFUSED, code=code, reason=reason)


def _tag_outcome(change: Change, refused_by: Mapping[str, str]) -> Outcome:
    text = refused_by.get(change.address.lower())
    if text is None:
        return Outcome(change, OutcomeState.DONE)
    reason = without_addresses(text) or "this address is not in the Mailchimp audience"
    return _refusal(change, "not_found", reason)


def _member_table(rows: list[Json], *, own_field: str | None = None) -> pa.Table:
    columns: dict[str, list[str | None]] = {
        "external_id": [mapping.external_id(m) for m in rows],
        "address": [str(m.get("email_address") or "") or None for m in rows],
    }
    if own_field is None:
        return pa.table(columns, schema=MEMBER_SCHEMA)
    columns["value"] = [str(m["merge_fields"][own_field]) for m in rows]
    return pa.table(columns, schema=FIELD_SCHEMA)
