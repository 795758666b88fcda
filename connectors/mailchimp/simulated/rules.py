"""How the simulated Mailchimp treats members: what a PUT, POST, PATCH, DELETE does, and what it refuses.

From recordings of the real service where there are any; choices are marked. Nothing is applied unless
the whole call is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

from connectors.mailchimp.simulated.audience import Audience, Member, MergeField, subscriber_hash

TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
SETTABLE = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
COMPLIANCE = ("contact", "bounce", "complaint")
LONGEST_TEXT_BYTES = 255
FIELD_ERRORS = (
    "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
)


@dataclass(slots=True)
class Problem(Exception):
    """An answer that refuses the call, as `application/problem+json`."""

    status: int
    title: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    type: str | None = TYPE
    headers: dict[str, str] = field(default_factory=dict)


def not_found() -> Problem:
    """404 in the service's words."""
    return Problem(404, "Resource Not Found", "The requested resource could not be found.")


def invalid(detail: str, *errors: tuple[str, str]) -> Problem:
    """400 Invalid Resource with field errors."""
    return Problem(400, "Invalid Resource", detail, [{"field": f, "message": m} for f, m in errors])


def _exists(address: str, *, typed: bool) -> Problem:
    detail = f"{address} is already a list member. Use PUT to insert or update list members."
    return Problem(400, "Member Exists", detail, type=TYPE if typed else None)


