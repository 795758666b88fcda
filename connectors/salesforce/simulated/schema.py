"""Objects and fields of the simulated org, and how `describe` shows them.

The field lists of Contact and Lead are those of a recorded Developer Edition org (v42.0) without its custom
fields, plus HasOptedOutOfEmail, which that org hid. A field can be hidden by field-level security:
it then exists for nobody, neither in describe nor in queries nor in writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

LENGTHS = {"id": 18, "reference": 18, "email": 80, "phone": 40, "url": 255, "picklist": 255, "string": 255}
MULTIPICKLIST_LENGTH = 4099
SOAP = {"boolean": "xsd:boolean", "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double"}
SOAP.update({"int": "xsd:int", "date": "xsd:date", "datetime": "xsd:dateTime", "id": "tns:ID"})
SOAP.update(reference="tns:ID")
NAMED = ("Campaign", "Topic")
"""Objects whose records can be found by name."""
AUDIT = (
    "OwnerId:reference>User CreatedDate:datetime! CreatedById:reference>User! LastModifiedDate:datetime!"
    " LastModifiedById:reference>User! SystemModstamp:datetime! LastActivityDate:date!"
    " LastViewedDate:datetime! LastReferencedDate:datetime!"
)
BOUNCES = "EmailBouncedReason:string EmailBouncedDate:datetime"
SHORT_AUDIT = "CreatedDate:datetime! LastModifiedDate:datetime! SystemModstamp:datetime!"


def _address(prefix: str) -> str:
    return (
        f"{prefix}Street:textarea {prefix}City:string(40) {prefix}State:string(80)"
        f" {prefix}PostalCode:string(20) {prefix}Country:string(80) {prefix}Latitude:double"
        f" {prefix}Longitude:double {prefix}GeocodeAccuracy:picklist {prefix}Address:address!"
    )


SPECIFICATION: Mapping[str, tuple[str, str]] = {
    "Account": (
        "001",
        f"MasterRecordId:reference>Account! Name:string* Type:picklist"
        f" ParentId:reference>Account {_address('Billing')} Phone:phone"
        " AccountNumber:string(40) Website:url Industry:picklist AnnualRevenue:currency"
        f" NumberOfEmployees:int Rating:picklist Description:textarea {AUDIT}",
    ),
    "Contact": (
        "003",
        "MasterRecordId:reference>Contact! AccountId:reference>Account LastName:string(80)*"
        f" FirstName:string(40) Salutation:picklist Name:string(121)! {_address('Other')}"
        f" {_address('Mailing')} Phone:phone Fax:phone MobilePhone:phone HomePhone:phone OtherPhone:phone"
        " AssistantPhone:phone ReportsToId:reference>Contact Email:email Title:string(128)"
        " Department:string(80) AssistantName:string(40) LeadSource:picklist Birthdate:date"
        f" Description:textarea HasOptedOutOfEmail:boolean {AUDIT} LastCURequestDate:datetime!"
        f" LastCUUpdateDate:datetime! {BOUNCES} IsEmailBounced:boolean! PhotoUrl:url! Jigsaw:string(20)"
        " JigsawContactId:string(20)! CleanStatus:picklist IndividualId:reference>Individual",
    ),
    "Lead": (
        "00Q",
        "MasterRecordId:reference>Lead! LastName:string(80)* FirstName:string(40) Salutation:picklist"
        f" Name:string(121)! Title:string(128) Company:string* {_address('')} Phone:phone"
        " MobilePhone:phone Fax:phone Email:email Website:url PhotoUrl:url! Description:textarea"
        " LeadSource:picklist Status:picklist Industry:picklist Rating:picklist AnnualRevenue:currency"
        " NumberOfEmployees:int HasOptedOutOfEmail:boolean IsConverted:boolean! ConvertedDate:date!"
        " ConvertedAccountId:reference>Account! ConvertedContactId:reference>Contact!"
        f" ConvertedOpportunityId:reference>Opportunity! IsUnreadByOwner:boolean {AUDIT} Jigsaw:string(20)"
        " JigsawContactId:string(20)! CleanStatus:picklist CompanyDunsNumber:string(9)"
        f" DandbCompanyId:reference>DandBCompany {BOUNCES} IndividualId:reference>Individual",
    ),
    "Individual": (
        "0PK",
        "LastName:string(80)* FirstName:string(40) Name:string(121)! HasOptedOutSolicit:boolean"
        f" HasOptedOutProcessing:boolean ShouldForget:boolean {SHORT_AUDIT}",
    ),
    "Campaign": (
        "701",
        "Name:string(80)* ParentId:reference>Campaign Type:picklist Status:picklist StartDate:date"
        " EndDate:date ExpectedRevenue:currency BudgetedCost:currency ActualCost:currency IsActive:boolean"
        " Description:textarea NumberOfLeads:int! NumberOfContacts:int!"
        f" OwnerId:reference>User {SHORT_AUDIT}",
    ),
    "CampaignMember": (
        "00v",
        "CampaignId:reference>Campaign* LeadId:reference>Lead ContactId:reference>Contact Status:picklist"
        f" HasResponded:boolean! FirstRespondedDate:date! {SHORT_AUDIT}",
    ),
    "Opportunity": (
        "006",
        "AccountId:reference>Account Name:string(120)* StageName:picklist* Amount:currency CloseDate:date*"
        f" Type:picklist IsClosed:boolean! IsWon:boolean! {SHORT_AUDIT}",
    ),
    "OpportunityContactRole": (
        "00K",
        "OpportunityId:reference>Opportunity* ContactId:reference>Contact* Role:picklist"
        f" IsPrimary:boolean {SHORT_AUDIT}",
    ),
    "Task": (
        "00T",
        "WhoId:reference>Contact,Lead WhatId:reference>Account,Opportunity Subject:string Type:picklist"
        " TaskSubtype:picklist Status:picklist Priority:picklist ActivityDate:date IsClosed:boolean!"
        f" CompletedDateTime:datetime! IsArchived:boolean! {SHORT_AUDIT}",
    ),
    "Event": (
        "00U",
        "WhoId:reference>Contact,Lead WhatId:reference>Account,Opportunity Subject:string Type:picklist"
        " EventSubtype:picklist Location:string StartDateTime:datetime EndDateTime:datetime"
        f" ActivityDate:date IsAllDayEvent:boolean IsArchived:boolean! {SHORT_AUDIT}",
    ),
    "Topic": ("0TO", "Name:string(99)* Description:textarea CreatedDate:datetime! SystemModstamp:datetime!"),
    "TopicAssignment": (
        "0FT",
        "TopicId:reference>Topic* EntityId:reference>Account,Contact,Lead,Campaign*"
        " CreatedDate:datetime! SystemModstamp:datetime!",
    ),
    "Organization": ("00D", f"Name:string! OrganizationType:picklist! IsSandbox:boolean! {SHORT_AUDIT}"),
    "PermissionSet": ("0PS", f"Name:string* Label:string {SHORT_AUDIT}"),
    "UserPermissionAccess": (
        "0UP",
        "PermissionsApiEnabled:boolean! PermissionsCustomizeApplication:boolean!"
        " PermissionsManageProfilesPermissionsets:boolean! PermissionsBulkApiHardDelete:boolean!",
    ),
    "FieldPermissions": (
        "01k",
        "ParentId:reference>PermissionSet* SobjectType:picklist* Field:picklist*"
        " PermissionsRead:boolean PermissionsEdit:boolean SystemModstamp:datetime!",
    ),
}


@dataclass(slots=True)
class Field:
    """One field. `required` means: not null and no default."""

    name: str
    type: str
    label: str = ""
    length: int = 0
    references: tuple[str, ...] = ()
    writable: bool = True
    required: bool = False
    values: list[str] = field(default_factory=list)  # of a picklist, in its order
    restricted: bool = False
    visible: bool = True  # field-level security: read
    editable: bool = True  # field-level security: edit

    @property
    def relationship(self) -> str | None:
        """`Account` for AccountId; custom lookups end in __r."""
        if not self.references:
            return None
        return self.name.removesuffix("__c") + "__r" if self.name.endswith("__c") else self.name[:-2]

    def describe(self, *, lookups: tuple[str, ...]) -> dict[str, object]:
        """As `describe` shows it; `lookups` are the fields of the object that a record can be found by."""
        custom, changeable = self.name.endswith("__c"), self.writable and self.editable
        text = self.type in ("string", "textarea", "email", "phone", "url", "picklist", "multipicklist")
        return {
            "aggregatable": True,
            "autoNumber": False,
            "byteLength": self.length * 3 if text else self.length,
            "calculated": False,
            "calculatedFormula": None,
            "cascadeDelete": False,
            "caseSensitive": False,
            "compoundFieldName": None,
            "controllerName": None,
            "createable": changeable,
            "custom": custom,
            "defaultValue": False if self.type == "boolean" else None,
            "defaultValueFormula": None,
            "defaultedOnCreate": self.type == "boolean" or not self.writable,
            "dependentPicklist": False,
            "deprecatedAndHidden": False,
            "digits": 0,
            "displayLocationInDecimal": False,
            "encrypted": False,
            "externalId": False,
            "extraTypeInfo": None,
            "filterable": self.type not in ("textarea", "address"),
            "filteredLookupInfo": None,
            "groupable": True,
            "highScaleNumber": False,
            "htmlFormatted": False,
            "idLookup": self.name in lookups,
            "inlineHelpText": None,
            "label": self.label,
            "length": self.length,
            "mask": None,
            "maskType": None,
            "name": self.name,
            "nameField": self.name == "Name",
            "namePointing": len(self.references) > 1,
            "nillable": not self.required and self.type not in ("boolean", "id"),
            "permissionable": not self.required and self.writable,
            "picklistValues": [
                {"active": True, "defaultValue": False, "label": v, "validFor": None, "value": v}
                for v in self.values
            ],
            "polymorphicForeignKey": len(self.references) > 1,
            "precision": 18 if self.type in ("currency", "double") else 0,
            "queryByDistance": False,
            "referenceTargetField": None,
            "referenceTo": list(self.references),
            "relationshipName": self.relationship,
            "relationshipOrder": None,
            "restrictedDelete": False,
            "restrictedPicklist": self.restricted,
            "scale": 2 if self.type == "currency" else 0,
            "searchPrefilterable": False,
            "soapType": SOAP.get(self.type, "xsd:string"),
            "sortable": self.type not in ("textarea", "address", "multipicklist"),
            "type": self.type,
            "unique": False,
            "updateable": changeable,
            "writeRequiresMasterRead": False,
        }


@dataclass(slots=True)
class SObject:
    """One object with its fields by name in lower case, as SOQL and writes look them up."""

    name: str
    prefix: str
    fields: dict[str, Field]
    denied: set[str] = field(default_factory=set)
    """What our user may not do with its records: createable, updateable, deletable."""

    def find(self, name: str) -> Field | None:
        """The field of that name (case does not matter) if our user may see it."""
        found = self.fields.get(name.lower())
        return found if found is not None and found.visible else None

    def add(self, made: Field) -> Field:
        """A further field, e.g. a custom one."""
        self.fields[made.name.lower()] = made
        return made

    def describe(self, version: str) -> dict[str, object]:
        """The answer of `/sobjects/NAME/describe`."""
        path = f"/services/data/v{version}/sobjects/{self.name}"
        lookups = ("Id", "Name") if self.name in NAMED else ("Id", "Email")
        on = (
            *("createable", "deletable", "layoutable", "mergeable", "queryable", "replicateable"),
            *("retrieveable", "searchable", "triggerable", "undeletable", "updateable"),
            *("compactLayoutable", "searchLayoutable", "feedEnabled", "mruEnabled"),
        )
        flags = dict.fromkeys(on, True)
        flags.update(dict.fromkeys(self.denied, False))
        off = ("activateable", "custom", "customSetting", "deprecatedAndHidden", "hasSubtypes", "isSubtype")
        flags.update(dict.fromkeys(off, False))
        nothing: dict[str, object] = dict.fromkeys(
            ("listviewable", "lookupLayoutable", "networkScopeFieldName"), None
        )
        empty: dict[str, object] = {
            name: [] for name in ("actionOverrides", "childRelationships", "namedLayoutInfos")
        }
        return {
            **flags,
            **nothing,
            **empty,
            "fields": [f.describe(lookups=lookups) for f in self.fields.values() if f.visible],
            "keyPrefix": self.prefix,
            "label": self.name,
            "labelPlural": f"{self.name}s",
            "name": self.name,
            "recordTypeInfos": [],
            "sobjectDescribeOption": "FULL",
            "supportedScopes": [{"label": f"All {self.name}s", "name": "everything"}],
            "urls": {"describe": f"{path}/describe", "sobject": path, "rowTemplate": f"{path}/{{ID}}"},
        }


def standard_objects() -> dict[str, SObject]:
    """All objects by name in lower case."""
    return {
        name.lower(): SObject(name, prefix, {f.name.lower(): f for f in _fields(specification)})
        for name, (prefix, specification) in SPECIFICATION.items()
    }


def _fields(specification: str) -> list[Field]:
    found = [
        Field("Id", "id", "Record ID", 18, writable=False),
        Field("IsDeleted", "boolean", "Deleted", writable=False),
    ]
    for text in specification.split():
        parts = re.fullmatch(r"(\w+):(\w+)(?:\((\d+)\))?(?:>([\w,]+))?([!*]?)", text)
        if parts is None:
            raise ValueError(f"not a field: {text}")
        name, type_, length, references, mark = parts.groups()
        found.append(
            Field(
                name,
                type_,
                re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Id") or name),
                int(length) if length else LENGTHS.get(type_, 32000 if type_ == "textarea" else 0),
                tuple(references.split(",")) if references else (),
                writable=mark != "!",
                required=mark == "*",
            )
        )
    return found
