"""The standard facts about a person, the same on every platform, and the usual kinds of activity.

A platform says which of its columns carries which of these (`Stream.standard`); the names, types and
meanings are fixed here, so that rule files can be passed on from company to company.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rules.vocabulary import Type


@dataclass(frozen=True, slots=True)
class StandardField:
    """Type, meaning and unit of a standard fact."""

    type: Type
    meaning: str
    unit: str | None = None


def _text(meaning: str) -> StandardField:
    return StandardField(Type.TEXT, meaning)


STANDARD_FIELDS: Mapping[str, StandardField] = {
    "email": _text("E-mail address"),
    "phone": _text("Telephone number"),
    "name": _text("Full name"),
    "first_name": _text("Given name"),
    "last_name": _text("Family name"),
    "title": _text("Title or form of address"),
    "gender": _text("Gender as the person stated it"),
    "birthday": StandardField(Type.DATE, "Day of birth"),
    "language": _text("Preferred language, ISO 639 code where the platform has one"),
    "country": _text("Country, ISO 3166 code where the platform has one"),
    "region": _text("State, province or region"),
    "city": _text("City"),
    "postcode": _text("Postal code"),
    "timezone": _text("Time zone, such as Europe/Berlin"),
    "company": _text("Name of the company the person works for"),
    "company.employees": StandardField(Type.NUMBER, "How many people work there", "people"),
    "company.industry": _text("Industry of that company"),
    "company.revenue": StandardField(Type.MONEY, "Yearly revenue of that company"),
    "job_title": _text("What the person does there"),
    "website": _text("Address of the person's or company's site"),
    "signed_up": StandardField(Type.DATETIME, "When the person became known to the business"),
}

ALIASES: Mapping[str, str] = {"postal_code": "postcode", "zip": "postcode", "created_at": "signed_up"}
"""What platforms also call a standard field."""

KIND_MEANINGS: Mapping[str, str] = {
    "purchase": "An order that was placed",
    "refund": "An order that was given back or cancelled",
    "email_sent": "A campaign was sent to the person",
    "email_open": "The person (or the mail program, by itself) opened a campaign",
    "email_click": "The person followed a link in a campaign",
    "email_bounce": "A campaign could not be delivered",
    "email_unsubscribe": "The person unsubscribed",
    "email_complaint": "The person marked a campaign as spam",
    "page_view": "The person looked at a page",
    "cart_add": "The person put something into the cart",
}

PASSIVE = ("email_sent", "email_open", "email_bounce")
"""What happens to people, or their mail program does by itself: no sign of life."""