def check_address(address: object, *, fake: Collection[str]) -> str:
    """The address if the service would take it."""
    if not isinstance(address, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", address):
        raise invalid("Please provide a valid email address.")
    if address.lower() in fake:
        raise invalid(f"{address} looks fake or invalid, please enter a real email address.")
    return address


def upsert(audience: Audience, name: str, body: Mapping[str, object], *, fake: Collection[str]) -> Member:
    """PUT /lists/{id}/members/{hash}: the table of cases in the order the service decides them."""
    known = audience.find(name)
    given = body.get("email_address")
    if known is not None:
        return _change(audience, known, body, fake=fake)
    address = check_address(given if given is not None else name, fake=fake)
    other = audience.members.get(subscriber_hash(address))
    if other is not None and other.status != "archived":
        raise _exists(address, typed=False)
    status = body.get("status", body.get("status_if_new"))
    if other is not None:
        return _change(audience, other, {**body, "status": status or other.status}, fake=fake)
    return create(audience, address, status, body, fake=fake)


def create(
    audience: Audience, address: str, status: object, body: Mapping[str, object], *, fake: Collection[str]
) -> Member:
    """A person who was not there. Without a status nobody is created (choice)."""
    check_address(address, fake=fake)
    if subscriber_hash(address) in audience.erased:
        raise Problem(
            400,
            "Forgotten Email Not Subscribed",
            f"{address} was permanently deleted and cannot be re-imported. "
            "The contact must re-subscribe to get back on the list.",
        )
    if status not in SETTABLE:
        raise invalid(
            FIELD_ERRORS,
            ("status", f"Value must be one of: {', '.join(SETTABLE)}"),
        )
    merge = check_merge(audience, body.get("merge_fields"))
    member = audience.create(address, status=str(status), changed=audience.now())
    member.merge.update(merge)
    _set_plain(member, body)
    return member


def add(audience: Audience, body: Mapping[str, object], *, fake: Collection[str]) -> Member:
    """POST /lists/{id}/members: new people, and archived ones, who come back with a fresh opt-in time."""
    address = check_address(body.get("email_address"), fake=fake)
    member = audience.members.get(subscriber_hash(address))
    if member is None:
        member = create(audience, address, body.get("status"), body, fake=fake)
    elif member.status != "archived":
        raise _exists(address, typed=True)
    else:
        _change(audience, member, body, fake=fake)
        if member.status == "subscribed":
            member.timestamp_opt = audience.now()
            audience.touch(member)
    return member


def patch(audience: Audience, name: str, body: Mapping[str, object], *, fake: Collection[str]) -> Member:
    """PATCH: like PUT of somebody who is there; creates nobody."""
    member = audience.find(name)
    if member is None:
        raise not_found()
    return _change(audience, member, body, fake=fake)


def archive(audience: Audience, name: str) -> None:
    """DELETE: archived with all data; not possible twice."""
    member = audience.find(name)
    if member is None:
        raise not_found()
    if member.status in ("archived", "pending", "cleaned"):
        raise Problem(
            405,
            "Method Not Allowed",
            "This list member cannot be removed. "
            "Can not archive a contact that is bounced, pending or archived",
            headers={"Allow": "GET, PUT"},
        )
    member.status = "archived"
    audience.touch(member)


def _change(
    audience: Audience, member: Member, body: Mapping[str, object], *, fake: Collection[str]
) -> Member:
    status = body.get("status")
    if status is not None and status not in SETTABLE and status != member.status:
        raise invalid(
            FIELD_ERRORS,
            ("status", f"Value must be one of: {', '.join(SETTABLE)}"),
        )
    if status == "subscribed" and member.status != status and member.left_by in COMPLIANCE:
        raise Problem(
            400,
            "Member In Compliance State",
            f"{member.address} is already a list member in compliance state due to unsubscribe, bounce, "
            "or compliance review and cannot be subscribed.",
        )
    address = body.get("email_address")
    moves = address is not None and str(address).lower() != member.address.lower()
    if moves:
        address = check_address(address, fake=fake)
        if subscriber_hash(address) in audience.members:
            raise invalid(
                FIELD_ERRORS,
                ("email address", f'"{address}" is already in this list with a status of "subscribed".'),
            )
    merge = check_merge(audience, body.get("merge_fields"))
    changed = any(member.merge.get(tag) != value for tag, value in merge.items())
    member.merge.update(merge)
    changed |= _set_plain(member, body)
    if moves:
        audience.move(member, str(address))
        changed = True
    if status is not None and status != member.status:
        member.left_by = "api" if status == "unsubscribed" else None
        if status == "subscribed" and member.timestamp_opt is None:
            member.timestamp_opt = audience.now()
        member.status = str(status)
        changed = True
    if changed:
        audience.touch(member)
    return member


def _set_plain(member: Member, body: Mapping[str, object]) -> bool:
    changed = False
    for name in ("language", "vip"):
        if name in body and getattr(member, name) != body[name]:
            setattr(member, name, body[name])
            changed = True
    return changed


def check_merge(audience: Audience, given: object) -> dict[str, object]:
    """The merge fields to set. Unknown ones are ignored silently; one bad value refuses the call."""
    if given is None or given == []:
        return {}
    if not isinstance(given, Mapping):
        raise invalid("Your merge fields were invalid.", ("merge_fields", "Schema describes object"))
    checked: dict[str, object] = {}
    errors: list[tuple[str, str]] = []
    for made in audience.merge_fields:
        if made.tag in given:
            value, message = _merge_value(made, given[made.tag])
            checked[made.tag] = value
            if message is not None:
                errors.append((made.tag, message))
    if errors:
        raise invalid("Your merge fields were invalid.", *errors)
    return checked


def _merge_value(made: MergeField, value: object) -> tuple[object, str | None]:
    if value is None or value == "":
        return "", None
    if made.type == "number":
        return _number(value)
    if made.type == "date":
        try:
            return date.fromisoformat(str(value)[:10]).isoformat(), None
        except ValueError:
            return value, "Please enter a valid date"
    if made.type == "birthday":
        right = re.fullmatch(r"(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])", str(value))
        return value, None if right else "Please enter a month (01-12) and a day (01-31)"
    if made.type == "address":
        whole = isinstance(value, Mapping) and all(value.get(k) for k in ("addr1", "city", "state", "zip"))
        return value, None if whole else "Please enter a complete address"
    if made.type in ("radio", "dropdown"):
        choices = made.options.get("choices")
        listed = isinstance(choices, list) and value in choices
        return value, None if listed else "Please choose one of the options"
    if isinstance(value, bool | list | dict):
        return value, "Please enter a value"
    text = str(value)
    too_long = len(text.encode()) > LONGEST_TEXT_BYTES
    return text, "Please enter fewer than 255 characters" if too_long else None


def _number(value: object) -> tuple[object, str | None]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value, None
    try:
        number = float(str(value))
    except ValueError:
        return value, "Please enter a number"
    return (int(number) if number.is_integer() else number), None
