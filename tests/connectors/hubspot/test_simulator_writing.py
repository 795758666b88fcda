"""The simulator takes and refuses writes as HubSpot does."""

from __future__ import annotations

import pytest

from tests.connectors.hubspot.conftest import Portal
from tests.connectors.hubspot.foreign import CONTACTS, LISTS, get, make

# ---- writing ------------------------------------------------------------------------------------


def test_one_bad_row_fails_the_batch_unless_it_carries_a_trace_id(foreign: Portal) -> None:
    ids = list(make(foreign, *(f"p{n}@example.com" for n in range(4))).values())
    bad = {"id": ids[2], "properties": {"num_notes": "3"}}
    good = [{"id": i, "properties": {"firstname": "New"}} for i in (ids[0], ids[1], ids[3])]
    whole = foreign.call("POST", f"{CONTACTS}/batch/update", {"inputs": [*good, bad]})
    assert whole.status_code == 400
    assert all(get(foreign, i, "firstname")["properties"]["firstname"] is None for i in ids)
    traced = {"inputs": [*good, {**bad, "objectWriteTraceId": "t-1"}]}
    part = foreign.call("POST", f"{CONTACTS}/batch/update", traced)
    assert part.status_code == 207
    assert part.json()["errors"][0]["context"] == {"objectWriteTraceId": ["t-1"]}
    assert part.json()["numErrors"] == 1
    assert {o["id"] for o in part.json()["results"]} == {one["id"] for one in good}


@pytest.mark.parametrize(
    ("properties", "word"),
    [
        ({"nonsense": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"hs_email_optout": "false"}, "READ_ONLY_VALUE"),
        ({"lifecyclestage": "hero"}, "INVALID_OPTION"),
        ({"email": "000"}, "INVALID_EMAIL"),
        ({"score": "abc"}, "INVALID_LONG"),
    ],
)
def test_values_that_hubspot_does_not_take(foreign: Portal, properties: dict[str, str], word: str) -> None:
    foreign.hubspot.add_property("score", type="number", field_type="number")
    (id_,) = make(foreign, "a@example.com").values()
    answer = foreign.call("PATCH", f"{CONTACTS}/{id_}", {"properties": properties})
    assert answer.status_code == 400
    assert word in answer.json()["message"]


def test_batches_have_limits(foreign: Portal) -> None:
    many = [{"properties": {"email": f"p{n}@example.com"}} for n in range(101)]
    assert foreign.call("POST", f"{CONTACTS}/batch/create", {"inputs": many}).status_code == 400
    (id_,) = make(foreign, "a@example.com").values()
    twice = [{"id": id_, "properties": {}}] * 2
    assert foreign.call("POST", f"{CONTACTS}/batch/update", {"inputs": twice}).status_code == 400
    by_address = [{"id": "a@example.com", "idProperty": "email", "properties": {}}]
    assert foreign.call("POST", f"{CONTACTS}/batch/update", {"inputs": by_address}).status_code == 400
    silent = foreign.call(
        "POST", f"{CONTACTS}/batch/update", {"inputs": [{"id": "a@example.com", "properties": {"city": "x"}}]}
    )
    assert (silent.status_code, silent.json()["results"]) == (200, [])
    assert foreign.call("POST", f"{CONTACTS}/batch/update", {}).status_code == 400


def test_an_address_that_is_taken_is_a_conflict_that_names_the_contact(foreign: Portal) -> None:
    (id_,) = make(foreign, "a@example.com").values()
    answer = foreign.call(
        "POST", f"{CONTACTS}/batch/create", {"inputs": [{"properties": {"email": "A@example.com"}}]}
    )
    assert answer.status_code == 409
    assert answer.json()["message"] == f"Contact already exists. Existing ID: {id_}"


def test_upsert_tells_who_is_new(foreign: Portal) -> None:
    make(foreign, "a@example.com")
    inputs = [
        {"id": f"{n}@example.com", "idProperty": "email", "properties": {"city": "Porto"}} for n in "ab"
    ]
    answer = foreign.call("POST", f"{CONTACTS}/batch/upsert", {"inputs": inputs})
    assert sorted(o["new"] for o in answer.json()["results"]) == [False, True]


