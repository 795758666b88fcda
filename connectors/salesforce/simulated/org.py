"""The records of the simulated org, and what it does with every write, whichever API it came by.

A write that the org does not take raises `RowError`, as one row of a collections call reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.salesforce.simulated import rules
from connectors.salesforce.simulated.ids import is_id, made_id
from connectors.salesforce.simulated.rules import RowError
from connectors.salesforce.simulated.schema import SObject, standard_objects

Record = dict[str, Any]
USER = "005000000000001AAA"
BIN_S = 15 * 86_400
LOCK = "unable to obtain exclusive access to this record or 200 records: "


class Org:
    """All objects and records. Times are whole seconds since 1970; `now` gives the present one."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.schema: dict[str, SObject] = standard_objects()
        self.tables: dict[str, dict[str, Record]] = {o.name: {} for o in self.schema.values()}
        self.locks: dict[str, int] = {}
        """Account or record id → how many writes to it will find it locked by others."""
        self.trigger_limit: int | None = None
        """Rows of one call that the org's triggers can bear; more fail together."""
        self.poison: set[str] = set()
        """Records at which the service gives up on a whole call, for reasons of its own."""
        self._made: dict[str, int] = {}
        self._members: dict[tuple[str, str], str] = {}

    # ---- seeding and changing, by the platform's own people ------------------------------------------

    def create(self, object: str, *, stamp: int | None = None, id: str | None = None, **values: Any) -> str:
        """A record that is simply there, with any field set, also those nobody may write."""
        number = self._made.get(object, 0) + 1
        self._made[object] = number
        schema = self.schema[object.lower()]
        made: Record = {f.name: (False if f.type == "boolean" else None) for f in schema.fields.values()}
        made["Id"] = id or made_id(schema.prefix, number)
        moment = self.now() if stamp is None else stamp
        for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp", "LastViewedDate"):
            if name in made:
                made[name] = moment
        for name in ("OwnerId", "CreatedById", "LastModifiedById"):
            if name in made:
                made[name] = USER
        made.update(rules.DEFAULTS.get(object, {}))
        made.update(values)
        self.tables[object][made["Id"]] = made
        rules.derive(self, object, made)
        return str(made["Id"])

    def change(self, object: str, id: str, *, stamp: int | None = None, **values: Any) -> None:
        """Somebody, or the platform itself, changes a record."""
        record = self.tables[object][id]
        record.update(values)
        moment = self.now() if stamp is None else stamp
        record["SystemModstamp"] = moment
        if "LastModifiedDate" in record:
            record["LastModifiedDate"] = moment
        rules.derive(self, object, record)

    def live(self, object: str, id: object) -> Record | None:
        """The record unless it is deleted. An id of 15 characters finds it, too."""
        if not isinstance(id, str):
            return None
        table = self.tables.get(object, {})
        found = table.get(id)
        if found is None and len(id) == 15:
            found = next((r for key, r in table.items() if key.startswith(id)), None)
        return None if found is None or found["IsDeleted"] else found

    def object_of(self, id: str) -> str | None:
        """The object whose prefix the id has."""
        return next((o.name for o in self.schema.values() if o.prefix == id[:3]), None)

    def convert(self, lead_id: str, *, contact_id: str | None = None) -> str:
        """Convert a lead: an account, a contact (or the given one), and its member rows name both."""
        lead = self.tables["Lead"][lead_id]
        if contact_id is None:
            account = self.create("Account", Name=lead["Company"])
            kept = ("FirstName", "LastName", "Email", "Phone", "HasOptedOutOfEmail")
            contact_id = self.create("Contact", AccountId=account, **{name: lead[name] for name in kept})
        account_id = self.tables["Contact"][contact_id]["AccountId"]
        self.change(
            "Lead",
            lead_id,
            IsConverted=True,
            Status="Closed - Converted",
            ConvertedContactId=contact_id,
            ConvertedAccountId=account_id,
            ConvertedDate=rules.day(self.now()),
        )
        for member in self.tables["CampaignMember"].values():
            if member["LeadId"] == lead_id and not member["IsDeleted"]:
                member["ContactId"] = contact_id
                member["SystemModstamp"] = self.now()
                self._members[member["CampaignId"], contact_id] = member["Id"]
        for task in (*self.tables["Task"].values(), *self.tables["Event"].values()):
            if task["WhoId"] == lead_id:
                task["WhoId"] = contact_id
                task["SystemModstamp"] = self.now()
        return contact_id

    def merge(self, object: str, *, winner: str, loser: str) -> None:
        """The loser goes to the bin and names the winner."""
        self.change(object, loser, IsDeleted=True, MasterRecordId=winner)
        self.change(object, winner)

    # ---- writes that come in by an API ---------------------------------------------------------------

    def insert(self, object: str, values: Mapping[str, Any]) -> str:
        """A new record; raises RowError."""
        schema = self._permitted(object, "createable")
        given = rules.checked(self, schema, values)
        rules.required(schema, given, new=True)
        if object == "CampaignMember":
            return self._insert_member(given)
        if object == "TopicAssignment":
            for record in self.tables[object].values():
                if (record["TopicId"], record["EntityId"]) == (given["TopicId"], given["EntityId"]):
                    return str(record["Id"])
        self._check_lock(given)
        return self.create(object, **given)

    def _insert_member(self, given: Record) -> str:
        if given.get("ContactId"):
            given["LeadId"] = None  # with both only the contact counts
        person = given.get("ContactId") or given.get("LeadId")
        if person is None:
            raise RowError("REQUIRED_FIELD_MISSING", "Required fields are missing: [LeadId or ContactId]")
        lead = self.live("Lead", given.get("LeadId"))
        if lead is not None and lead["IsConverted"]:
            raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        key = (given["CampaignId"], person)
        if self._members.get(key) in self.tables["CampaignMember"]:
            raise RowError("DUPLICATE_VALUE", "Already a campaign member.")  # words unverified
        contact = self.live("Contact", person)
        self._check_lock(contact or {}, person)
        given.setdefault("Status", "Sent")
        made = self.create("CampaignMember", **given)
        self._members[key] = made
        self._count(given["CampaignId"], given, 1)
        return made

    def _count(self, campaign_id: str, member: Mapping[str, Any], step: int) -> None:
        campaign = self.tables["Campaign"][campaign_id]
        name = "NumberOfContacts" if member.get("ContactId") else "NumberOfLeads"
        campaign[name] = (campaign[name] or 0) + step

    def update(self, object: str, id: object, values: Mapping[str, Any]) -> str:
        """Change a record; raises RowError."""
        self._permitted(object, "updateable")
        record = self._found(object, id)
        if object == "Lead" and record["IsConverted"]:
            raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        schema = self.schema[object.lower()]
        given = rules.checked(self, schema, values, record)
        rules.required(schema, given, new=False)
        self._check_lock(record)
        self.change(object, record["Id"], **given)
        return str(record["Id"])

    def delete(self, object: str, id: object) -> str:
        """Move a record to the bin, and with it what hangs on it; raises RowError."""
        self._permitted(object, "deletable")
        record = self._found(object, id)
        self._check_lock(record)
        key = record["Id"]
        if object == "CampaignMember":
            self._drop_member(record)
            return str(key)
        self.change(object, key, IsDeleted=True)
        link = {"Campaign": "CampaignId", "Contact": "ContactId", "Lead": "LeadId"}.get(object)
        if link is not None:
            for member in [m for m in self.tables["CampaignMember"].values() if m[link] == key]:
                self._drop_member(member)
        return str(key)

    def _drop_member(self, member: Record) -> None:
        del self.tables["CampaignMember"][member["Id"]]
        for person in (member["ContactId"], member["LeadId"]):
            self._members.pop((member["CampaignId"], person), None)
        self._count(member["CampaignId"], member, -1)

    def purge(self, object: str, id: str) -> None:
        """Empty the bin of one record."""
        del self.tables[object][id]

    def _permitted(self, object: str, right: str) -> SObject:
        schema = self.schema[object.lower()]
        if right in schema.denied:  # code unverified
            raise RowError(
                "INSUFFICIENT_ACCESS_OR_READONLY", f"insufficient access rights on object {object}"
            )
        return schema

    def _found(self, object: str, id: object) -> Record:
        if not is_id(id):
            raise RowError("MALFORMED_ID", f"bad id {id}")
        live = self.live(object, id)
        if live is not None:
            return live
        if id in self.tables[object]:
            raise RowError("ENTITY_IS_DELETED", "entity is deleted")
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")

    def _check_lock(self, record: Mapping[str, Any], id: str | None = None) -> None:
        for key in (record.get("AccountId"), record.get("Id"), id):
            if key and self.locks.get(str(key), 0) > 0:
                self.locks[str(key)] -= 1
                raise RowError("UNABLE_TO_LOCK_ROW", f"{LOCK}{record.get('Id') or key}")
