"""Service keys and OAuth: tokens are renewed in time, once, and a refused one is told in words."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from connectors.errors import BadSource, RateLimited, Unauthorized, Unavailable
from connectors.hubspot.simulator import CLIENT, KEY, REFRESH_TOKEN
from connectors.hubspot.tokens import OAuthApp, OAuthTokens
from connectors.pacing import ManualClock
from connectors.simulation import Kind, Script, When
from tests.connectors.hubspot.conftest import Portal

OAUTH: dict[str, object] = {"access_token": None, **CLIENT, "refresh_token": REFRESH_TOKEN}


@pytest.mark.parametrize(("api_version", "path"), [("2026-09", "2026-09"), ("v3", "v1")])
def test_an_oauth_app_reads_and_renews_its_token(portal: Portal, api_version: str, path: str) -> None:
    portal.hubspot.add_contact("ana@example.com")
    connector = portal.connect(**OAUTH, api_version=api_version)
    assert connector.check().ok
    assert portal.hubspot.refreshed == 1
    portal.clock.advance(1745)  # the token lives 1800 s, and is renewed a minute early
    assert connector.check().ok
    assert portal.hubspot.refreshed == 2
    assert {x.path for x in portal.hubspot.traffic.log if "oauth" in x.path} == {f"/oauth/{path}/token"}
    assert 401 not in portal.hubspot.traffic.statuses


def test_a_token_that_ends_early_is_renewed_once_and_the_call_sent_again(portal: Portal) -> None:
    connector = portal.connect(**OAUTH)
    connector.audiences()
    portal.hubspot.tokens.clear()
    connector.audiences()
    assert portal.hubspot.refreshed == 2
    assert portal.hubspot.traffic.statuses[401] == 1


def test_many_threads_renew_a_token_once(portal: Portal) -> None:
    connector = portal.connect(**OAUTH)
    portal.hubspot.delay_s = 0.02
    threads = [threading.Thread(target=connector.audiences) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert portal.hubspot.refreshed == 1
    portal.hubspot.tokens.clear()
    threads = [threading.Thread(target=connector.audiences) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert portal.hubspot.refreshed == 2


def test_a_token_that_is_refused_at_once_is_not_renewed_for_ever(portal: Portal) -> None:
    """A 401 alone is no proof of expiry: after one new token the connection is paused."""
    connector = portal.connect(**OAUTH)
    connector.audiences()
    real = portal.hubspot._authenticate

    def refuse(request: Any) -> bool:
        portal.hubspot.tokens.clear()
        return real(request)

    portal.hubspot._authenticate = refuse  # type: ignore[method-assign]
    with pytest.raises(Unauthorized):
        connector.audiences()
    assert portal.hubspot.refreshed == 2


@pytest.mark.parametrize("wrong", ["client_secret", "refresh_token", "client_id"])
def test_a_revoked_installation_pauses_the_connection_without_telling_secrets(
    portal: Portal, wrong: str
) -> None:
    connector = portal.connect(**{**OAUTH, wrong: "not-the-right-one"})
    with pytest.raises(Unauthorized, match="install the app again") as caught:
        connector.audiences()
    assert "not-the-right-one" not in str(caught.value)
    health = connector.check()
    assert not health.ok
    assert len(health.problems) == 1


def test_a_token_address_that_is_down_is_asked_again(portal: Portal) -> None:
    portal.hubspot.faults.add(
        Script(Kind.EMPTY_503, "POST /oauth/*"),
        Script(Kind.CUT, "POST /oauth/*", nth=2, when=When.AFTER),
        Script(Kind.TRUNCATED_200, "POST /oauth/*", nth=3),
        Script(Kind.RATE_LIMITED, "POST /oauth/*", nth=4, retry_after_s=3),
    )
    connector = portal.connect(**OAUTH)
    connector.audiences()
    assert connector.usage()["retries"] == 4


def test_a_service_key_that_is_refused_is_not_tried_again(portal: Portal) -> None:
    connector = portal.connect(**portal.wrong_credentials())
    with pytest.raises(Unauthorized, match="renew the service key"):
        connector.audiences()
    assert portal.hubspot.traffic.statuses[401] == 1


def test_settings_that_cannot_work_are_told_before_anything_is_sent(portal: Portal) -> None:
    for settings, words in (
        ({"access_token": None}, "access_token: is missing"),
        ({**OAUTH, "access_token": KEY}, "not both"),
        ({**OAUTH, "client_secret": None}, "an OAuth app needs client_secret too"),
        ({"connections": 17}, "connections"),
        ({"ids_per_call": 0}, "ids_per_call: must be a whole number, not less than 1"),
        ({"companies": "yes"}, "companies: must be true or false"),
        ({"properties": "email"}, "properties: is a list"),
        ({"own_field": "Segments"}, "own_field"),
        ({"own_field": "hs_mine"}, "own_field"),
        ({"api_version": "2025-01"}, "api_version: is one of 2026-09, v3"),
        ({"daily_reserve": 1}, "daily_reserve"),
        ({"folder": 3}, "folder"),
        ({"base_url": "hubapi.com"}, "base_url: must start with"),
    ):
        with pytest.raises(BadSource, match=words):
            portal.connect(**settings)
    assert portal.hubspot.traffic.reads == portal.hubspot.traffic.writes == 0


def test_an_answer_without_a_token_is_no_token() -> None:
    app = OAuthApp("a", "b", "c")
    for answer, error in (
        ({}, Unavailable),
        ({"access_token": "x", "expires_in": 0}, Unauthorized),
        ({"access_token": "x", "expires_in": "soon"}, Unauthorized),
    ):
        tokens = OAuthTokens(app, exchange=lambda _, answer=answer: answer, clock=ManualClock())  # type: ignore[misc]
        with pytest.raises(error):
            tokens.current()


def test_a_new_refresh_token_is_used_from_then_on() -> None:
    seen: list[str] = []
    clock = ManualClock()

    def exchange(form: Any) -> dict[str, Any]:
        seen.append(form["refresh_token"])
        return {"access_token": "x", "expires_in": 100, "refresh_token": f"new{len(seen)}"}

    tokens = OAuthTokens(OAuthApp("a", "b", "first"), exchange=exchange, clock=clock)
    for _ in range(3):
        tokens.current()
        clock.advance(50)
    assert seen == ["first", "new1", "new2"]


def test_missing_scopes_are_named_by_check_and_pause_the_connection(portal: Portal) -> None:
    portal.hubspot.missing_scopes = {"crm.lists.read", "crm.objects.deals.read"}
    connector = portal.connect()
    health = connector.check()
    assert not health.ok
    assert [p for p in health.problems if "crm.lists.read" in p]
    assert [p for p in health.problems if "crm.objects.deals.read" in p]
    assert portal.connect(deals=False).check().problems != ()
    with pytest.raises(Unauthorized, match=r"crm\.lists\.read"):
        connector.audiences()


def test_check_tells_quota_and_what_would_be_created(portal: Portal) -> None:
    health = portal.connect().check()
    assert [made.name for made in health.creates] == ["segsync_segments"]
    assert " of 650,000 left today" in health.quota
    assert health.details["currency"] == "EUR"


def test_a_share_of_the_day_is_left_to_other_tools(portal: Portal) -> None:
    portal.hubspot.limits.daily = 100
    connector = portal.connect(daily_reserve=0.2)
    for _ in range(40):  # two calls each: 80 of 100
        connector.audiences()
    with pytest.raises(RateLimited, match="left to its other tools") as caught:
        connector.audiences()
    assert caught.value.retry_after_s == pytest.approx(3600, abs=60)
    assert portal.hubspot.limits.used_today == 80
    portal.clock.advance(86_400)
    connector.audiences()
