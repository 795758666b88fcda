"""The simulator behaves as Klaviyo does: reading, filters, pages, limits, refusals."""

from __future__ import annotations

import gzip
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest

from connectors.klaviyo.operations import OPERATIONS
from tests.connectors.klaviyo.conftest import Shop

UPDATED = "greater-than(updated,{})"


def people(shop: Shop, count: int) -> list[str]:
    now = shop.clock.utc_now()
    return [
        shop.simulator.add_profile(f"p{n}@example.com", changed_at=now - timedelta(minutes=60 - n)).id
        for n in range(count)
    ]


def test_without_a_key_nothing_is_answered(shop: Shop) -> None:
    del shop.session.headers["Authorization"]
    assert shop.refused("GET", "/profiles")["code"] == "not_authenticated"
    shop.session.headers["Authorization"] = "Klaviyo-API-Key pk_other"
    assert shop.refused("GET", "/profiles")["code"] == "authentication_failed"


def test_a_revision_is_asked_for_and_may_be_retired(shop: Shop) -> None:
    shop.simulator.retired = frozenset({"2026-07-15"})
    assert shop.refused("GET", "/profiles")["status"] == 410
    del shop.session.headers["revision"]
    assert shop.refused("GET", "/profiles")["status"] == 400


def test_a_key_without_the_scope_is_forbidden(shop: Shop) -> None:
    shop.simulator.scopes = frozenset({"profiles:read"})
    assert shop.get("/profiles")["data"] == []
    error = shop.refused("GET", "/lists")
    assert (error["status"], error["code"]) == (403, "permission_denied")
    assert "lists:read" in error["detail"]


def test_pages_lead_on_over_the_host_that_was_called_and_end_with_null(shop: Shop) -> None:
    ids = people(shop, 7)
    page = shop.get("/profiles", sort="updated", page_size=3)
    found, links = [row["id"] for row in page["data"]], page["links"]
    while links["next"] is not None:
        assert links["next"].startswith(f"{shop.address}/api/profiles?")
        page = shop.session.get(links["next"]).json()
        found += [row["id"] for row in page["data"]]
        links = page["links"]
    assert found == ids
    assert shop.get("/profiles/", page_size=100)["links"]["next"] is None  # a trailing slash is accepted


def test_cursors_survive_inserts_and_changes(shop: Shop) -> None:
    ids = people(shop, 6)
    first = shop.get("/profiles", sort="updated", page_size=3)
    shop.simulator.add_profile("early@example.com", changed_at=shop.clock.utc_now() - timedelta(days=1))
    shop.simulator.account.touch(shop.simulator.account.profiles[ids[0]])  # read already: comes again
    shop.clock.advance(1)
    shop.simulator.account.touch(shop.simulator.account.profiles[ids[4]])  # not read yet: comes later
    second = shop.session.get(first["links"]["next"]).json()
    third = shop.session.get(second["links"]["next"]).json()
    assert [row["id"] for row in (*second["data"], *third["data"])] == [ids[3], ids[5], ids[0], ids[4]]


def test_a_cursor_is_good_for_its_own_query_only(shop: Shop) -> None:
    people(shop, 6)
    cursor = shop.get("/profiles", sort="updated", page_size=3)["links"]["next"].partition("cursor%5D=")[2]
    for changed in ({"sort": "-updated", "page_size": 3}, {"sort": "updated", "page_size": 4}):
        error = shop.refused("GET", "/profiles", page_cursor=cursor, **changed)
        assert error["source"] == {"parameter": "page[cursor]"}
    assert shop.refused("GET", "/profiles", page_cursor="nonsense")["status"] == 400


def test_greater_than_is_strict_and_order_may_be_turned(shop: Shop) -> None:
    ids = people(shop, 4)
    last = shop.get(f"/profiles/{ids[2]}")["data"]["attributes"]["updated"]
    assert shop.ids("/profiles", filter=UPDATED.format(last), sort="updated") == ids[3:]
    assert shop.ids("/profiles", sort="-updated") == ids[::-1]


@pytest.mark.parametrize(
    "filter",
    [
        "greater-or-equal(updated,2026-01-01T00:00:00Z)",
        "greater-than(updated,'2026-01-01T00:00:00Z')",
        "greater-than(updated,yesterday)",
        "greater-than(last_event_date,2026-01-01T00:00:00Z)",
        "contains(email,'example')",
        "any(email,'a@example.com')",
        "equals(email,a@example.com)",
        "equals(email,'a@example.com'",
        "equals(email,'a@example.com'),",
        "equals(email,'a@example.com') and equals(id,'x')",
        "nonsense",
    ],
)
def test_forbidden_filters_are_refused(shop: Shop, filter: str) -> None:
    assert shop.refused("GET", "/profiles", filter=filter)["source"] == {"parameter": "filter"}


def test_strings_may_stand_in_either_quotes_and_conditions_are_joined(shop: Shop) -> None:
    ids = people(shop, 3)
    assert shop.ids("/profiles", filter="equals(email,'P1@example.com')") == []
    assert shop.ids("/profiles", filter='equals(email,"p1@example.com")') == [ids[1]]
    two = 'any(email,["p0@example.com", "p2@example.com"])'
    assert set(shop.ids("/profiles", filter=two)) == {ids[0], ids[2]}
    joined = f"{two},equals(id,'{ids[2]}')"
    assert shop.ids("/profiles", filter=joined) == [ids[2]]


