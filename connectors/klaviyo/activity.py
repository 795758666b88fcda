"""Klaviyo's events as our activity. Pure: no calls, no clock.

Kinds of events are per account (metrics), and their names are those of the shops and tools that send them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from connectors.base import FieldType, RejectedRow, Stream, StreamField, StreamKind
from connectors.klaviyo.mapping import Json
from connectors.klaviyo.settings import Settings
from connectors.values import moment, money, table

KINDS: Mapping[str, str] = {
    "Placed Order": "purchase",
    "Refunded Order": "refund",
    "Cancelled Order": "refund",
    "Received Email": "email_sent",
    "Opened Email": "email_open",
    "Clicked Email": "email_click",
    "Bounced Email": "email_bounce",
    "Marked Email as Spam": "email_complaint",
    "Unsubscribed": "email_unsubscribe",
    "Unsubscribed from Email Marketing": "email_unsubscribe",
    "Viewed Product": "page_view",
    "Active on Site": "page_view",
    "Added to Cart": "cart_add",
}
"""Metrics that mean the same everywhere. Others are read under a name of their own if they are declared."""

FIELDS = (
    StreamField("metric", FieldType.TEXT, "the event's name in Klaviyo"),
    StreamField("amount", FieldType.MONEY, "value of the event", currency_from="currency"),
    StreamField("currency", FieldType.TEXT, "ISO 4217 code"),
    StreamField("order", FieldType.TEXT, "id of the order"),
    StreamField("products", FieldType.TEXTS, "products of the order, or the one looked at"),
    StreamField("campaign", FieldType.TEXT, "id of the campaign or flow message"),
    StreamField("campaign_title", FieldType.TEXT, "name of the campaign"),
    StreamField("url", FieldType.TEXT, "the address that was opened"),
    StreamField("bounce_type", FieldType.TEXT, "hard or soft"),
)


def kinds(settings: Settings) -> Mapping[str, str]:
    """Metric name → kind of activity, the declared ones first."""
    return {**KINDS, **settings.metrics}


def events_stream(settings: Settings) -> Stream:
    """The stream of events; every kind it may yield is listed, whether the account has it yet or not."""
    every = tuple(dict.fromkeys(kinds(settings).values()))
    return Stream(name="events", kind=StreamKind.ACTIVITY, fields=FIELDS, activity_kinds=every)


def event_rows(
    stream: Stream,
    events: Iterable[Json],
    *,
    metric: str,
    kind: str,
    addresses: Mapping[str, str | None],
    settings: Settings,
) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Events of one metric as a page of `stream`. `addresses`: profile id → e-mail, as included."""
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for event in events:
        attributes = event.get("attributes") or {}
        who = (((event.get("relationships") or {}).get("profile") or {}).get("data") or {}).get("id")
        at = moment(attributes.get("datetime"))
        if not event.get("id") or not who or at is None:
            reason = "the event has no time" if at is None else "the event names nobody, or has no id"
            rejected.append(RejectedRow(f"event {event.get('id')}", reason, json.dumps(dict(event))))
            continue
        rows.append(
            {
                "event_id": str(event["id"]),
                "external_id": str(who),
                "email": addresses.get(str(who)),
                "kind": kind,
                "at": at,
                "metric": metric,
                **_facts(attributes.get("event_properties") or {}, settings),
            }
        )
    return table(stream, rows), tuple(rejected)


def _facts(given: Json, settings: Settings) -> dict[str, Any]:
    amount = money(given.get("$value"))
    currency = _first(given, "$currency_code", "currency", "Currency") or settings.currency
    return {
        "amount": amount,
        "currency": currency if amount is not None else None,
        "order": _first(given, "OrderId", "Order ID", "order_id", "$event_id"),
        "products": _products(given),
        "campaign": _first(given, "$message", "$campaign", "Campaign ID"),
        "campaign_title": _first(given, "Campaign Name", "Subject"),
        "url": _first(given, "URL", "url", "page", "$current_url"),
        "bounce_type": (_first(given, "Bounce Type", "bounce_type") or "").lower() or None,
    }


def _first(given: Json, *names: str) -> str | None:
    for name in names:
        value = given.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def _products(given: Json) -> list[str] | None:
    """Names or ids, in whatever form the shop sends them."""
    for name in ("Items", "items", "ItemNames", "ProductName", "Product Name", "ProductID"):
        value = given.get(name)
        several = value if isinstance(value, list) else [] if value is None else [value]
        found = []
        for one in several:
            if isinstance(one, Mapping):
                one = _first(one, "ProductID", "ProductName", "id", "name", "SKU")
            if isinstance(one, str | int) and str(one):
                found.append(str(one))
        if found:
            return found
    return None
