"""Every answer of Klaviyo's has its reaction, and the pace is kept."""

from __future__ import annotations

import json
import threading
from collections import Counter

import pytest

from connectors.base import Action, Batch, Connector
from connectors.errors import RateLimited, Unauthorized, Unavailable, UnexpectedResponse
from connectors.klaviyo.client import Client, next_cursor
from connectors.klaviyo.operations import OPERATIONS
from connectors.klaviyo.simulator import KEY, challenge
from connectors.pacing import ManualClock
from connectors.simulation import Kind, Reply, Script
from tests.connectors.klaviyo.rig import KlaviyoRig, klaviyo_rig
from tests.connectors.rig import changes, contacts, ensured

LISTS = "GET /api/lists"


def refusal(status: int, code: str, detail: str = "", **headers: str) -> Reply:
    error = {"id": "x", "status": status, "code": code, "title": code, "detail": detail}
    return Reply(status, json.dumps({"errors": [error]}).encode(), headers)


@pytest.mark.parametrize(
    ("reply", "reaction", "words"),
    [
        (refusal(401, "authentication_failed"), Unauthorized, "API key"),
        (refusal(403, "permission_denied"), Unauthorized, "lists:read"),
        (refusal(410, "gone"), UnexpectedResponse, "update segsync"),
        (refusal(400, "invalid", "ana@example.com is wrong"), UnexpectedResponse, r"\(address\) is wrong"),
        (refusal(409, "duplicate_profile"), UnexpectedResponse, "duplicate_profile"),
        (Reply(404, b"<html>not here</html>"), UnexpectedResponse, "base_url"),
        (refusal(429, "throttled", **{"Retry-After": "4000"}), RateLimited, "too many"),
    ],
)
def test_answers_that_end_a_call(
    rig: KlaviyoRig, reply: Reply, reaction: type[Exception], words: str
) -> None:
    connector = rig.connect()
    rig.klaviyo.canned.append((LISTS, reply))
    with pytest.raises(reaction, match=words):
        connector.audiences()
    assert rig.simulation.traffic.operations[LISTS] == 1


@pytest.mark.parametrize(
    "reply",
    [
        challenge(),
        Reply(500, b'{"errors":[]}'),
        Reply(503, b"<html>busy</html>"),
        Reply(524, b""),
        Reply(200, b"<html>hello</html>"),
        Reply(200, b'{"links":{}}'),
        Reply(200, b'{"data":null}'),
        Reply(200, b'{"data":{"type":"list"}}'),
        Reply(200, b""),
    ],
)
def test_answers_after_which_the_call_is_sent_again(rig: KlaviyoRig, reply: Reply) -> None:
    connector = rig.connect()
    single = b'{"data":{' in reply.body
    rig.klaviyo.canned.append((LISTS, reply))
    if single:  # whole and well formed, only not what was asked for: the run tries again later
        with pytest.raises(Unavailable):
            connector.audiences()
    assert len(connector.audiences()) == 2
    assert rig.simulation.traffic.operations[LISTS] == 2


def test_a_persistent_429_costs_exactly_one_request_a_try(rig: KlaviyoRig) -> None:
    """The SDK and the library under it would make twelve of it."""
    connector = rig.connect()
    rig.simulation.faults.add(Script(Kind.RATE_LIMITED, LISTS, times=99, retry_after_s=400))
    with pytest.raises(RateLimited):
        connector.audiences()
    assert rig.simulation.traffic.operations[LISTS] == 1


@pytest.mark.parametrize("dress", ["seconds", "date", "none"])
def test_every_dress_of_a_429_is_waited_out(rig: KlaviyoRig, dress: str) -> None:
    rig.klaviyo.retry_after = dress
    connector = rig.connect()
    rig.simulation.faults.add(Script(Kind.RATE_LIMITED, LISTS, times=2, retry_after_s=7))
    before = rig.clock.now_s()
    assert connector.audiences()
    assert rig.clock.now_s() - before >= 14
    assert connector.usage()["rate_limited"] == 2


