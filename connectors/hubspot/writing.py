"""Writes members of lists, and the one property we own. Every call is absolute: sent twice, it changes
nothing more. No request body built here has a key for anything else of a contact.

A value replaces the one before, so the values are read right before they are written (one call per 100), and
what others ticked goes along.

Answers are matched by trace id, else by record id: HubSpot returns results in no order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Outcome, OutcomeState
from connectors.errors import AudienceLost, BatchRefused, Unavailable
from connectors.hubspot.answers import Json, Refused, error_reason, error_words
from connectors.hubspot.audiences import Audiences
from connectors.hubspot.client import Client
from connectors.hubspot.mapping import MERGED, merged_into
from connectors.hubspot.objects import INPUTS, Objects, portions
from connectors.hubspot.refusals import judged
from connectors.owned_field import changed, joined, names_in


class Writer:
    """Writes to one account."""

    def __init__(self, client: Client, audiences: Audiences, *, own_field: str, ids_per_call: int) -> None:
        self._client = client
        self._audiences = audiences
        self._objects = Objects(client, connections=1)
        self._own_field = own_field
        self._lock = threading.Lock()
        self._ids_per_call = 2 * ids_per_call  # both directions together; learned when HubSpot says no

    def write(self, batch: Batch) -> list[Outcome]:
        """One call for a batch of list changes or of up to 100 values; one more reads the values before."""
        field = batch.audience.kind is AudienceKind.FIELD
        outcomes: dict[int, Outcome] = {}
        sent: list[tuple[int, Change]] = []
        for place, change in enumerate(batch.changes):
            refusal = _unsendable(change, field=field)
            if refusal is None:
                sent.append((place, change))
            else:
                outcomes[place] = refusal
        if sent:
            changes = [change for _, change in sent]
            found = self._write_values(changes) if field else self._write_list(batch.audience, changes)
            outcomes.update((place, found[id(change)]) for place, change in sent)
        return [outcomes[place] for place in range(len(batch.changes))]

    # ---- lists -----------------------------------------------------------------------------------

    def _write_list(self, audience: Audience, changes: Sequence[Change]) -> dict[int, Outcome]:
        """How many ids a call takes is written nowhere: if HubSpot refuses many, half of them are tried."""
        found: dict[int, Outcome] = {}
        self._write_members(audience, changes, found)
        return found

    def _write_members(
        self, audience: Audience, changes: Sequence[Change], found: dict[int, Outcome]
    ) -> bool:
        """Fills in the outcome of each; whether one person alone was refused.

        If not, and both halves of what was refused are taken, then it was too many: that is remembered.
        """
        with self._lock:
            most = self._ids_per_call
        if len(changes) > most:
            alone = [self._write_members(audience, some, found) for some in portions(changes, most)]
            return any(alone)
        try:
            missing = self._change_members(audience, changes)
        except Refused as refused:
            if refused.missing:
                raise AudienceLost("the list was deleted on HubSpot") from None
            if refused.status == 409:
                raise Unavailable(f"HubSpot is changing this list already: {refused.reason}") from None
            if not (refused.status == 400 or refused.too_big):
                raise judged(refused) from None
            if len(changes) == 1:
                found[id(changes[0])] = _refusal(changes[0], refused.code, refused.reason)
                return True
            half = -(-len(changes) // 2)
            alone = [self._write_members(audience, some, found) for some in portions(changes, half)]
            if not any(alone):
                with self._lock:
                    self._ids_per_call = max(1, min(self._ids_per_call, half))
            return any(alone)
        for change in changes:
            gone = change.external_id in missing
            found[id(change)] = _not_found(change) if gone else Outcome(change, OutcomeState.DONE)
        return False

    def _change_members(self, audience: Audience, changes: Sequence[Change]) -> set[str]:
        body = {
            "recordIdsToAdd": [c.external_id for c in changes if c.action is Action.ADD],
            "recordIdsToRemove": [c.external_id for c in changes if c.action is Action.REMOVE],
        }
        api = self._client.crm.lists.memberships_api
        answer = self._client.write(
            api.add_and_remove, str(audience.remote_id), body, expect="recordIdsMissing"
        )
        return {str(id_) for id_ in (answer or {})["recordIdsMissing"]}

    # ---- the own property ------------------------------------------------------------------------

    def _write_values(self, changes: Sequence[Change]) -> dict[int, Outcome]:
        held = self._held([change.external_id for change in changes])
        names = {id(change): changed(held.get(change.external_id, ()), change) for change in changes}
        values = {place: joined(some) for place, some in names.items()}
        options = {name for some in names.values() for name in some}
        self._audiences.require_options(options)
        found: dict[int, Outcome] = {}
        removed: list[Change] = []
        for some in portions(changes, INPUTS):
            for change, outcome in self._send(some, values):
                if outcome.code == "invalid_option":
                    removed.append(change)
                found[id(change)] = outcome
        if removed:  # somebody removed an option by hand since we looked
            self._audiences.require_options(options, anew=True)
            for some in portions(removed, INPUTS):
                found.update((id(change), outcome) for change, outcome in self._send(some, values))
        return found

    def _held(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """What stands in the property now; a contact that was merged into another answers under both ids."""
        found: dict[str, list[str]] = {}
        for one in self._objects.by_id("contacts", ids, (self._own_field, *MERGED)):
            properties = one.get("properties") or {}
            names = names_in(properties.get(self._own_field))
            found.update((id_, names) for id_ in (str(one["id"]), *merged_into(properties)))
        return found

    def _send(self, changes: Sequence[Change], values: Mapping[int, str]) -> Iterator[tuple[Change, Outcome]]:
        body = {
            "inputs": [
                {
                    "id": change.external_id,
                    "properties": {self._own_field: values[id(change)]},
                    "objectWriteTraceId": change.external_id,
                }
                for change in changes
            ]
        }
        method = self._client.crm.contacts.batch_api.update
        try:
            answer = self._client.write(method, body, expect="results")
        except Refused as refused:
            answer = self._whole_refusal(refused, changes)
        written = _named_in(answer)
        refused_by = dict(_refused_in(answer))
        for change in changes:
            error = refused_by.get(change.external_id)
            if error is not None:
                yield change, self._row_refusal(change, error)
            elif change.external_id in written:
                yield change, Outcome(change, OutcomeState.DONE)
            else:
                reason = "HubSpot answered without a word on this contact; nothing was written"
                yield change, _refusal(change, "no_result", reason)

    def _whole_refusal(self, refused: Refused, changes: Sequence[Change]) -> Json:
        """A batch that failed as a whole: the fault may lie in the property, or in one of the records."""
        if "PROPERTY_DOESNT_EXIST" in refused.words:
            raise AudienceLost(f"the property {self._own_field} is not there any more") from None
        if refused.status == 409:
            raise Unavailable(f"HubSpot is changing one of these contacts: {refused.reason}") from None
        if "INVALID_OPTION" in refused.words or (len(changes) == 1 and refused.missing):
            context = {"ids": [change.external_id for change in changes]}
            return {"results": [], "errors": [{**refused.body, "context": context}]}
        if refused.status in (400, 404):
            raise BatchRefused(f"HubSpot refused a batch: {refused.reason}", code=refused.code) from None
        raise judged(refused) from None

    def _row_refusal(self, change: Change, error: Json) -> Outcome:
        words = set(error_words(error))
        if "PROPERTY_DOESNT_EXIST" in words:
            raise AudienceLost(f"the property {self._own_field} is not there any more")
        if error.get("category") == "OBJECT_NOT_FOUND":
            return _not_found(change)
        code = (sorted(words) or [str(error.get("category") or "refused")])[0].lower()
        return _refusal(change, code, error_reason(error) or "HubSpot gave no reason")

    # ---- privacy ---------------------------------------------------------------------------------

    def erase(self, external_id: str) -> Outcome:
        """Delete the person's data for good: by record id, for an address that is not there is blocked."""
        change = Change(Action.REMOVE, external_id, "")
        nobody = Outcome(change, OutcomeState.DONE, code="not_found", reason="nobody there to erase")
        if not external_id.isdigit():
            return nobody
        try:
            self._client.write(
                self._client.crm.contacts.basic_api.purge, {"objectId": external_id}, expect=None
            )
        except Refused as refused:
            if refused.missing:
                return nobody
            return _refusal(change, refused.code, f"HubSpot refused to erase: {refused.reason}")
        return Outcome(change, OutcomeState.DONE)


