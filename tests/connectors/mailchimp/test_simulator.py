"""The simulator behaves as the real service is known to, asked by a plain HTTP client."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from connectors.mailchimp.mapping import subscriber_hash
from connectors.mailchimp.simulator import KEY, TOKEN
from tests.connectors.mailchimp.conftest import Shop

ANA, BO = "ana@example.com", "bo@example.com"


# ---- authentication ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "headers", "status", "title"),
    [
        (("x", KEY), {}, 200, None),
        (None, {"Authorization": f"Bearer {TOKEN}"}, 200, None),
        (("x", "wrong-us1"), {}, 401, "API Key Invalid"),
        (None, {}, 401, "API Key Missing"),
        (("x", KEY.replace("us1", "us6")), {}, 403, "Wrong Datacenter"),
    ],
)
def test_keys(shop: Shop, auth: Any, headers: dict[str, str], status: int, title: str | None) -> None:
    answer = requests.get(f"{shop.address}/3.0/ping", auth=auth, headers=headers)
    assert answer.status_code == status
    if title:
        assert answer.json()["title"] == title
        assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
        assert answer.json()["instance"] == answer.headers["X-Request-Id"]


def test_answers_carry_links_to_the_simulator_and_no_rate_headers(shop: Shop) -> None:
    shop.simulator.add_member(ANA)
    answer = shop.call("GET", shop.member(ANA))
    assert all(link["href"].startswith(shop.address) for link in answer.json()["_links"])
    assert shop.address in answer.headers["Link"]
    assert not [h for h in answer.headers if "rate" in h.lower() or h == "Retry-After"]


# ---- PUT, the table of cases ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned", "transactional", "archived"])
def test_put_without_a_status_changes_no_status(shop: Shop, status: str) -> None:
    shop.simulator.add_member(ANA, status=status, tags=["vip"], merge={"LNAME": "B"})
    for body in (
        {"merge_fields": {"FNAME": "Ana"}},
        {"email_address": ANA, "status_if_new": "subscribed", "merge_fields": {"FNAME": "A"}},
    ):
        answer = shop.call("PUT", shop.member(ANA), body)
        assert answer.status_code == 200
        shown = answer.json()
        assert (shown["status"], shown["merge_fields"]["LNAME"]) == (status, "B")
        assert [t["name"] for t in shown["tags"]] == ["vip"]


def test_put_with_a_status_revives_an_archived_contact_with_its_tags(shop: Shop) -> None:
    shop.simulator.add_member(ANA, status="archived", tags=["vip"])
    shown = shop.call("PUT", shop.member(ANA), {"status": "subscribed"}).json()
    assert (shown["status"], shown["tags_count"]) == ("subscribed", 1)


def test_put_moves_a_contact_to_a_free_address(shop: Shop) -> None:
    before = shop.simulator.add_member(ANA, tags=["vip"])
    contact, unique = before.contact_id, before.unique_email_id
    shown = shop.call("PUT", shop.member(ANA), {"email_address": BO}).json()
    assert (shown["id"], shown["contact_id"], shown["tags_count"]) == (subscriber_hash(BO), contact, 1)
    assert shown["unique_email_id"] != unique
    assert shop.call("GET", shop.member(ANA)).status_code == 404


def test_put_to_an_address_that_is_taken_is_refused(shop: Shop) -> None:
    shop.simulator.add_member(ANA)
    shop.simulator.add_member(BO, status="archived")
    answer = shop.call("PUT", shop.member(ANA), {"email_address": BO, "merge_fields": {"FNAME": "x"}})
    assert (answer.status_code, answer.json()["title"]) == (400, "Invalid Resource")
    assert answer.json()["errors"][0]["field"] == "email address"
    assert shop.get(ANA)["merge_fields"]["FNAME"] == ""


def test_put_of_an_unknown_hash(shop: Shop) -> None:
    made = shop.call("PUT", shop.member("x@example.com"), {"email_address": ANA, "status_if_new": "pending"})
    assert (made.json()["id"], made.json()["status"]) == (subscriber_hash(ANA), "pending")
    taken = shop.call("PUT", shop.member("x@example.com"), {"email_address": ANA, "status": "subscribed"})
    assert (taken.status_code, taken.json()["title"]) == (400, "Member Exists")
    assert "type" not in taken.json()
    shop.simulator.add_member(BO, status="archived")
    revived = shop.call("PUT", shop.member("x@example.com"), {"email_address": BO, "status": "subscribed"})
    assert revived.json()["status"] == "subscribed"
    assert (
        shop.call("PUT", shop.member("new@example.com"), {"email_address": "new@example.com"}).status_code
        == 400
    )
    assert shop.call("PUT", shop.member("new@example.com"), {"merge_fields": {}}).status_code == 400


def test_patch_creates_nobody(shop: Shop) -> None:
    body = {"email_address": ANA, "status": "subscribed", "status_if_new": "subscribed"}
    assert shop.call("PATCH", shop.member(ANA), body).status_code == 404
    assert shop.simulator.audience.members == {}


# ---- consent -------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_by", ["contact", "bounce", "complaint"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_somebody_who_left_himself_cannot_be_resubscribed(shop: Shop, left_by: str, method: str) -> None:
    status = "cleaned" if left_by == "bounce" else "unsubscribed"
    shop.simulator.add_member(ANA, status=status, left_by=left_by)
    answer = shop.call(method, shop.member(ANA), {"status": "subscribed", "merge_fields": {"FNAME": "x"}})
    assert (answer.status_code, answer.json()["title"]) == (400, "Member In Compliance State")
    assert (shop.get(ANA)["status"], shop.get(ANA)["merge_fields"]["FNAME"]) == (status, "")


def test_somebody_unsubscribed_through_the_api_can_be_resubscribed(shop: Shop) -> None:
    shop.simulator.add_member(ANA)
    shown = shop.call("PATCH", shop.member(ANA), {"status": "unsubscribed"}).json()
    assert shown["unsubscribe_reason"] == "N/A (Unsubscribed by admin)"
    shown = shop.call("PATCH", shop.member(ANA), {"status": "subscribed"}).json()
    assert shown["status"] == "subscribed"
    assert "unsubscribe_reason" not in shown


def test_erased_people_cannot_come_back(shop: Shop) -> None:
    shop.simulator.add_member(ANA, tags=["vip"])
    erased = shop.session.post(f"{shop.address}/3.0{shop.member(ANA)}/actions/delete-permanent")
    assert (erased.status_code, erased.content) == (204, b"")
    assert erased.headers["Content-Type"] == "application/json; charset=utf-8"
    assert shop.simulator.tagged("vip") == set()
    answer = shop.call("POST", f"{shop.list}/members", {"email_address": ANA, "status": "subscribed"})
    assert answer.json()["title"] == "Forgotten Email Not Subscribed"


def test_archiving_happens_once(shop: Shop) -> None:
    shop.simulator.add_member(ANA)
    assert shop.call("DELETE", shop.member(ANA)).status_code == 204
    again = shop.call("DELETE", shop.member(ANA))
    assert (again.status_code, again.headers["Allow"]) == (405, "GET, PUT")
    assert shop.call("DELETE", shop.member(BO)).status_code == 404
    assert shop.get(ANA)["status"] == "archived"


# ---- last_changed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "moves"),
    [
        ("PUT", "", {"merge_fields": {"FNAME": "new"}}, True),
        ("PUT", "", {"merge_fields": {"FNAME": "old"}}, False),
        ("PUT", "", {"merge_fields": {"UNKNOWN": "x"}}, False),
        ("PUT", "", {"merge_fields": {"BIRTHDAY": "99/99"}}, False),
        ("PUT", "", {"status": "unsubscribed"}, True),
        ("DELETE", "", None, True),
        ("POST", "/tags", {"tags": []}, False),
        ("POST", "/tags", {"tags": [{"name": "vip", "status": "active"}]}, True),
        ("POST", "/tags", {"tags": [{"name": "new", "status": "active"}]}, True),
    ],
)
def test_what_moves_last_changed(shop: Shop, method: str, path: str, body: object, moves: bool) -> None:
    shop.simulator.add_member(ANA, merge={"FNAME": "old"}, tags=["vip"])
    before = shop.get(ANA)["last_changed"]
    shop.clock.advance(60)
    shop.call(method, shop.member(ANA) + path, body)
    assert (shop.get(ANA)["last_changed"] != before) is moves


# ---- merge fields --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "value", "accepted"),
    [
        ("LTV", 290.53, True),
        ("LTV", "AAAAA", False),
        ("LTV", "", True),
        ("DAY", "1980-12-21", True),
        ("DAY", "21 December", False),
        ("BIRTHDAY", "12/21", True),
        ("BIRTHDAY", "1980-12-21", False),
        ("ADDRESS", {"addr1": "Way 1", "city": "Ulm", "state": "BW", "zip": "89073"}, True),
        ("ADDRESS", {"addr1": "Way 1"}, False),
        ("FNAME", "é" * 127, True),
        ("FNAME", "é" * 128, False),
        ("FNAME", True, False),
    ],
)
def test_merge_values_are_checked_and_nothing_is_applied_if_one_is_wrong(
    shop: Shop, tag: str, value: object, accepted: bool
) -> None:
    shop.simulator.audience.add_merge_field("LTV", "Value", "number")
    shop.simulator.audience.add_merge_field("DAY", "Day", "date")
    shop.simulator.add_member(ANA)
    answer = shop.call("PUT", shop.member(ANA), {"merge_fields": {"LNAME": "B", tag: value}})
    assert answer.status_code == (200 if accepted else 400)
    assert shop.get(ANA)["merge_fields"]["LNAME"] == ("B" if accepted else "")


# ---- tags ----------------------------------------------------------------------------------------


def test_a_tag_and_a_static_segment_are_one_thing(shop: Shop) -> None:
    shop.simulator.add_member(ANA)
    made = shop.call("POST", f"{shop.list}/segments", {"name": "VIP", "static_segment": []}).json()
    shop.call("POST", f"{shop.member(ANA)}/tags", {"tags": [{"name": "vip", "status": "active"}]})
    assert shop.get(ANA)["tags"] == [{"id": made["id"], "name": "VIP"}]
    again = shop.call("POST", f"{shop.list}/segments", {"name": "vip", "static_segment": []})
    assert again.status_code == 400
    found = shop.call("GET", f"{shop.list}/tag-search", name="vi").json()
    assert found["tags"] == [{"id": made["id"], "name": "VIP"}]


def test_only_fifty_tags_are_shown_but_all_are_counted(shop: Shop) -> None:
    shop.simulator.add_member(ANA, tags=[f"t{n}" for n in range(60)])
    shown = shop.get(ANA)
    assert (len(shown["tags"]), shown["tags_count"]) == (50, 60)
    rest = shop.call("GET", f"{shop.member(ANA)}/tags", count=1000).json()
    assert (len(rest["tags"]), rest["total_items"]) == (60, 60)


def test_a_batch_of_tag_changes_takes_500_and_500_and_reports_strangers(shop: Shop) -> None:
    people = [f"p{n}@example.com" for n in range(1002)]
    for address in people:
        shop.simulator.add_member(address, status="archived" if address == people[0] else "subscribed")
    segment = shop.simulator.add_tag("vip")
    path = f"{shop.list}/segments/{segment.id}"
    shop.call("POST", path, {"members_to_add": people[500:1000]})
    body = {"members_to_add": [*people[:499], "gone@example.com"], "members_to_remove": people[500:1000]}
    answer = shop.call("POST", path, body).json()
    assert (answer["total_added"], answer["total_removed"], answer["error_count"]) == (499, 500, 1)
    assert answer["errors"][0]["email_addresses"] == ["gone@example.com"]
    assert shop.simulator.tagged("vip") == set(people[:499])
    too_many = shop.call("POST", path, {"members_to_add": people[:501]})
    assert too_many.status_code == 400
    assert "at most 500 items" in too_many.json()["detail"]


def test_a_batch_moves_last_changed_only_where_something_changed(shop: Shop) -> None:
    for address in (ANA, BO):
        shop.simulator.add_member(address)
    segment = shop.simulator.add_tag("vip")
    home = shop.simulator.audience
    home.tag(home.members[subscriber_hash(ANA)], segment)
    before = {a: shop.get(a)["last_changed"] for a in (ANA, BO)}
    shop.clock.advance(60)
    shop.call("POST", f"{shop.list}/segments/{segment.id}", {"members_to_add": [ANA, BO]})
    assert shop.get(ANA)["last_changed"] == before[ANA]
    assert shop.get(BO)["last_changed"] != before[BO]


def test_tagged_people_who_are_not_subscribed_are_shown_only_on_request(shop: Shop) -> None:
    for status in ("subscribed", "unsubscribed", "cleaned", "transactional"):
        shop.simulator.add_member(f"{status}@example.com", status=status, tags=["vip"])
    path = f"{shop.list}/segments/{shop.simulator.add_tag('vip').id}"
    assert shop.call("GET", path).json()["member_count"] == 1
    plain = shop.call("GET", f"{path}/members").json()
    assert plain["total_items"] == 1
    assert "tags" not in plain["members"][0]
    flags = {f"include_{s}": "true" for s in ("unsubscribed", "cleaned", "transactional")}
    assert shop.call("GET", f"{path}/members", **flags).json()["total_items"] == 4
    wrong = {f"include_{s}": "True" for s in ("unsubscribed", "cleaned", "transactional")}
    assert shop.call("GET", f"{path}/members", **wrong).json()["total_items"] == 1
