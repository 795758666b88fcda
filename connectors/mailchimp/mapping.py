"""Mailchimp's JSON to our records and back. Pure: no calls, no clock.

Empty values are "" in every answer of the service (null in some); both become null here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from connectors.base import (
    Consent,
    FieldType,
    RejectedRow,
    Stream,
    StreamField,
    StreamKind,
)
from connectors.owned_field import names_in
from connectors.values import day, moment, money, number, table, text

Json = Mapping[str, Any]
LONGEST_FIELD_BYTES = 255

CONSENTS: Mapping[str, Consent] = {
    "subscribed": Consent.OPTED_IN,
    "pending": Consent.PENDING,
    "transactional": Consent.NEVER_ASKED,
    "unsubscribed": Consent.OPTED_OUT,
    "archived": Consent.OPTED_OUT,
    "cleaned": Consent.UNDELIVERABLE,
}
MERGE_TYPES: Mapping[str, FieldType] = {"number": FieldType.NUMBER, "date": FieldType.DATE}
ADDRESS_PARTS = ("city", "state", "zip", "country")
BIRTHDAYS = ("BIRTHDAY", "BIRTHDATE", "DOB")
PLAIN_FIELDS: tuple[StreamField, ...] = (
    StreamField("email_address", FieldType.TEXT, "the address"),
    StreamField("language", FieldType.TEXT, "language code, e.g. de"),
    StreamField("country_code", FieldType.TEXT, "country, guessed by Mailchimp from opens"),
    StreamField("region", FieldType.TEXT, "region, guessed by Mailchimp from opens"),
    StreamField("timezone", FieldType.TEXT, "time zone, guessed by Mailchimp from opens"),
    StreamField("latitude", FieldType.NUMBER, "latitude, guessed by Mailchimp", unit="degrees"),
    StreamField("longitude", FieldType.NUMBER, "longitude, guessed by Mailchimp", unit="degrees"),
    StreamField("vip", FieldType.BOOLEAN, "marked as VIP"),
    StreamField("member_rating", FieldType.NUMBER, "Mailchimp's star rating, 1 to 5"),
    StreamField("source", FieldType.TEXT, "how the contact came into the audience"),
    StreamField("timestamp_signup", FieldType.DATETIME, "when a sign-up form was sent"),
    StreamField("timestamp_opt", FieldType.DATETIME, "when the contact opted in"),
    StreamField("avg_open_rate", FieldType.NUMBER, "opens per campaign, 0 to 1"),
    StreamField("avg_click_rate", FieldType.NUMBER, "clicks per campaign, 0 to 1"),
)
MEMBER_KEYS = (
    "id",
    "contact_id",
    "email_address",
    "status",
    "merge_fields",
    "stats",
    "timestamp_signup",
    "timestamp_opt",
    "member_rating",
    "last_changed",
    "language",
    "vip",
    "location",
    "source",
    "tags_count",
    "tags",
)
CAMPAIGN_ACTIVITY = Stream(
    name="campaign_activity",
    kind=StreamKind.ACTIVITY,
    fields=(
        StreamField("campaign", FieldType.TEXT, "id of the campaign"),
        StreamField("campaign_title", FieldType.TEXT, "name of the campaign"),
        StreamField("url", FieldType.TEXT, "the address that was clicked"),
        StreamField("bounce_type", FieldType.TEXT, "hard or soft"),
    ),
    activity_kinds=("email_open", "email_click", "email_bounce"),
)
ORDERS = Stream(
    name="orders",
    kind=StreamKind.ACTIVITY,
    fields=(
        StreamField("order", FieldType.TEXT, "id of the order"),
        StreamField("amount", FieldType.MONEY, "total of the order", currency_from="currency"),
        StreamField("currency", FieldType.TEXT, "ISO 4217 code"),
        StreamField("store", FieldType.TEXT, "id of the store"),
        StreamField("status", FieldType.TEXT, "financial status, e.g. paid"),
        StreamField("products", FieldType.TEXTS, "ids of the products bought"),
    ),
    activity_kinds=("purchase", "refund"),
    incremental=False,
)


def subscriber_hash(address: str) -> str:
    """How Mailchimp names a member in paths: MD5 of the lower-cased address."""
    return hashlib.md5(address.strip().lower().encode(), usedforsecurity=False).hexdigest()


def external_id(member: Json) -> str | None:
    """contact_id survives a change of address; members from before 2021 may have only the hash."""
    found = member.get("contact_id") or member.get("id")
    return str(found) if found else None


def members_stream(merge_fields: Sequence[Json], *, own_field: str) -> Stream:
    """The stream of audience members with all merge fields, except the one that we write ourselves."""
    fields = list(PLAIN_FIELDS)
    standard = {"email": "email_address", "language": "language", "country": "country_code"}
    standard.update(timezone="timezone", region="region", signed_up="timestamp_opt")
    for given in merge_fields:
        tag, type_ = str(given["tag"]), str(given["type"])
        if tag == own_field:
            continue
        meaning = str(given.get("name") or tag)
        fields.append(StreamField(tag, MERGE_TYPES.get(type_, FieldType.TEXT), meaning))
        if type_ == "address":
            fields.extend(
                StreamField(f"{tag}_{part}", FieldType.TEXT, f"{meaning}: {part}") for part in ADDRESS_PARTS
            )
        for name, fits in (
            ("first_name", tag == "FNAME"),
            ("last_name", tag == "LNAME"),
            ("phone", type_ == "phone"),
            ("company", tag == "COMPANY"),
            # Fields of Mailchimp's type "birthday" have no year and stay texts such as 12/21.
            ("birthday", type_ == "date" and tag in BIRTHDAYS),
        ):
            if fits:
                standard.setdefault(name, tag)
        if type_ == "address":
            standard.setdefault("city", f"{tag}_city")
            standard.setdefault("postcode", f"{tag}_zip")
    return Stream(
        name="members",
        kind=StreamKind.CONTACTS,
        fields=tuple(fields),
        standard=standard,
        own_field=own_field,
    )


def member_rows(stream: Stream, members: Iterable[Json]) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Members as a page of `stream`; those without any id are rejected."""
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    types = {f.name: f.type for f in stream.fields}
    for place, member in enumerate(members):
        id_ = external_id(member)
        if id_ is None:
            where = f"row {place} of a page of members"
            rejected.append(RejectedRow(where, "the member has no id", json.dumps(dict(member))))
            continue
        rows.append(
            {
                "external_id": id_,
                "address": text(member.get("email_address")),
                "changed_at": moment(member.get("last_changed")),
                "deleted": False,
                "email_consent": consent(member.get("status")),
                "lists": [str(tag["name"]) for tag in member.get("tags") or []],
                "own_values": own_values(member, str(stream.own_field)),
                **_plain(member),
                **_merged(member.get("merge_fields") or {}, types),
            }
        )
    return table(stream, rows), tuple(rejected)