def _named_in(answer: Json | None) -> set[str]:
    """Trace ids and record ids of the results; trace ids are record ids too (of the contact we named)."""
    found: set[str] = set()
    for result in (answer or {}).get("results") or []:
        found.add(str(result.get("objectWriteTraceId") or result.get("id")))
    return found


def _refused_in(answer: Json | None) -> Iterator[tuple[str, Json]]:
    """(id, error) of every row an error names, by trace id or by record id."""
    for error in (answer or {}).get("errors") or []:
        context = error.get("context") or {}
        for key in ("objectWriteTraceId", "ids", "id"):
            named = context.get(key) or []
            for id_ in named if isinstance(named, list) else [named]:
                yield str(id_), error


def _unsendable(change: Change, *, field: bool) -> Outcome | None:
    """What HubSpot would refuse anyway, or what could spoil a whole batch."""
    if not (change.external_id.isascii() and change.external_id.isdigit()):
        return _refusal(change, "not_found", "this is not the id of a HubSpot contact")
    if change.action is Action.SET and not field:
        return _refusal(change, "not_a_field", "a list takes adds and removes, not values")
    if change.action is not Action.SET and field:
        return _refusal(change, "not_a_list", "the property takes values, not adds and removes")
    return None


def _not_found(change: Change) -> Outcome:
    return _refusal(change, "not_found", "this contact is not in HubSpot any more")


def _refusal(change: Change, code: str, reason: str) -> Outcome:
    return Outcome(change, OutcomeState.REFUSED, code=code, reason=reason)