def test_a_merged_contact_disappears_into_the_other(foreign: Portal) -> None:
    ids = make(foreign, "a@example.com", "b@example.com")
    body = {"primaryObjectId": ids["a@example.com"], "objectIdToMerge": ids["b@example.com"]}
    assert foreign.call("POST", f"{CONTACTS}/merge", body).status_code == 200
    assert foreign.call("GET", f"{CONTACTS}/{ids['b@example.com']}").status_code == 404
    kept = get(foreign, "b@example.com", "hs_merged_object_ids") or {}
    found = foreign.call("GET", f"{CONTACTS}/b@example.com", idProperty="email").json()
    assert found["id"] == ids["a@example.com"]
    assert kept.get("category") == "OBJECT_NOT_FOUND"
    merged = get(foreign, ids["a@example.com"], "hs_merged_object_ids")["properties"]
    assert merged["hs_merged_object_ids"] == ids["b@example.com"]


def test_an_erased_address_is_blocked_for_good(foreign: Portal) -> None:
    make(foreign, "a@example.com")
    erase = f"{CONTACTS}/gdpr-delete"
    for address in ("a@example.com", "never-seen@example.com"):
        body = {"objectId": address, "idProperty": "email"}
        assert foreign.call("POST", erase, body).status_code == 204
        again = {"inputs": [{"properties": {"email": address}}]}
        assert foreign.call("POST", f"{CONTACTS}/batch/create", again).status_code == 400
    assert foreign.call("POST", erase, {"objectId": "4711"}).status_code == 404
    assert foreign.call("GET", CONTACTS, archived="true").json()["results"] == []


def test_patching_options_replaces_them_all(foreign: Portal) -> None:
    foreign.hubspot.add_property("tags", type="enumeration", field_type="checkbox", options=["a", "b"])
    path = "/crm/properties/2026-09/contacts/tags"
    one = {"label": "C", "value": "c", "displayOrder": 0, "hidden": False}
    answer = foreign.call("PATCH", path, {"options": [one]})
    assert [o["value"] for o in answer.json()["options"]] == ["c"]
    del one["hidden"]
    assert foreign.call("PATCH", path, {"options": [one]}).status_code == 400
    assert foreign.call("PATCH", "/crm/properties/2026-09/contacts/email", {"label": "x"}).status_code == 400
    (id_,) = make(foreign, "a@example.com").values()
    for value, status in (("c", 200), ("", 200), ("a", 400), ("c;a", 400)):
        answer = foreign.call("PATCH", f"{CONTACTS}/{id_}", {"properties": {"tags": value}})
        assert answer.status_code == status, value


# ---- lists --------------------------------------------------------------------------------------


def test_list_names_are_unique_whatever_their_case_and_lists_can_be_restored(foreign: Portal) -> None:
    body = {"name": "VIP", "objectTypeId": "0-1", "processingType": "MANUAL"}
    id_ = foreign.call("POST", LISTS, body).json()["list"]["listId"]
    assert foreign.call("POST", LISTS, {**body, "name": "vip"}).status_code == 400
    found = foreign.call("GET", f"{LISTS}/object-type-id/0-1/name/vip").json()
    assert found["list"]["listId"] == id_
    assert foreign.call("DELETE", f"{LISTS}/{id_}").status_code == 204
    assert foreign.call("GET", f"{LISTS}/{id_}").status_code == 404
    foreign.clock.advance(89 * 86_400)
    assert foreign.call("PUT", f"{LISTS}/{id_}/restore").status_code == 204
    foreign.call("DELETE", f"{LISTS}/{id_}")
    foreign.clock.advance(91 * 86_400)
    assert foreign.call("PUT", f"{LISTS}/{id_}/restore").status_code == 404


def test_members_are_contacts_that_are_there(foreign: Portal) -> None:
    ids = list(make(foreign, "a@example.com", "b@example.com").values())
    one = foreign.hubspot.lists.make("VIP")
    path = f"{LISTS}/{one.id}/memberships/add-and-remove"
    first = foreign.call("PUT", path, {"recordIdsToAdd": [*ids, "999"], "recordIdsToRemove": []}).json()
    assert first["recordsIdsAdded"] == first["recordIdsAdded"] == ids
    assert first["recordIdsMissing"] == ["999"]
    again = foreign.call("PUT", path, {"recordIdsToAdd": ids[:1], "recordIdsToRemove": ids[1:]}).json()
    assert (again["recordIdsAdded"], again["recordIdsRemoved"]) == ([], ids[1:])
    assert foreign.call("PUT", path, {"recordIdsToAdd": ids}).status_code == 400
    rules = foreign.hubspot.lists.make("Rules", kind="DYNAMIC")
    path = f"{LISTS}/{rules.id}/memberships/add-and-remove"
    assert foreign.call("PUT", path, {"recordIdsToAdd": ids, "recordIdsToRemove": []}).status_code == 400
