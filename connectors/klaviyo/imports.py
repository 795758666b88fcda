"""Bulk import jobs: sent, waited for, and their errors brought back to the people they are about.

A 202 promises nothing, so an outcome is only given when the job is complete. The job is refused as a whole
at the door if one profile is malformed: those that are named are taken out, and the rest is sent once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from connectors.base import Change, Outcome, OutcomeState
from connectors.errors import BatchRefused, ConnectorError, UnexpectedResponse
from connectors.klaviyo.answers import Fault, Json, Refused
from connectors.klaviyo.client import Client
from connectors.klaviyo.collections import PAGE, Collections
from connectors.pacing import Clock
from connectors.redaction import without_addresses

PLACE = re.compile(r"/profiles/data/(\d+)")
LONGEST_WAIT_S = 30.0


class Imports:
    """Sends import jobs of one account. `patience_s`: how long a job is waited for."""

    def __init__(self, client: Client, *, clock: Clock, patience_s: float) -> None:
        self._client = client
        self._collections = Collections(client)
        self._clock = clock
        self._patience_s = patience_s

    def send(self, changes: Sequence[Change], rows: Sequence[Json]) -> list[Outcome]:
        """One outcome per change, in order. Raises BatchRefused if a refusal names nobody."""
        outcomes: dict[int, Outcome] = {}
        places = list(range(len(changes)))
        job: Json = {}
        for attempt in (1, 2):
            if not places:
                break
            try:
                job = self._start([rows[place] for place in places])
                break
            except Refused as refused:
                named = named_places(refused, among=len(places))
                if attempt == 2 or not named:
                    raise _door(refused) from None
                # Indices are those of what was sent, so they are looked up before anybody is taken out.
                for index, fault in named.items():
                    change = changes[places[index]]
                    state = OutcomeState.REFUSED
                    outcomes[places[index]] = Outcome(change, state, code=fault.code, reason=fault.reason)
                places = [place for index, place in enumerate(places) if index not in named]
        if places:
            found = self._wait([changes[place] for place in places], job)
            outcomes.update(zip(places, found, strict=True))
        return [outcomes[place] for place in range(len(changes))]

    def _start(self, rows: Sequence[Json]) -> Json:
        body: Json = {
            "data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": list(rows)}}}
        }
        answer = self._client.call("bulk_import_profiles", body=body)
        return _job(answer)

    def _wait(self, changes: Sequence[Change], job: Json) -> list[Outcome]:
        """Ask at 1, 2, 4 … 30 seconds until the job has ended or our patience has."""
        id_ = str(job["id"])
        waited_s, wait_s = 0.0, 1.0
        while job["attributes"].get("status") not in ("complete", "cancelled"):
            if waited_s >= self._patience_s:
                reason = "Klaviyo is still working on the import; its result is looked at by the next run"
                return _unknown(changes, "job_pending", reason)
            self._clock.sleep(wait_s)
            waited_s, wait_s = waited_s + wait_s, min(wait_s * 2, LONGEST_WAIT_S)
            try:
                job = _job(self._client.call("get_bulk_import_profiles_job", id_))
            except Refused as refused:
                if not refused.missing:
                    raise _door(refused) from None
                return _unknown(changes, "job_gone", "Klaviyo does not know the import any more")
        if job["attributes"]["status"] == "cancelled":
            return _unknown(changes, "job_cancelled", "the import was cancelled on Klaviyo's side")
        failed = int(job["attributes"].get("failed_count") or 0)
        return self._judged(changes, id_) if failed else [Outcome(c, OutcomeState.DONE) for c in changes]

    def _judged(self, changes: Sequence[Change], job_id: str) -> list[Outcome]:
        """The job's errors by person. If one of them names nobody, only a later look can tell who is done."""
        by_id = {change.external_id: change for change in changes}
        outcomes: dict[str, Outcome] = {}
        nameless = False
        try:
            errors = list(self._errors(job_id))
        except Refused as refused:
            raise _door(refused) from None
        for error in errors:
            attributes = error.get("attributes") or {}
            change = by_id.get(_whose(attributes, changes))
            if change is None:
                nameless = True
                continue
            code = str(attributes.get("code") or "import_error")
            reason = without_addresses(str(attributes.get("detail") or attributes.get("title") or code))
            refused_one = Outcome(change, OutcomeState.REFUSED, code=code, reason=reason)
            outcomes[change.external_id] = refused_one
        rest = OutcomeState.UNKNOWN if nameless or not errors else OutcomeState.DONE
        code_of_rest = "import_error" if rest is OutcomeState.UNKNOWN else None
        reason_of_rest = "Klaviyo did not say whom an error of the import is about" if code_of_rest else None
        return [
            outcomes.get(c.external_id) or Outcome(c, rest, code=code_of_rest, reason=reason_of_rest)
            for c in changes
        ]

    def _errors(self, job_id: str) -> Iterator[Json]:
        query = {"page[size]": PAGE}
        for rows in self._collections.rows("get_errors_for_bulk_import_profiles_job", job_id, query=query):
            yield from rows


def _job(answer: Json) -> Json:
    """The job of an answer; one without an id would have every job looked at instead."""
    job = answer["data"]
    if not isinstance(job, dict) or not job.get("id") or not isinstance(job.get("attributes"), dict):
        raise UnexpectedResponse("Klaviyo answered with an import job that has no id")
    return job


def named_places(refused: Refused, *, among: int) -> Mapping[int, Fault]:
    """Place in the job → what is wrong with the profile that stands there."""
    found: dict[int, Fault] = {}
    for fault in refused.faults if refused.status == 400 else ():
        place = PLACE.search(fault.pointer)
        if place and int(place[1]) < among:
            found.setdefault(int(place[1]), fault)
    return found


def _whose(attributes: Json, changes: Sequence[Change]) -> str:
    """The profile id an import error is about: of the payload, else of the place it points to."""
    payload = attributes.get("original_payload")
    if isinstance(payload, dict) and payload.get("id"):
        return str(payload["id"])
    place = PLACE.search(str((attributes.get("source") or {}).get("pointer") or ""))
    if place and int(place[1]) < len(changes):
        return changes[int(place[1])].external_id
    return ""


def _unknown(changes: Sequence[Change], code: str, reason: str) -> list[Outcome]:
    return [Outcome(change, OutcomeState.UNKNOWN, code=code, reason=reason) for change in changes]


def _door(refused: Refused) -> ConnectorError:
    if refused.status in (400, 413):
        return BatchRefused(f"Klaviyo refused an import: {refused.reason}", code=refused.code)
    return UnexpectedResponse(f"Klaviyo answered {refused.status} {refused.code}: {refused.reason}")