def own_values(member: Json, own_field: str) -> list[str] | None:
    """What stands in the own field; null if it is not there, and of archived members, whom nobody sees."""
    merge = member.get("merge_fields") or {}
    if own_field not in merge or member.get("status") == "archived":
        return None
    return names_in(text(merge[own_field]))


def consent(status: object) -> str | None:
    """Consent of a member's status; null for one we do not know, so that nobody is taken as opted in."""
    found = CONSENTS.get(str(status))
    return None if found is None else str(found)


def _plain(member: Json) -> dict[str, Any]:
    location, stats = member.get("location") or {}, member.get("stats") or {}
    latitude, longitude = number(location.get("latitude")), number(location.get("longitude"))
    known = (latitude or 0, longitude or 0) != (0, 0)  # 0, 0 stands for "unknown"
    return {
        "email_address": text(member.get("email_address")),
        "language": text(member.get("language")),
        "country_code": text(location.get("country_code")),
        "region": text(location.get("region")),
        "timezone": text(location.get("timezone")),
        "latitude": latitude if known else None,
        "longitude": longitude if known else None,
        "vip": member.get("vip"),
        "member_rating": number(member.get("member_rating")),
        "source": text(member.get("source")),
        "timestamp_signup": moment(member.get("timestamp_signup")),
        "timestamp_opt": moment(member.get("timestamp_opt")),
        "avg_open_rate": number(stats.get("avg_open_rate")),
        "avg_click_rate": number(stats.get("avg_click_rate")),
    }