def test_an_empty_quota_is_waited_for_instead_of_run_into(rig: KlaviyoRig) -> None:
    """Other programs of the company use the same account: its headers tell when nothing is left."""
    connector = rig.connect()
    spender = Client(key=KEY, base_url=rig.address, connections=1, clock=rig.clock)
    _ = connector.features
    rate = OPERATIONS["get_metrics"].rate
    now_s = rig.clock.utc_now().timestamp()
    rig.klaviyo.limiter._spent["get_metrics", 60] = (now_s - now_s % 60, rate.steady - 1)
    spender.call("get_metrics")  # the last one
    before = rig.clock.now_s()
    spender.call("get_metrics")
    assert rig.clock.now_s() - before >= 59
    assert spender.rate_limited == 0
    spender.close()


@pytest.mark.parametrize(
    ("name", "slow"), [("get_profiles", False), ("get_profiles", True), ("get_metrics", False)]
)
def test_steady_work_uses_nine_tenths_of_the_limit_and_never_runs_into_it(name: str, slow: bool) -> None:
    with klaviyo_rig(people=1) as rig:  # who is answered with is not the point here, nor the form
        rig.klaviyo.referee = None
        client = Client(key=KEY, base_url=rig.address, connections=4, clock=rig.clock)
        operation = OPERATIONS[name]
        rate = operation.slow if slow and operation.slow else operation.rate
        query = {"additional-fields[profile]": "predictive_analytics"} if slow else {}
        minutes: Counter[int] = Counter()
        start_s = rig.clock.now_s()
        while rig.clock.now_s() - start_s < 180:
            client.call(name, query=query, slow=slow)
            minutes[int((rig.clock.now_s() - start_s) // 60)] += 1
        assert client.rate_limited == 0
        assert minutes[1] >= 0.9 * rate.steady
        client.close()


def test_a_limited_endpoint_does_not_hold_up_the_others(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    _ = connector.features
    rig.simulation.faults.add(Script(Kind.RATE_LIMITED, LISTS, times=1, retry_after_s=120))
    connector.audiences()
    before = rig.clock.now_s()
    rig.clock.sleeps.clear()
    list(connector.read(connector.features.streams[1], None))
    assert rig.clock.now_s() - before < 5


def test_threads_share_one_pace(rig: KlaviyoRig) -> None:
    connector = rig.connect()
    audience = ensured(connector)
    people = contacts(connector, 30)
    work = [Batch(audience, changes(Action.ADD, people[n : n + 1])) for n in range(30)]
    threads = [threading.Thread(target=connector.write, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connector.usage()["rate_limited"] == 0
    assert rig.carriers(audience) == {address for _, address in people}


def test_check_names_every_scope_that_is_missing(rig: KlaviyoRig) -> None:
    rig.klaviyo.scopes = frozenset({"metrics:read", "profiles:read", "lists:read"})
    health = rig.connect(lists=["Anything"]).check()
    assert not health.ok
    assert health.account == "Klaviyo account"  # its name needs a scope of its own, which is no fault
    missing = ["events:read", "segments:read", "lists:write", "profiles:write"]
    assert [problem.split(" is missing")[0] for problem in health.problems] == missing


def test_no_message_and_no_object_shows_the_key(rig: KlaviyoRig) -> None:
    secret = "pk_" + "e" * 34
    connector: Connector = rig.connect(api_key=secret)
    with pytest.raises(Unauthorized) as caught:
        connector.audiences()
    assert secret not in f"{caught.value!r} {connector!r} {connector.check()!r}"


def test_an_id_that_is_empty_or_odd_is_never_put_into_an_address() -> None:
    client = Client(key=KEY, base_url="http://127.0.0.1:9", connections=1, clock=ManualClock())
    for id_ in ("", "a/b", "a?b", "é"):
        with pytest.raises(UnexpectedResponse):
            client.call("get_bulk_import_profiles_job", id_)
    assert client.reads == 0


@pytest.mark.parametrize(
    ("links", "cursor"),
    [
        ({"next": "https://a.klaviyo.com/api/lists/?page%5Bcursor%5D=bmV4dA%3D%3D"}, "bmV4dA=="),
        ({"next": "http://127.0.0.1/api/lists?page[cursor]=abc&page[size]=10"}, "abc"),
        ({"next": None}, None),
        ({"self": "x"}, None),
        (None, None),
    ],
)
def test_the_cursor_is_taken_out_of_the_link(links: object, cursor: str | None) -> None:
    assert next_cursor({"data": [], "links": links}) == cursor
