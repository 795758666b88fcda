"""Contacts and leads of Salesforce to our records. Pure: no calls, no clock.

Both objects share one stream and, where they mean the same, one column: `City` is a contact's mailing city
and a lead's city, `Company` a contact's account and a lead's company. A field our user may not see is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from connectors.base import Consent, FieldType, RejectedRow, Stream, StreamField, StreamKind, page_schema
from connectors.owned_field import names_in

Json = Mapping[str, Any]
TYPES: Mapping[str, FieldType] = {
    "boolean": FieldType.BOOLEAN,
    "int": FieldType.NUMBER,
    "long": FieldType.NUMBER,
    "double": FieldType.NUMBER,
    "percent": FieldType.NUMBER,
    "currency": FieldType.MONEY,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "multipicklist": FieldType.TEXTS,
}
SKIPPED = ("address", "location", "base64", "anyType", "complexvalue", "encryptedstring", "textarea", "time")
"""Types without a place in a column, or with longer texts than a rule can use."""
TEXT = FieldType.TEXT


@dataclass(frozen=True, slots=True)
class Column:
    """One column, and where contacts and leads have it."""

    name: str
    type: FieldType
    contact: str | None
    lead: str | None
    meaning: str


def _same(name: str, type: FieldType, meaning: str) -> Column:
    return Column(name, type, name, name, meaning)


COLUMNS: tuple[Column, ...] = (
    Column("Object", TEXT, None, None, "Contact or Lead"),
    Column("ContactId", TEXT, None, None, "id of the contact that the record is, or has become"),
    _same("Email", TEXT, "the address"),
    _same("Salutation", TEXT, "form of address"),
    _same("FirstName", TEXT, "given name"),
    _same("LastName", TEXT, "family name"),
    _same("Name", TEXT, "full name"),
    _same("Title", TEXT, "what the person does at work"),
    _same("Phone", TEXT, "telephone"),
    _same("MobilePhone", TEXT, "mobile telephone"),
    _same("LeadSource", TEXT, "how the person became known"),
    Column("Street", TEXT, "MailingStreet", "Street", "street"),
    Column("City", TEXT, "MailingCity", "City", "city"),
    Column("State", TEXT, "MailingState", "State", "state or province"),
    Column("PostalCode", TEXT, "MailingPostalCode", "PostalCode", "postal code"),
    Column("Country", TEXT, "MailingCountry", "Country", "country"),
    Column("Department", TEXT, "Department", None, "department"),
    Column("Birthdate", FieldType.DATE, "Birthdate", None, "day of birth"),
    Column("Status", TEXT, None, "Status", "state of a lead"),
    Column("IsConverted", FieldType.BOOLEAN, None, "IsConverted", "a lead that has become a contact"),
    Column("Company", TEXT, "Account.Name", "Company", "name of the account or company"),
    Column("Industry", TEXT, "Account.Industry", "Industry", "industry of the account or company"),
    Column("AccountType", TEXT, "Account.Type", None, "type of the account"),
    Column("Rating", TEXT, "Account.Rating", "Rating", "rating of the account or lead"),
    Column("Website", TEXT, "Account.Website", "Website", "site of the account or company"),
    Column("AnnualRevenue", FieldType.MONEY, "Account.AnnualRevenue", "AnnualRevenue", "yearly revenue"),
    Column("NumberOfEmployees", FieldType.NUMBER, "Account.NumberOfEmployees", "NumberOfEmployees", "staff"),
    Column(
        "Currency", TEXT, "Account.CurrencyIsoCode", "CurrencyIsoCode", "currency, if the org has several"
    ),
    Column("AccountId", TEXT, "AccountId", "ConvertedAccountId", "id of the account"),
    _same("OwnerId", TEXT, "id of the user who owns the record"),
    _same("CreatedDate", FieldType.DATETIME, "when the record was made"),
    _same("HasOptedOutOfEmail", FieldType.BOOLEAN, "does not want mailings; null: we may not see it"),
    _same("DoNotCall", FieldType.BOOLEAN, "does not want calls"),
    _same("EmailBouncedDate", FieldType.DATETIME, "when mail to the address came back"),
)
STANDARD: Mapping[str, str] = {
    "email": "Email",
    "first_name": "FirstName",
    "last_name": "LastName",
    "name": "Name",
    "title": "Salutation",
    "phone": "Phone",
    "job_title": "Title",
    "birthday": "Birthdate",
    "city": "City",
    "region": "State",
    "postcode": "PostalCode",
    "country": "Country",
    "company": "Company",
    "company.industry": "Industry",
    "company.employees": "NumberOfEmployees",
    "company.revenue": "AnnualRevenue",
    "website": "Website",
    "signed_up": "CreatedDate",
}
BOOKKEEPING = ("IsDeleted", "MasterRecordId", "IsConverted", "ConvertedContactId")
OPT_OUTS = ("Individual.HasOptedOutSolicit", "Individual.HasOptedOutProcessing", "Individual.ShouldForget")


@dataclass(frozen=True, slots=True)
class Layout:
    """The contact stream of one org, and which fields to ask each object for."""

    stream: Stream
    columns: tuple[Column, ...]
    contact_fields: tuple[str, ...]
    lead_fields: tuple[str, ...]


def layout(
    contact: Mapping[str, str],
    lead: Mapping[str, str],
    *,
    own_field: str,
    wanted: Sequence[str] | None,
) -> Layout:
    """Columns from the visible fields (path → type, `Account.Name` included) of both objects.

    Without `wanted` all custom fields are read; never the field that we write ourselves.
    """
    names = wanted
    if names is None:
        names = [n for n in dict.fromkeys((*contact, *lead)) if n.endswith("__c") and "." not in n]
    columns = list(COLUMNS)
    taken = {column.name for column in columns}
    for name in names:
        kinds = [fields[name] for fields in (contact, lead) if name in fields]
        unusable = any(kind in SKIPPED for kind in kinds) and wanted is None
        if name == own_field or name in taken or not kinds or unusable:
            continue
        there, here = _type(contact.get(name)), _type(lead.get(name))
        if there is not None and here is not None and there is not here:
            columns.append(Column(name, there, name, None, f"{name} of contacts"))
            columns.append(Column(f"Lead_{name}", here, None, name, f"{name} of leads"))
        else:
            columns.append(
                Column(name, there or here or TEXT, name if there else None, name if here else None, name)
            )
    several = "Account.CurrencyIsoCode" in contact or "CurrencyIsoCode" in lead
    fields = tuple(
        StreamField(
            c.name,
            c.type,
            c.meaning,
            currency_from="Currency" if several and c.type is FieldType.MONEY else None,
        )
        for c in columns
    )
    stream = Stream("people", StreamKind.CONTACTS, fields, standard=STANDARD, own_field=own_field)
    asked = [(*BOOKKEEPING, *OPT_OUTS, own_field, *(c.contact for c in columns if c.contact))]
    asked += [(*BOOKKEEPING, *OPT_OUTS, own_field, *(c.lead for c in columns if c.lead))]
    return Layout(
        stream,
        tuple(columns),
        tuple(dict.fromkeys(path for path in asked[0] if path in contact)),
        tuple(dict.fromkeys(path for path in asked[1] if path in lead)),
    )


def _type(kind: str | None) -> FieldType | None:
    return None if kind is None else TYPES.get(kind, TEXT)


def people_rows(
    layout: Layout, object: str, records: Iterable[Json]
) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
    """Contacts or leads as a page. `address` is the id to write to: of a converted lead its contact's."""
    rows: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for number, record in enumerate(records):
        id = record.get("Id")
        if not id:
            where = f"row {number} of a page of {object}"
            rejected.append(RejectedRow(where, "the record has no id", json.dumps(dict(record))))
            continue
        contact = (
            (record.get("MasterRecordId") or id) if object == "Contact" else record.get("ConvertedContactId")
        )
        row: dict[str, Any] = {
            "external_id": str(id),
            "address": str(record.get("ConvertedContactId") or id),
            "changed_at": moment(record.get("SystemModstamp")),
            "deleted": bool(record.get("IsDeleted")),
            "email_consent": consent(record),
            "lists": [],
            "own_values": own_values(record, str(layout.stream.own_field)),
        }
        for column in layout.columns:
            path = column.contact if object == "Contact" else column.lead
            row[column.name] = None if path is None else value(reach(record, path), column.type)
        row.update(Object=object, ContactId=contact)
        rows.append(row)
    return table(layout.stream, rows), tuple(rejected)


