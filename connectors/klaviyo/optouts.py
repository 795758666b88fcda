"""Records on Klaviyo that somebody opted out elsewhere: the only call of ours that touches a consent.

It is made only if the connection's settings say `record_opt_outs = true`. The call names people by address,
makes a profile for an address that has none, and with a list would reach everybody who is not on it. So the
profiles are looked up first, what is sent is the address they have now, and no list is ever named. Klaviyo
answers 202 and nothing else; an outcome is given when the profile has been seen to say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from connectors.base import Change, Consent, Outcome, OutcomeState
from connectors.errors import BatchRefused, ConnectorError, UnexpectedResponse
from connectors.klaviyo.answers import Json, Refused
from connectors.klaviyo.client import Client, Query
from connectors.klaviyo.collections import PAGE, Collections
from connectors.klaviyo.imports import named_places
from connectors.klaviyo.mapping import consent
from connectors.klaviyo.writing import GONE, PROFILE_ID, refusal
from connectors.pacing import Clock

PEOPLE_PER_OPT_OUT_CALL = 100
WAITS_S = (1, 2, 4, 8, 16)
"""Between the looks whether Klaviyo has taken an opt-out over."""
JOB = "profile-subscription-bulk-delete-job"
STOP = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
NOT_ALLOWED = "recording opt-outs is off: set record_opt_outs = true for this connection to allow it"
LATER = "Klaviyo took the opt-out but does not show it yet; the next run looks again"


class OptOuts:
    """Writes opt-outs to one account. `allowed`: whether an admin turned it on; else nothing is sent."""

    def __init__(self, client: Client, *, clock: Clock, allowed: bool) -> None:
        self._client = client
        self._account = Collections(client)
        self._clock = clock
        self._allowed = allowed

    def record(self, changes: Sequence[Change]) -> list[Outcome]:
        """See connectors.base.RecordsOptOuts. At most 100 people in a call; one look before, some after."""
        if not self._allowed:
            return [refusal(change, "not_enabled", NOT_ALLOWED) for change in changes]
        outcomes: dict[str, Outcome] = {}
        usable: dict[str, Change] = {}
        for change in changes:
            if PROFILE_ID.fullmatch(change.external_id):
                usable.setdefault(change.external_id, change)
            else:
                reason = "the contact has no usable profile id of Klaviyo's"
                outcomes[change.external_id] = refusal(change, "invalid_id", reason)
        every = list(usable.values())
        try:
            for start in range(0, len(every), PEOPLE_PER_OPT_OUT_CALL):
                outcomes.update(self._some(every[start : start + PEOPLE_PER_OPT_OUT_CALL]))
        except Refused as refused:
            raise _whole(refused) from None
        found = [(change, outcomes[change.external_id]) for change in changes]
        return [Outcome(change, one.state, one.code, one.reason) for change, one in found]

    def _some(self, changes: Sequence[Change]) -> Mapping[str, Outcome]:
        """One call's worth, by profile id."""
        outcomes: dict[str, Outcome] = {}
        there = self._look([change.external_id for change in changes])
        open_: list[tuple[Change, str]] = []
        for change in changes:
            attributes = there.get(change.external_id)
            if attributes is None:
                # Nobody is there who could be mailed, and the address would make a new profile.
                outcomes[change.external_id] = Outcome(change, OutcomeState.DONE, "not_found", GONE)
            elif _opted_out(attributes):
                outcomes[change.external_id] = Outcome(change, OutcomeState.DONE, "already_opted_out")
            elif not attributes.get("email"):
                reason = "the profile has no e-mail address any more"
                outcomes[change.external_id] = refusal(change, "no_address", reason)
            else:
                open_.append((change, str(attributes["email"])))
        refused = self._send(open_)
        outcomes.update(refused)
        return {**outcomes, **self._seen([c for c, _ in open_ if c.external_id not in refused])}

    def _look(self, ids: Sequence[str]) -> Mapping[str, Json]:
        """Profile id → its address and consent now."""
        query: Query = {
            "filter": f"any(id,{json.dumps(list(ids), separators=(',', ':'))})",
            "additional-fields[profile]": "subscriptions",
            "fields[profile]": "email,subscriptions",
            "page[size]": PAGE,
        }
        pages = self._account.rows("get_profiles", query=query)
        return {str(row["id"]): row.get("attributes") or {} for rows in pages for row in rows}

    def _send(self, some: Sequence[tuple[Change, str]]) -> Mapping[str, Outcome]:
        """One call; those whom Klaviyo names as malformed are left out once. The refused, by profile id."""
        refused_ones: dict[str, Outcome] = {}
        left = list(some)
        for attempt in (1, 2):
            if not left:
                break
            rows = [
                {"type": "profile", "attributes": {"email": email, "subscriptions": STOP}}
                for _, email in left
            ]
            body: Json = {"data": {"type": JOB, "attributes": {"profiles": {"data": rows}}}}
            try:
                self._client.call("bulk_unsubscribe_profiles", body=body, expect=None)
                break
            except Refused as refused:
                named = named_places(refused, among=len(left))
                if attempt == 2 or not named:
                    raise
                for place, fault in named.items():
                    change = left[place][0]
                    refused_ones[change.external_id] = refusal(change, fault.code, fault.reason)
                left = [one for place, one in enumerate(left) if place not in named]
        return refused_ones

    def _seen(self, changes: Sequence[Change]) -> Mapping[str, Outcome]:
        """Look until everybody's profile says so, or our patience ends."""
        outcomes: dict[str, Outcome] = {}
        waiting = {change.external_id: change for change in changes}
        for wait_s in (0, *WAITS_S):
            if not waiting:
                break
            if wait_s:
                self._clock.sleep(wait_s)
            there = self._look(list(waiting))
            for id_ in list(waiting):
                if id_ not in there:
                    outcomes[id_] = Outcome(waiting.pop(id_), OutcomeState.DONE, "not_found", GONE)
                elif _opted_out(there[id_]):
                    outcomes[id_] = Outcome(waiting.pop(id_), OutcomeState.DONE)
        for id_, change in waiting.items():
            outcomes[id_] = Outcome(change, OutcomeState.UNKNOWN, "accepted", LATER)
        return outcomes


def _opted_out(attributes: Json) -> bool:
    return consent(attributes.get("subscriptions")) == Consent.OPTED_OUT


def _whole(refused: Refused) -> ConnectorError:
    """What a refusal of a whole call means."""
    if refused.status in (400, 413):
        return BatchRefused(f"Klaviyo refused to record opt-outs: {refused.reason}", code=refused.code)
    return UnexpectedResponse(f"Klaviyo answered {refused.status} {refused.code}: {refused.reason}")
