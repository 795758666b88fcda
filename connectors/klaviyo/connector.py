"""The connector: one Klaviyo account as source and destination.

Ordinary work writes two things only: who is on lists of ours, and the one property that we own. What could
make anybody's consent more permissive is not in `operations.py` and so cannot be called; opt-outs from
elsewhere are recorded only if the settings say so (`optouts.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
from connectors.errors import (
    AudienceLost,
    BadSource,
    ConnectorError,
    Unavailable,
    UnexpectedResponse,
)
from connectors.health import Health, Needs
from connectors.klaviyo import activity, mapping
from connectors.klaviyo.answers import Json, Refused
from connectors.klaviyo.checking import Checker
from connectors.klaviyo.client import Client
from connectors.klaviyo.collections import Collections
from connectors.klaviyo.imports import Imports
from connectors.klaviyo.operations import OPERATIONS
from connectors.klaviyo.optouts import PEOPLE_PER_OPT_OUT_CALL, OptOuts
from connectors.klaviyo.reading import Reader
from connectors.klaviyo.settings import Settings, checked, settings_problems
from connectors.klaviyo.writing import (
    PEOPLE_PER_IMPORT,
    PEOPLE_PER_LIST_CALL,
    Writer,
    refusal,
)
from connectors.naming import only_one_named
from connectors.owned_field import joined
from connectors.pacing import Clock
from connectors.registry import SettingValue
from connectors.values import FIELD_SCHEMA, MEMBER_SCHEMA

NAME_LIMIT = 100
IMPORT_S = 5.0
"""About how long Klaviyo works on an import of 10,000 people; a guess, for it promises nothing."""
TRIES = 5
ERASURE_WAITS_S = (1, 2, 4, 8, 16)


def open_connection(
    settings: Mapping[str, SettingValue], clock: Clock, budgets: Budgets | None = None
) -> KlaviyoConnector:
    """Check the settings and make the connector; nothing is sent. Raises BadSource."""
    given = {name: value for name, value in settings.items() if value is not None}
    problems = list(settings_problems(given))
    key = str(given.get("api_key") or "")
    if not key:
        problems.append("api_key: is missing; give it as env:NAME or file:PATH")
    if problems:
        raise BadSource(f"klaviyo: {'; '.join(problems)}")
    known = checked(given)
    base_url = str(given["base_url"]).rstrip("/") if given.get("base_url") else None
    account = account_key(str(given.get("account") or key), base_url)
    client = Client(
        key=key,
        base_url=base_url,
        connections=known.connections,
        clock=clock,
        budget=(budgets or shared_budgets(clock)).account("Klaviyo", account),
        daily_reserve=known.daily_reserve,
    )
    return KlaviyoConnector(client, known, clock=clock)


class KlaviyoConnector:
    """See connectors.base.Connector. `features` asks once for the account's kinds of events."""

    def __init__(self, client: Client, settings: Settings, *, clock: Clock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._account = Collections(client)
        self._reader = Reader(self._account, settings, clock=client.time)
        imports = Imports(client, clock=clock, patience_s=settings.job_patience_s)
        self._writer = Writer(client, imports, own_property=settings.own_property)
        self._opt_outs = OptOuts(client, clock=clock, allowed=settings.record_opt_outs)
        self._features: Features | None = None

    # ---- who and what ----------------------------------------------------------------------------

    @property
    def features(self) -> Features:
        if self._features is None:
            self._check_metrics()
            self._features = Features(
                streams=(mapping.profiles_stream(self._settings), activity.events_stream(self._settings)),
                audiences={
                    AudienceKind.FIELD: BatchShape(
                        PEOPLE_PER_IMPORT, PEOPLE_PER_IMPORT, together=True, job_s=IMPORT_S
                    ),
                    AudienceKind.LIST: BatchShape(PEOPLE_PER_LIST_CALL, PEOPLE_PER_LIST_CALL, together=False),
                },
                name_limit=NAME_LIMIT,
                concurrency=self._settings.connections,
                calls_per_s=OPERATIONS["add_profiles_to_list"].rate.steady / 60,
            )
        return self._features

    def _check_metrics(self) -> None:
        """A metric that was declared must be there: a misspelt one would silently yield nothing."""
        try:
            there = {name.casefold() for _, name in self._account.metrics()}
        except Refused as refused:
            raise judged(refused) from None
        missing = [name for name in self._settings.metrics if name.casefold() not in there]
        if missing:
            names = ", ".join(f'"{name}"' for name in missing)
            raise BadSource(f"klaviyo: the account has no metric {names}; see metrics in the config")

    def check(self, needs: Needs | None = None) -> Health:
        """Key, account and what the key may do; what is wrong comes as a sentence, not as an exception."""
        asked = needs or everything((AudienceKind.FIELD, AudienceKind.LIST))
        return Checker(self._client, self._settings, asked, judged=judged).check()

    def usage(self) -> Mapping[str, int]:
        """Requests sent, those sent again included."""
        client = self._client
        return {
            "reads": client.reads,
            "writes": client.writes,
            "retries": client.retries,
            "rate_limited": client.rate_limited,
        }

    def close(self) -> None:
        """Let go of all sockets."""
        self._client.close()

    # ---- reading ---------------------------------------------------------------------------------

    def read(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Pages of a stream of `features`; see reading.py for what makes them complete."""
        readers = {"profiles": self._reader.profiles, "events": self._reader.events}
        if stream.name not in readers:
            raise BadSource(f"klaviyo has no stream '{stream.name}'; it has: {', '.join(readers)}")
        return _pages(readers[stream.name](stream, after))

    def members(self, audience: Audience) -> Iterator[Page]:
        """Who is on the list, or has something in the own property, whatever the consent."""
        if audience.kind is AudienceKind.FIELD:
            return _pages(self._holders())
        pages = (Page(_member_table(rows), None) for rows in self._account.members(str(audience.remote_id)))
        return _pages(pages, lost=True)

    def _holders(self) -> Iterator[Page]:
        own = self._settings.own_property
        for rows in self._account.all_properties():
            values = [_joined((row.get("attributes") or {}).get("properties"), own) for row in rows]
            filled = [(row, value) for row, value in zip(rows, values, strict=True) if value]
            table = _member_table([row for row, _ in filled])
            yield Page(
                table.append_column(
                    FIELD_SCHEMA.field("value"), pa.array([v for _, v in filled], pa.string())
                ),
                None,
            )

    # ---- audiences -------------------------------------------------------------------------------

    def audiences(self) -> list[RemoteAudience]:
        """All lists, the oldest first, and the own property, which needs no making."""
        own = self._settings.own_property
        found = [RemoteAudience(own, own, AudienceKind.FIELD, None)]
        try:
            lists = self._account.lists()
        except Refused as refused:
            raise judged(refused) from None
        return [*found, *(RemoteAudience(one.id, one.name, AudienceKind.LIST, None) for one in lists)]

    def ensure(self, audience: Audience) -> str:
        """The own property's name, or the list's id; a list is looked for before it is made, every time."""
        if audience.kind is AudienceKind.FIELD:
            return self._settings.own_property
        body: Json = {"data": {"type": "list", "attributes": {"name": audience.name}}}
        for attempt in range(TRIES):
            found = self._find_list(audience)
            if found is not None:
                return found
            try:
                # Never repeated blindly: names are not unique, so a lost answer would leave two lists.
                made = self._client.call("create_list", body=body, tries=1)
                return str(made["data"]["id"])
            except Refused as refused:
                raise judged(refused) from None
            except Unavailable:
                if attempt == TRIES - 1:
                    raise
                self._clock.sleep(2**attempt)
        raise Unavailable("Klaviyo did not make the list")

    def _find_list(self, audience: Audience) -> str | None:
        """By id, else by name without regard to case, if exactly one list has it."""
        lists = [one for one in self.audiences() if one.kind is AudienceKind.LIST]
        if any(one.remote_id == audience.remote_id for one in lists):
            return audience.remote_id
        found = only_one_named(lists, audience.name)
        return None if found is None else found.remote_id

    def members_mark(self, audience: Audience) -> str | None:
        """A text that changes with the members of a list, for few calls; see `Collections.members_mark`."""
        if audience.kind is AudienceKind.FIELD:
            return None
        try:
            return self._account.members_mark(str(audience.remote_id))
        except Refused as refused:
            raise _lost(refused) from None

    def rename(self, audience: Audience) -> None:
        """A list gets its new name; its members stay. The own property has one name for all segments."""
        if audience.kind is AudienceKind.FIELD:
            return
        list_id = str(audience.remote_id)
        attributes = {"name": audience.name}
        body: Json = {"data": {"type": "list", "id": list_id, "attributes": attributes}}
        try:
            self._client.call("update_list", list_id, body=body)
        except Refused as refused:
            raise _lost(refused) from None

    def delete(self, audience: Audience) -> None:
        """The list goes, its profiles stay. The own property is never deleted."""
        if audience.kind is AudienceKind.FIELD:
            raise UnexpectedResponse("the own property may hold other segments; delete it in Klaviyo itself")
        try:
            self._client.call("delete_list", str(audience.remote_id), expect=None)
        except Refused as refused:
            if not refused.missing:
                raise judged(refused) from None

    # ---- writing ---------------------------------------------------------------------------------

    def write(self, batch: Batch) -> list[Outcome]:
        """One import job for the property; one call per direction for a list."""
        return self._writer.write(batch)

    @property
    def opt_outs_per_call(self) -> int:
        """People one call takes; 0 unless the settings say `record_opt_outs = true`."""
        return PEOPLE_PER_OPT_OUT_CALL if self._settings.record_opt_outs else 0

    def opt_out(self, changes: Sequence[Change]) -> list[Outcome]:
        """Record opt-outs from elsewhere; refused for everybody unless the settings allow it."""
        return self._opt_outs.record(changes)

    def erase(self, external_id: str) -> Outcome:
        """Ask for the person's data to be deleted, and look for a while whether it is."""
        change = Change(Action.REMOVE, external_id, "")
        profile = {"type": "profile", "id": external_id, "attributes": {}}
        body: Json = {
            "data": {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": profile}}}
        }
        try:
            if not self._is_there(external_id):
                return Outcome(change, OutcomeState.DONE, code="not_found", reason="nobody there to erase")
            self._client.call("request_profile_deletion", body=body, expect=None)
            for wait_s in ERASURE_WAITS_S:
                self._clock.sleep(wait_s)
                if not self._is_there(external_id):
                    return Outcome(change, OutcomeState.DONE)
        except Refused as refused:
            return refusal(change, refused.code, f"Klaviyo refused to erase: {refused.reason}")
        return Outcome(change, OutcomeState.DONE, code="accepted", reason="Klaviyo erases in its own time")

    def _is_there(self, external_id: str) -> bool:
        try:
            self._client.call("get_profile", external_id, query={"fields[profile]": "id"})
        except Refused as refused:
            if refused.missing:
                return False
            raise
        return True


def judged(refused: Refused) -> ConnectorError:
    """What a refusal outside of a person's own change means for the engine."""
    return UnexpectedResponse(f"Klaviyo answered {refused.status} {refused.code}: {refused.reason}")


def _lost(refused: Refused) -> ConnectorError:
    """The same for a call to a list: what is missing is the list."""
    return AudienceLost("the list was deleted on Klaviyo") if refused.missing else judged(refused)


def _pages(pages: Iterator[Page], *, lost: bool = False) -> Iterator[Page]:
    """The pages, with refusals turned into reactions; `lost`: a 404 means that the list is gone."""
    while True:
        try:
            page = next(pages, None)
        except Refused as refused:
            raise (_lost(refused) if lost else judged(refused)) from None
        if page is None:
            return
        yield page


def _joined(properties: object, own: str) -> str | None:
    """The own property as the run knows it: names joined by ";"."""
    return joined(str(name) for name in mapping.names_held(properties, own) or ()) or None


def _member_table(rows: list[Json]) -> pa.Table:
    columns = {
        "external_id": [str(row["id"]) for row in rows],
        "address": [(row.get("attributes") or {}).get("email") or None for row in rows],
    }
    return pa.table(columns, schema=MEMBER_SCHEMA)
