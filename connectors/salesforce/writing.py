"""Writes campaign members and the one field we own. Every write is absolute: sent twice, it changes no more.

No record built here has a key of consent, an address or a name; nobody is created.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from connectors.base import Action, Audience, AudienceKind, Batch, BatchShape, Change, Outcome, OutcomeState
from connectors.errors import AudienceLost, BatchRefused
from connectors.owned_field import changed, joined
from connectors.salesforce.answers import Refused
from connectors.salesforce.bulk import WRITE_CALLS, run_job
from connectors.salesforce.client import Client, Json
from connectors.salesforce.field import OwnField
from connectors.salesforce.reading import Reader, quoted
from connectors.salesforce.rows import (
    ALREADY,
    CONVERTED,
    FORBIDDEN_FIELD,
    GONE,
    LOCKED,
    MOST_ROWS,
    TRIGGERED,
    Result,
    send_all,
)

BULK_ABOVE = 2000
"""Changes of the own field in one batch: up to so many go by collections, of more bulk jobs are made."""
FIELD_BATCH = 50_000
"""People in one batch of the own field: large enough for bulk jobs, small enough to settle after a crash."""
FIELD_SHAPE = BatchShape(
    FIELD_BATCH,
    FIELD_BATCH,
    together=True,
    per_call=MOST_ROWS,
    bulk_above=BULK_ABOVE,
    bulk_calls=WRITE_CALLS,
    type_prefix=3,
    job_s=10.0,
)
"""Of a large batch the contacts are one bulk job and the leads another; if they are few, by collections."""
ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
PREFIXES = {"003": "Contact", "00Q": "Lead"}
MEMBER_LINKS = {"Contact": "ContactId", "Lead": "LeadId"}
LINKS = tuple(MEMBER_LINKS.values())
AGAIN = (*LOCKED, *TRIGGERED, CONVERTED)
"""Rows of a bulk job that go again by collections, smaller or to another record."""


class Writer:
    """Writes to one org."""

    def __init__(self, client: Client, reader: Reader, field: OwnField) -> None:
        self._client = client
        self._reader = reader
        self._field = field

    def write(self, batch: Batch) -> list[Outcome]:
        """One outcome per change, in their order. Raises BatchRefused if the org takes a call not at all."""
        try:
            return self._write(batch)
        except Refused as refused:
            text = f"Salesforce refused a batch: {refused.status} {refused.code}: {refused.message}"
            raise BatchRefused(text, code=refused.code.lower()) from None

    def _write(self, batch: Batch) -> list[Outcome]:
        is_field = batch.audience.kind is AudienceKind.FIELD
        outcomes: dict[int, Outcome] = {}
        seen: set[str] = set()
        for place, change in enumerate(batch.changes):
            if not is_field and change.action is Action.SET:
                outcomes[place] = _refusal(
                    change, "not_a_field", "a campaign takes adds and removes, not values"
                )
            elif is_field and change.action is not Action.SET:
                outcomes[place] = _refusal(
                    change, "not_a_list", "the field takes values, not adds and removes"
                )
            elif _object(change) is None:
                reason = "this is not the id of a contact or lead"
                outcomes[place] = _refusal(change, "not_found", reason)
            elif is_field and change.address in seen:
                reason = "another person of the same batch is this very record"
                outcomes[place] = _refusal(change, "same_record", reason)
            seen.add(change.address)
        sent = [(place, change) for place, change in enumerate(batch.changes) if place not in outcomes]
        if is_field:
            found = self._set([change for _, change in sent])
            outcomes.update(zip((place for place, _ in sent), found, strict=True))
        else:
            for action, write in ((Action.ADD, self._add), (Action.REMOVE, self._remove)):
                some = [(place, change) for place, change in sent if change.action is action]
                found = write(batch.audience, [change for _, change in some]) if some else []
                outcomes.update(zip((place for place, _ in some), found, strict=True))
        return [outcomes[place] for place in range(len(batch.changes))]

    # ---- campaigns -------------------------------------------------------------------------------

    def _add(self, audience: Audience, changes: Sequence[Change]) -> list[Outcome]:
        def row(id: str) -> Json:
            links = {"CampaignId": str(audience.remote_id), MEMBER_LINKS[PREFIXES[id[:3]]]: id}
            return {"attributes": {"type": "CampaignMember"}, **links}

        def rows(ids: Sequence[tuple[str, str]]) -> list[Json]:
            return [row(id) for id, _ in ids]

        results = self._sent([change.address for change in changes], rows, method="POST")
        if any(found.code in GONE for found in results):
            self._check_campaign(audience)
        return [
            Outcome(change, OutcomeState.DONE) if found.code in ALREADY else _outcome(change, found)
            for change, found in zip(changes, results, strict=True)
        ]

    def _remove(self, audience: Audience, changes: Sequence[Change]) -> list[Outcome]:
        """Members have ids of their own; who has none is out already."""
        member_ids: dict[str, list[str]] = {}
        for start in range(0, len(changes), MOST_ROWS):
            wanted: dict[str, list[str]] = {link: [] for link in MEMBER_LINKS.values()}
            for change in changes[start : start + MOST_ROWS]:
                wanted[MEMBER_LINKS[str(_object(change))]].append(change.address)
            people = " OR ".join(
                f"{link} IN ({', '.join(map(quoted, ids))})" for link, ids in wanted.items() if ids
            )
            where = f"CampaignId = {quoted(str(audience.remote_id))} AND ({people})"
            for rows in self._reader.scan("CampaignMember", LINKS, where):
                for member in rows:
                    for link in MEMBER_LINKS.values():
                        member_ids.setdefault(str(member[link]), []).append(str(member["Id"]))
        ids = sorted({id for change in changes for id in member_ids.get(change.address, [])})
        rows_out = [{"Id": id} for id in ids]
        results = send_all(
            rows_out,
            lambda some: self._client.delete_rows([str(r["Id"]) for r in some]),
            clock=self._client.clock,
        )
        by_member = dict(zip(ids, results, strict=True))
        outcomes = []
        for change in changes:
            mine = [by_member[id] for id in member_ids.get(change.address, [])]
            failed = next((r for r in mine if r.code is not None and r.code not in GONE), None)
            outcomes.append(
                Outcome(change, OutcomeState.DONE) if failed is None else _outcome(change, failed)
            )
        return outcomes

    def _check_campaign(self, audience: Audience) -> None:
        """Raises AudienceLost if it is the campaign that is gone, not the people."""
        if not campaign_there(self._reader, str(audience.remote_id)):
            raise AudienceLost("the campaign was deleted on Salesforce")

    # ---- the own field ---------------------------------------------------------------------------

    def _set(self, changes: Sequence[Change]) -> list[Outcome]:
        """Absolute values. Of more than `BULK_ABOVE` in a batch, contacts and leads are a bulk job each."""
        try:
            results = self._set_all({change.address: change for change in changes})
        except Refused as refused:
            if refused.code in FORBIDDEN_FIELD:
                raise self._field.refused() from None
            raise
        if any(found is not None and found.code in FORBIDDEN_FIELD for found in results.values()):
            raise self._field.refused()
        return [_outcome(change, results[change.address]) for change in changes]

    def _set_all(self, changes: Mapping[str, Change]) -> dict[str, Result | None]:
        """Id → result. What a bulk job could not do for reasons that pass goes again by collections."""
        results: dict[str, Result | None] = {}
        rest: list[str] = []
        for object in MEMBER_LINKS:
            ids = sorted(id for id in changes if PREFIXES[id[:3]] == object)
            if not FIELD_SHAPE.by_bulk(len(ids), of=len(changes)):
                rest += ids
                continue
            values = self._values([(id, id) for id in ids], changes)
            job = run_job(
                self._client, object, "update", ("Id", self._field.name), list(zip(ids, values, strict=True))
            )
            results.update(job)
            rest += [id for id, found in job.items() if found is not None and found.code in AGAIN]

        def rows(ids: Sequence[tuple[str, str]]) -> list[Json]:
            return [
                {"attributes": {"type": PREFIXES[id[:3]]}, "id": id, self._field.name: value}
                for (id, _), value in zip(ids, self._values(ids, changes), strict=True)
            ]

        results.update(zip(rest, self._sent(rest, rows, method="PATCH"), strict=True))
        return results

    def _values(self, ids: Sequence[tuple[str, str]], changes: Mapping[str, Change]) -> list[str | None]:
        """The whole value for each (id to write to, id asked for), from what stands there right now.

        Null clears; an empty text might be ignored.
        """
        held: dict[str, list[str]] = {}
        for object in MEMBER_LINKS:
            some = [id for id, _ in ids if PREFIXES[id[:3]] == object]
            held.update(self._field.held(object, some))
        return [joined(changed(held.get(id[:15], ()), changes[asked])) or None for id, asked in ids]

    # ---- both ------------------------------------------------------------------------------------

    def _sent(
        self, ids: Sequence[str], rows: Callable[[Sequence[tuple[str, str]]], list[Json]], *, method: str
    ) -> list[Result]:
        """Send `rows` of (id to write to, id asked for); a converted lead stands for its contact."""

        def send(some: list[Json]) -> list[Json]:
            return self._client.write_rows(method, some)

        results = send_all(rows([(id, id) for id in ids]), send, clock=self._client.clock)
        stuck = [place for place, found in enumerate(results) if found.code == CONVERTED]
        contacts = self._converted([ids[place] for place in stuck]) if stuck else {}
        again = [place for place in stuck if ids[place] in contacts]
        others = rows([(contacts[ids[place]], ids[place]) for place in again])
        for place, found in zip(again, send_all(others, send, clock=self._client.clock), strict=True):
            results[place] = found
        return results

    def _converted(self, leads: Sequence[str]) -> dict[str, str]:
        """Lead → the contact it has become."""
        found: dict[str, str] = {}
        for start in range(0, len(leads), MOST_ROWS):
            some = ", ".join(map(quoted, leads[start : start + MOST_ROWS]))
            for rows in self._reader.scan("Lead", ("ConvertedContactId",), f"Id IN ({some})"):
                found.update({r["Id"]: r["ConvertedContactId"] for r in rows if r["ConvertedContactId"]})
        return found


def campaign_there(reader: Reader, id: str) -> bool:
    """Whether the campaign is still there."""
    return any(rows for rows in reader.scan("Campaign", (), f"Id = {quoted(id)}"))


def _object(change: Change) -> str | None:
    """Contact or Lead, by the id that is written to."""
    return PREFIXES.get(change.address[:3]) if ID.fullmatch(change.address) else None


def _refusal(change: Change, code: str, reason: str) -> Outcome:
    return Outcome(change, OutcomeState.REFUSED, code=code, reason=reason)


def _outcome(change: Change, found: Result | None) -> Outcome:
    if found is None:
        reason = "the bulk job failed before it came to this record"
        return Outcome(change, OutcomeState.UNKNOWN, code="not_processed", reason=reason)
    if found.code is None:
        return Outcome(change, OutcomeState.DONE)
    code = "not_found" if found.code in GONE else found.code.lower()
    return _refusal(change, code, found.reason)
