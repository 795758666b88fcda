"""Logins, sessions, quota, and what each documented answer makes the engine do."""

from __future__ import annotations

import json
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.base import Action, Audience, AudienceKind, Batch, Change
from connectors.errors import (
    BadSource,
    ConnectorError,
    QuotaSpent,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from connectors.registry import platform
from connectors.salesforce.answers import (
    Answer,
    Refused,
    SessionOver,
    first_line,
    reaction,
    without_addresses,
)
from connectors.salesforce.settings import load, settings_problems
from connectors.salesforce.simulator import USERNAME
from connectors.simulation import Chance, Kind, Script
from tests.connectors.rig import by_id, ensured
from tests.connectors.salesforce.rig import PAGE, SalesforceRig, salesforce_rig

GIVEN = {"domain": "acme.my.salesforce.com", "consumer_key": "k", "consumer_secret": "s"}


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    """(private, public) as PEM."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def test_one_login_serves_everything(org: SalesforceRig) -> None:
    connector = org.connect()
    for stream in connector.features.streams:
        list(connector.read(stream, None))
    assert org.salesforce.logins == 1


def test_a_signed_key_logs_in(org: SalesforceRig, key: tuple[str, str]) -> None:
    org.salesforce.public_key = key[1]
    given = {"consumer_secret": None, "private_key": key[0], "username": USERNAME}
    assert org.connect(**given).check().ok
    health = org.connect(**{**given, "username": "other@acme.example"}).check()
    assert not health.ok
    assert "approved" in health.problems[0]
    assert "@" not in health.problems[0]


def test_a_key_that_is_none_is_told(org: SalesforceRig) -> None:
    connector = org.connect(consumer_secret=None, private_key="not a key", username=USERNAME)
    health = connector.check()
    assert not health.ok
    assert "PEM" in health.problems[0]
    with pytest.raises(Unauthorized):
        connector.audiences()


def test_a_session_that_ends_in_mid_read_is_renewed() -> None:
    with salesforce_rig(page=PAGE) as rig:
        connector = rig.connect()
        stream = connector.features.streams[0]
        expected = by_id(stream, connector.read(stream, None))
        rig.salesforce.session_calls = 1
        rig.salesforce.expire_sessions()
        assert by_id(stream, connector.read(stream, None)) == expected
        assert rig.salesforce.logins > 3


def test_a_session_that_ends_under_many_threads_is_renewed_once(org: SalesforceRig) -> None:
    connector = org.connect()
    audience = ensured(connector)
    org.salesforce.expire_sessions()
    before = org.salesforce.logins
    org.simulation.delay_s = 0.02
    people = list(org.org.tables["Contact"])[:12]
    batches = [Batch(audience, [Change(Action.ADD, id, id)]) for id in people]
    threads = [threading.Thread(target=connector.write, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert org.carriers(audience) == set(people)
    assert org.salesforce.logins == before + 1


def test_a_fresh_session_that_is_refused_ends_in_an_error_not_in_logins(org: SalesforceRig) -> None:
    connector = org.connect()
    org.salesforce.sessions_work = False
    with pytest.raises(Unauthorized):
        connector.audiences()
    assert org.salesforce.logins == 2


def test_usage_counts_calls_that_were_sent_again_after_a_login(org: SalesforceRig) -> None:
    org.simulation.traffic.reset()
    connector = org.connect()
    audience = ensured(connector)
    org.salesforce.expire_sessions()
    id = next(iter(org.org.tables["Contact"]))
    connector.write(Batch(audience, [Change(Action.ADD, id, id)]))
    usage = connector.usage()
    assert (usage["reads"], usage["writes"]) == (org.simulation.traffic.reads, org.simulation.traffic.writes)
    assert usage["writes"] == 3


@pytest.mark.parametrize("kind", [Kind.EMPTY_503, Kind.HTML_502, Kind.CUT, Kind.TRUNCATED_200])
def test_a_login_that_fails_is_tried_again(org: SalesforceRig, kind: Kind) -> None:
    org.simulation.faults.add(Script(kind, "POST /token", times=2))
    assert org.connect().check().ok


# ---- quota ---------------------------------------------------------------------------------------


def test_a_share_of_the_daily_calls_is_left_to_others(org: SalesforceRig) -> None:
    org.salesforce.daily_calls = 100
    connector = org.connect(daily_reserve=0.4)
    for _ in range(30):
        connector.audiences()

    def many() -> None:
        for _ in range(100):
            connector.audiences()

    with pytest.raises(RateLimited, match="daily_reserve") as caught:
        many()
    assert caught.value.retry_after_s == 3600
    assert 60 <= org.salesforce.used <= 64  # the counter is approximate
    calls = org.simulation.traffic.reads
    with pytest.raises(RateLimited):
        connector.audiences()
    assert org.simulation.traffic.reads == calls  # nothing is sent to find out


def test_a_quota_used_up_by_others_is_told_and_not_waited_for(org: SalesforceRig) -> None:
    org.salesforce.daily_calls = org.salesforce.used
    with pytest.raises(RateLimited) as caught:
        org.connect().audiences()
    assert caught.value.retry_after_s == 3600
    assert org.clock.sleeps == []


def test_check_tells_the_quota(org: SalesforceRig) -> None:
    health = org.connect().check()
    assert health.account == "Acme"
    left, of, most, *_ = health.quota.split()
    assert int(left.replace(",", "")) < int(most.replace(",", "")) == 100_000
    assert of == "of"


# ---- opt-outs that cannot be seen ------------------------------------------------------------------


@pytest.mark.parametrize("object", ["Contact", "Lead"])
def test_nobody_is_written_to_while_opt_outs_are_hidden(org: SalesforceRig, object: str) -> None:
    org.salesforce.hide(object, "HasOptedOutOfEmail")
    connector = org.connect()
    health = connector.check()
    assert not health.ok
    assert f"{object}.HasOptedOutOfEmail" in health.problems[0]
    audience = ensured(connector)
    id = next(iter(org.org.tables["Contact"]))
    with pytest.raises(Unauthorized, match="permission set"):
        connector.write(Batch(audience, [Change(Action.ADD, id, id)]))
    assert org.carriers(audience) == set()
    willing = org.connect(write_without_opt_out=True)
    assert willing.check().ok
    willing.write(Batch(audience, [Change(Action.ADD, id, id)]))
    assert org.carriers(audience) == {id}


# ---- answers -------------------------------------------------------------------------------------


def listed(status: int, code: str, message: str = "words") -> Answer:
    return Answer(status, json.dumps([{"message": message, "errorCode": code}]).encode(), {})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(), Unavailable),
        (Answer(200, b'{"half'), Unavailable),
        (listed(300, "MULTIPLE"), Refused),
        (listed(400, "MALFORMED_QUERY"), Refused),
        (listed(400, "INVALID_FIELD"), Refused),
        (listed(400, "INVALID_TYPE"), Refused),
        (listed(400, "JSON_PARSER_ERROR"), Refused),
        (listed(401, "INVALID_SESSION_ID"), SessionOver),
        (listed(401, "OTHER"), Unauthorized),
        (Answer(401, b"<html>"), Unavailable),
        (listed(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), QuotaSpent),
        (listed(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."), RateLimited),
        (listed(403, "API_DISABLED_FOR_ORG"), Unauthorized),
        (listed(403, "INSUFFICIENT_ACCESS"), Unauthorized),
        (listed(403, "FUNCTIONALITY_NOT_ENABLED"), Unauthorized),
        (Answer(403, b""), Unavailable),
        (listed(404, "NOT_FOUND"), Refused),
        (Answer(404, b"<html>not here</html>"), UnexpectedResponse),
        (listed(405, "METHOD_NOT_ALLOWED"), Refused),
        (Answer(414, b""), UnexpectedResponse),
        (listed(415, "UNSUPPORTED_MEDIA_TYPE"), Refused),
        (Answer(429, b""), RateLimited),
        (listed(500, "UNKNOWN_EXCEPTION"), Unavailable),
        (Answer(503, b"<html>SERVER_UNAVAILABLE</html>"), Unavailable),
        (Answer(503, b""), Unavailable),
    ],
)
def test_every_documented_answer_leads_to_its_reaction(answer: Answer, expected: type[Exception]) -> None:
    assert type(reaction(answer)) is expected


@pytest.mark.parametrize(
    ("message", "headers", "seconds"),
    [
        ("TotalRequests Limit exceeded.", {}, 3600),
        ("ConcurrentRequests (Concurrent API Requests) Limit exceeded.", {}, 60),
        ("ConcurrentRequests (Concurrent API Requests) Limit exceeded.", {"Retry-After": "7"}, 7),
    ],
)
def test_an_empty_quota_waits_an_hour_and_a_crowd_a_minute(
    message: str, headers: dict[str, str], seconds: float
) -> None:
    body = json.dumps([{"message": message, "errorCode": "REQUEST_LIMIT_EXCEEDED"}]).encode()
    found = reaction(Answer(403, body, headers))
    assert isinstance(found, RateLimited)
    assert found.retry_after_s == seconds


@pytest.mark.parametrize("error", ["invalid_client", "invalid_grant", "OAUTH_APP_BLOCKED"])
def test_a_login_that_is_refused_pauses_the_connection(error: str) -> None:
    body = json.dumps({"error": error, "error_description": "for ana@example.com"}).encode()
    found = reaction(Answer(400, body), token=True)
    assert isinstance(found, Unauthorized)
    assert error in str(found)
    assert "ana@" not in str(found)


def test_messages_carry_no_addresses_and_no_queries() -> None:
    assert without_addresses("Email: invalid: ana@example.com.") == "Email: invalid: (address)"
    message = (
        "\nSELECT Id FROM Contact WHERE Email = 'ana@example.com'\n      ^\nERROR at Row:1\nNo such column"
    )
    assert first_line(message) == "No such column"


def test_errors_from_the_outside_are_all_ours(org: SalesforceRig) -> None:
    """Whatever goes wrong, the run meets only its own errors, and they hold no secret."""
    connector = org.connect()
    org.simulation.faults.clear(seed=2)
    kinds = (Kind.EMPTY_503, Kind.HTML_502, Kind.CUT, Kind.TRUNCATED_200, Kind.FORBIDDEN_BARE)
    org.simulation.faults.add(*(Chance(kind, 0.19) for kind in kinds))
    failures: list[str] = []
    for _ in range(30):
        try:
            connector.audiences()
        except ConnectorError as error:
            failures.append(str(error))
    assert failures
    assert not any(org.salesforce.credentials["consumer_secret"] in text for text in failures)


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"domain": "https://acme.example.com"}, "domain"),
        ({"domain": "login.salesforce.com"}, "org's own"),
        ({"consumer_secret": None}, "consumer_secret"),
        ({"private_key": "k"}, "consumer_secret"),
        ({"consumer_secret": None, "private_key": "k"}, "username"),
        ({"api_version": "66"}, "api_version"),
        ({"base_url": "acme"}, "base_url"),
        ({"connections": 26}, "connections"),
        ({"connections": True}, "connections"),
        ({"daily_reserve": 1.0}, "daily_reserve"),
        ({"lookback_s": -1}, "lookback_s"),
        ({"own_field": "Segments"}, "own_field"),
        ({"fields": "Email"}, "fields"),
        ({"create_field": "yes"}, "create_field"),
        ({"create_field": True}, "permission_set"),
    ],
)
def test_wrong_settings_are_told_one_by_one(change: dict[str, object], words: str) -> None:
    given = {k: v for k, v in {**GIVEN, **change}.items() if v is not None}
    problems = list(settings_problems(given))  # type: ignore[arg-type]
    assert len(problems) == 1
    assert words in problems[0]
    with pytest.raises(BadSource, match=problems[0][:12]):
        load(given)  # type: ignore[arg-type]


def test_settings_have_defaults_and_missing_ones_are_named() -> None:
    assert list(settings_problems(GIVEN)) == []
    given = load(GIVEN)
    declared = {s.name: s.default for s in platform("salesforce").settings if s.default is not None}
    assert declared == {name: getattr(given, name) for name in declared}
    assert given.domain == "acme.my"
    with pytest.raises(BadSource, match="consumer_key: is missing"):
        load({"domain": "acme.my.salesforce.com", "consumer_secret": "s"})
    sandbox = load({**GIVEN, "domain": "https://acme--uat.sandbox.my.salesforce.com/"})
    assert sandbox.sandbox
    assert not given.sandbox


def test_the_first_kind_of_audience_can_be_erased_from(org: SalesforceRig) -> None:
    """Erasing moves to the bin, or removes for good if that is switched on and allowed."""
    contact, lead = next(iter(org.org.tables["Contact"])), list(org.org.tables["Lead"])[-1]
    outcome = org.connect().erase(contact)
    assert (str(outcome.state), outcome.code) == ("done", "recycle_bin")
    assert org.org.tables["Contact"][contact]["IsDeleted"]
    assert str(org.connect(hard_delete=True).erase(lead).state) == "done"
    assert lead not in org.org.tables["Lead"]
    org.salesforce.jobs.may_hard_delete = False
    assert str(org.connect(hard_delete=True).erase(list(org.org.tables["Lead"])[-1]).state) == "refused"
    assert org.connect().erase("nobody").code == "not_found"


def test_a_campaign_takes_no_values(org: SalesforceRig) -> None:
    connector = org.connect()
    audience = ensured(connector)
    assert audience.kind is AudienceKind.CAMPAIGN
    id = next(iter(org.org.tables["Contact"]))
    (outcome,) = connector.write(Batch(audience, [Change(Action.SET, id, id, "vip")]))
    assert outcome.code == "not_a_field"


def test_removing_from_a_campaign_that_is_gone_is_done(org: SalesforceRig) -> None:
    connector = org.connect()
    gone = Audience("vip", "x", AudienceKind.CAMPAIGN, ensured(connector).remote_id)
    org.delete(gone)
    id = next(iter(org.org.tables["Contact"]))
    (outcome,) = connector.write(Batch(gone, [Change(Action.REMOVE, id, id)]))
    assert str(outcome.state) == "done"