def _merged(merge: Json, types: Mapping[str, FieldType]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, value in merge.items():
        if isinstance(value, Mapping):  # an address
            parts = [text(value.get(p)) for p in ("addr1", "addr2", *ADDRESS_PARTS)]
            found[tag] = ", ".join(p for p in parts if p) or None
            found.update({f"{tag}_{part}": text(value.get(part)) for part in ADDRESS_PARTS})
            continue
        match types.get(tag):
            case FieldType.NUMBER:
                found[tag] = number(value)
            case FieldType.DATE:
                found[tag] = day(value)
            case FieldType.TEXT:
                found[tag] = text(value)
    return found


def activity_rows(campaign: Json, emails: Iterable[Json]) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Opens, clicks and bounces of one campaign's recipients."""
    campaign_id = str(campaign["id"])
    title = text((campaign.get("settings") or {}).get("title"))
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for email in emails:
        for did in email.get("activity") or []:
            at, action, url = moment(did.get("timestamp")), did.get("action"), text(did.get("url"))
            if at is None or action not in ("open", "click", "bounce"):
                where = f"campaign {campaign_id}, recipient {email.get('email_id')}"
                reason = "the activity has no time" if at is None else "this kind of activity is not known"
                rejected.append(RejectedRow(where, reason, json.dumps(did)))
                continue
            key = (campaign_id, str(email.get("email_id")), action, str(did["timestamp"]), url or "")
            rows.append(
                {
                    "event_id": hashlib.sha256("\x1f".join(key).encode()).hexdigest()[:32],
                    "external_id": None,  # only the hash of the address is known, not the contact's id
                    "email": text(email.get("email_address")),
                    "kind": f"email_{action}",
                    "at": at,
                    "campaign": campaign_id,
                    "campaign_title": title,
                    "url": url,
                    "bounce_type": text(did.get("type")) if action == "bounce" else None,
                }
            )
    return table(CAMPAIGN_ACTIVITY, rows), tuple(rejected)


def order_rows(orders: Iterable[Json]) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Orders as purchases; a cancelled one keeps its event id and becomes `refund`."""
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for order in orders:
        where = f"order {order.get('id')} of store {order.get('store_id')}"
        cancelled = moment(order.get("cancelled_at_foreign"))
        at = cancelled or moment(order.get("processed_at_foreign"))
        address = text((order.get("customer") or {}).get("email_address"))
        if at is None or address is None:
            reason = "the order has no time" if at is None else "the order's customer has no address"
            rejected.append(RejectedRow(where, reason, json.dumps(dict(order))))
            continue
        rows.append(
            {
                "event_id": f"order:{order.get('store_id')}:{order['id']}",
                "external_id": None,
                "email": address,
                "kind": "refund" if cancelled else "purchase",
                "at": at,
                "order": str(order["id"]),
                "amount": money(order.get("order_total")),
                "currency": text(order.get("currency_code")),
                "store": text(order.get("store_id")),
                "status": text(order.get("financial_status")),
                "products": [str(line["product_id"]) for line in order.get("lines") or []],
            }
        )
    return table(ORDERS, rows), tuple(rejected)


def refused_addresses(errors: Iterable[Json]) -> Iterator[tuple[str, str]]:
    """`errors[]` of a segment call: (address in lower case, the service's words)."""
    for error in errors:
        addresses = error.get("email_addresses") or [error.get("email_address")]
        for address in addresses:
            if address:
                yield str(address).lower(), str(error.get("error") or "")
