"""Imaginary's JSON as our records. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.base import Consent, FieldType, Stream, StreamField, StreamKind
from connectors.errors import CursorExpired
from connectors.values import moment, text

CONTACTS = Stream(
    "contacts",
    StreamKind.CONTACTS,
    fields=tuple(StreamField(name, FieldType.TEXT) for name in ("email", "first_name", "country")),
    standard={name: name for name in ("email", "first_name", "country")},
)
CONSENTS = {"yes": Consent.OPTED_IN, "no": Consent.OPTED_OUT}


def contact(found: Mapping[str, Any]) -> dict[str, Any]:
    """A row of CONTACTS."""
    return {
        "external_id": str(found["id"]),
        "address": text(found["email"]),
        "changed_at": moment(found["changed"]),
        "deleted": False,
        "email_consent": CONSENTS.get(found["consent"], Consent.NEVER_ASKED).value,
        "lists": list(found["tags"]),
        **{field.name: text(found[field.name]) for field in CONTACTS.fields},
    }


def position(found: Mapping[str, Any]) -> str:
    """The cursor behind a contact: contacts come in the order of change and id."""
    return f"{found['changed']} {found['id']}"


def checked(cursor: str | None) -> str:
    """The cursor as the platform wants it; "" is the start. Raises CursorExpired."""
    if cursor and moment(cursor.partition(" ")[0]) is None:
        raise CursorExpired("this is no position in Imaginary's contacts")
    return cursor or ""
