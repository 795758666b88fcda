"""Reading from the simulator: bounds, pages, chosen fields; bulk calls, batches, made-up people."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import timedelta

import pytest
import requests

from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.pacing import ManualClock
from tests.connectors.mailchimp.conftest import Shop

ANA, BO = "ana@example.com", "bo@example.com"


# ---- reading -------------------------------------------------------------------------------------


def test_bounds_are_strict_and_archived_members_hidden(shop: Shop) -> None:
    start = shop.clock.utc_now() - timedelta(days=1)
    for number in range(5):
        at = start + timedelta(seconds=number)
        status = "archived" if number == 2 else "subscribed"
        shop.simulator.add_member(f"p{number}@example.com", changed_at=at, status=status)
    bounds = {
        "since_last_changed": start.isoformat(),
        "before_last_changed": (start + timedelta(seconds=4)).isoformat(),
        "sort_field": "last_changed",
    }
    found = shop.call("GET", f"{shop.list}/members", **bounds).json()
    assert [m["email_address"] for m in found["members"]] == ["p1@example.com", "p3@example.com"]
    archived = shop.call("GET", f"{shop.list}/members", status="archived").json()
    assert [m["email_address"] for m in archived["members"]] == ["p2@example.com"]


def test_pages_and_chosen_fields(shop: Shop) -> None:
    for number in range(25):
        shop.simulator.add_member(f"p{number}@example.com")
    first = shop.call("GET", f"{shop.list}/members").json()
    assert (len(first["members"]), first["total_items"]) == (10, 25)
    beyond = shop.call("GET", f"{shop.list}/members", offset=100).json()
    assert (beyond["members"], beyond["total_items"]) == ([], 25)
    assert shop.call("GET", f"{shop.list}/members", count=1001).status_code == 400
    fields = "members.id,members.location.country_code,total_items"
    chosen = shop.call("GET", f"{shop.list}/members", fields=fields, count=1).json()
    assert set(chosen) == {"members", "total_items"}
    assert chosen["members"][0].keys() == {"id", "location"}
    assert chosen["members"][0]["location"] == {"country_code": ""}
    without = shop.call("GET", f"{shop.list}/members", exclude_fields="email_address,members.stats").json()
    assert "email_address" in without["members"][0]
    assert "stats" not in without["members"][0]


def test_members_are_found_by_hash_in_any_case_by_contact_id_and_by_address(shop: Shop) -> None:
    made = shop.simulator.add_member(ANA)
    for name in (made.id.upper(), made.contact_id, "Ana@Example.com"):
        assert shop.call("GET", f"{shop.list}/members/{name}").json()["id"] == made.id


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("AAAAA", "Please provide a valid email address."),
        ("a@b", "Please provide a valid email address."),
        ("foo@example.com", "foo@example.com looks fake or invalid, please enter a real email address."),
    ],
)
def test_addresses_are_checked(shop: Shop, address: str, detail: str) -> None:
    answer = shop.call("POST", f"{shop.list}/members", {"email_address": address, "status": "subscribed"})
    assert (answer.status_code, answer.json()["detail"]) == (400, detail)


def test_bulk_upsert_answers_row_by_row(shop: Shop) -> None:
    shop.simulator.add_member(ANA, status="unsubscribed", left_by="contact")
    rows = [{"email_address": a, "status": "subscribed"} for a in (ANA, BO, "AAAAA")]
    answer = shop.call("POST", shop.list, {"members": rows, "update_existing": True}).json()
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 0, 2)
    assert shop.get(ANA)["status"] == "unsubscribed"
    again = shop.call("POST", shop.list, {"members": rows[1:2], "update_existing": False}).json()
    assert again["errors"][0]["error_code"] == "ERROR_CONTACT_EXISTS"


# ---- batches -------------------------------------------------------------------------------------


def test_a_batch_runs_through_its_states_and_leaves_an_archive(shop: Shop) -> None:
    shop.simulator.add_member(ANA)
    operations = [
        {
            "method": "POST",
            "path": f"{shop.member(ANA)}/tags",
            "operation_id": "tag",
            "body": json.dumps({"tags": [{"name": "vip", "status": "active"}]}),
        },
        {"method": "GET", "path": shop.member(BO), "operation_id": "nobody"},
        {"method": "GET", "path": f"{shop.list}/members", "params": {"count": 1}, "operation_id": "page"},
    ]
    started = shop.call("POST", "/batches", {"operations": operations}).json()
    assert (started["status"], started["response_body_url"]) == ("pending", "")
    states: list[str] = []
    while not states or states[-1] != "finished":
        shown = shop.call("GET", f"/batches/{started['id']}").json()
        states.append(shown["status"])
    assert states == ["preprocessing", "started", "finalizing", "finished"]
    assert (shown["finished_operations"], shown["errored_operations"]) == (3, 1)
    assert shop.session.get(shown["response_body_url"]).status_code == 400  # sent with our key
    raw = requests.get(shown["response_body_url"]).content
    results: dict[str, int] = {}
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
        kinds = [(entry.isdir(), entry.size) for entry in archive]
        for entry in archive:
            text = b"" if entry.isdir() else archive.extractfile(entry).read()  # type: ignore[union-attr]
            for result in json.loads(text) if text else []:
                results[result["operation_id"]] = result["status_code"]
                json.loads(result["response"] or "{}")
    assert results == {"tag": 204, "nobody": 404, "page": 200}
    assert (True, 0) in kinds
    assert (False, 0) in kinds
    assert shop.simulator.tagged("vip") == {ANA}
    shop.clock.advance(3600)
    assert requests.get(shown["response_body_url"]).status_code == 403
    fresh = shop.call("GET", f"/batches/{started['id']}").json()["response_body_url"]
    assert requests.get(fresh).status_code == 200
    assert shop.call("DELETE", f"/batches/{started['id']}").status_code == 204
    assert shop.call("GET", f"/batches/{started['id']}").status_code == 404


# ---- size ----------------------------------------------------------------------------------------


def test_made_up_people_are_the_same_for_the_same_seed() -> None:
    clock = ManualClock()
    one, two = (MailchimpSimulator(people=200, seed=4, now=clock.utc_now) for _ in range(2))
    other = MailchimpSimulator(people=200, seed=5, now=clock.utc_now)

    def shape(simulator: MailchimpSimulator) -> list[object]:
        members = simulator.audience.members.values()
        return [(m.address, m.status, m.merge, m.last_changed, list(m.tags)) for m in members]

    assert shape(one) == shape(two) != shape(other)
    assert one.credentials["api_key"].endswith("-us1")
    assert MailchimpSimulator().audience.members == {}


def test_reading_all_pages_sorts_once(shop: Shop) -> None:
    """Paging 25,000 people must not cost a sort of 25,000 per page."""
    for number in range(3000):
        shop.simulator.add_member(f"p{number}@example.com")
    home = shop.simulator.audience
    first = home.window(status=None, sort="last_changed", since=None, before=None)
    assert home.window(status=None, sort="last_changed", since=None, before=None) is first
    home.touch(next(iter(home.members.values())))
    assert home.window(status=None, sort="last_changed", since=None, before=None) is not first
