"""The machinery under every simulator, tried on the smallest possible platform."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import requests

from connectors.simulation import (
    Chance,
    Faults,
    FaultsFileError,
    Kill,
    Kind,
    Point,
    Reply,
    Request,
    Script,
    Simulation,
    When,
    run_forever,
    serve,
)
from tests.patience import PATIENCE_S


class Counter(Simulation):
    """GET /n tells the number, POST /n adds one."""

    name = "counter"
    simultaneous = 4

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"token": "t"}

    def operation(self, request: Request) -> str:
        return f"{request.method} {request.path}"

    def answer(self, request: Request) -> Reply:
        if request.method == "POST":
            self.number += 1
        return Reply(200, json.dumps({"number": self.number, "padding": "x" * 40}).encode())

    def too_many(self, request: Request, *, retry_after_s: float | None = None) -> Reply:
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
        return Reply(429, b"{}", headers)


def test_one_connection_carries_many_requests() -> None:
    simulation = Counter()
    with serve(simulation) as address, requests.Session() as session:
        for _ in range(5):
            assert session.get(f"{address}/n").status_code == 200
        assert simulation.traffic.connections == 1


def test_it_listens_on_loopback_only() -> None:
    with serve(Counter()) as address:
        assert address.startswith("http://127.0.0.1:")


def test_after_the_block_nobody_answers_even_on_an_open_connection() -> None:
    session = requests.Session()
    with serve(Counter()) as address:
        session.get(f"{address}/n")
    with pytest.raises(requests.ConnectionError):
        session.get(f"{address}/n")
    session.close()


def test_calls_are_counted_by_operation_and_as_reads_and_writes() -> None:
    simulation = Counter()
    with serve(simulation) as address:
        requests.post(f"{address}/n", data="body")
        requests.get(f"{address}/n", params={"a": "b c", "empty": ""})
        requests.get(f"{address}/other")
    assert (simulation.traffic.reads, simulation.traffic.writes) == (2, 1)
    assert simulation.traffic.operations == {"POST /n": 1, "GET /n": 1, "GET /other": 1}
    first, second, _ = simulation.traffic.log
    assert (first.method, first.body, first.status) == ("POST", b"body", 200)
    assert second.query == {"a": "b c", "empty": ""}


def test_a_body_sent_in_chunks_is_read_whole() -> None:
    simulation = Counter()
    with serve(simulation) as address, requests.Session() as session:
        session.post(f"{address}/n", data=iter([b"one ", b"two"]))
        assert session.get(f"{address}/n").status_code == 200
    assert simulation.traffic.log[0].body == b"one two"
    assert simulation.traffic.connections == 1


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "body"),
    [
        (Kind.RATE_LIMITED, 429, "application/json; charset=utf-8", b"{}"),
        (Kind.FORBIDDEN_BARE, 403, None, b""),
        (Kind.HTML_502, 502, "text/html", b"<html>"),
        (Kind.EMPTY_503, 503, None, b""),
    ],
)
@pytest.mark.parametrize("when", list(When))
def test_a_fault_has_its_form_and_happens_before_or_after_the_effect(
    kind: Kind, status: int, content_type: str | None, body: bytes, when: When
) -> None:
    simulation = Counter()
    simulation.faults.add(Script(kind, "POST /n", when=when))
    with serve(simulation) as address:
        answer = requests.post(f"{address}/n")
    assert answer.status_code == status
    assert answer.headers.get("Content-Type") == content_type
    assert answer.content.startswith(body)
    assert simulation.number == (1 if when is When.AFTER else 0)


@pytest.mark.parametrize("when", list(When))
def test_a_cut_connection_gives_no_answer_at_all(when: When) -> None:
    simulation = Counter()
    simulation.faults.add(Script(Kind.CUT, when=when))
    with serve(simulation) as address, pytest.raises(requests.ConnectionError):
        requests.post(f"{address}/n")
    assert simulation.number == (1 if when is When.AFTER else 0)


def test_a_truncated_answer_is_a_success_that_cannot_be_read() -> None:
    simulation = Counter()
    simulation.faults.add(Script(Kind.TRUNCATED_200))
    with serve(simulation) as address:
        answer = requests.post(f"{address}/n")
    assert answer.status_code == 200
    assert simulation.number == 1
    with pytest.raises(ValueError):
        answer.json()


def test_retry_after_is_sent_only_if_asked_for() -> None:
    simulation = Counter()
    simulation.faults.add(Script(Kind.RATE_LIMITED, retry_after_s=7), Script(Kind.RATE_LIMITED, nth=2))
    with serve(simulation) as address:
        assert requests.get(f"{address}/n").headers["Retry-After"] == "7"
        assert "Retry-After" not in requests.get(f"{address}/n").headers


def test_a_script_hits_exactly_its_calls() -> None:
    faults = Faults()
    faults.add(Script(Kind.CUT, "POST /lists/*/segments/*", nth=3, times=2))
    hits = []
    for number in range(1, 8):
        assert faults.choose("GET /lists/{id}") is None
        hits.append((number, faults.choose("POST /lists/{id}/segments/{id}") is not None))
    assert [n for n, hit in hits if hit] == [3, 4]


def test_chance_follows_its_seed_and_its_probability() -> None:
    def drawn(seed: int) -> list[bool]:
        faults = Faults(seed=seed)
        faults.add(Chance(Kind.CUT, 0.3))
        return [faults.choose("GET /") is not None for _ in range(2000)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert 0.27 < sum(drawn(3)) / 2000 < 0.33


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_faults_file_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"faults{suffix}"
    given = {
        "seed": 7,
        "delay_s": 0.0,
        "script": [{"kind": "empty_503", "operation": "POST *", "nth": 2, "when": "after"}],
        "chance": [{"kind": "rate_limited", "probability": 1.0, "operation": "GET *", "retry_after_s": 1}],
    }
    toml = (
        "seed = 7\ndelay_s = 0.0\n"
        '[[script]]\nkind = "empty_503"\noperation = "POST *"\nnth = 2\nwhen = "after"\n'
        '[[chance]]\nkind = "rate_limited"\nprobability = 1.0\noperation = "GET *"\nretry_after_s = 1\n'
    )
    path.write_text(json.dumps(given) if suffix == ".json" else toml, encoding="utf-8")
    faults = Faults()
    faults.load_file(path)
    assert faults.choose("POST /n") is None
    assert faults.choose("POST /n") == Script(Kind.EMPTY_503, "POST *", nth=2, when=When.AFTER)
    assert faults.choose("GET /n") == Chance(Kind.RATE_LIMITED, 1.0, "GET *", retry_after_s=1)
    assert faults.delay_s == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = ", "faults.toml"),
        ("sead = 1", "unknown key 'sead'"),
        ("seed = 'x'", "whole number"),
        ("[[script]]\nkind = 'explosion'", "kind is one of"),
        ("[[script]]\noperation = 'x'", "kind"),
        ("[[chance]]\nkind = 'cut'\nprobability = 'often'", "probability"),
        ("[[chance]]\nkind = 'cut'\nprobabillity = 0.1", "unknown key 'probabillity'"),
        ("script = 3", "list of tables"),
    ],
)
def test_a_wrong_faults_file_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FaultsFileError, match=words):
        Faults().load_file(path)


def test_the_control_address_works_only_when_asked_for() -> None:
    simulation = Counter()
    with serve(simulation) as address:
        requests.get(f"{address}/__control__/counts")
    assert simulation.traffic.operations == {"GET /__control__/counts": 1}
    simulation = Counter()
    with serve(simulation, control=True) as address:
        requests.post(f"{address}/n")
        counts = requests.get(f"{address}/__control__/counts").json()
        assert (counts["reads"], counts["writes"]) == (0, 1)
        script = {"script": [{"kind": "html_502"}]}
        assert requests.post(f"{address}/__control__/faults", json=script).status_code == 200
        assert requests.get(f"{address}/n").status_code == 502
        assert requests.post(f"{address}/__control__/faults", json={"script": 1}).status_code == 400
        assert requests.post(f"{address}/__control__/reset").status_code == 200
        assert requests.get(f"{address}/__control__/counts").json()["writes"] == 0
        assert requests.get(f"{address}/__control__/nonsense").status_code == 404


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a child; its exit status, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def plain_post(address: str, marks: Path) -> None:
    """Three POSTs without threads; a line in `marks` for each answer that came back."""
    host = address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
    register = json.dumps({"pid": os.getpid()})
    connection.request("POST", "/__control__/register", register)
    connection.getresponse().read()
    for number in range(3):
        connection.request("GET", "/n")
        connection.getresponse().read()
        connection.request("POST", "/n")
        connection.getresponse().read()
        with marks.open("a") as file:
            file.write(f"{number}\n")


@pytest.mark.parametrize(("point", "applied"), [(Point.RECEIVED, 1), (Point.APPLIED, 2), (Point.ANSWERED, 2)])
def test_a_client_is_killed_at_the_exact_point_of_the_exact_write(
    tmp_path: Path, point: Point, applied: int
) -> None:
    simulation = Counter()
    marks = tmp_path / "marks"
    with serve(simulation, control=True) as address:
        kills = {"kills": [{"point": str(point), "nth": 2}]}
        requests.post(f"{address}/__control__/kills", json=kills)
        status = forked(lambda: plain_post(address, marks))
    assert status == -9
    assert simulation.number == applied
    assert simulation.kills.done == 1
    answered = marks.read_text().splitlines()
    assert answered[0] == "0"
    assert len(answered) <= (2 if point is Point.ANSWERED else 1)


def test_several_kills_come_one_after_the_other(tmp_path: Path) -> None:
    simulation = Counter()
    simulation.kills.arm(
        Kill(Point.APPLIED, nth=1), Kill(Point.RECEIVED, nth=2), Kill(Point.APPLIED, 1, False)
    )
    with serve(simulation, control=True) as address:
        statuses = [forked(lambda: plain_post(address, tmp_path / "marks")) for _ in range(4)]
    assert statuses == [-9, -9, -9, 0]
    assert simulation.number == 1 + 1 + 0 + 3


def test_nobody_is_killed_who_did_not_register() -> None:
    simulation = Counter()
    simulation.kills.arm(Kill(Point.APPLIED, nth=1))
    with serve(simulation) as address:
        assert requests.post(f"{address}/n").status_code == 200
    assert simulation.kills.done == 0


def test_a_slow_answer_comes_late_and_whole() -> None:
    simulation = Counter()
    simulation.faults.add(Script(Kind.SLOW, seconds=0.1))
    with serve(simulation) as address:
        started = time.monotonic()
        assert requests.get(f"{address}/n").json()["number"] == 0
        assert time.monotonic() - started >= 0.1


def test_a_broken_request_does_not_stop_the_server() -> None:
    simulation = Counter()
    with serve(simulation) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(b"nonsense\r\n\r\n")
            raw.recv(1000)
        assert requests.get(f"{address}/n").status_code == 200


def test_run_forever_announces_its_address_and_ends_on_interrupt(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[[script]]\nkind = "html_502"\n', encoding="utf-8")
    seen: list[int] = []

    def announce(address: str) -> None:
        seen.append(requests.get(f"{address}/n").status_code)
        seen.append(requests.get(f"{address}/n").status_code)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_forever(Counter(), announce=announce, faults=faults)
    assert seen == [502, 200]
    with pytest.raises(FaultsFileError):
        run_forever(Counter(), announce=announce, faults=tmp_path / "missing.toml")
