"""Writes lists of ours and the one property we own. Every call is absolute: sent twice, it changes nothing.

No body built here has a key for consent, a phone number or an address: people are named by Klaviyo's ids
only, so nobody can be created or subscribed.

An array replaces the one before, so the arrays are read right before they are written (100 people a call),
and what others put in goes along.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Outcome, OutcomeState
from connectors.errors import AudienceLost, BatchRefused, ConnectorError, UnexpectedResponse
from connectors.klaviyo.answers import Json, Refused
from connectors.klaviyo.client import Client, Query
from connectors.klaviyo.collections import PAGE, Collections
from connectors.klaviyo.imports import Imports
from connectors.klaviyo.mapping import names_held
from connectors.owned_field import names_in

PEOPLE_PER_IMPORT = 10_000
PEOPLE_PER_LIST_CALL = 1_000
LARGEST_BODY_BYTES = 4_600_000
LARGEST_PROFILE_BYTES = 95_000
PROFILE_ID = re.compile(r"[0-9A-Za-z]{1,64}")
BLOCKED_IDS = re.compile(r"Invalid profile IDs?:\s*(.+)", re.IGNORECASE)
GONE = "this profile is not in Klaviyo any more"


def refusal(change: Change, code: str, reason: str) -> Outcome:
    """Klaviyo, or we on its behalf, said no to this one person."""
    return Outcome(change, OutcomeState.REFUSED, code=code, reason=reason)


class Writer:
    """Writes to one account."""

    def __init__(self, client: Client, imports: Imports, *, own_property: str) -> None:
        self._client = client
        self._imports = imports
        self._own_property = own_property
        self._account = Collections(client)

    def write(self, batch: Batch) -> list[Outcome]:
        """Lists: one call for the adds, one for the removes. The property: an import job, waited for."""
        outcomes: dict[int, Outcome] = {}
        groups: dict[Action, list[int]] = {}
        for place, change in enumerate(batch.changes):
            refused = self._unsendable(change, batch.audience.kind)
            if refused is None:
                groups.setdefault(change.action, []).append(place)
            else:
                outcomes[place] = refused
        if batch.audience.kind is AudienceKind.FIELD:
            outcomes.update(self._write_property([(p, batch.changes[p]) for p in groups.get(Action.SET, ())]))
        else:
            for action, places in groups.items():
                changes = [batch.changes[place] for place in places]
                outcomes.update(zip(places, self._write_list(batch.audience, action, changes), strict=True))
        return [outcomes[place] for place in range(len(batch.changes))]

    def _unsendable(self, change: Change, kind: AudienceKind) -> Outcome | None:
        if not PROFILE_ID.fullmatch(change.external_id):
            return refusal(change, "invalid_id", "the contact has no usable profile id of Klaviyo's")
        if kind is not AudienceKind.FIELD and change.action is Action.SET:
            return refusal(change, "not_a_field", "a list takes adds and removes, not values")
        if kind is AudienceKind.FIELD and change.action is not Action.SET:
            return refusal(change, "not_a_list", "the property takes values, not adds and removes")
        return None

    # ---- lists -----------------------------------------------------------------------------------

    def _write_list(self, audience: Audience, action: Action, changes: Sequence[Change]) -> list[Outcome]:
        """One call; unknown ids fail it as a whole, so it is sent once more without them."""
        name = "add_profiles_to_list" if action is Action.ADD else "remove_profiles_from_list"
        unknown: set[str] = set()
        for attempt in (1, 2):
            ids = list(dict.fromkeys(c.external_id for c in changes if c.external_id not in unknown))
            if not ids:
                break
            body: Json = {"data": [{"type": "profile", "id": id_} for id_ in ids]}
            try:
                self._client.call(name, str(audience.remote_id), body=body, expect=None)
                break
            except Refused as refused:
                named = _unknown_ids(refused) & set(ids)
                if attempt == 2 or not named:
                    raise _whole(refused, lost="the list was deleted on Klaviyo") from None
                unknown |= named
        return [_list_outcome(change, known=change.external_id not in unknown) for change in changes]

    # ---- the property ----------------------------------------------------------------------------

    def _row(self, change: Change, held: Sequence[object]) -> Json:
        """The whole array, or none: `null` would not clear it, and appending twice would double it.

        What others put in goes along as it is, also what is no text.
        """
        out = set(names_in(change.without)) | set(names_in(change.value))
        kept = [one for one in held if not (isinstance(one, str) and one in out)]
        names = sorted([*kept, *names_in(change.value)], key=_place)
        row: Json = {"type": "profile", "id": change.external_id, "attributes": {}}
        if names:
            row["attributes"] = {"properties": {self._own_property: names}}
        else:
            row["meta"] = {"patch_properties": {"unset": [self._own_property]}}
        return row

    def _write_property(self, placed: Sequence[tuple[int, Change]]) -> Iterator[tuple[int, Outcome]]:
        held = self._held(list(dict.fromkeys(change.external_id for _, change in placed)))
        rows: dict[int, Json] = {}
        sent: list[tuple[int, Change]] = []
        for place, change in placed:
            rows[place] = self._row(change, held.get(change.external_id, ()))
            if len(_encoded(rows[place])) > LARGEST_PROFILE_BYTES:
                reason = "the person is in too many segments for one profile"
                yield place, refusal(change, "value_too_long", reason)
            else:
                sent.append((place, change))
        for some in _chunks(sent, rows):
            outcomes = self._imports.send([change for _, change in some], [rows[place] for place, _ in some])
            yield from zip((place for place, _ in some), outcomes, strict=True)

    def _held(self, ids: Sequence[str]) -> dict[str, list[object]]:
        """What stands in the property now, whatever it is; profiles that are gone are not among them."""
        found: dict[str, list[object]] = {}
        for start in range(0, len(ids), PAGE):
            listed = ",".join(json.dumps(id_) for id_ in ids[start : start + PAGE])
            query: Query = {
                "filter": f"any(id,[{listed}])",
                "fields[profile]": "properties",
                "page[size]": PAGE,
            }
            try:
                for rows in self._account.rows("get_profiles", query=query):
                    for row in rows:
                        properties = (row.get("attributes") or {}).get("properties")
                        found[str(row["id"])] = names_held(properties, self._own_property) or []
            except Refused as refused:
                raise _whole(refused, lost="the profiles are not there any more") from None
        return found


def _list_outcome(change: Change, *, known: bool) -> Outcome:
    """Who is not in Klaviyo any more is on no list either: there is nothing left to remove."""
    if known:
        return Outcome(change, OutcomeState.DONE)
    if change.action is Action.REMOVE:
        return Outcome(change, OutcomeState.DONE, code="not_found", reason=GONE)
    return refusal(change, "not_found", GONE)


def _encoded(row: Json) -> bytes:
    """As the SDK writes it."""
    return json.dumps(row).encode()


def _place(name: object) -> tuple[bool, str]:
    """Texts in alphabetical order, then what is no text, as it stood."""
    return (False, name) if isinstance(name, str) else (True, "")


def _chunks(
    placed: Sequence[tuple[int, Change]], rows: Mapping[int, Json]
) -> Iterator[list[tuple[int, Change]]]:
    """Parts that fit into one job each, by number and by bytes; nobody twice in one."""
    some: list[tuple[int, Change]] = []
    ids: set[str] = set()
    size = 0
    for place, change in placed:
        more = len(_encoded(rows[place])) + 2
        full = len(some) == PEOPLE_PER_IMPORT or size + more > LARGEST_BODY_BYTES or change.external_id in ids
        if some and full:
            yield some
            some, ids, size = [], set(), 0
        some.append((place, change))
        ids.add(change.external_id)
        size += more
    if some:
        yield some


def _unknown_ids(refused: Refused) -> set[str]:
    """Ids that Klaviyo says it does not know."""
    found: set[str] = set()
    for fault in refused.faults if refused.status == 400 else ():
        named = BLOCKED_IDS.search(fault.detail)
        if named:
            found.update(part.strip(" .'\"[]") for part in named[1].split(","))
    return found


def _whole(refused: Refused, *, lost: str) -> ConnectorError:
    """What a refusal of a whole call means."""
    if refused.missing:
        return AudienceLost(lost)
    if refused.status in (400, 413):
        return BatchRefused(f"Klaviyo refused a batch: {refused.reason}", code=refused.code)
    return UnexpectedResponse(f"Klaviyo answered {refused.status} {refused.code}: {refused.reason}")
