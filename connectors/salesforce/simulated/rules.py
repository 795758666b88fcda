"""What the simulated org checks and fills in when a record is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from connectors.salesforce.simulated.ids import is_id
from connectors.salesforce.simulated.schema import Field, SObject

if TYPE_CHECKING:
    from connectors.salesforce.simulated.org import Org

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "Lead": {"Status": "Open - Not Contacted", "CleanStatus": "Pending", "IsUnreadByOwner": True},
    "Contact": {"CleanStatus": "Pending"},
    "Campaign": {"NumberOfLeads": 0, "NumberOfContacts": 0, "Status": "Planned"},
    "Task": {"Status": "Not Started", "Priority": "Normal"},
}
WON, LOST = "Closed Won", "Closed Lost"
READ_ONLY = (
    "Unable to create/update fields: {}. Please check the security settings of this field and verify that it"
    " is read/write for your profile or permission set."
)


class RowError(Exception):
    """One record was not taken."""

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fields = fields

    def shown(self) -> dict[str, object]:
        """As a row of a collections answer reports it: no id."""
        error = {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}
        return {"success": False, "errors": [error]}


class UnknownField(Exception):
    """A field that does not exist for our user: refuses the whole call, not one row (unverified)."""

    def __init__(self, field: str, object: str) -> None:
        super().__init__(f"No such column '{field}' on sobject of type {object}")


def day(seconds: int) -> str:
    """The date of a moment."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def checked(
    org: Org, schema: SObject, values: Mapping[str, Any], record: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The values as the org stores them. Raises RowError, UnknownField."""
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name == "attributes" or name.lower() == "id":
            continue
        found = schema.find(name)
        if found is None:
            raise UnknownField(name, schema.name)
        if not found.writable or not found.editable:
            code = "INVALID_FIELD_FOR_INSERT_UPDATE"
            raise RowError(code, READ_ONLY.format(found.name), (found.name,))
        if value == "" and found.type == "multipicklist" and record is not None:
            continue  # the stricter of two reports: an empty text is ignored, only null clears
        given[found.name] = _stored(org, found, value)
    return given


def required(schema: SObject, given: Mapping[str, Any], *, new: bool) -> None:
    """Raises RowError naming what is missing."""
    missing = [
        f.name
        for f in schema.fields.values()
        if f.required and given.get(f.name) is None and (new or f.name in given)
    ]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise RowError("REQUIRED_FIELD_MISSING", message, tuple(missing))


def _stored(org: Org, found: Field, value: Any) -> Any:
    if value is None or value == "":
        return False if found.type == "boolean" else None
    match found.type:
        case "reference":
            return _reference(org, found, value)
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "double" | "currency" | "percent" | "int":
            return _number(found, value)
        case "date":
            return _date(found, value)
        case "datetime":
            moment = datetime.fromisoformat(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", str(value)))
            return int(moment.timestamp())
        case "multipicklist":
            return _chosen(found, str(value))
    text = str(value)
    if len(text) > (found.length or 255):
        message = f"{found.label}: data value too large: {text} (max length={found.length})"
        raise RowError("STRING_TOO_LONG", message, (found.name,))
    if found.type == "email":
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
            message = f"{found.label}: invalid email address: {text}"
            raise RowError("INVALID_EMAIL_ADDRESS", message, (found.name,))
        return text.lower()
    if found.type == "picklist" and found.restricted and text not in found.values:
        raise _bad_choice(found, text)
    return text


def _bad_choice(found: Field, text: str) -> RowError:
    message = f"{found.label}: bad value for restricted picklist field: {text}"
    return RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (found.name,))


def _chosen(found: Field, text: str) -> str | None:
    """Kept in the picklist's order, without repeats; an open picklist learns new values."""
    chosen = list(dict.fromkeys(part.strip() for part in text.split(";") if part.strip()))
    for one in chosen:
        if one not in found.values:
            if found.restricted:
                raise _bad_choice(found, one)
            found.values.append(one)
            found.values.sort()
    kept = ";".join(value for value in found.values if value in chosen)
    if len(kept) > found.length:
        message = f"{found.label}: data value too large (max length={found.length})"
        raise RowError("STRING_TOO_LONG", message, (found.name,))
    return kept or None


def _reference(org: Org, found: Field, value: Any) -> str:
    if not is_id(value):
        raise RowError("MALFORMED_ID", f"{found.label}: id value of incorrect type: {value}", (found.name,))
    for target in found.references:
        record = org.live(target, value)
        if record is not None:
            return str(record["Id"])
    if any(value in org.tables.get(target, {}) for target in found.references):
        raise RowError("ENTITY_IS_DELETED", "entity is deleted", ())
    raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ())


def _number(found: Field, value: Any) -> float | int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{found.label}: not a number") from None
    return int(number) if number.is_integer() else number


def _date(found: Field, value: Any) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{found.label}: not a date") from None


def derive(org: Org, object: str, record: dict[str, Any]) -> None:
    """Fields that follow from others."""
    if object in ("Contact", "Lead", "Individual"):
        parts = [record.get("FirstName"), record.get("LastName")]
        record["Name"] = " ".join(part for part in parts if part) or None
        if record.get("Email"):
            record["Email"] = record["Email"].lower()
        if "IsEmailBounced" in record:
            record["IsEmailBounced"] = record["EmailBouncedDate"] is not None
        if object != "Individual":
            record["PhotoUrl"] = f"/services/images/photo/{record['Id']}"
    elif object == "Opportunity":
        record["IsWon"] = record["StageName"] == WON
        record["IsClosed"] = record["StageName"] in (WON, LOST)
    elif object == "Task":
        record["IsClosed"] = record["Status"] == "Completed"
        if record["IsClosed"] and record["CompletedDateTime"] is None:
            record["CompletedDateTime"] = record["SystemModstamp"]
    elif object == "FieldPermissions":
        name = str(record["Field"]).partition(".")[2].lower()
        found = org.schema[str(record["SobjectType"]).lower()].fields[name]
        found.visible = found.visible or bool(record["PermissionsRead"])
        found.editable = found.editable or bool(record["PermissionsEdit"])
