"""How a profile as it comes in a body is checked and applied: bulk imports and single upserts alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from connectors.klaviyo.simulated.account import IDENTIFIERS, PLAIN, Account, Profile
from connectors.klaviyo.simulated.call import empty
from connectors.klaviyo.simulated.problems import Problem, invalid

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
PHONE = re.compile(r"\+[1-9]\d{1,14}")
LARGEST_PROFILE_BYTES = 100_000


def refusal(row: Mapping[str, object], pointer: str) -> Problem | None:
    """What is malformed about a profile, whoever it is."""
    attributes = row.get("attributes")
    if row.get("type") != "profile" or not isinstance(attributes, Mapping):
        return invalid("A profile has a type and attributes.", pointer=pointer)
    if len(json.dumps(row).encode()) > LARGEST_PROFILE_BYTES:
        return invalid("The profile exceeds the limit of 100KB.", pointer=pointer)
    email, phone = attributes.get("email"), attributes.get("phone_number")
    if email is not None and not (isinstance(email, str) and EMAIL.fullmatch(email)):
        return invalid("Invalid email address", pointer=f"{pointer}/attributes/email")
    if phone is not None and not (isinstance(phone, str) and PHONE.fullmatch(phone)):
        return invalid("Invalid phone number format", pointer=f"{pointer}/attributes/phone_number")
    if not row.get("id") and not any(attributes.get(name) for name in IDENTIFIERS):
        detail = "One of email, phone_number, external_id or id is required."
        return invalid(detail, pointer=f"{pointer}/attributes")
    return None


class Conflict(Exception):
    """The profile cannot be written although it is well formed; the text says why."""


def apply(account: Account, row: Mapping[str, object], *, nulls_clear: bool = False) -> tuple[Profile, bool]:
    """Write one profile; (profile, whether it is new). Consent is never touched. Raises Conflict."""
    attributes = empty(row.get("attributes"))
    given = {name: str(attributes[name]) for name in IDENTIFIERS if attributes.get(name)}
    owners = {found.id for name, value in given.items() if (found := account.find(name, value))}
    id_ = row.get("id")
    if id_:
        if str(id_) not in account.profiles:
            raise Conflict(f"A profile with id {id_} does not exist.")
        owners.add(str(id_))
    if len(owners) > 1:
        raise Conflict("The identifiers belong to different profiles.")
    new = not owners
    profile = account.create(given) if new else account.profiles[owners.pop()]
    if not new:
        account.identify(profile, given)
    for name in PLAIN:
        if name in attributes and (attributes[name] is not None or nulls_clear):
            value = attributes[name]
            profile.plain[name] = None if value is None else str(value)
    profile.location.update({k: v for k, v in empty(attributes.get("location")).items() if v is not None})
    given_properties = empty(attributes.get("properties"))
    profile.properties.update({k: v for k, v in given_properties.items() if v is not None or nulls_clear})
    _patch(profile.properties, empty(empty(row.get("meta")).get("patch_properties")))
    account.touch(profile)
    return profile, new


def _patch(properties: dict[str, object], patch: Mapping[str, object]) -> None:
    """append does not look for doubles (a choice: the unpleasant one)."""
    for name, added in empty(patch.get("append")).items():
        before = properties.get(name)
        properties[name] = [*(before if isinstance(before, list) else []), *_several(added)]
    for name, taken in empty(patch.get("unappend")).items():
        before = properties.get(name)
        if isinstance(before, list):
            properties[name] = [one for one in before if one not in _several(taken)]
    for key in _several(patch.get("unset")):
        properties.pop(str(key), None)


def _several(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
