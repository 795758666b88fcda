"""Campaigns with what their recipients did, stores with their orders: state and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors.mailchimp.simulated.audience import Audience, iso, subscriber_hash
from connectors.mailchimp.simulated.shapes import Json, link, links


@dataclass(slots=True, eq=False)
class Did:
    """One open, click or bounce of one recipient."""

    action: str
    at: int
    url: str = ""
    type: str = ""  # "hard" or "soft" for a bounce


@dataclass(slots=True, eq=False)
class Campaign:
    """A campaign that was sent."""

    id: str
    audience: Audience
    title: str
    sent: int
    recipients: dict[str, list[Did]] = field(default_factory=dict)  # address → what it did
    left: dict[str, int] = field(default_factory=dict)  # address → when it unsubscribed


@dataclass(slots=True, eq=False)
class Order:
    """An order of a connected store. `total` in major units of `currency`."""

    id: str
    store: str
    address: str
    total: float
    currency: str
    at: int
    lines: list[tuple[str, int, float]] = field(default_factory=list)  # product, quantity, price
    cancelled: int | None = None
    financial_status: str = "paid"


@dataclass(slots=True, eq=False)
class Store:
    """A shop connected to one audience."""

    id: str
    audience: Audience
    name: str
    currency: str
    orders: dict[str, Order] = field(default_factory=dict)


def campaign(base: str, c: Campaign) -> Json:
    """A campaign as /campaigns shows it."""
    return {
        "id": c.id,
        "web_id": int(c.id[:6], 16),
        "type": "regular",
        "create_time": iso(c.sent - 3600),
        "archive_url": "",
        "long_archive_url": "",
        "status": "sent",
        "emails_sent": len(c.recipients),
        "send_time": iso(c.sent),
        "content_type": "template",
        "recipients": {
            "list_id": c.audience.id,
            "list_is_active": True,
            "list_name": c.audience.name,
            "segment_text": "",
            "recipient_count": len(c.recipients),
        },
        "settings": {"subject_line": c.title, "title": c.title},
        "_links": links(base, f"/campaigns/{c.id}", parent="/campaigns", target="Campaigns"),
    }


def active_recipients(c: Campaign, *, since: float | None) -> list[tuple[str, list[Did]]]:
    """Recipients with what they did; with `since` only those who did something strictly later (choice)."""
    if since is None:
        return list(c.recipients.items())
    later = ((address, [d for d in did if d.at > since]) for address, did in c.recipients.items())
    return [(address, did) for address, did in later if did]


def email_activity(base: str, c: Campaign, address: str, did: Iterable[Did]) -> Json:
    """One recipient of a campaign."""
    name = subscriber_hash(address)
    return {
        "campaign_id": c.id,
        "list_id": c.audience.id,
        "list_is_active": True,
        "email_id": name,
        "email_address": address,
        "activity": [_did(d) for d in did],
        "_links": [link(base, "self", f"/reports/{c.id}/email-activity/{name}")],
    }


def _did(d: Did) -> Json:
    shown: Json = {"action": d.action}
    if d.type:
        shown["type"] = d.type
    shown["timestamp"] = iso(d.at)
    if d.url:
        shown["url"] = d.url
    if d.action != "bounce":
        shown["ip"] = "203.0.113.9"
    return shown


def unsubscribed(base: str, c: Campaign) -> Iterable[Json]:
    """Who left by this campaign."""
    for address, at in c.left.items():
        name = subscriber_hash(address)
        yield {
            "email_id": name,
            "email_address": address,
            "merge_fields": {},
            "vip": False,
            "timestamp": iso(at),
            "reason": "None given",
            "campaign_id": c.id,
            "list_id": c.audience.id,
            "list_is_active": True,
            "_links": [link(base, "self", f"/reports/{c.id}/unsubscribed/{name}")],
        }


def store(base: str, s: Store) -> Json:
    """A store as /ecommerce/stores shows it."""
    return {
        "id": s.id,
        "list_id": s.audience.id,
        "name": s.name,
        "platform": "",
        "domain": "",
        "is_syncing": False,
        "email_address": "shop@example.com",
        "currency_code": s.currency,
        "created_at": iso(s.audience.created),
        "updated_at": iso(s.audience.created),
        "_links": links(base, f"/ecommerce/stores/{s.id}", parent="/ecommerce/stores", target="Stores"),
    }


def order(base: str, o: Order) -> Json:
    """An order as the store's orders show it."""
    return {
        "id": o.id,
        "customer": {
            "id": subscriber_hash(o.address),
            "email_address": o.address,
            "opt_in_status": False,
            "orders_count": 1,
            "total_spent": o.total,
        },
        "store_id": o.store,
        "campaign_id": "",
        "financial_status": o.financial_status,
        "fulfillment_status": "",
        "currency_code": o.currency,
        "order_total": o.total,
        "order_url": "",
        "discount_total": 0,
        "tax_total": 0,
        "shipping_total": 0,
        "processed_at_foreign": iso(o.at),
        "cancelled_at_foreign": iso(o.cancelled),
        "updated_at_foreign": iso(o.cancelled or o.at),
        "lines": [
            {
                "id": str(n),
                "product_id": product,
                "product_title": product,
                "product_variant_id": product,
                "product_variant_title": product,
                "quantity": quantity,
                "price": price,
                "discount": 0,
                "_links": [],
            }
            for n, (product, quantity, price) in enumerate(o.lines, start=1)
        ],
        "_links": links(
            base,
            f"/ecommerce/stores/{o.store}/orders/{o.id}",
            parent=f"/ecommerce/stores/{o.store}/orders",
            target="Ecommerce/Orders",
        ),
    }