def test_names_of_lists_are_filtered_by_lists_only(shop: Shop) -> None:
    shop.simulator.add_list("VIP, gold")
    assert shop.refused("GET", "/lists", filter="equals(name,'VIP, gold')")["status"] == 400
    assert len(shop.ids("/lists", filter='equals(name,["VIP, gold"])')) == 1


@pytest.mark.parametrize(
    ("path", "size"),
    [("/profiles", 101), ("/profiles", 0), ("/lists", 11), ("/events", 1001), ("/lists", "x")],
)
def test_page_sizes_have_limits(shop: Shop, path: str, size: object) -> None:
    answer = shop.call("GET", path, page_size=size)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"parameter": "page[size]"}


def test_consent_and_predictions_come_only_when_asked_for(shop: Shop) -> None:
    (id_,) = people(shop, 1)
    plain = shop.get(f"/profiles/{id_}")["data"]["attributes"]
    assert not {"subscriptions", "predictive_analytics"} & set(plain)
    asked = shop.get(f"/profiles/{id_}", additional_profile="subscriptions,predictive_analytics")
    assert {"subscriptions", "predictive_analytics"} <= set(asked["data"]["attributes"])
    few = shop.get(f"/profiles/{id_}", fields_profile="email,location.city")["data"]["attributes"]
    assert few == {"email": "p0@example.com", "location": {"city": None}}


def test_events_name_profile_and_metric_where_they_are_included(shop: Shop) -> None:
    profile = shop.simulator.add_profile("p@example.com")
    event = shop.simulator.add_event(profile, "Placed Order", at=shop.clock.utc_now())
    shop.simulator.add_event(profile, "Opened Email", at=shop.clock.utc_now())
    query = {"filter": f'equals(metric_id,"{event.metric}")', "sort": "datetime"}
    (bare,) = shop.get("/events", **query)["data"]
    assert "data" not in bare["relationships"]["profile"]
    answer = shop.get("/events", **query, include="profile,metric", fields_profile="email")
    assert answer["data"][0]["relationships"]["profile"]["data"]["id"] == profile.id
    assert {row["type"] for row in answer["included"]} == {"profile", "metric"}


def test_answers_are_packed_when_the_client_can_unpack(shop: Shop) -> None:
    people(shop, 3)
    shop.session.headers["Accept-Encoding"] = "gzip"
    answer = shop.session.get(f"{shop.address}/api/profiles", stream=True)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b'"data"' in gzip.decompress(answer.raw.read())


@pytest.mark.parametrize(
    ("path", "query", "burst", "steady"),
    [
        ("/metrics", {}, 10, 150),
        ("/profiles", {"additional_profile": "predictive_analytics"}, 10, 150),
    ],
)
def test_each_endpoint_has_its_two_windows(
    shop: Shop, path: str, query: dict[str, str], burst: int, steady: int
) -> None:
    def spend() -> int:
        for count in range(steady + 1):
            if shop.call("GET", path, **query).status_code == 429:
                return count
        return steady + 1

    assert spend() == burst
    shop.clock.advance(1)
    first = shop.call("GET", path, **query)
    assert first.headers["RateLimit-Limit"] == str(steady)
    assert first.headers["RateLimit-Remaining"] == str(steady - burst - 1)
    assert first.headers["RateLimit-Reset"] == "59"
    used = burst + 1
    while used < steady:
        shop.clock.advance(1)
        used += spend()
        if shop.clock.now_s() > 59:
            break
    assert used == steady


def test_a_429_comes_in_three_dresses(shop: Shop) -> None:
    def refused() -> tuple[str | None, str]:
        while True:
            answer = shop.call("GET", "/metrics")
            if answer.status_code == 429:
                return answer.headers.get("Retry-After"), answer.json()["errors"][0]["detail"]

    header, detail = refused()
    assert header == "1"
    assert "available in 1 second" in detail
    shop.simulator.retry_after = "date"
    header, _ = refused()
    assert header is not None
    assert parsedate_to_datetime(header) == shop.clock.utc_now() + timedelta(seconds=1)
    shop.simulator.retry_after = "none"
    assert refused()[0] is None
    assert not {name for name in shop.call("GET", "/metrics").headers if name.startswith("RateLimit")}


def test_only_150_lists_a_day_can_be_made(shop: Shop) -> None:
    rate = OPERATIONS["create_list"].rate
    assert rate.per_day == 150
    made = 0
    for _ in range(30):
        for _ in range(rate.burst):
            made += shop.call("POST", "/lists", {"data": {"type": "list", "attributes": {"name": "x"}}}).ok
        shop.clock.advance(31)
    assert made == 150
    shop.clock.advance(86_400)
    assert shop.call("POST", "/lists", {"data": {"type": "list", "attributes": {"name": "x"}}}).ok


def test_an_unknown_address_is_not_found(shop: Shop) -> None:
    assert shop.refused("GET", "/flows")["status"] == 404
    assert shop.refused("DELETE", "/profiles")["status"] == 405
    assert shop.refused("GET", "/lists/NONE00/profiles")["code"] == "not_found"
