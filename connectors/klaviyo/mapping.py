"""Klaviyo's profiles as our contacts. Pure: no calls, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from connectors.base import Consent, FieldType, RejectedRow, Stream, StreamField, StreamKind
from connectors.klaviyo.settings import Settings
from connectors.owned_field import names_in
from connectors.values import day, moment, money, number, table, text

Json = Mapping[str, Any]
OWN_FIELD_LAG_S = 60.0
"""When the values of a complete import can be read is documented nowhere."""
UNDELIVERABLE = frozenset({"HARD_BOUNCE", "INVALID_EMAIL"})
"""Reasons of a suppression that say nothing of the person's will. Every other one is an opt-out."""

TEXTS = (
    ("email", "the address"),
    ("phone_number", "telephone number in E.164"),
    ("first_name", "given name"),
    ("last_name", "family name"),
    ("organization", "company"),
    ("locale", "language and country, e.g. de-DE"),
    ("title", "job title"),
)
PLACE = ("address1", "city", "region", "country", "zip", "timezone")
NUMBERS = (
    ("historic_number_of_orders", "orders so far", None),
    ("predicted_number_of_orders", "orders that Klaviyo expects within a year", None),
    ("average_days_between_orders", "days between orders", "days"),
    ("churn_probability", "how likely it is that the person never orders again, 0 to 1", None),
)
AMOUNTS = (
    ("historic_clv", "what the person has spent so far"),
    ("predicted_clv", "what Klaviyo expects the person to spend within a year"),
    ("total_clv", "spent so far and expected together"),
    ("average_order_value", "average amount of an order"),
)
STANDARD = {
    "email": "email",
    "phone": "phone_number",
    "first_name": "first_name",
    "last_name": "last_name",
    "company": "organization",
    "job_title": "title",
    "language": "locale",
    "signed_up": "created",
    "city": "city",
    "region": "region",
    "country": "country",
    "postcode": "zip",
    "timezone": "timezone",
}


def profiles_stream(settings: Settings) -> Stream:
    """The stream of profiles: Klaviyo's own fields, its predictions, and the declared properties."""
    fields = [StreamField(name, FieldType.TEXT, meaning) for name, meaning in TEXTS]
    fields += [
        StreamField("customer_id", FieldType.TEXT, "external_id: the id another system gave the profile"),
        StreamField("created", FieldType.DATETIME, "when the profile was made"),
        StreamField("last_event_date", FieldType.DATETIME, "when the person last did something"),
        StreamField("sms_consent", FieldType.TEXT, "Klaviyo's word for the consent to text messages"),
    ]
    fields += [StreamField(part, FieldType.TEXT, f"location: {part}") for part in PLACE]
    fields += [
        StreamField(part, FieldType.NUMBER, f"location: {part}", unit="degrees")
        for part in ("latitude", "longitude")
    ]
    if settings.predictive:
        fields.append(StreamField("currency", FieldType.TEXT, "currency of the amounts, as configured"))
        fields += [StreamField(n, FieldType.MONEY, m, currency_from="currency") for n, m in AMOUNTS]
        fields += [StreamField(n, FieldType.NUMBER, m, unit=unit) for n, m, unit in NUMBERS]
        meaning = "when Klaviyo expects the next order"
        fields.append(StreamField("expected_date_of_next_order", FieldType.DATETIME, meaning))
        fields.append(StreamField("best_channel", FieldType.TEXT, "channel the person answers to most"))
    taken = {f.name for f in fields}
    for name, type_ in settings.properties.items():
        column = f"property_{name}" if name in taken else name
        fields.append(StreamField(column, type_, f"property {name}"))
    return Stream(
        name="profiles",
        kind=StreamKind.CONTACTS,
        fields=tuple(fields),
        standard=STANDARD,
        own_field=settings.own_property,
        own_field_lag_s=OWN_FIELD_LAG_S,
    )


def asked_fields(settings: Settings) -> str:
    """`fields[profile]`: only what becomes a column, and the properties, which come all or none."""
    names = [name for name, _ in TEXTS]
    names += ["external_id", "created", "updated", "last_event_date", "location", "subscriptions"]
    if settings.predictive:
        names.append("predictive_analytics")
    names.append("properties")
    return ",".join(names)


