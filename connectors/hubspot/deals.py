"""Deals as activity of the contacts on them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from connectors.base import FieldType, RecordStates, RejectedRow, Stream, StreamField, StreamKind
from connectors.hubspot.moments import moment
from connectors.hubspot.values import money, table, text_of

Json = Mapping[str, Any]

DEAL_PROPERTIES = (
    "dealname", "amount", "deal_currency_code", "dealstage", "pipeline", "dealtype", "createdate",
    "closedate", "hs_is_closed", "hs_is_closed_won", "hs_lastmodifieddate",
)  # fmt: skip
KINDS = ("deal_open", "deal_won", "deal_lost")
DEALS = Stream(
    name="deals",
    kind=StreamKind.ACTIVITY,
    fields=(
        StreamField("deal", FieldType.TEXT, "id of the deal"),
        StreamField("amount", FieldType.MONEY, "amount of the deal", currency_from="currency"),
        StreamField("currency", FieldType.TEXT, "ISO 4217 code; empty: the account's currency"),
        StreamField("name", FieldType.TEXT, "name of the deal"),
        StreamField("stage", FieldType.TEXT, "open, won or lost"),
        StreamField("stage_name", FieldType.TEXT, "internal name of HubSpot's stage"),
        StreamField("pipeline", FieldType.TEXT, "internal name of the pipeline"),
        StreamField("type", FieldType.TEXT, "new or existing business"),
    ),
    activity_kinds=KINDS,
    record=RecordStates("deal", key="deal", kinds=KINDS),
    reading=2,  # in the first, `stage` was HubSpot's own name
)


def deal_rows(
    deals: Iterable[Json], *, contacts_of: Mapping[str, Sequence[str]]
) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """One row per deal and contact on it; it keeps its id when the deal is won, lost or opened again."""
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for deal in deals:
        id_, properties = str(deal["id"]), deal.get("properties") or {}
        kind = deal_kind(properties)
        created = moment(properties.get("createdate") or deal.get("createdAt"))
        closed = None if kind == "deal_open" else moment(properties.get("closedate"))
        at = closed or created
        if at is None:
            rejected.append(RejectedRow(f"deal {id_}", "the deal has no time", json.dumps(dict(deal))))
            continue
        rows.extend(
            {
                "event_id": f"deal:{id_}:{contact}",
                "external_id": contact,
                "email": None,
                "kind": kind,
                "at": at,
                "deal": id_,
                "amount": money(properties.get("amount")),
                "currency": text_of(properties.get("deal_currency_code")),
                "name": text_of(properties.get("dealname")),
                "stage": kind.removeprefix("deal_"),
                "stage_name": text_of(properties.get("dealstage")),
                "pipeline": text_of(properties.get("pipeline")),
                "type": text_of(properties.get("dealtype")),
            }
            for contact in contacts_of.get(id_, ())
        )
    return table(DEALS, rows), tuple(rejected)


def deal_kind(properties: Json) -> str:
    """By HubSpot's own verdict; where an account does not give it, by the names of its first pipeline."""
    won, closed = properties.get("hs_is_closed_won"), properties.get("hs_is_closed")
    if won is None and closed is None:
        stage = str(properties.get("dealstage") or "")
        return {"closedwon": "deal_won", "closedlost": "deal_lost"}.get(stage, "deal_open")
    if won == "true":
        return "deal_won"
    return "deal_lost" if closed == "true" else "deal_open"
