"""Every kind of answer the service is known to give, and what the engine is told to do about it."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Iterator

import pytest

from connectors.base import Action, Audience, AudienceKind, Batch, Change, OutcomeState
from connectors.errors import (
    BadSource,
    BatchRefused,
    ConnectorError,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from connectors.mailchimp.client import PooledApiClient, Refused
from connectors.mailchimp.simulator import KEY, MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import Kind, Reply, Request, Script, serve
from tests.connectors.mailchimp.rig import MailchimpRig, mailchimp_rig

HTML = b"<html><body>Forbidden</body></html>"
TAG = Audience("vip", "segsync: VIP", AudienceKind.TAG, "5000001")


class Prescribed(MailchimpSimulator):
    """Answers the next writes, or all, with what a test puts in its queue."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(now=clock.utc_now)
        self.prescribed: deque[Reply] = deque()
        self.everything = False

    def answer(self, request: Request) -> Reply:
        if self.prescribed and (self.everything or request.method != "GET"):
            return self.prescribed.popleft()
        return super().answer(request)


def problem(status: int, title: str, detail: str = "", *, type: str | None = "x", **more: object) -> Reply:
    content = {"title": title, "status": status, "detail": detail, "instance": "1", **more}
    if type is not None:
        content["type"] = type
    headers = {"Content-Type": "application/problem+json; charset=utf-8"}
    return Reply(status, json.dumps(content).encode(), headers)


BARE_403 = Reply(403, b"", {"Content-Type": None})
HTML_403 = Reply(403, HTML, {"Content-Type": "text/html"})
OVER_LIMIT = problem(429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections.")


@pytest.fixture
def prescribed() -> Iterator[tuple[MailchimpRig, Prescribed]]:
    clock = ManualClock()
    simulator = Prescribed(clock)
    simulator.add_member("ana@example.com", tags=["vip"])
    with serve(simulator) as address:
        rig = MailchimpRig(simulator, clock, address)
        yield rig, simulator
        rig.close()


def add(address: str = "ana@example.com") -> Batch:
    return Batch(TAG, [Change(Action.ADD, "1", address)])


@pytest.mark.parametrize(
    ("reply", "reaction"),
    [
        (problem(401, "API Key Invalid", "Your API key may be invalid"), Unauthorized),
        (problem(401, "API Key Missing"), Unauthorized),
        (problem(403, "Forbidden"), Unauthorized),
        (problem(403, "User Disabled"), Unauthorized),
        (problem(403, "Wrong", "The API key provided is linked to datacenter 'us6'"), Unauthorized),
        (problem(400, "Invalid Resource", "Please provide a valid email address."), BatchRefused),
        (problem(400, "Invalid Resource", errors=[{"field": "x", "message": "y"}]), BatchRefused),
        (problem(400, "Bad Request", "Maximum allowed member items exceeded"), BatchRefused),
        (problem(400, "JSON Parse Error"), BatchRefused),
        (problem(400, "Invalid Action", type=None), BatchRefused),
        (problem(405, "Method Not Allowed"), UnexpectedResponse),
        (problem(418, "New Thing"), UnexpectedResponse),
        (Reply(404, HTML, {"Content-Type": "text/html"}), UnexpectedResponse),
        (Reply(404, b"{}"), UnexpectedResponse),
        (Reply(400, HTML, {"Content-Type": "text/html"}), UnexpectedResponse),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Reply) else None,
)
def test_a_final_refusal_becomes_its_reaction_at_once(
    prescribed: tuple[MailchimpRig, Prescribed], reply: Reply, reaction: type[ConnectorError]
) -> None:
    rig, simulator = prescribed
    simulator.prescribed.append(reply)
    connector = rig.connect()
    with pytest.raises(reaction) as caught:
        connector.write(add())
    assert type(caught.value) is reaction
    assert simulator.traffic.writes == 1
    assert rig.clock.sleeps == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b'{"title":"Internal Server Error","status":500}'),
        Reply(500, b"{broken"),
        Reply(502, HTML, {"Content-Type": "text/html"}),
        Reply(503, b"", {"Content-Type": None}),
        Reply(504, b"", {"Content-Type": None}),
        Reply(408),
        Reply(200, b"", {"Content-Type": None}),
        Reply(200, b'{"members_added":[{"id":'),
        Reply(200, b"{}"),
        Reply(200, b"[]"),
        Reply(200, b'"text"'),
        Reply(200, HTML, {"Content-Type": "text/html"}),
        Reply(204),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:12]!r}",
)
def test_an_answer_that_cannot_be_read_is_no_success(
    prescribed: tuple[MailchimpRig, Prescribed], reply: Reply
) -> None:
    """The SDK would have returned each of these as if all was well."""
    rig, simulator = prescribed
    connector = rig.connect()
    simulator.prescribed.append(reply)
    (outcome,) = connector.write(add())
    assert outcome.state is OutcomeState.DONE
    assert simulator.traffic.writes == 2
    simulator.prescribed.extend([reply] * 5)
    with pytest.raises(Unavailable):
        connector.write(add())
    assert simulator.traffic.writes == 7


