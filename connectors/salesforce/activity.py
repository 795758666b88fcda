"""Tasks, meetings, campaigns and opportunities to our activity. Pure: no calls, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from connectors.base import FieldType, RecordStates, RejectedRow, Stream, StreamField, StreamKind
from connectors.salesforce.mapping import Json, moment, money, reach, table

TEXT = FieldType.TEXT
ENGAGEMENT = Stream(
    name="engagement",
    kind=StreamKind.ACTIVITY,
    fields=(
        StreamField("subject", TEXT, "what it was about"),
        StreamField("type", TEXT, "Call, Email, Meeting, …"),
        StreamField("status", TEXT, "status of a task"),
        StreamField("completed", FieldType.BOOLEAN, "a task that is done"),
    ),
    activity_kinds=("task", "meeting"),
)
CAMPAIGNS = Stream(
    name="campaigns",
    kind=StreamKind.ACTIVITY,
    fields=(
        StreamField("campaign", TEXT, "id of the campaign"),
        StreamField("campaign_name", TEXT, "name of the campaign"),
        StreamField("campaign_type", TEXT, "type of the campaign"),
        StreamField("status", TEXT, "status of the member"),
    ),
    activity_kinds=("campaign_joined", "campaign_responded"),
)
OPPORTUNITY_KINDS = ("opportunity_open", "opportunity_won", "opportunity_lost")
OPPORTUNITIES = Stream(
    name="opportunities",
    kind=StreamKind.ACTIVITY,
    fields=(
        StreamField("opportunity", TEXT, "id of the opportunity"),
        StreamField("amount", FieldType.MONEY, "amount of the opportunity", currency_from="currency"),
        StreamField("currency", TEXT, "ISO 4217 code, if the org has several currencies"),
        StreamField("stage", TEXT, "open, won or lost"),
        StreamField("stage_name", TEXT, "stage of the opportunity as the org calls it"),
        StreamField("type", TEXT, "type of the opportunity"),
        StreamField("account", TEXT, "id of the account"),
        StreamField("role", TEXT, "role of the contact"),
        StreamField("primary", FieldType.BOOLEAN, "the opportunity's first contact"),
    ),
    activity_kinds=OPPORTUNITY_KINDS,
    record=RecordStates("opportunity", key="opportunity", kinds=OPPORTUNITY_KINDS),
    reading=2,  # in the first, `stage` was the org's own name
)
STREAMS = (ENGAGEMENT, CAMPAIGNS, OPPORTUNITIES)
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Task": (
        *("WhoId", "Subject", "Type", "TaskSubtype", "Status", "IsClosed"),
        *("CompletedDateTime", "ActivityDate", "CreatedDate"),
    ),
    "Event": ("WhoId", "Subject", "Type", "EventSubtype", "StartDateTime", "ActivityDate", "CreatedDate"),
    "CampaignMember": (
        *("CampaignId", "Campaign.Name", "Campaign.Type", "ContactId", "LeadId", "Status"),
        *("HasResponded", "FirstRespondedDate", "CreatedDate"),
    ),
    "OpportunityContactRole": (
        *("OpportunityId", "ContactId", "Role", "IsPrimary", "Opportunity.Amount", "Opportunity.StageName"),
        *("Opportunity.IsWon", "Opportunity.IsClosed", "Opportunity.CloseDate", "Opportunity.CreatedDate"),
        *("Opportunity.AccountId", "Opportunity.Type", "Opportunity.CurrencyIsoCode"),
    ),
}
"""What is asked of each object, as far as our user may see it."""


def activity_rows(
    stream: Stream, object: str, records: Iterable[Json]
) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Records of one object as a page of the stream; those without a time are rejected."""
    make = {"Task": _task, "Event": _meeting, "CampaignMember": _membership, "OpportunityContactRole": _deal}
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for record in records:
        for row in make[object](record):
            if row["at"] is None:
                where = f"{object} {record.get('Id')}"
                rejected.append(RejectedRow(where, "the record has no time", json.dumps(dict(record))))
            elif row["external_id"]:
                rows.append({"email": None, **row})
    return table(stream, rows), tuple(rejected)


def _task(record: Json) -> Iterator[dict[str, Any]]:
    """At the time it was done; one that is open, when it was made."""
    done = record.get("IsClosed") is True
    finished = (record.get("CompletedDateTime") or record.get("ActivityDate")) if done else None
    yield {
        "event_id": record["Id"],
        "external_id": record.get("WhoId"),
        "kind": "task",
        "at": moment(finished or record.get("CreatedDate")),
        "subject": record.get("Subject"),
        "type": record.get("Type") or record.get("TaskSubtype"),
        "status": record.get("Status"),
        "completed": done,
    }


def _meeting(record: Json) -> Iterator[dict[str, Any]]:
    start = record.get("StartDateTime") or record.get("ActivityDate") or record.get("CreatedDate")
    yield {
        "event_id": record["Id"],
        "external_id": record.get("WhoId"),
        "kind": "meeting",
        "at": moment(start),
        "subject": record.get("Subject"),
        "type": record.get("Type") or record.get("EventSubtype"),
    }


def _membership(record: Json) -> Iterator[dict[str, Any]]:
    common = {
        "external_id": record.get("ContactId") or record.get("LeadId"),
        "campaign": record.get("CampaignId"),
        "campaign_name": reach(record, "Campaign.Name"),
        "campaign_type": reach(record, "Campaign.Type"),
        "status": record.get("Status"),
    }
    joined = {"kind": "campaign_joined", "at": moment(record.get("CreatedDate"))}
    yield {**common, **joined, "event_id": f"{record['Id']}:joined"}
    if record.get("HasResponded") is True:
        answered = moment(record.get("FirstRespondedDate")) or joined["at"]
        yield {
            **common,
            "kind": "campaign_responded",
            "at": answered,
            "event_id": f"{record['Id']}:responded",
        }


def _deal(record: Json) -> Iterator[dict[str, Any]]:
    """One for each contact of an opportunity; it keeps its id and changes its kind when it is closed."""
    closed, won = reach(record, "Opportunity.IsClosed"), reach(record, "Opportunity.IsWon")
    kind = "opportunity_open"
    if closed is True:
        kind = "opportunity_won" if won is True else "opportunity_lost"
    when = "CloseDate" if closed is True else "CreatedDate"
    amount = reach(record, "Opportunity.Amount")
    yield {
        "event_id": record["Id"],
        "external_id": record.get("ContactId"),
        "kind": kind,
        "at": moment(reach(record, f"Opportunity.{when}")),
        "opportunity": record.get("OpportunityId"),
        "amount": None if amount is None else money(amount),
        "currency": reach(record, "Opportunity.CurrencyIsoCode"),
        "stage": kind.removeprefix("opportunity_"),
        "stage_name": reach(record, "Opportunity.StageName"),
        "type": reach(record, "Opportunity.Type"),
        "account": reach(record, "Opportunity.AccountId"),
        "role": record.get("Role"),
        "primary": record.get("IsPrimary"),
    }
