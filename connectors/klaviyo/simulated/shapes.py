"""Objects of the simulated account as Klaviyo's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from connectors.klaviyo.simulated.account import PLAIN, Event, Group, Metric, Profile
from connectors.klaviyo.simulated.problems import Json

LOCATION = (
    "address1",
    "address2",
    "city",
    "country",
    "region",
    "zip",
    "latitude",
    "longitude",
    "timezone",
    "ip",
)
PREDICTIVE = (
    "historic_clv",
    "predicted_clv",
    "total_clv",
    "historic_number_of_orders",
    "predicted_number_of_orders",
    "average_days_between_orders",
    "average_order_value",
    "churn_probability",
    "expected_date_of_next_order",
    "ranked_channel_affinity",
)
PROFILE_FIELDS = (
    "email",
    "phone_number",
    "external_id",
    *PLAIN,
    "created",
    "updated",
    "last_event_date",
    "location",
    "properties",
)
ADDITIONAL = ("subscriptions", "predictive_analytics")
NESTED = (*(f"location.{part}" for part in LOCATION), *(f"predictive_analytics.{p}" for p in PREDICTIVE))
CHOOSABLE = ("id", "joined_group_at", *PROFILE_FIELDS, *ADDITIONAL, *NESTED)


def time(seconds: int | None) -> str | None:
    """ISO 8601 with offset."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def profile(
    found: Profile,
    base: str,
    *,
    additional: frozenset[str] = frozenset(),
    chosen: frozenset[str] = frozenset(),
    joined: int | None = None,
) -> Json:
    """A profile with the fields that were asked for; `joined`: when it came into the group that is read."""
    attributes: Json = {
        "email": found.email,
        "phone_number": found.phone_number,
        "external_id": found.external_id,
        **{name: found.plain.get(name) for name in PLAIN},
        "created": time(found.created),
        "updated": time(found.updated),
        "last_event_date": time(found.last_event),
        "location": {part: found.location.get(part) for part in LOCATION},
        "properties": found.properties,
    }
    if "subscriptions" in additional:
        attributes["subscriptions"] = subscriptions(found)
    if "predictive_analytics" in additional:
        attributes["predictive_analytics"] = {name: found.predictive.get(name) for name in PREDICTIVE}
    if chosen:
        attributes = _chosen(attributes, chosen)
    if joined is not None:
        attributes["joined_group_at"] = time(joined)
    url = f"{base}/api/profiles/{found.id}"
    related = {
        kind: {"links": {"self": f"{url}/relationships/{kind}/", "related": f"{url}/{kind}/"}}
        for kind in ("lists", "segments")
    }
    return {
        "type": "profile",
        "id": found.id,
        "attributes": attributes,
        "relationships": related,
        "links": {"self": f"{url}/"},
    }


def _chosen(attributes: Json, chosen: frozenset[str]) -> Json:
    kept: Json = {}
    for name, value in attributes.items():
        inner = {c.partition(".")[2] for c in chosen if c.startswith(f"{name}.")}
        if name in chosen:
            kept[name] = value
        elif inner and isinstance(value, Mapping):
            kept[name] = {part: value[part] for part in value if part in inner}
    return kept


def subscriptions(found: Profile) -> Json:
    """`attributes.subscriptions`."""
    consent = found.consent
    marketing: Json = {
        "can_receive_email_marketing": consent.can_receive,
        "consent": consent.word,
        "consent_timestamp": time(consent.at),
        "last_updated": time(consent.at),
        "method": None if consent.at is None else "FORM",
        "method_detail": "",
        "custom_method_detail": None,
        "double_optin": consent.double_optin,
        "suppression": [{"reason": reason, "timestamp": time(at)} for reason, at in consent.suppression],
        "list_suppressions": [
            {"list_id": id_, "reason": reason, "timestamp": time(at)}
            for id_, reason, at in consent.list_suppressions
        ],
    }
    sms = {"can_receive_sms_marketing": consent.sms == "SUBSCRIBED", "consent": consent.sms}
    push = {"can_receive_push_marketing": False, "consent": "NEVER_SUBSCRIBED"}
    return {
        "email": {"marketing": marketing},
        "sms": {"marketing": sms},
        "mobile_push": {"marketing": push},
    }


def group(found: Group, base: str, kind: str) -> Json:
    """A list or a segment."""
    attributes: Json = {
        "name": found.name,
        "created": time(found.created),
        "updated": time(found.updated),
    }
    if kind == "list":
        attributes["opt_in_process"] = found.opt_in_process
    else:
        attributes.update(is_active=True, is_processing=False, is_starred=False)
    url = f"{base}/api/{kind}s/{found.id}"
    return {
        "type": kind,
        "id": found.id,
        "attributes": attributes,
        "relationships": {
            name: {"links": {"self": f"{url}/relationships/{name}/", "related": f"{url}/{name}/"}}
            for name in ("profiles", "tags")
        },
        "links": {"self": f"{url}/"},
    }


def metric(found: Metric, base: str) -> Json:
    """A kind of event."""
    return {
        "type": "metric",
        "id": found.id,
        "attributes": {
            "name": found.name,
            "created": time(found.created),
            "updated": time(found.created),
            "integration": {
                "object": "integration",
                "id": "0001",
                "name": found.integration,
                "category": "API",
            },
        },
        "links": {"self": f"{base}/api/metrics/{found.id}/"},
    }


def event(found: Event, base: str, *, included: frozenset[str]) -> Json:
    """An event. Who did what is named by id only where it is included (the strict choice)."""
    url = f"{base}/api/events/{found.id}"
    related: Json = {}
    for kind, id_ in (("profile", found.profile), ("metric", found.metric)):
        links = {"self": f"{url}/relationships/{kind}/", "related": f"{url}/{kind}/"}
        related[kind] = {"links": links}
        if kind in included:
            related[kind] = {"data": {"type": kind, "id": id_}, "links": links}
    return {
        "type": "event",
        "id": found.id,
        "attributes": {
            "timestamp": found.at,
            "datetime": time(found.at),
            "event_properties": found.properties,
            "uuid": None,
        },
        "relationships": related,
        "links": {"self": f"{url}/"},
    }