def consent(record: Json) -> str | None:
    """Opted out, undeliverable, or null: "not opted out" is no consent, and a hidden field says nothing."""
    if any(reach(record, path) is True for path in ("HasOptedOutOfEmail", *OPT_OUTS)):
        return str(Consent.OPTED_OUT)
    if record.get("EmailBouncedDate"):
        return str(Consent.UNDELIVERABLE)
    return None


def own_values(record: Json, own_field: str) -> list[str] | None:
    """What stands in the own field; null where we may not see it, and of converted leads, whose is frozen."""
    if own_field not in record or record.get("IsConverted") is True:
        return None
    return names_in(record[own_field])


def reach(record: Json, path: str) -> object:
    """The value at `Account.Name`; null if any part of the way is."""
    step, dot, rest = path.partition(".")
    found: object = record.get(step)
    while dot:
        step, dot, rest = rest.partition(".")
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def value(given: object, type: FieldType) -> object:
    """A JSON value as its column wants it; null for what does not fit."""
    if given is None or given == "":
        return None
    match type:
        case FieldType.BOOLEAN:
            return given if isinstance(given, bool) else None
        case FieldType.NUMBER:
            return float(str(given)) if isinstance(given, int | float) else None
        case FieldType.MONEY:
            return money(given)
        case FieldType.DATE:
            return day(given)
        case FieldType.DATETIME:
            return moment(given)
        case FieldType.TEXTS:
            return [part for part in str(given).split(";") if part]
    return str(given)


def table(stream: Stream, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows by column name as a page of the stream."""
    schema = page_schema(stream)
    return pa.table({f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in schema}, schema=schema)


def money(given: object) -> Decimal | None:
    """An amount in major units, to the cent."""
    try:
        return Decimal(str(given)).quantize(Decimal("0.01"))
    except InvalidOperation:
        return None


def day(given: object) -> date | None:
    """A date."""
    try:
        return date.fromisoformat(str(given)[:10])
    except ValueError:
        return None


def moment(given: object) -> datetime | None:
    """A time such as 2026-01-02T03:04:05.000+0000; a date is its midnight in UTC."""
    if not given:
        return None
    try:
        found = datetime.fromisoformat(str(given))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
