"""Reading profiles, lists and events: nothing lost, nothing invented."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.base import Connector, Page
from connectors.errors import BadSource, CursorExpired, UnexpectedResponse
from connectors.klaviyo.mapping import consent
from connectors.klaviyo.settings import kind_named, settings_problems
from connectors.simulation import Reply
from tests.connectors.klaviyo.rig import PEOPLE, KlaviyoRig, klaviyo_rig
from tests.connectors.rig import by_id


def profiles(connector: Connector, after: str | None = None) -> Iterator[Page]:
    return connector.read(connector.features.streams[0], after)


def events(connector: Connector, after: str | None = None) -> Iterator[Page]:
    return connector.read(connector.features.streams[1], after)


def rows(pages: Iterator[Page] | list[Page]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page.rows.to_pylist()]


def marketing(word: str, *reasons: str, may: bool = True) -> dict[str, Any]:
    return {
        "email": {
            "marketing": {
                "consent": word,
                "can_receive_email_marketing": may,
                "suppression": [
                    {"reason": reason, "timestamp": "2026-01-01T00:00:00Z"} for reason in reasons
                ],
            }
        }
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (marketing("SUBSCRIBED"), "opted_in"),
        (marketing("NEVER_SUBSCRIBED"), "never_asked"),
        (marketing("UNSUBSCRIBED", may=False), "opted_out"),
        (marketing("SUBSCRIBED", "HARD_BOUNCE", may=False), "undeliverable"),
        (marketing("SUBSCRIBED", "INVALID_EMAIL"), "undeliverable"),
        (marketing("SUBSCRIBED", "USER_SUPPRESSED"), "opted_out"),
        (marketing("SUBSCRIBED", "HARD_BOUNCE", "SPAM_COMPLAINT"), "opted_out"),
        (marketing("SUBSCRIBED", "A_REASON_OF_TOMORROW"), "opted_out"),
        (marketing("SUBSCRIBED", may=False), "opted_out"),
        (marketing("A_WORD_OF_TOMORROW"), "never_asked"),
        (marketing("A_WORD_OF_TOMORROW", may=False), "opted_out"),
        (None, None),
        ({}, None),
        ({"email": {"marketing": None}}, None),
    ],
)
def test_consent_is_never_read_more_permissively_than_it_is(given: object, expected: str | None) -> None:
    assert consent(given) == expected


def test_consent_of_everybody_agrees_with_the_account(rig: KlaviyoRig) -> None:
    found = Counter(row["email_consent"] for row in rows(profiles(rig.connect())))
    expected: Counter[str] = Counter()
    for profile in rig.klaviyo.account.profiles.values():
        can, subscribed = profile.consent.rank()
        bounced = any(reason == "HARD_BOUNCE" for reason, _ in profile.consent.suppression)
        if profile.consent.word == "UNSUBSCRIBED":
            expected["opted_out"] += 1
        elif bounced or not can:
            expected["undeliverable"] += 1
        else:
            expected["opted_in" if subscribed else "never_asked"] += 1
    assert found == expected
    assert len(expected) == 4


def test_predictions_and_declared_properties_are_columns(rig: KlaviyoRig) -> None:
    rig.klaviyo.add_profile(
        "rich@example.com",
        location={"city": "Bern", "latitude": "46.94", "longitude": 7.44},
        properties={
            "plan": "gold",
            "points": "12.5",
            "born": "1980-02-03T00:00:00",
            "likes": ["a", 1],
            "email": "x",
        },
        predictive={
            "historic_clv": 93.870003,
            "churn_probability": 0.25,
            "expected_date_of_next_order": "2026-12-01T00:00:00+00:00",
            "ranked_channel_affinity": ["sms", "email"],
        },
        external_id="c-1",
    )
    declared = ["plan", "points:number", "born:date", "likes:texts", "email", "absent:boolean"]
    connector = rig.connect(properties=declared, currency="CHF")
    (row,) = [r for r in rows(profiles(connector)) if r["email"] == "rich@example.com"]
    expected = {
        "customer_id": "c-1",
        "city": "Bern",
        "latitude": 46.94,
        "longitude": 7.44,
        "historic_clv": Decimal("93.87"),
        "currency": "CHF",
        "churn_probability": 0.25,
        "best_channel": "sms",
        "plan": "gold",
        "points": 12.5,
        "likes": ["a", "1"],
        "property_email": "x",
        "absent": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert str(row["born"]) == "1980-02-03"
    assert row["expected_date_of_next_order"].isoformat() == "2026-12-01T00:00:00+00:00"


def test_without_predictions_they_are_not_asked_for(rig: KlaviyoRig) -> None:
    connector = rig.connect(predictive=False)
    assert "predicted_clv" not in connector.features.streams[0].standard
    assert "predicted_clv" not in rows(profiles(connector))[0]
    asked = [log.query for log in rig.simulation.traffic.log if log.operation == "GET /api/profiles"]
    assert {query["additional-fields[profile]"] for query in asked} == {"subscriptions"}


def test_unread_lists_are_unknown_not_empty(rig: KlaviyoRig) -> None:
    assert {row["lists"] for row in rows(profiles(rig.connect())) if row["lists"] is not None} == set()
    known = rows(profiles(rig.connect(lists=["newsletter"])))
    assert Counter(tuple(row["lists"]) for row in known) == {("newsletter",): 24, (): 96}


def test_lists_and_segments_are_read_by_name_or_id_in_as_few_calls_as_they_have_pages(
    rig: KlaviyoRig,
) -> None:
    segment = rig.klaviyo.add_segment("Engaged")
    for id_ in list(rig.klaviyo.account.profiles)[:110]:
        segment.members[id_] = 1
    connector = rig.connect(lists=["newsletter", segment.id])
    _ = connector.features
    rig.simulation.traffic.reset()
    found = Counter(name for row in rows(profiles(connector)) for name in row["lists"])
    assert found == {"newsletter": 24, "Engaged": 110}
    assert rig.simulation.traffic.operations == {
        "GET /api/profiles": 2,
        "GET /api/lists": 1,
        "GET /api/segments": 1,
        "GET /api/lists/{id}/relationships/profiles": 1,
        "GET /api/segments/{id}/relationships/profiles": 2,
    }


def test_a_list_that_is_not_there_is_a_fault_of_the_config(rig: KlaviyoRig) -> None:
    with pytest.raises(BadSource, match='there is no list or segment "typo"'):
        list(profiles(rig.connect(lists=["typo"])))


def test_joining_a_list_and_opting_out_are_seen_although_updated_does_not_move(rig: KlaviyoRig) -> None:
    connector = rig.connect(lists=["newsletter"])
    cursor = list(profiles(connector))[-1].cursor
    rig.clock.advance(7200)
    account = rig.klaviyo.account
    joins, leaves = rig.profile("person1@example.com"), rig.profile("person2@example.com")
    updated = (joins.updated, leaves.updated)
    account.join(rig.klaviyo.add_list("newsletter"), joins)
    account.unsubscribe(leaves)
    rig.clock.advance(60)
    found = {row["address"]: row for row in rows(profiles(connector, cursor))}
    assert (joins.updated, leaves.updated) == updated
    assert found["person1@example.com"]["lists"] == ["newsletter"]
    assert found["person2@example.com"]["email_consent"] == "opted_out"
    assert len(found) == 2


def test_deleted_profiles_and_people_who_left_a_list_show_in_a_full_read(rig: KlaviyoRig) -> None:
    connector = rig.connect(lists=["newsletter"], full_read_days=7)
    first = list(profiles(connector))
    assert {page.listing for page in first} == {first[0].listing}
    assert first[0].listing is not None
    account = rig.klaviyo.account
    account.vanish(rig.profile("person1@example.com"))
    leaves = rig.profile("person0@example.com")
    account.leave(rig.klaviyo.add_list("newsletter"), leaves.id)
    rig.clock.advance(6 * 86_400)
    soon = list(profiles(connector, first[-1].cursor))
    assert {page.listing for page in soon} == {None}
    rig.clock.advance(86_400 + 1)
    later = list(profiles(connector, soon[-1].cursor))
    (listing,) = {page.listing for page in later}
    assert listing not in (None, first[0].listing)
    found = {row["address"]: row for row in rows(later)}
    assert len(found) == 119
    assert found["person0@example.com"]["lists"] == []


def test_a_full_read_that_was_interrupted_goes_on_under_the_same_name() -> None:
    with klaviyo_rig() as rig:
        connector = rig.connect()
        pages = profiles(connector)
        first = next(pages)
        rig.clock.advance(60)
        rest = list(profiles(rig.connect(), first.cursor))
        assert {page.listing for page in rest} == {first.listing}
        stream = connector.features.streams[0]
        assert len(by_id(stream, [first, *rest])) == PEOPLE


def test_whom_an_import_changed_all_at_once_is_not_read_by_every_read_after_it(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    pages = list(profiles(connector))
    for profile in rig.klaviyo.account.profiles.values():
        rig.klaviyo.account.touch(profile)
    rig.clock.advance(6 * 3600)
    pages = list(profiles(connector, pages[-1].cursor))
    assert len(rows(pages)) == rig.people
    rig.clock.advance(6 * 3600)
    assert rows(profiles(connector, pages[-1].cursor)) == []


def test_a_cursor_in_the_future_does_not_blind_us(rig: KlaviyoRig) -> None:
    """A profile or event whose time lies ahead must not push the position beyond the present."""
    connector = rig.connect(event_lookback_s=0)
    ahead = rig.clock.utc_now() + timedelta(days=400)
    rig.klaviyo.add_profile("early@example.com", changed_at=ahead)
    rig.klaviyo.add_event(rig.profile("person1@example.com"), "Opened Email", at=ahead)
    first, activity = list(profiles(connector)), list(events(connector))
    rig.clock.advance(600)
    rig.add_contact(1)
    rig.klaviyo.add_event(rig.profile("person2@example.com"), "Opened Email", at=rig.clock.utc_now())
    rig.clock.advance(5)
    assert "new1@example.com" in {row["address"] for row in rows(profiles(connector, first[-1].cursor))}
    assert "person2@example.com" in {row["email"] for row in rows(events(connector, activity[-1].cursor))}


def test_a_page_cursor_that_klaviyo_forgot_starts_the_window_anew() -> None:
    with klaviyo_rig() as rig:
        connector = rig.connect()
        everybody = set(by_id(connector.features.streams[0], profiles(connector)))
        error = {
            "id": "x",
            "code": "invalid",
            "title": "Invalid input.",
            "detail": "Invalid cursor provided.",
            "source": {"parameter": "page[cursor]"},
        }
        pages = profiles(connector)
        found = [next(pages)]
        rig.klaviyo.canned.append(("GET /api/profiles", Reply(400, json.dumps({"errors": [error]}).encode())))
        found += pages
        assert set(by_id(connector.features.streams[0], found)) == everybody
        for _ in range(9):
            rig.klaviyo.canned.append(
                ("GET /api/profiles", Reply(400, json.dumps({"errors": [error]}).encode()))
            )
        with pytest.raises(UnexpectedResponse):
            list(profiles(connector))


@pytest.mark.parametrize("cursor", ["{}", "[]", '{"reached":"yesterday"}', '{"metrics":{"M":"2026-01-01"}}'])
def test_cursors_that_are_not_ours_are_expired(rig: KlaviyoRig, cursor: str) -> None:
    connector = rig.connect()
    with pytest.raises(CursorExpired):
        list(profiles(connector, cursor))
    with pytest.raises(CursorExpired):
        list(events(connector, cursor))


def test_events_become_activity_of_the_usual_kinds(rig: KlaviyoRig) -> None:
    at = rig.clock.utc_now() - timedelta(days=1)
    who = rig.profile("person1@example.com")
    shop = {
        "$value": 12.345,
        "$currency_code": "USD",
        "OrderId": "o-77",
        "Items": [{"ProductName": "cup"}, {"ProductID": 8}],
    }
    event = rig.klaviyo.add_event(who, "Placed Order", at=at, properties=shop)
    mail = {"Campaign Name": "Sale", "$message": "M1", "URL": "https://example.com/a"}
    click = rig.klaviyo.add_event(who, "Clicked Email", at=at, properties=mail)
    found = {row["event_id"]: row for row in rows(events(rig.connect(currency="EUR")))}
    order = found[event.id]
    assert (order["kind"], order["amount"], order["currency"]) == ("purchase", Decimal("12.34"), "USD")
    assert (order["order"], order["products"], order["email"]) == (
        "o-77",
        ["cup", "8"],
        "person1@example.com",
    )
    assert (order["external_id"], order["at"]) == (who.id, at)
    assert found[click.id]["kind"] == "email_click"
    assert (found[click.id]["campaign"], found[click.id]["campaign_title"]) == ("M1", "Sale")
    assert found[click.id]["url"] == "https://example.com/a"
    assert found[click.id]["currency"] is None  # no amount, no currency
    others = [row for row in found.values() if row["kind"] == "purchase" and row["event_id"] != event.id]
    assert {row["currency"] for row in others} == {"EUR"}


def test_other_metrics_are_read_only_if_they_are_declared(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    assert {row["kind"] for row in rows(events(connector))} == {"purchase", "email_open"}
    for declared, kind in ((["Loyalty"], "loyalty"), ({"LOYALTY": "club_joined"}, "club_joined")):
        connector = rig.connect(metrics=declared)
        assert kind in connector.features.streams[1].activity_kinds
        found = Counter(row["kind"] for row in rows(events(connector)))
        assert found[kind] == 120
        assert set(found) <= set(connector.features.streams[1].activity_kinds)


def test_a_metric_that_the_account_does_not_have_is_a_fault_of_the_config(rig: KlaviyoRig) -> None:
    with pytest.raises(BadSource, match='no metric "Loyality"'):
        _ = rig.connect(metrics=["Loyality"]).features


def test_late_events_inside_the_lookback_are_found(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    cursor = list(events(connector))[-1].cursor
    latest = max(row["at"] for row in rows(events(connector)) if row["kind"] == "email_open")
    late = rig.klaviyo.add_event(
        rig.profile("person3@example.com"), "Opened Email", at=latest - timedelta(hours=20)
    )
    assert late.id in {row["event_id"] for row in rows(events(connector, cursor))}


def test_events_that_name_nobody_are_rejected_by_their_id(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    _ = connector.features
    lost = {
        "type": "event",
        "id": "E1",
        "attributes": {"datetime": "2026-01-01T00:00:00+00:00", "event_properties": {"$value": "x"}},
        "relationships": {},
        "links": {"self": "http://x/"},
    }
    answer = {"data": [lost], "links": {"self": "http://x/", "next": None}}
    rig.klaviyo.canned.append(("GET /api/events", Reply(200, json.dumps(answer).encode())))
    (rejected,) = next(events(connector)).rejected
    assert (rejected.where, rejected.reason) == ("event E1", "the event names nobody, or has no id")


def test_a_metric_name_becomes_a_kind() -> None:
    assert kind_named("Started Checkout (v2)") == "started_checkout_v2"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"properties": ["points:integer"]}, "properties:"),
        ({"properties": ["$consent"]}, "properties:"),
        ({"properties": ["segsync_segments"]}, "properties:"),
        ({"own_property": "$own"}, "own_property:"),
        ({"metrics": {"X": "Bad Kind"}}, "metrics:"),
        ({"currency": "euro"}, "currency:"),
        ({"connections": 0}, "connections:"),
        ({"lookback_s": -1}, "lookback_s:"),
        ({"base_url": "a.klaviyo.com"}, "base_url:"),
    ],
)
def test_settings_that_cannot_be_are_told(settings: dict[str, Any], problem: str) -> None:
    (sentence,) = settings_problems(settings)
    assert sentence.startswith(problem)
