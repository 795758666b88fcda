"""The simulator does what HubSpot does, seen by a client that speaks HTTP and nothing else."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import requests

from connectors.hubspot.moments import milliseconds
from connectors.hubspot.simulator import HubspotSimulator
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import serve
from tests.connectors.hubspot.conftest import Portal
from tests.connectors.hubspot.foreign import CONTACTS, LISTS, get, make
from tests.patience import PATIENCE_S

# ---- reading ------------------------------------------------------------------------------------


def test_both_path_styles_show_one_store(foreign: Portal) -> None:
    ids = make(foreign, "ana@example.com")
    for path in (CONTACTS, "/crm/v3/objects/contacts", "/crm/v3/objects/CONTACT", "/crm/objects/2026-09/0-1"):
        (one,) = foreign.call("GET", path).json()["results"]
        assert one["id"] == ids["ana@example.com"]
    for path in ("/crm/objects/2025-03/contacts", "/crm/v1/objects/contacts", "/contacts/v1/lists/all"):
        assert foreign.call("GET", path).status_code == 405


def test_properties_come_by_comma_or_repeated_and_unknown_ones_are_ignored(foreign: Portal) -> None:
    make(foreign, "ana@example.com")
    for query in (
        "properties=email,firstname,nonsense",
        "properties=email&properties=firstname&properties=nonsense",
    ):
        answer = foreign.call("GET", f"{CONTACTS}?{query}")
        (one,) = answer.json()["results"]
        assert set(one["properties"]) == {
            "email",
            "firstname",
            "createdate",
            "lastmodifieddate",
            "hs_object_id",
        }
        assert one["properties"]["firstname"] is None
    (one,) = foreign.call("GET", CONTACTS).json()["results"]
    assert "lastname" in one["properties"]


def test_the_list_pages_by_a_hundred_without_ceiling(foreign: Portal) -> None:
    when = foreign.clock.utc_now()
    for n in range(230):
        foreign.hubspot.add_contact(f"p{n}@example.com", changed_at=when)
    seen: list[str] = []
    query: dict[str, object] = {"limit": 100}
    while True:
        answer = foreign.call("GET", CONTACTS, **query).json()
        seen += [one["id"] for one in answer["results"]]
        if "paging" not in answer:
            break
        query["after"] = answer["paging"]["next"]["after"]
    assert len(seen) == len(set(seen)) == 230
    assert foreign.call("GET", CONTACTS, limit=101).status_code == 400
    assert foreign.call("GET", CONTACTS, after="x").status_code == 400


def test_archived_contacts_are_listed_apart(foreign: Portal) -> None:
    ids = make(foreign, "a@example.com", "b@example.com")
    body = {"inputs": [{"id": ids["a@example.com"]}]}
    for _ in range(2):
        answer = foreign.call("POST", f"{CONTACTS}/batch/archive", body)
        assert (answer.status_code, answer.content) == (204, b"")
    (there,) = foreign.call("GET", CONTACTS).json()["results"]
    (gone,) = foreign.call("GET", CONTACTS, archived="true").json()["results"]
    assert (there["id"], gone["id"]) == (ids["b@example.com"], ids["a@example.com"])
    assert gone["archivedAt"]
    assert foreign.call("GET", f"{CONTACTS}/{gone['id']}").status_code == 404


def test_a_new_contact_is_found_by_search_only_after_a_while(foreign: Portal) -> None:
    make(foreign, *(f"p{n}@example.com" for n in range(30)))
    totals = []
    for seconds in (0, 1, 3, 3, 3, 20):
        foreign.clock.advance(seconds)
        totals.append(foreign.search(limit=100).json()["total"])
    assert totals[:2] == [0, 0]
    assert totals == sorted(totals)
    assert 0 < totals[3] < 30
    assert totals[-1] == 30


def test_without_lag_search_is_up_to_date() -> None:
    clock = ManualClock()
    simulator = HubspotSimulator(now=clock.utc_now, lag=False)
    simulator.add_contact("a@example.com")
    with serve(simulator) as address:
        assert Portal(simulator, clock, address).search().json()["total"] == 1


def test_the_index_decides_which_the_store_decides_what(foreign: Portal) -> None:
    """As recorded: the old address still finds the record, which carries the new one already."""
    ids = make(foreign, "old@example.com")
    foreign.clock.advance(60)
    body = {"inputs": [{"id": ids["old@example.com"], "properties": {"email": "new@example.com"}}]}
    foreign.call("POST", f"{CONTACTS}/batch/update", body)
    old = {"propertyName": "email", "operator": "EQ", "value": "old@example.com"}
    new = {**old, "value": "new@example.com"}
    (one,) = foreign.search(old).json()["results"]
    assert one["properties"]["email"] == "new@example.com"
    assert foreign.search(new).json() == {"total": 0, "results": []}
    foreign.clock.advance(30)
    assert foreign.search(old).json()["total"] == 0
    assert foreign.search(new).json()["total"] == 1


def test_an_archived_contact_stays_in_total_for_a_while(foreign: Portal) -> None:
    ids = make(foreign, "a@example.com")
    foreign.clock.advance(60)
    foreign.call("DELETE", f"{CONTACTS}/{ids['a@example.com']}")
    assert foreign.search().json() == {"total": 1, "results": []}
    foreign.clock.advance(5)
    assert foreign.search().json() == {"total": 0, "results": []}


def test_a_new_contact_changes_once_more_by_itself(foreign: Portal) -> None:
    ids = make(foreign, "a@example.com")
    (id_,) = ids.values()
    first = get(foreign, id_)["updatedAt"]
    foreign.clock.advance(26)
    later = get(foreign, id_)["updatedAt"]
    foreign.clock.advance(3600)
    assert first < later == get(foreign, id_)["updatedAt"]


def test_search_cannot_page_beyond_ten_thousand(foreign: Portal) -> None:
    when = foreign.clock.utc_now() - timedelta(days=1)
    for n in range(10_150):
        foreign.hubspot.add_contact(f"p{n}@example.com", changed_at=when)
    answer = foreign.search(limit=200, after="9800").json()
    assert answer["total"] == 10_150
    assert answer["paging"]["next"]["after"] == "10000"
    assert foreign.search(limit=200, after="10000").status_code == 400
    assert foreign.search(limit=201).status_code == 400


def test_filters_groups_and_sorts(foreign: Portal) -> None:
    when = foreign.clock.utc_now() - timedelta(days=2)
    for n in range(6):
        foreign.hubspot.add_contact(
            f"p{n}@example.com", changed_at=when + timedelta(hours=n), firstname="x" if n % 2 else "y"
        )

    def addresses(*filters: dict[str, Any], **more: Any) -> list[str]:
        answer = foreign.search(*filters, **more)
        foreign.clock.advance(1)
        return [o["properties"]["email"][:2] for o in answer.json()["results"]]

    low, high = (str(milliseconds(when + timedelta(hours=h))) for h in (1, 3))
    span = {"propertyName": "lastmodifieddate", "operator": "BETWEEN", "value": low, "highValue": high}
    down = {"propertyName": "lastmodifieddate", "direction": "DESCENDING"}
    assert addresses(span) == ["p1", "p2", "p3"]
    assert addresses(span, sorts=[down]) == ["p3", "p2", "p1"]
    x = {"propertyName": "firstname", "operator": "EQ", "value": "X"}
    assert addresses(span, x) == ["p1", "p3"]
    assert addresses({**x, "operator": "IN", "values": ["y"]}, span) == ["p2"]
    assert addresses({"propertyName": "lastname", "operator": "HAS_PROPERTY"}) == []
    assert len(addresses({"propertyName": "lastname", "operator": "NOT_HAS_PROPERTY"})) == 6
    assert addresses({**x, "operator": "NEQ"}) == ["p0", "p2", "p4"]
    for operator, found in (("LT", 1), ("LTE", 2), ("GT", 4), ("GTE", 5)):
        assert (
            len(addresses({"propertyName": "lastmodifieddate", "operator": operator, "value": low})) == found
        )
    token = {"propertyName": "email", "operator": "CONTAINS_TOKEN", "value": "p4"}
    assert addresses(token) == ["p4"]
    assert foreign.search({**x, "operator": "LIKE"}).status_code == 400
    foreign.clock.advance(1)
    assert foreign.search(*[x] * 7).status_code == 400


def test_ids_compare_as_text_in_search(foreign: Portal) -> None:
    when = foreign.clock.utc_now()
    for _ in range(600):
        foreign.hubspot.add_contact(None, changed_at=when - timedelta(days=1))
    between = {"propertyName": "hs_object_id", "operator": "BETWEEN", "value": "60", "highValue": "61"}
    ids = [o["id"] for o in foreign.search(between).json()["results"]]
    assert "601" in ids


def test_missing_contacts_of_a_batch_read_come_as_one_error(foreign: Portal) -> None:
    ids = make(foreign, "a@example.com")
    body = {"inputs": [{"id": i} for i in ("a@example.com", "b@example.com")], "idProperty": "email"}
    answer = foreign.call("POST", f"{CONTACTS}/batch/read", body)
    assert answer.status_code == 207
    assert [o["id"] for o in answer.json()["results"]] == list(ids.values())
    assert answer.json()["errors"][0]["context"]["ids"] == ["b@example.com"]


# ---- limits and access --------------------------------------------------------------------------


def test_the_window_of_ten_seconds_is_kept(foreign: Portal) -> None:
    statuses = [foreign.call("GET", CONTACTS).status_code for _ in range(191)]
    assert statuses == [200] * 190 + [429]
    refused = foreign.call("GET", CONTACTS)
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert refused.headers["X-HubSpot-RateLimit-Remaining"] == "0"
    foreign.clock.advance(10)
    assert foreign.call("GET", CONTACTS).status_code == 200


def test_search_has_a_bucket_of_its_own(foreign: Portal) -> None:
    statuses = [foreign.search().status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert foreign.call("GET", CONTACTS).status_code == 200
    assert foreign.call("POST", f"{LISTS}/search", {}).status_code == 200
    foreign.clock.advance(1)
    assert foreign.search().status_code == 200


def test_a_key_without_the_scope_is_told_which(foreign: Portal) -> None:
    foreign.hubspot.missing_scopes.add("crm.objects.contacts.read")
    answer = foreign.call("GET", CONTACTS)
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.contacts.read"]


def test_no_key_a_wrong_key_and_nonsense_are_refused(foreign: Portal) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {foreign.hubspot.key}"}):
        assert (
            requests.get(f"{foreign.address}{CONTACTS}", headers=headers, timeout=PATIENCE_S).status_code
            == 401
        )
    assert foreign.call("GET", "/crm/objects/2026-09/contacts/1/2/3").status_code == 404
    assert foreign.call("PUT", CONTACTS).status_code == 405
    broken = requests.post(
        f"{foreign.address}{CONTACTS}/search",
        data="{",
        headers={"Authorization": f"Bearer {foreign.hubspot.key}"},
        timeout=PATIENCE_S,
    )
    assert "Invalid input JSON" in broken.json()["message"]


def test_a_made_up_account_has_everything_and_is_the_same_every_time() -> None:
    build = platform("hubspot").simulator
    assert build is not None
    clock = ManualClock()
    one, two = (HubspotSimulator(people=120, now=clock.utc_now) for _ in range(2))
    assert [r.all() for r in one.records.listed("contacts", archived=False)] == [
        r.all() for r in two.records.listed("contacts", archived=False)
    ]
    assert len(one.records.live("deals")) == 24
    assert one.listed("Newsletter")
    assert one.records.links


def test_many_clients_at_once_are_answered(foreign: Portal) -> None:
    make(foreign, "a@example.com")
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(foreign.call("GET", CONTACTS).status_code))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 20
