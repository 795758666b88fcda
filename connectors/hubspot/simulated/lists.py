"""Lists of contacts ("segments" in the user interface), their folders and their members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connectors.hubspot.simulated.problem import Json, Problem, not_found
from connectors.hubspot.simulated.records import Records, iso

KINDS = ("MANUAL", "SNAPSHOT", "DYNAMIC")
KEPT_MS = 90 * 86_400_000
ROOT = "0"


@dataclass(slots=True)
class ContactList:
    """A list; `members` maps the contact's id to when it came in."""

    id: str
    name: str
    kind: str
    created: int
    updated: int
    folder: str = ROOT
    version: int = 1
    members: dict[str, int] = field(default_factory=dict)
    deleted_at: int | None = None


@dataclass(slots=True)
class Folder:
    id: str
    name: str
    parent: str
    created: int


class Lists:
    """All lists of the account. `ids_per_call` None: as many as come."""

    def __init__(self, *, records: Records, now: Callable[[], int]) -> None:
        self.records = records
        self.now = now
        self.all: dict[str, ContactList] = {}
        self.folders: dict[str, Folder] = {ROOT: Folder(ROOT, "Root", "", 0)}
        self.ids_per_call: int | None = None
        self._made = 76

    def make(self, name: str, *, kind: str = "MANUAL", folder: str = ROOT) -> ContactList:
        """A new list. Raises Problem if the name is taken, whatever its case."""
        if not name.strip():
            raise Problem(400, "the list needs a name")
        if kind not in KINDS:
            raise Problem(400, f"{kind} is not a processing type")
        if folder not in self.folders:
            raise not_found(f"Folder {folder} does not exist")
        if self.named(name) is not None:
            raise Problem(
                400, f"A list with the name '{name}' already exists", more={"subCategory": "DUPLICATE"}
            )
        self._made += 1
        now = self.now()
        made = ContactList(str(self._made), name, kind, now, now, folder)
        self.all[made.id] = made
        return made

    def named(self, name: str) -> ContactList | None:
        folded = name.casefold()
        return next((one for one in self.there() if one.name.casefold() == folded), None)

    def there(self) -> list[ContactList]:
        return [one for one in self.all.values() if one.deleted_at is None]

    def find(self, id_: str) -> ContactList:
        found = self.all.get(id_)
        if found is None or found.deleted_at is not None:
            raise not_found(f"List {id_} does not exist")
        return found

    def rename(self, one: ContactList, name: str) -> None:
        taken = self.named(name)
        if taken is not None and taken is not one:
            raise Problem(
                400, f"A list with the name '{name}' already exists", more={"subCategory": "DUPLICATE"}
            )
        one.name, one.updated, one.version = name, self.now(), one.version + 1

    def delete(self, one: ContactList) -> None:
        one.deleted_at = self.now()

    def restore(self, id_: str) -> None:
        found = self.all.get(id_)
        if found is None or found.deleted_at is None or self.now() - found.deleted_at > KEPT_MS:
            raise not_found(f"List {id_} cannot be restored")
        if self.named(found.name) is not None:
            raise _taken(found.name)
        found.deleted_at = None

    def change(self, one: ContactList, *, add: Sequence[str], remove: Sequence[str]) -> Json:
        """Members in and out; ids of contacts that are not there come back as missing."""
        if one.kind == "DYNAMIC":
            raise Problem(400, "Members of a list with rules cannot be written")
        for id_ in (*add, *remove):
            if not isinstance(id_, str) or not id_.isdigit():
                raise Problem(400, "Invalid input JSON on line 1, column 2: record ids are numbers in text")
        if self.ids_per_call is not None and len(add) + len(remove) > self.ids_per_call:
            raise Problem(400, f"at most {self.ids_per_call} records are allowed in one call")
        added, removed, missing = [], [], []
        for id_ in add:
            if self.records.find("contacts", id_) is None:
                missing.append(id_)
            elif id_ not in one.members:
                one.members[id_] = self.now()
                added.append(id_)
        for id_ in remove:
            if self.records.find("contacts", id_) is None:
                missing.append(id_)
            elif one.members.pop(id_, None) is not None:
                removed.append(id_)
        one.updated = self.now()
        # The published description really spells the first key so; older pages do not. Both are sent.
        return {
            "recordsIdsAdded": added,
            "recordIdsAdded": added,
            "recordIdsRemoved": removed,
            "recordIdsMissing": missing,
        }

    def present(self, one: ContactList) -> list[str]:
        """Ids of members that are still there, by id."""
        found = [id_ for id_ in one.members if self.records.find("contacts", id_) is not None]
        return sorted(found, key=int)

    def shown(self, one: ContactList, *, size: bool = False) -> Json:
        body: Json = {
            "listId": one.id,
            "listVersion": one.version,
            "name": one.name,
            "objectTypeId": "0-1",
            "processingType": one.kind,
            "processingStatus": "COMPLETE",
            "createdAt": iso(one.created),
            "createdById": "1",
            "updatedAt": iso(one.updated),
        }
        if size:
            body["additionalProperties"] = {"hs_list_size": str(len(self.present(one)))}
        else:
            body["size"] = len(self.present(one))
        return body

    def search(self, body: Json) -> Json:
        """Lists whose name holds the query, of the kinds asked for; at most 500 a call."""
        count, offset = int(body.get("count") or 20), int(body.get("offset") or 0)
        if count > 500:
            raise Problem(400, "count must be at most 500")
        query, kinds = str(body.get("query") or "").casefold(), body.get("processingTypes") or KINDS
        ids = [str(id_) for id_ in body.get("listIds") or []]
        found = [
            one
            for one in self.there()
            if query in one.name.casefold() and one.kind in kinds and (not ids or one.id in ids)
        ]
        some = found[offset : offset + count]
        return {
            "lists": [self.shown(one, size=True) for one in some],
            "hasMore": offset + len(some) < len(found),
            "offset": offset + len(some),
            "total": len(found),
        }

    # ---- folders ---------------------------------------------------------------------------------

    def make_folder(self, name: str, *, parent: str = ROOT) -> Folder:
        if parent not in self.folders:
            raise not_found(f"Folder {parent} does not exist")
        if any(f.parent == parent and f.name.casefold() == name.casefold() for f in self.folders.values()):
            raise Problem(400, f"A folder with the name '{name}' already exists")
        made = Folder(str(len(self.folders)), name, parent, self.now())
        self.folders[made.id] = made
        return made

    def move(self, one: ContactList, folder: str) -> None:
        if folder not in self.folders:
            raise not_found(f"Folder {folder} does not exist")
        one.folder = folder

    def folder_shown(self, folder: Folder) -> Json:
        children = [f for f in self.folders.values() if f.parent == folder.id]
        return {
            "id": folder.id,
            "name": folder.name,
            "parentFolderId": folder.parent or None,
            "childLists": [int(one.id) for one in self.there() if one.folder == folder.id],
            "childNodes": [self.folder_shown(child) for child in children],
            "createdAt": iso(folder.created),
            "updatedAt": iso(folder.created),
        }


def _taken(name: str) -> Problem:
    """What HubSpot really says here is not known."""
    return Problem(400, f"A list with the name '{name}' already exists", more={"subCategory": "DUPLICATE"})
