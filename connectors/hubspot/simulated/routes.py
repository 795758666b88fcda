"""Addresses and what answers them; paths come without their version, so both styles share one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from connectors.hubspot.simulated import object_routes, write_routes
from connectors.hubspot.simulated.call import Call
from connectors.hubspot.simulated.lists import ROOT
from connectors.hubspot.simulated.object_routes import Answer
from connectors.hubspot.simulated.problem import Json, Problem
from connectors.hubspot.simulated.records import iso

DATED = "2026-09"
OLD_FORM = re.compile(r"^/crm/v[34]/(objects|lists|properties|associations)(/|$)")
NEW_FORM = re.compile(rf"^/crm/(objects|lists|properties|associations)/{DATED}(/|$)")
PREFERENCES = re.compile(rf"^/communication-preferences/(?:{DATED}|v4)/")
ACCOUNT = re.compile(rf"^/account-info/(?:{DATED}|v3)/")
ID = r"([^/]+)"
KEEP = r"(?!search$)(?!batch/)(?!folders)(?!object-type-id)"


def plain(path: str) -> str | None:
    """The path without its version; None for one that HubSpot does not have."""
    for form in (OLD_FORM, NEW_FORM):
        if form.match(path):
            if "/v3/associations/" in path or "/v4/objects/" in path:
                return None
            return form.sub(r"/\1\2", path)
    if PREFERENCES.match(path):
        return PREFERENCES.sub("/communication-preferences/", path)
    return ACCOUNT.sub("/account-info/", path) if ACCOUNT.match(path) else None


def details(call: Call) -> Answer:
    return 200, {
        "portalId": call.account.portal,
        "accountType": "STANDARD",
        "timeZone": "Europe/Berlin",
        "companyCurrency": "EUR",
        "utcOffset": "+01:00",
        "utcOffsetMilliseconds": 3_600_000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }


def unsubscribed(call: Call) -> Answer:
    """Who has unsubscribed from everything; `results` say nothing of those who have not."""
    if call.query.get("channel") != "EMAIL":
        raise Problem(400, "channel is required")
    results: list[Json] = []
    for address in call.body.get("inputs") or []:
        if str(address).lower() in call.account.unsubscribed:
            status = {
                "channel": "EMAIL",
                "status": "UNSUBSCRIBED",
                "wideStatusType": "PORTAL_WIDE",
                "subscriberIdString": address,
                "timestamp": iso(call.account.records.now()),
            }
            results.append({"subscriberIdString": address, "wideStatuses": [status]})
        else:
            results.append({"subscriberIdString": address, "wideStatuses": []})
    return 200, {"status": "COMPLETE", "results": results}


def properties(call: Call, type_: str) -> Answer:
    return 200, {"results": list(call.account.schema.of(call.account.type_of(type_)).values())}


def property_(call: Call, type_: str, name: str) -> Answer:
    return 200, call.account.schema.find(call.account.type_of(type_), name)


def make_property(call: Call, type_: str) -> Answer:
    return 201, call.account.schema.create(call.account.type_of(type_), call.body)


def change_property(call: Call, type_: str, name: str) -> Answer:
    return 200, call.account.schema.update(call.account.type_of(type_), name, call.body)


def make_list(call: Call) -> Answer:
    lists = call.account.lists
    for key in ("name", "objectTypeId", "processingType"):
        if not call.body.get(key):
            raise Problem(400, f"Invalid input JSON: some required fields were not set: [{key}]")
    folder = str(call.body.get("listFolderId") or ROOT)
    made = lists.make(str(call.body["name"]), kind=str(call.body["processingType"]), folder=folder)
    return 200, {"list": lists.shown(made)}


def list_(call: Call, id_: str) -> Answer:
    return 200, {"list": call.account.lists.shown(call.account.lists.find(id_))}


def list_by_name(call: Call, name: str) -> Answer:
    found = call.account.lists.named(unquote(name))
    if found is None:
        raise Problem(404, "No list of that name exists", "OBJECT_NOT_FOUND")
    return 200, {"list": call.account.lists.shown(found)}


def search_lists(call: Call) -> Answer:
    return 200, call.account.lists.search(call.body)


def delete_list(call: Call, id_: str) -> Answer:
    call.account.lists.delete(call.account.lists.find(id_))
    return 204, None


def restore_list(call: Call, id_: str) -> Answer:
    call.account.lists.restore(id_)
    return 204, None


def rename_list(call: Call, id_: str) -> Answer:
    found = call.account.lists.find(id_)
    call.account.lists.rename(found, call.query.get("listName", ""))
    return 200, {"updatedList": call.account.lists.shown(found)}


def members(call: Call, id_: str) -> Answer:
    lists = call.account.lists
    found = lists.find(id_)
    limit, after = int(call.query.get("limit") or 100), call.query.get("after")
    if not 1 <= limit <= 250:
        raise Problem(400, "limit must be between 1 and 250")
    ids = lists.present(found)
    start = next((n for n, i in enumerate(ids) if after is None or int(i) > int(after)), len(ids))
    some = ids[start : start + limit]
    results = [{"recordId": i, "membershipTimestamp": iso(found.members[i])} for i in some]
    answer: Json = {"results": results, "total": len(ids)}
    if start + limit < len(ids):
        answer["paging"] = {"next": {"after": some[-1]}}
    return 200, answer


def change_members(call: Call, id_: str) -> Answer:
    lists = call.account.lists
    found = lists.find(id_)
    add, remove = call.body.get("recordIdsToAdd"), call.body.get("recordIdsToRemove")
    if not isinstance(add, list) or not isinstance(remove, list):
        raise Problem(400, "Invalid input JSON: some required fields were not set")
    return 200, lists.change(found, add=add, remove=remove)


def folders(call: Call) -> Answer:
    lists = call.account.lists
    folder = lists.folders.get(call.query.get("folderId", ROOT))
    if folder is None:
        raise Problem(404, "No such folder", "OBJECT_NOT_FOUND")
    return 200, {"folder": lists.folder_shown(folder)}


def make_folder(call: Call) -> Answer:
    lists = call.account.lists
    name = str(call.body.get("name") or "")
    if not name:
        raise Problem(400, "Invalid input JSON: some required fields were not set: [name]")
    made = lists.make_folder(name, parent=str(call.body.get("parentFolderId") or ROOT))
    return 200, {"folder": lists.folder_shown(made)}


def move_list(call: Call) -> Answer:
    lists = call.account.lists
    lists.move(lists.find(str(call.body.get("listId"))), str(call.body.get("newFolderId")))
    return 204, None


Handler = Callable[..., Answer]
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (  # method, pattern, scope, handler
    ("GET", r"/account-info/details", "", details),
    ("POST", r"/communication-preferences/statuses/batch/unsubscribe-all/read",
     "communication_preferences.statuses.batch.read", unsubscribed),
    ("POST", r"/objects/contacts/gdpr-delete", "crm.objects.contacts.write", object_routes.erase),
    ("POST", r"/objects/contacts/merge", "crm.objects.contacts.write", object_routes.merge),
    ("GET", rf"/objects/{ID}", "crm.objects.{}.read", object_routes.list_page),
    ("POST", rf"/objects/{ID}/search", "crm.objects.{}.read", object_routes.search),
    ("POST", rf"/objects/{ID}/batch/read", "crm.objects.{}.read", object_routes.batch_read),
    ("POST", rf"/objects/{ID}/batch/update", "crm.objects.{}.write", write_routes.update),
    ("POST", rf"/objects/{ID}/batch/create", "crm.objects.{}.write", write_routes.create),
    ("POST", rf"/objects/{ID}/batch/upsert", "crm.objects.{}.write", write_routes.upsert),
    ("POST", rf"/objects/{ID}/batch/archive", "crm.objects.{}.write", write_routes.archive),
    ("GET", rf"/objects/{ID}/{ID}", "crm.objects.{}.read", object_routes.one_object),
    ("PATCH", rf"/objects/{ID}/{ID}", "crm.objects.{}.write", write_routes.update_one),
    ("DELETE", rf"/objects/{ID}/{ID}", "crm.objects.{}.write", write_routes.archive_one),
    ("POST", rf"/associations/{ID}/{ID}/batch/read", "crm.objects.{}.read", object_routes.associations),
    ("GET", rf"/properties/{ID}", "crm.schemas.{}.read", properties),
    ("POST", rf"/properties/{ID}", "crm.schemas.{}.write", make_property),
    ("GET", rf"/properties/{ID}/{ID}", "crm.schemas.{}.read", property_),
    ("PATCH", rf"/properties/{ID}/{ID}", "crm.schemas.{}.write", change_property),
    ("POST", r"/lists/search", "crm.lists.read", search_lists),
    ("GET", r"/lists/folders", "crm.lists.read", folders),
    ("POST", r"/lists/folders", "crm.lists.write", make_folder),
    ("PUT", r"/lists/folders/move-list", "crm.lists.write", move_list),
    ("GET", r"/lists/object-type-id/0-1/name/(.+)", "crm.lists.read", list_by_name),
    ("POST", r"/lists/?", "crm.lists.write", make_list),
    ("GET", rf"/lists/{ID}", "crm.lists.read", list_),
    ("DELETE", rf"/lists/{ID}", "crm.lists.write", delete_list),
    ("PUT", rf"/lists/{ID}/restore", "crm.lists.write", restore_list),
    ("PUT", rf"/lists/{ID}/update-list-name", "crm.lists.write", rename_list),
    ("GET", rf"/lists/{ID}/memberships", "crm.lists.read", members),
    ("PUT", rf"/lists/{ID}/memberships/add-and-remove", "crm.lists.write", change_members),
)  # fmt: skip
