"""Writes tags and the one field we own. Every call is absolute: sent twice, it changes nothing more.

No request body built here has a key for consent, opt-in times or the address of a contact to change.
A value replaces the one before, so it is read right before it is written (one more call per person), and what
others put there goes along.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from connectors.base import Action, Audience, AudienceKind, Batch, Change, Outcome, OutcomeState
from connectors.errors import AudienceLost, BatchRefused, Unavailable
from connectors.mailchimp import mapping
from connectors.mailchimp.client import Client, Refused
from connectors.mailchimp.refusals import check_list, lost
from connectors.owned_field import changed, joined, names_in
from connectors.redaction import without_addresses

TOO_LONG = "Mailchimp's fields hold 255 bytes; use tags instead"
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class Writer:
    """Writes to one audience."""

    def __init__(self, client: Client, list_id: str, *, own_field: str, connections: int) -> None:
        self._client = client
        self._list = list_id
        self._own_field = own_field
        self._connections = connections

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
            raise lost(self._client, self._list, refused) from None
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
        member = mapping.subscriber_hash(change.address)
        try:
            value = self._value(change, member)
            if len(value.encode()) > mapping.LONGEST_FIELD_BYTES:
                return _refusal(change, "value_too_long", TOO_LONG)
            answer = self._client.write(
                self._client.lists.update_list_member,
                self._list,
                member,
                {"merge_fields": {self._own_field: value}},
                skip_merge_validation=True,
                expect="merge_fields",
            )
        except Refused as refused:
            if refused.missing:
                check_list(self._client, self._list)
                return _refusal(change, "not_found", "this address is not in the Mailchimp audience")
            return _refusal(change, refused.code, f"Mailchimp refused the value: {refused.reason}")
        if ((answer or {})["merge_fields"] or {}).get(self._own_field, "") != value:
            # Unknown merge fields are ignored silently: the field was deleted by hand.
            raise AudienceLost(f"the merge field {self._own_field} is not there any more")
        return Outcome(change, OutcomeState.DONE)

    def _value(self, change: Change, member: str) -> str:
        """The whole value, with what others put there. Raises Refused if the member is not there."""
        answer = self._client.read(
            self._client.lists.get_list_member,
            self._list,
            member,
            fields=["id", "merge_fields"],
            expect="merge_fields",
        )
        held = names_in(str((answer["merge_fields"] or {}).get(self._own_field) or ""))
        return joined(changed(held, change))

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
                check_list(self._client, self._list)
                return Outcome(change, OutcomeState.DONE, code="not_found", reason="nobody there to erase")
            return _refusal(change, refused.code, f"Mailchimp refused to erase: {refused.reason}")
        return Outcome(change, OutcomeState.DONE)


def _unsendable(change: Change, kind: AudienceKind) -> Outcome | None:
    """What Mailchimp would refuse anyway, or what could spoil a whole batch."""
    if not ADDRESS.fullmatch(change.address):
        return _refusal(change, "invalid_address", "the contact has no usable e-mail address")
    if kind is AudienceKind.FIELD and len((change.value or "").encode()) > mapping.LONGEST_FIELD_BYTES:
        return _refusal(change, "value_too_long", TOO_LONG)
    if kind is AudienceKind.FIELD and change.action is not Action.SET:
        return _refusal(change, "not_a_list", "the field takes values, not adds and removes")
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
