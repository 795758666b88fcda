"""Our places on HubSpot: manual lists in a folder of ours, and one multi-checkbox property.

Options of the property are only ever added: changing them means sending the whole list again, so the list is
read right before it is written.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from connectors.base import Audience, AudienceKind, RemoteAudience
from connectors.checking import to_create
from connectors.errors import AudienceLost, BadSource, UnexpectedResponse
from connectors.health import Creation, WantedAudience
from connectors.hubspot.answers import Json, Refused
from connectors.hubspot.client import Client
from connectors.hubspot.refusals import expected, judged

CONTACT = "0-1"
LISTS_PER_CALL = 500
CARRIER = "*"
"""The segment of the audience that stands for the property itself, not for one of its options."""
ROOT = "0"
LABEL = "segsync segments"


class Audiences:
    """Makes and finds them. `folder` "": lists stay where HubSpot puts them."""

    def __init__(self, client: Client, *, own_field: str, folder: str) -> None:
        self._client = client
        self._own_field = own_field
        self._folder = folder
        self._folder_id: str | None = None
        self._lock = threading.Lock()
        self._options: set[str] | None = None
        self.preparing = 0
        """Write calls that declared options, so that changes could follow."""

    def all(self) -> list[RemoteAudience]:
        """All lists whose members can be written, and the own property if it is there."""
        found = [
            RemoteAudience(str(one["listId"]), str(one["name"]), AudienceKind.LIST, _size(one))
            for one in self._lists()
        ]
        own = self._property()
        self._options = _values(own)
        if own is not None:
            found.append(RemoteAudience(self._own_field, str(own.get("label")), AudienceKind.FIELD, None))
        return found

    def _lists(self) -> Iterable[Json]:
        offset = 0
        while True:
            body = {
                "query": "",
                "processingTypes": ["MANUAL", "SNAPSHOT"],
                "listIds": [],
                "additionalProperties": [],
                "offset": offset,
                "count": LISTS_PER_CALL,
            }
            answer = expected(
                lambda body=body: self._client.read(  # type: ignore[misc]
                    self._client.crm.lists.lists_api.do_search, body, expect="lists"
                )
            )
            yield from (one for one in answer["lists"] if one.get("objectTypeId", CONTACT) == CONTACT)
            offset += len(answer["lists"])
            if not answer["lists"] or not answer.get("hasMore"):
                return

    def missing(self, wanted: Sequence[WantedAudience], *, field: bool) -> Iterator[Creation]:
        """What `ensure` would make: the own property (if `field`), the folder, lists not there yet."""
        there = self.all()
        if field and all(one.kind is not AudienceKind.FIELD for one in there):
            yield Creation("property", self._own_field, LABEL, "contacts")
        lists = to_create(wanted, [one for one in there if one.kind is AudienceKind.LIST], "list")
        if lists and self._folder and self._find_folder() is None:
            yield Creation("list folder", self._folder)
        yield from lists

    def field_problem(self) -> str | None:
        """Why the own property cannot be used although it is there."""
        found = self._property()
        return None if found is None or _is_ours(found) else self._not_ours(found)

    def _not_ours(self, found: Json) -> str:
        return (
            f"property {self._own_field} is a {found.get('fieldType')}, not a multi-checkbox; "
            "choose another own_field or let segsync make it"
        )

    def preparation(self, absent: Collection[Audience], values: Collection[str]) -> int:
        """Write calls for so many lists, their folder, the own property and its options, as things are."""
        calls = len(absent)
        with self._lock:
            if self._folder and any(one.kind is AudienceKind.LIST for one in absent):
                self._folder_id = self._folder_id or self._find_folder()
                calls += self._folder_id is None
            if values and self._options is None:
                self._options = _values(self._property())
            return calls + (not set(values) <= (self._options or set()))

    # ---- lists -----------------------------------------------------------------------------------

    def ensure_list(self, audience: Audience) -> str:
        """By id, else by name without regard to case, else made. Renamed if its id has another name."""
        if audience.remote_id is not None:
            known = self._list(lambda: self._get(str(audience.remote_id)))
            if known is not None:
                if known["name"] != audience.name:
                    self._rename(str(audience.remote_id), audience.name)
                return str(audience.remote_id)
        named = self._named(audience.name)
        if named is not None:
            return named
        body: Json = {"name": audience.name, "objectTypeId": CONTACT, "processingType": "MANUAL"}
        if self._folder:
            body["listFolderId"] = self._own_folder()
        try:
            made = self._client.write(self._client.crm.lists.lists_api.create, body, expect="list")
        except Refused as refused:
            found = self._named(audience.name)  # somebody made it meanwhile, or our answer was lost
            if found is not None:
                return found
            raise judged(refused) from None
        return str((made or {})["list"]["listId"])

    def rename_list(self, audience: Audience) -> None:
        """Its members stay. Raises AudienceLost if it is gone, BadSource if another list has the name."""
        self._rename(str(audience.remote_id), audience.name)

    def delete_list(self, audience: Audience) -> None:
        """The list, not its members; that it is gone already is no error."""
        api = self._client.crm.lists.lists_api
        try:
            self._client.write(api.remove, str(audience.remote_id), expect=None)
        except Refused as refused:
            if not refused.missing:
                raise judged(refused) from None

    def _get(self, list_id: str) -> Json:
        return self._client.read(self._client.crm.lists.lists_api.get_by_id, list_id, expect="list")

    def _list(self, call: Callable[[], Json]) -> Json | None:
        try:
            found: Json = call()["list"]
        except Refused as refused:
            if refused.missing:
                return None
            raise judged(refused) from None
        return found

    def _named(self, name: str) -> str | None:
        api = self._client.crm.lists.lists_api
        found = self._list(lambda: self._client.read(api.get_by_name, name, CONTACT, expect="list"))
        if found is None:
            return None
        if found.get("processingType") == "DYNAMIC":
            raise BadSource(
                f'hubspot: "{found.get("name")}" is the name of a segment with rules, whose members '
                "cannot be written; give the audience another name, or rename that segment"
            )
        return str(found["listId"])

    def _rename(self, list_id: str, name: str) -> None:
        api = self._client.crm.lists.lists_api
        try:
            self._client.write(api.update_name, list_id, list_name=name, expect="updatedList")
        except Refused as refused:
            if refused.missing:
                raise AudienceLost("the list was deleted on HubSpot") from None
            if self._named(name) in (None, list_id):
                raise judged(refused) from None
            raise BadSource(
                f'hubspot: another list is called "{name}" already; give the audience another name'
            ) from None

    def _own_folder(self) -> str:
        with self._lock:
            if self._folder_id is None:
                self._folder_id = self._find_folder() or self._make_folder()
            return self._folder_id

    def _find_folder(self) -> str | None:
        api = self._client.crm.lists.folders_api
        answer = expected(lambda: self._client.read(api.get_all, expect="folder"))
        children = answer["folder"].get("childNodes") or []
        folded = self._folder.casefold()
        return next((str(c["id"]) for c in children if str(c.get("name")).casefold() == folded), None)

    def _make_folder(self) -> str:
        api = self._client.crm.lists.folders_api
        body = {"name": self._folder, "parentFolderId": ROOT}
        try:
            made = self._client.write(api.create, body, expect="folder")
        except Refused as refused:
            found = self._find_folder()
            if found is not None:
                return found
            raise judged(refused) from None
        return str((made or {})["folder"]["id"])

    # ---- the own property ------------------------------------------------------------------------

    def ensure_field(self, audience: Audience) -> str:
        """The own property; with an option for the audience's segment unless it stands for all of them."""
        wanted = {} if audience.segment == CARRIER else {audience.segment: audience.name}
        with self._lock:
            found = self._property()
            if found is None:
                found = self._make_property(wanted)
            if not _is_ours(found):
                raise UnexpectedResponse(self._not_ours(found))
            self._extend(found, wanted)
        return self._own_field

    def require_options(self, values: Iterable[str], *, anew: bool = False) -> None:
        """All these values can be chosen from now on. `anew`: look again, somebody may have removed one."""
        wanted = {value: value for value in values}
        with self._lock:
            if self._options is not None and not anew and wanted.keys() <= self._options:
                return
            found = self._property()
            if found is None:
                raise AudienceLost(f"the property {self._own_field} is not there any more")
            self._extend(found, wanted)

    def _property(self) -> Json | None:
        api = self._client.crm.properties.core_api
        try:
            return self._client.read(api.get_by_name, "contacts", self._own_field, expect="name")
        except Refused as refused:
            if refused.missing:
                return None
            raise judged(refused) from None

    def _make_property(self, wanted: Mapping[str, str]) -> Json:
        api = self._client.crm.properties.core_api
        body: Json = {
            "name": self._own_field,
            "label": LABEL,
            "groupName": "contactinformation",
            "type": "enumeration",
            "fieldType": "checkbox",
            "description": "Segments of this contact. Kept by segsync; what others tick stays.",
            "formField": False,
            "hidden": False,
            "options": _added([], wanted),
        }
        try:
            made = self._client.write(api.create, "contacts", body, expect="name")
        except Refused as refused:
            found = self._property()  # made meanwhile, or our answer was lost
            if found is None:
                raise judged(refused) from None
            made = found
        return made or {}

    def _extend(self, found: Json, wanted: Mapping[str, str]) -> None:
        """Adds what is missing to the options that are there; keeps those exactly as they are."""
        options = list(found.get("options") or [])
        there = _values(found) or set()
        missing = {value: label for value, label in wanted.items() if value not in there}
        if missing:
            body = {"options": _added(options, missing)}
            self.preparing += 1
            api = self._client.crm.properties.core_api
            answer = expected(
                lambda: self._client.write(api.update, "contacts", self._own_field, body, expect="options")
            )
            there = _values(answer) or set()
        self._options = there


def _added(options: list[Json], wanted: Mapping[str, str]) -> list[Json]:
    """The options with those wanted behind them; HubSpot wants labels to differ, whatever their case."""
    labels = {str(option.get("label")).casefold() for option in options}
    whole = list(options)
    for value, label in sorted(wanted.items()):
        numbered = (f"{value} ({number})" for number in itertools.count(2))
        shown = next(one for one in itertools.chain((label, value), numbered) if one.casefold() not in labels)
        labels.add(shown.casefold())
        whole.append({"label": shown, "value": value, "displayOrder": len(whole), "hidden": False})
    return whole


def _values(own: Json | None) -> set[str] | None:
    """What the property can be set to; None: it is not there."""
    return None if own is None else {str(option["value"]) for option in own.get("options") or []}


def _size(one: Json) -> int | None:
    text = str((one.get("additionalProperties") or {}).get("hs_list_size") or one.get("size") or 0)
    return int(text) if text.isdigit() else None


def _is_ours(found: Json) -> bool:
    """Whether the property can hold what we write."""
    return found.get("type") == "enumeration" and found.get("fieldType") == "checkbox"
