"""The one field we own: a multi-select picklist on contacts and leads that names a person's segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.errors import AudienceLost, BadSource, Unauthorized, Unavailable, UnexpectedResponse
from connectors.owned_field import names_in
from connectors.salesforce.answers import Refused, judged
from connectors.salesforce.catalog import Catalog
from connectors.salesforce.client import Client, Json
from connectors.salesforce.reading import Reader, quoted
from connectors.salesforce.settings import Settings

OBJECTS = ("Contact", "Lead")
LABEL = "Segments"
VISIBLE_LINES = 4
REFUSED = "will be refused"
IDS_PER_QUERY = 450
"""As many as an address has room for."""


class OwnField:
    """Finds, checks and (if configured) makes the field."""

    def __init__(self, client: Client, catalog: Catalog, reader: Reader, settings: Settings) -> None:
        self._client = client
        self._catalog = catalog
        self._reader = reader
        self._settings = settings
        self.name = settings.own_field

    def there(self) -> Json | None:
        """Its description if contacts and leads both have it for us."""
        found = [self._catalog.fields(object).get(self.name) for object in OBJECTS]
        return found[0] if all(f is not None for f in found) else None

    def problems(self) -> Iterator[str]:
        """What an admin has to do before values can be written, in sentences."""
        for object in OBJECTS:
            found = self._catalog.fields(object).get(self.name)
            full_name = f"{object}.{self.name}"
            if found is None:
                yield (
                    f"{object} has no field {self.name} that our user may see: in Setup, Object Manager,"
                    f" {object}, make a field of type Picklist (Multi-Select) with that name and grant read"
                    " and edit access to it in our user's permission set"
                )
            elif found["type"] != "multipicklist":
                yield f"{full_name} is of type {found['type']}, not multipicklist; choose another own_field"
            elif not found["updateable"]:
                yield f"our user may not edit {full_name}: grant edit access in its permission set"
            elif found.get("restrictedPicklist"):
                yield (
                    f"{full_name} is restricted to the values of its list: other segments {REFUSED};"
                    " switch the restriction off"
                )

    def calls_to_make(self) -> int:
        """Write calls that `ensure` takes as things are: the field and access to it, where it is missing."""
        if not self._settings.create_field:
            return 0
        return 2 * sum(1 for object in OBJECTS if self.name not in self._catalog.fields(object))

    def ensure(self) -> str:
        """The field's name. Raises BadSource with an instruction if it is not there or not ours to write."""
        self._catalog.forget()
        if self.there() is None and self._settings.create_field:
            self._make()
            self._catalog.forget()
        blocking = [text for text in self.problems() if REFUSED not in text]
        if blocking:
            raise BadSource(f"salesforce: {'; '.join(blocking)}")
        return self.name

    def held(self, object: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """What stands in the field now, by the first 15 characters of the id; records that are gone are not.

        Takes ⌈n/450⌉ reading calls.
        """
        found: dict[str, list[str]] = {}
        for start in range(0, len(ids), IDS_PER_QUERY):
            some = ", ".join(map(quoted, ids[start : start + IDS_PER_QUERY]))
            try:
                for rows in self._reader.scan(object, (self.name,), f"Id IN ({some})"):
                    found.update((str(row["Id"])[:15], names_in(row[self.name])) for row in rows)
            except UnexpectedResponse:
                self._catalog.forget()
                if self.there() is None:
                    raise AudienceLost(f"the field {self.name} is not there any more") from None
                raise
        return found

    def refused(self) -> AudienceLost | Unauthorized | UnexpectedResponse:
        """Why rows are refused for the field's sake: look again."""
        self._catalog.forget()
        if self.there() is None:
            return AudienceLost(f"the field {self.name} is not there any more")
        problems = "; ".join(self.problems())
        if problems:
            return Unauthorized(f"salesforce: {problems}")
        return UnexpectedResponse(f"Salesforce refuses the field {self.name}, which looks as it should")

    def _make(self) -> None:
        """Where it is missing: the field, then access to it. New fields are hidden from everybody."""
        permission_set = self._permission_set()
        for object in OBJECTS:
            if self.name in self._catalog.fields(object):
                continue
            values = [{"fullName": "segsync", "label": "segsync", "default": False}]
            metadata = {
                "type": "MultiselectPicklist",
                "label": LABEL,
                "description": "Segments of the person, kept by segsync",
                "visibleLines": VISIBLE_LINES,
                "valueSet": {
                    "restricted": False,
                    "valueSetDefinition": {"sorted": False, "value": values},
                },
            }
            full_name = f"{object}.{self.name}"
            self._create("tooling/sobjects/CustomField", {"FullName": full_name, "Metadata": metadata})
            self._create(
                "sobjects/FieldPermissions",
                {
                    "ParentId": permission_set,
                    "SobjectType": object,
                    "Field": full_name,
                    "PermissionsRead": True,
                    "PermissionsEdit": True,
                },
            )

    def _permission_set(self) -> str:
        name = str(self._settings.permission_set)
        for rows in self._reader.scan("PermissionSet", (), f"Name = {quoted(name)}"):
            return str(rows[0]["Id"])
        raise BadSource(f"salesforce: there is no permission set '{name}'; see permission_set")

    def _create(self, path: str, body: Json) -> None:
        """What is there already (an answer was lost) is as good as made."""
        for attempt in range(2):
            try:
                self._client.create_once(path, body)
                return
            except Unavailable:
                if attempt:
                    raise
            except Refused as refused:
                if refused.code in ("DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE"):
                    return
                raise judged(refused) from None
