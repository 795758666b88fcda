"""HubSpot's JSON to our records. Pure: no calls, no clock.

All property values are texts or null, whatever their type; a cleared one is "". Both become null here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from connectors.base import FieldType, RejectedRow, Stream, StreamField, StreamKind
from connectors.hubspot.consent import consent_properties, email_consent
from connectors.hubspot.moments import moment
from connectors.hubspot.values import table, text_of, value_of
from connectors.owned_field import names_in

Json = Mapping[str, Any]

MERGED = ("hs_merged_object_ids", "hs_calculated_merged_vids")
"""Ids of contacts that were merged into this one, joined by `;`, perhaps with `:` and a time behind."""
OWN_FIELD_LAG_S = 60.0
"""Search shows what was written after up to 30 seconds."""
PERSONAL = (
    "email", "firstname", "lastname", "phone", "mobilephone", "salutation", "gender", "date_of_birth",
    "hs_language", "country", "state", "city", "zip", "hs_timezone", "company", "jobtitle", "website",
    "createdate", "lifecyclestage", "hs_lead_status", "hubspot_owner_id", "hs_analytics_source",
    "hs_marketable_status",
)  # fmt: skip
ENGAGEMENT = (
    "hs_email_delivered", "hs_email_open", "hs_email_click", "hs_email_bounce", "hs_email_replied",
    "hs_email_first_send_date", "hs_email_first_open_date", "hs_email_first_click_date",
    "hs_email_first_reply_date", "hs_email_last_send_date", "hs_email_last_open_date",
    "hs_email_last_click_date", "hs_email_last_reply_date", "hs_email_sends_since_last_engagement",
    "hs_analytics_num_page_views", "hs_analytics_num_visits", "hs_analytics_last_visit_timestamp",
    "num_notes", "num_contacted_notes", "notes_last_contacted", "num_associated_deals",
)  # fmt: skip
STANDARD = {
    "email": "email",
    "first_name": "firstname",
    "last_name": "lastname",
    "phone": "phone",
    "title": "salutation",
    "gender": "gender",
    "birthday": "date_of_birth",
    "language": "hs_language",
    "country": "country",
    "region": "state",
    "city": "city",
    "postcode": "zip",
    "timezone": "hs_timezone",
    "company": "company",
    "job_title": "jobtitle",
    "website": "website",
    "signed_up": "createdate",
}
STANDARD_TYPES = {"birthday": FieldType.DATE, "signed_up": FieldType.DATETIME}
COMPANY_FIELDS: Mapping[str, tuple[FieldType, str]] = {
    "name": (FieldType.TEXT, "name of the contact's company"),
    "domain": (FieldType.TEXT, "domain of the contact's company"),
    "industry": (FieldType.TEXT, "industry of the contact's company"),
    "numberofemployees": (FieldType.NUMBER, "how many people work there"),
    "annualrevenue": (FieldType.NUMBER, "yearly revenue, in the account's currency"),
    "country": (FieldType.TEXT, "country of the contact's company"),
    "city": (FieldType.TEXT, "city of the contact's company"),
    "lifecyclestage": (FieldType.TEXT, "lifecycle stage of the contact's company"),
}
COMPANY_STANDARD = {
    **{f"company.{name}": f"company.{name}" for name in ("name", "domain", "industry", "country", "city")},
    "company.employees": "company.numberofemployees",
}


@dataclass(frozen=True, slots=True)
class ContactShape:
    """The contacts stream, and what has to be asked for to fill it."""

    stream: Stream
    properties: tuple[str, ...]  # for fields of the stream
    own_field: str
    consent: tuple[str, ...]
    merged: tuple[str, ...]

    @property
    def asked(self) -> tuple[str, ...]:
        """All properties to ask HubSpot for."""
        more = (*self.consent, *self.merged, self.own_field, "lastmodifieddate")
        return tuple(dict.fromkeys((*self.properties, *more)))


def field_type(definition: Json) -> FieldType:
    """Our type of a property; what we do not know comes as text."""
    if definition.get("type") == "enumeration":
        return FieldType.TEXTS if definition.get("fieldType") == "checkbox" else FieldType.TEXT
    return {
        "bool": FieldType.BOOLEAN,
        "number": FieldType.NUMBER,
        "date": FieldType.DATE,
        "datetime": FieldType.DATETIME,
    }.get(str(definition.get("type")), FieldType.TEXT)


def unknown_properties(definitions: Sequence[Json], chosen: Sequence[str]) -> Iterator[str]:
    """A sentence for each chosen property that the account does not have."""
    known = [str(d["name"]) for d in definitions]
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield f"contacts have no property '{name}'{hint}"


def contact_shape(
    definitions: Sequence[Json],
    *,
    chosen: Sequence[str],
    own_field: str,
    companies: bool,
    subscriptions: Sequence[str] = (),
) -> ContactShape:
    """The stream of contacts: the usual properties the account has, those chosen, the company's facts."""
    known = {str(d["name"]): d for d in definitions}
    wanted = list(dict.fromkeys((*PERSONAL, *ENGAGEMENT, *chosen)))
    names = tuple(name for name in wanted if name in known and name != own_field)
    fields = [
        StreamField(name, field_type(known[name]), str(known[name].get("label") or name)) for name in names
    ]
    types = {f.name: f.type for f in fields}
    standard = {
        ours: name
        for ours, name in STANDARD.items()
        if types.get(name) is STANDARD_TYPES.get(ours, FieldType.TEXT)
    }
    if companies:
        fields += [
            StreamField(f"company.{name}", type_, meaning)
            for name, (type_, meaning) in COMPANY_FIELDS.items()
        ]
        standard.update(COMPANY_STANDARD)
    return ContactShape(
        stream=Stream(
            name="contacts",
            kind=StreamKind.CONTACTS,
            fields=tuple(fields),
            standard=dict(standard),
            own_field=own_field,
            own_field_lag_s=OWN_FIELD_LAG_S,
        ),
        properties=names,
        own_field=own_field,
        consent=consent_properties(list(known), subscriptions=subscriptions),
        merged=tuple(name for name in MERGED if name in known),
    )


