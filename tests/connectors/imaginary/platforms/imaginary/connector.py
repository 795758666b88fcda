"""The connector: one Imaginary account as source and destination. It writes who carries a tag of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from connectors.imaginary import mapping
from connectors.imaginary.client import CONNECTIONS, Client, Refused

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
from connectors.budget import Budgets, account_key
from connectors.checking import Findings, to_create
from connectors.errors import AudienceLost, BadSource, ConnectorError, UnexpectedResponse
from connectors.health import Health, Needs
from connectors.pacing import Clock
from connectors.registry import SettingValue
from connectors.values import MEMBER_SCHEMA, table

PEOPLE_PER_CALL = 25
FEATURES = Features(
    streams=(mapping.CONTACTS,),
    audiences={AudienceKind.TAG: BatchShape(PEOPLE_PER_CALL, PEOPLE_PER_CALL, together=True)},
    name_limit=80,
    concurrency=CONNECTIONS,
)


class ImaginaryConnector:
    """See connectors.base.Connector."""

    def __init__(self, settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets) -> None:
        key, address = str(settings["api_key"]), str(settings["base_url"])
        budget = budgets.account("Imaginary", account_key(key, address))
        self._client = Client(key, address, clock, budget)

    @property
    def features(self) -> Features:
        return FEATURES

    def check(self, needs: Needs | None = None) -> Health:
        found, asked = Findings("Ask Imaginary's support for it"), needs or Needs()
        try:
            found.account = str(self._client.call("GET", "me", expect="account")["account"])
            if asked.audiences:
                found.ask(["tags"], "no tag can be made or given", self.audiences)
                wanted = asked.of(AudienceKind.TAG, default=AudienceKind.TAG)
                found.creates += to_create(wanted, self.audiences(), "tag")
        except ConnectorError as error:
            found.problems.append(str(error))
        found.quota = f"no daily limit; {CONNECTIONS} calls at the same time"
        return found.health()

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Contacts that changed before now, in that order; who changes meanwhile is for the next read."""
        if stream.name != mapping.CONTACTS.name:
            raise BadSource(f"imaginary has no stream '{stream.name}'; it has: contacts")
        cursor, until = mapping.checked(after), self._client.time.utc_now().isoformat(timespec="microseconds")
        while True:
            found = self._client.call("GET", "contacts", expect="contacts", after=cursor, until=until)
            rows = found["contacts"]
            cursor = mapping.position(rows[-1]) if rows else cursor
            yield Page(table(stream, [mapping.contact(row) for row in rows]), cursor or None)
            if not found["more"]:
                return

    def audiences(self) -> list[RemoteAudience]:
        found = self._client.call("GET", "tags", expect="tags")["tags"]
        return [RemoteAudience(t["id"], t["name"], AudienceKind.TAG, t["members"]) for t in found]

    def ensure(self, audience: Audience) -> str:
        found = self._find(audience)
        if found is not None:
            return found
        try:
            return str(self._client.call("POST", "tags", expect="id", body={"name": audience.name})["id"])
        except Refused as refused:
            found = self._find(audience)  # made meanwhile, or our answer was lost
            if found is None:
                raise _judged(refused) from None
            return found

    def _find(self, audience: Audience) -> str | None:
        tags = self.audiences()
        if any(tag.remote_id == audience.remote_id for tag in tags):
            return audience.remote_id
        folded = audience.name.casefold()
        return next((tag.remote_id for tag in tags if tag.name.casefold() == folded), None)

    def members(self, audience: Audience) -> Iterator[Page]:
        rows = self._tag("GET", audience, expect="members")["members"]
        columns = {"external_id": [r["id"] for r in rows], "address": [r["email"] for r in rows]}
        yield Page(pa.table(columns, schema=MEMBER_SCHEMA), None)

    def write(self, batch: Batch) -> list[Outcome]:
        body = {
            "add": [c.address for c in batch.changes if c.action is Action.ADD],
            "remove": [c.address for c in batch.changes if c.action is Action.REMOVE],
        }
        refused = self._tag("POST", batch.audience, expect="refused", body=body)["refused"]
        return [_outcome(change, refused.get(change.address)) for change in batch.changes]

    def _tag(self, method: str, audience: Audience, **more: object) -> dict[str, object]:
        try:
            return self._client.call(method, f"tags/{audience.remote_id}/members", **more)
        except Refused as refused:
            if refused.code == "no_such_tag":
                raise AudienceLost("the tag was deleted on Imaginary") from None
            raise _judged(refused) from None

    def erase(self, external_id: str) -> Outcome:
        change = Change(Action.REMOVE, external_id, "")
        try:
            self._client.call("DELETE", f"contacts/{external_id}", expect=None)
        except Refused as refused:
            if refused.code != "no_such_contact":
                raise _judged(refused) from None
            return Outcome(change, OutcomeState.DONE, code="not_found", reason="nobody there to erase")
        return Outcome(change, OutcomeState.DONE)

    def usage(self) -> Mapping[str, int]:
        pacer = self._client.pacer
        return {
            "reads": self._client.reads,
            "writes": self._client.writes,
            "retries": pacer.retries,
            "rate_limited": pacer.rate_limited,
        }

    def close(self) -> None:
        self._client.close()


def _outcome(change: Change, code: str | None) -> Outcome:
    if code is None:
        return Outcome(change, OutcomeState.DONE)
    return Outcome(change, OutcomeState.REFUSED, code=code, reason="Imaginary has no contact of this address")


def _judged(refused: Refused) -> ConnectorError:
    return UnexpectedResponse(f"Imaginary refused: {refused.code}")