@pytest.mark.parametrize("reply", [BARE_403, HTML_403], ids=["bare", "html"])
def test_only_the_tenth_403_without_a_reason_is_believed(
    prescribed: tuple[MailchimpRig, Prescribed], reply: Reply
) -> None:
    rig, simulator = prescribed
    connector = rig.connect()
    simulator.prescribed.extend([reply] * 9)
    (outcome,) = connector.write(add())
    assert outcome.state is OutcomeState.DONE
    simulator.prescribed.extend([reply] * 10)
    with pytest.raises(Unauthorized):
        connector.write(add())
    assert simulator.traffic.writes == 10 + 10
    assert connector.usage()["rate_limited"] == 9 + 9


def test_too_many_connections_is_waited_out_with_growing_pauses(
    prescribed: tuple[MailchimpRig, Prescribed],
) -> None:
    rig, simulator = prescribed
    simulator.prescribed.extend([OVER_LIMIT] * 6)
    connector = rig.connect()
    connector.write(add())
    assert len(rig.clock.sleeps) == 6
    assert all(slept <= 2**n for n, slept in enumerate(rig.clock.sleeps))


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0.5", 0.5), ("Sun, 01 Nov 2026 12:00:30 GMT", 30)]
)
def test_retry_after_is_read_as_seconds_or_date(
    prescribed: tuple[MailchimpRig, Prescribed], header: str, seconds: float
) -> None:
    rig, simulator = prescribed
    headers = {**OVER_LIMIT.headers, "Retry-After": header}
    simulator.prescribed.append(Reply(429, OVER_LIMIT.body, headers))
    rig.connect().write(add())
    assert seconds <= sum(rig.clock.sleeps) <= seconds * 1.1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (problem(400, "Member In Compliance State", "ana@example.com is in compliance state"), "member_in"),
        (problem(400, "Invalid Resource", "Your merge fields were invalid."), "invalid_resource"),
        (problem(404, "Resource Not Found"), "not_found"),
    ],
    ids=["compliance", "invalid", "unknown"],
)
def test_a_person_that_cannot_be_written_is_an_outcome(
    prescribed: tuple[MailchimpRig, Prescribed], reply: Reply, code: str
) -> None:
    rig, simulator = prescribed
    connector = rig.connect()
    field = Audience("f", "Segments", AudienceKind.FIELD)
    connector.ensure(field)
    simulator.prescribed.append(reply)
    (outcome,) = connector.write(Batch(field, [Change(Action.SET, "1", "ana@example.com", "vip")]))
    assert outcome.state is OutcomeState.REFUSED
    assert (outcome.code or "").startswith(code)
    assert "ana" not in (outcome.reason or "")


def test_an_audience_that_is_gone_is_told_apart_from_a_tag_that_is_gone() -> None:
    """A wrong audience id must not make the run think that nobody is tagged any more."""
    with mailchimp_rig() as rig:
        connector = rig.connect(list="abcdef0123")
        with pytest.raises(BadSource, match="abcdef0123"):
            connector.write(add())
        with pytest.raises(BadSource):
            list(connector.members(TAG))
        assert connector.check().problems


def test_a_proxy_of_the_company_is_used_for_mailchimp_and_not_for_a_simulator() -> None:
    for base_url, trusted in (("https://us1.api.mailchimp.com", True), ("http://127.0.0.1:8100", False)):
        assert PooledApiClient(key=KEY, base_url=base_url).session.trust_env is trusted


