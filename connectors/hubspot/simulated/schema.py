"""Property definitions of the object types, and what a write to them may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.hubspot.simulated.problem import Json, Problem, not_found

TYPES = {"0-1": "contacts", "0-2": "companies", "0-3": "deals"}
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
CHOICES = {"true": "True", "false": "False"}
WORDS = ("bool", "enumeration", "date", "datetime", "string", "number", "phone_number")

TEXT, NUMBER, TIME, FLAG, CHOICE = (
    ("string", "text"),
    ("number", "number"),
    ("datetime", "date"),
    ("bool", "booleancheckbox"),
    ("enumeration", "select"),
)
CONTACT_PROPERTIES: Mapping[str, tuple[tuple[str, str], bool]] = {  # name → (type, fieldType), read only
    **dict.fromkeys(
        ("email", "firstname", "lastname", "salutation", "gender", "hs_language", "country", "state", "city",
         "zip", "hs_timezone", "company", "jobtitle", "website", "hs_analytics_source"),
        (TEXT, False),
    ),
    **dict.fromkeys(("phone", "mobilephone"), (("phone_number", "phonenumber"), False)),
    **dict.fromkeys(("createdate", "lastmodifieddate"), (TIME, True)),
    **dict.fromkeys(
        ("hs_email_last_send_date", "hs_email_last_open_date", "hs_email_last_click_date",
         "hs_email_last_reply_date", "hs_email_first_send_date", "hs_email_first_open_date",
         "hs_email_first_click_date", "hs_email_first_reply_date", "hs_analytics_last_visit_timestamp",
         "notes_last_contacted"),
        (TIME, True),
    ),
    **dict.fromkeys(
        ("hs_object_id", "hs_email_delivered", "hs_email_open", "hs_email_click", "hs_email_bounce",
         "hs_email_replied", "hs_email_sends_since_last_engagement", "hs_analytics_num_page_views",
         "hs_analytics_num_visits", "num_notes", "num_contacted_notes", "num_associated_deals"),
        (NUMBER, True),
    ),
    **dict.fromkeys(
        ("hs_email_optout", "hs_email_quarantined", "hs_email_is_ineligible", "hs_email_bad_address",
         "hs_is_contact", "hs_is_unworked"),
        (FLAG, True),
    ),
    "hs_email_optout_9714480": (("enumeration", "booleancheckbox"), True),
    **dict.fromkeys(
        ("hs_additional_emails", "hs_all_contact_vids", "hs_emailconfirmationstatus",
         "hs_merged_object_ids", "hs_calculated_merged_vids",
         "hs_marketable_status", "hs_email_domain", "hs_pipeline"),
        (CHOICE, True),
    ),
    "hs_email_hard_bounce_reason_enum": (("enumeration", "radio"), True),
    "lifecyclestage": (("enumeration", "radio"), False),
    "hs_legal_basis": (("enumeration", "checkbox"), False),
}  # fmt: skip
COMPANY_PROPERTIES: Mapping[str, tuple[tuple[str, str], bool]] = {
    **dict.fromkeys(
        ("name", "domain", "website", "industry", "country", "city", "lifecyclestage"), (TEXT, False)
    ),
    **dict.fromkeys(("numberofemployees", "annualrevenue"), (NUMBER, False)),
    **dict.fromkeys(("createdate", "hs_lastmodifieddate"), (TIME, True)),
    "hs_object_id": (NUMBER, True),
}
DEAL_PROPERTIES: Mapping[str, tuple[tuple[str, str], bool]] = {
    **dict.fromkeys(("dealname", "deal_currency_code", "dealstage", "pipeline", "dealtype"), (TEXT, False)),
    "amount": (NUMBER, False),
    "closedate": (TIME, False),
    **dict.fromkeys(("createdate", "hs_lastmodifieddate"), (TIME, True)),
    **dict.fromkeys(("hs_is_closed", "hs_is_closed_won"), (FLAG, True)),
    "hs_object_id": (NUMBER, True),
}
OPTIONS: Mapping[str, Sequence[str]] = {
    "lifecyclestage": ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "customer"),
    "hs_email_hard_bounce_reason_enum": ("CONTENT", "MAILBOX_FULL", "OTHER", "POLICY"),
    "hs_emailconfirmationstatus": ("", "Confirmed", "Confirmation Pending", "Confirmation Email Sent"),
    "hs_legal_basis": (
        "Legitimate interest – existing customer",
        "Performance of a contract",
        "Freely given consent from contact",
    ),
}


class Schema:
    """The properties of every object type."""

    def __init__(self) -> None:
        self.types: dict[str, dict[str, Json]] = {}
        for type_, given in (
            ("contacts", CONTACT_PROPERTIES),
            ("companies", COMPANY_PROPERTIES),
            ("deals", DEAL_PROPERTIES),
        ):
            self.types[type_] = {
                name: definition(
                    name,
                    type_=kinds[0],
                    field_type=kinds[1],
                    read_only=read_only,
                    options=_options(name, kinds[1]),
                )
                for name, (kinds, read_only) in given.items()
            }

    def of(self, type_: str) -> dict[str, Json]:
        """Definitions by name; a custom object type begins with none but the id and the times."""
        if type_ not in self.types:
            self.types[type_] = {
                name: definition(name, type_=kind[0], field_type=kind[1], read_only=True)
                for name, kind in (
                    ("hs_object_id", NUMBER),
                    ("hs_createdate", TIME),
                    ("hs_lastmodifieddate", TIME),
                )
            }
        return self.types[type_]

    def create(self, type_: str, body: Json) -> Json:
        """A new property of the account. Raises Problem."""
        for name in ("name", "label", "groupName", "type", "fieldType"):
            if not body.get(name):
                raise Problem(400, f"Invalid input JSON: some required fields were not set: [{name}]")
        name = str(body["name"])
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name) or name.startswith("hs_"):
            raise Problem(400, f"Property name {name} is not valid", more={"errors": [{"code": "BAD_NAME"}]})
        if body["type"] not in WORDS:
            raise Problem(400, f"{body['type']} is not a type of property")
        if name in self.of(type_):
            message = f"A property named '{name}' already exists."
            raise Problem(409, message, "OBJECT_ALREADY_EXISTS")
        made = definition(
            name,
            type_=str(body["type"]),
            field_type=str(body["fieldType"]),
            label=str(body["label"]),
            options=_checked_options(body.get("options") or []),
            own=True,
        )
        made["groupName"] = body["groupName"]
        self.of(type_)[name] = made
        return made

    def update(self, type_: str, name: str, body: Json) -> Json:
        """Changes to a definition; `options` replaces all there were."""
        found = self.find(type_, name)
        if found["modificationMetadata"]["readOnlyDefinition"]:
            raise Problem(400, f"{name} is a property of HubSpot's and cannot be changed")
        for key in ("label", "groupName", "description", "formField", "hidden", "fieldType", "type"):
            if key in body:
                found[key] = body[key]
        if "options" in body:
            found["options"] = _checked_options(body["options"])
        return found

    def find(self, type_: str, name: str) -> Json:
        found = self.of(type_).get(name)
        if found is None:
            raise not_found(f"Property '{name}' does not exist")
        return found

    def faults(self, type_: str, properties: Mapping[str, object]) -> Iterator[Json]:
        """What a write of these values is refused for; nothing if all is well."""
        for name, value in properties.items():
            known = self.of(type_).get(name)
            text = "" if value is None else str(value)
            if known is None:
                message = f'Property "{name}" does not exist'
                yield {"message": message, "error": "PROPERTY_DOESNT_EXIST", "name": name}
            elif known["modificationMetadata"]["readOnlyValue"]:
                message = f'"{name}" is a read only property; its value cannot be set.'
                yield {"message": message, "error": "READ_ONLY_VALUE", "name": name}
            elif text:
                yield from _value_faults(known, text)


def definition(
    name: str,
    *,
    type_: str,
    field_type: str,
    label: str | None = None,
    read_only: bool = False,
    options: Sequence[Json] = (),
    own: bool = False,
) -> Json:
    """One property in the shape of the answers."""
    return {
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "name": name,
        "label": label or name.replace("_", " ").capitalize(),
        "type": type_,
        "fieldType": field_type,
        "description": "",
        "groupName": "contactinformation",
        "options": list(options),
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": False,
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": not own,
        "modificationMetadata": {
            "archivable": True,
            "readOnlyDefinition": not own,
            "readOnlyValue": read_only,
        },
        "formField": not read_only,
    }


def option(value: str, *, label: str | None = None, order: int = 0) -> Json:
    return {"label": label or value, "value": value, "displayOrder": order, "hidden": False}


def _options(name: str, field_type: str) -> list[Json]:
    if field_type == "booleancheckbox":
        return [option(value, label=label) for value, label in CHOICES.items()]
    return [option(value, order=n) for n, value in enumerate(OPTIONS.get(name, ()))]


def _checked_options(given: Sequence[Json]) -> list[Json]:
    for one in given:
        for key in ("label", "value", "displayOrder", "hidden"):
            if key not in one:
                raise Problem(400, f"Invalid input JSON: some required fields were not set: [options.{key}]")
    for key in ("value", "label"):
        values = [str(one[key]).lower() if key == "label" else str(one[key]) for one in given]
        if len(set(values)) != len(values):
            raise Problem(400, f"Property options must have unique {key}s")
    return [dict(one) for one in given]


def _value_faults(known: Json, text: str) -> Iterator[dict[str, Any]]:
    name, type_ = known["name"], known["type"]
    if name == "email" and not ADDRESS.fullmatch(text):
        message = f"Email address {text} is invalid"
        yield {"message": message, "error": "INVALID_EMAIL", "name": name}
    elif type_ == "enumeration" and known["options"]:
        allowed = [str(one["value"]) for one in known["options"]]
        chosen = text.split(";") if known["fieldType"] == "checkbox" else [text]
        for value in chosen:
            if value not in allowed:
                message = f"{value} was not one of the allowed options: {allowed}"
                yield {"message": message, "error": "INVALID_OPTION", "name": name}
    elif type_ == "enumeration" and known["fieldType"] == "checkbox":
        message = f"{text} was not one of the allowed options: []"
        yield {"message": message, "error": "INVALID_OPTION", "name": name}
    elif type_ == "number":
        try:
            float(text)
        except ValueError:
            message = f"{text} was not a valid long."
            yield {"message": message, "error": "INVALID_LONG", "name": name}