def contact_rows(
    shape: ContactShape,
    contacts: Iterable[Json],
    *,
    company_of: Mapping[str, Json] | None = None,
    unsubscribed: frozenset[str] = frozenset(),
    tombstones: bool = False,
) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Contacts as a page. `company_of`: contact id → its company; `unsubscribed`: addresses, lower case.

    With `tombstones`, a contact that was merged into another one comes as deleted right before it.
    """
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    types = {f.name: f.type for f in shape.stream.fields}
    for number, contact in enumerate(contacts):
        id_, properties = contact.get("id"), contact.get("properties") or {}
        if not id_:
            where = f"row {number} of a page of contacts"
            rejected.append(RejectedRow(where, "the contact has no id", json.dumps(dict(contact))))
            continue
        address = text_of(properties.get("email"))
        changed = moment(properties.get("lastmodifieddate") or contact.get("updatedAt"))
        if tombstones:
            rows.extend(_gone(lost, changed) for lost in merged_ids(shape, properties) if lost != str(id_))
        row = {
            "external_id": str(id_),
            "address": address,
            "changed_at": changed,
            "deleted": bool(contact.get("archived")),
            "email_consent": email_consent(
                properties, asked=shape.consent, unsubscribed=(address or "").lower() in unsubscribed
            ),
            "lists": [],
            # HubSpot leaves out what it does not know, and says null where nothing is ticked
            "own_values": names_in(properties[shape.own_field]) if shape.own_field in properties else None,
            **{name: value_of(properties.get(name), types[name]) for name in shape.properties},
        }
        company = (company_of or {}).get(str(id_))
        if company is not None:
            facts = company.get("properties") or {}
            for name, (type_, _) in COMPANY_FIELDS.items():
                row[f"company.{name}"] = value_of(facts.get(name), type_)
        rows.append(row)
    return table(shape.stream, rows), tuple(rejected)


def merged_ids(shape: ContactShape, properties: Json) -> list[str]:
    """Ids that were merged into this contact."""
    return merged_into(properties, names=shape.merged)


def merged_into(properties: Json, *, names: Sequence[str] = MERGED) -> list[str]:
    """The same from any answer that has these properties."""
    found: dict[str, None] = {}
    for name in names:
        for part in str(properties.get(name) or "").split(";"):
            id_ = part.partition(":")[0].strip()
            if id_.isdigit():
                found[id_] = None
    return list(found)


def _gone(id_: str, changed: datetime | None) -> dict[str, Any]:
    return {"external_id": id_, "changed_at": changed, "deleted": True, "lists": []}


def primary(associated: Json) -> str | None:
    """The id that an association answer calls primary, else the first one."""
    to = [t for t in associated.get("to") or [] if t.get("toObjectId") is not None]
    for target in to:
        labels = [str(t.get("label") or "") for t in target.get("associationTypes") or []]
        if any(label.lower().startswith("primary") for label in labels):
            return str(target["toObjectId"])
    return str(to[0]["toObjectId"]) if to else None