@pytest.mark.parametrize("name", ["server@observer.com", "a/b", "a b%", "ü@example.com"])
def test_path_values_reach_the_platform_unchanged(name: str) -> None:
    """The SDK itself replaces `server` anywhere in the address and leaves a slash as it is."""
    simulator = MailchimpSimulator()
    with serve(simulator) as address:
        api = PooledApiClient(key=KEY, base_url=address)
        with pytest.raises(Refused) as caught:
            api.call_api("/lists/{list_id}", "GET", path_params={"list_id": name})
        api.session.close()
    assert caught.value.missing
    assert simulator.traffic.log[0].path == f"/3.0/lists/{name}"


def test_a_slow_answer_is_unknown_and_still_occupies_a_connection() -> None:
    simulator = MailchimpSimulator()
    simulator.faults.add(Script(Kind.SLOW, "GET /ping", seconds=0.3))
    with serve(simulator) as address:
        api = PooledApiClient(key=KEY, base_url=address, timeout_s=(5, 0.05))
        with pytest.raises(Refused) as caught:
            api.call_api("/ping", "GET")
        assert caught.value.status == 0
        assert simulator.traffic.log == deque()  # not over on their side
        api.session.close()


def test_the_eleventh_call_at_once_is_turned_away() -> None:
    simulator = MailchimpSimulator()
    simulator.delay_s = 0.6  # all eleven are in before the first is out
    with serve(simulator) as address:
        api = PooledApiClient(key=KEY, base_url=address, connections=11)
        seen: list[int] = []

        def ask() -> None:
            try:
                api.call_api("/ping", "GET")
                seen.append(200)
            except Refused as refused:
                seen.append(refused.status)

        threads = [threading.Thread(target=ask) for _ in range(11)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == [200] * 10 + [429]
        api.session.close()


def test_the_key_is_in_no_message_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75e"
    with mailchimp_rig() as rig:
        connector = rig.connect(api_key=f"{secret}-us1")
        problems = connector.check().problems
        with pytest.raises(Unauthorized) as caught:
            connector.audiences()
        rig.simulation.faults.add(Script(Kind.CUT, "*", times=99))
        with pytest.raises(Unavailable) as down:
            connector.audiences()
    for text in (*problems, str(caught.value), repr(caught.value), str(down.value), caplog.text):
        assert secret not in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "api_key"),
        ({"api_key": "0123456789"}, "data centre"),
        ({"api_key": "a-b-us1"}, "data centre"),
        ({"api_key": "0123-us1", "connections": 11}, "connections"),
        ({"api_key": "0123-us1", "connections": "many"}, "connections"),
        ({"api_key": "0123-us1", "own_field": "TOO_LONG_A_NAME"}, "own_field"),
        ({"api_key": "0123-us1", "own_field": "segments"}, "own_field"),
        ({"api_key": "0123-us1", "lookback_s": -1}, "lookback_s"),
        ({"api_key": "0123-us1", "base_url": "us1.api"}, "base_url"),
        ({"connections": 0, "own_field": "x"}, "connections.*own_field.*api_key"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_sent(settings: dict[str, object], words: str) -> None:
    with pytest.raises(BadSource, match=words):
        platform("mailchimp").open(settings, ManualClock())  # type: ignore[arg-type]


def test_the_config_check_finds_the_same_problems_without_the_key() -> None:
    problems = platform("mailchimp").problems
    assert problems is not None
    assert list(problems({"api_key": "env:KEY", "connections": 6})) == []
    found = list(problems({"api_key": "env:KEY", "connections": 11, "own_field": "no"}))
    assert [sentence.split(":")[0] for sentence in found] == ["connections", "own_field"]


def test_without_a_list_the_only_audience_is_taken_and_several_are_an_error() -> None:
    with mailchimp_rig() as rig:
        connector = rig.connect(list=None)
        assert connector.check().details["list"] == rig.mailchimp.audience.id
        rig.mailchimp.add_audience("Second", id="second0000")
        health = rig.connect(list=None).check()
        assert not health.ok
        assert "second0000 (Second)" in health.problems[0]


def test_a_limit_without_end_is_handed_to_the_run(prescribed: tuple[MailchimpRig, Prescribed]) -> None:
    rig, simulator = prescribed
    simulator.prescribed.extend([OVER_LIMIT] * 500)
    with pytest.raises(RateLimited):
        rig.connect().write(add())
    assert rig.clock.now_s() <= 1000