def profile_rows(
    stream: Stream,
    profiles: Iterable[Json],
    *,
    settings: Settings,
    lists: Mapping[str, Sequence[str]] | None,
) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Profiles as a page of `stream`. `lists`: profile id → names; None: no list is read."""
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for place, profile in enumerate(profiles):
        id_ = profile.get("id")
        if not id_:
            where = f"row {place} of a page of profiles"
            rejected.append(RejectedRow(where, "the profile has no id", json.dumps(dict(profile))))
            continue
        attributes = profile.get("attributes") or {}
        rows.append(
            {
                "external_id": str(id_),
                "address": _text(attributes.get("email")),
                "changed_at": moment(attributes.get("updated")),
                "deleted": False,
                "email_consent": consent(attributes.get("subscriptions")),
                "own_values": _own_values(attributes, settings.own_property),
                "lists": None if lists is None else list(lists.get(str(id_), ())),
                **_plain(attributes),
                **_predictions(attributes.get("predictive_analytics") or {}, settings),
                **_properties(attributes.get("properties") or {}, stream, settings),
            }
        )
    return table(stream, rows), tuple(rejected)


def consent(subscriptions: object) -> str | None:
    """E-mail consent; null if Klaviyo did not say. An unknown word is never taken as opted in."""
    email = subscriptions.get("email") if isinstance(subscriptions, Mapping) else None
    marketing = email.get("marketing") if isinstance(email, Mapping) else None
    if not isinstance(marketing, Mapping) or "consent" not in marketing:
        return None
    suppressions = [s for s in marketing.get("suppression") or [] if isinstance(s, Mapping)]
    reasons = {str(s.get("reason")) for s in suppressions}
    word, may_receive = marketing["consent"], marketing.get("can_receive_email_marketing") is True
    if word == "UNSUBSCRIBED" or reasons - UNDELIVERABLE:
        return str(Consent.OPTED_OUT)
    if reasons:
        return str(Consent.UNDELIVERABLE)
    if not may_receive and word != "NEVER_SUBSCRIBED":
        return str(Consent.OPTED_OUT)
    return str(Consent.OPTED_IN if word == "SUBSCRIBED" else Consent.NEVER_ASKED)


def names_held(properties: object, own: str) -> list[object] | None:
    """What stands in the own property: texts as names, anything else as it is; None if not told.

    Others may have made it a text, or put a text with `;` into it.
    """
    if not isinstance(properties, Mapping):
        return None
    held = properties.get(own)
    several = held if isinstance(held, list) else [] if held is None else [held]
    found: list[object] = []
    for one in several:
        found += [name for name in (names_in(one) if isinstance(one, str) else [one]) if name not in found]
    return found


def _own_values(attributes: Json, own: str) -> list[str] | None:
    held = names_held(attributes.get("properties"), own)
    return None if held is None else [name for name in held if isinstance(name, str)]


def _plain(attributes: Json) -> dict[str, Any]:
    place = attributes.get("location") or {}
    sms = (attributes.get("subscriptions") or {}).get("sms") or {}
    return {
        **{name: _text(attributes.get(name)) for name, _ in TEXTS},
        "customer_id": _text(attributes.get("external_id")),
        "created": moment(attributes.get("created")),
        "last_event_date": moment(attributes.get("last_event_date")),
        "sms_consent": _text((sms.get("marketing") or {}).get("consent")),
        **{part: _text(place.get(part)) for part in PLACE},
        "latitude": number(place.get("latitude")),
        "longitude": number(place.get("longitude")),
    }


def _predictions(given: Json, settings: Settings) -> dict[str, Any]:
    if not settings.predictive:
        return {}
    channels = given.get("ranked_channel_affinity") or []
    return {
        "currency": settings.currency,
        **{name: money(given.get(name)) for name, _ in AMOUNTS},
        **{name: number(given.get(name)) for name, _, _ in NUMBERS},
        "expected_date_of_next_order": moment(given.get("expected_date_of_next_order")),
        "best_channel": _text(channels[0]) if channels else None,
    }


def _properties(given: Json, stream: Stream, settings: Settings) -> dict[str, Any]:
    declared = len(settings.properties)
    if not declared:
        return {}
    columns = stream.fields[-declared:]
    pairs = zip(columns, settings.properties, strict=True)
    return {column.name: typed(given.get(name), column.type) for column, name in pairs}


def typed(value: object, type_: FieldType) -> Any:
    """A free-form value as the declared type; null if it is none of that type."""
    match type_:
        case FieldType.NUMBER:
            return number(value)
        case FieldType.BOOLEAN:
            known = {"true": True, "false": False, "yes": True, "no": False}
            return known.get(str(value).strip().lower())
        case FieldType.DATE:
            return day(value)
        case FieldType.DATETIME:
            return moment(value)
        case FieldType.TEXTS:
            several = value if isinstance(value, list) else [value]
            found = [text for text in (_text(one) for one in several) if text is not None]
            return found or None
        case _:
            return _text(value)


def _text(value: object) -> str | None:
    """A text of a property, which may be of any type."""
    if isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else text(value)
