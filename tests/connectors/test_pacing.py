"""The pace of calls, with a clock that only moves when somebody sleeps on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import RateLimited, Unauthorized, Unavailable
from connectors.pacing import Limits, ManualClock, Pacer, SystemClock
from connectors.standing import Window
from tests.patience import PATIENCE_S


def failing(*errors: Exception) -> tuple[Callable[[], str], list[float], ManualClock]:
    """A call that raises these one after the other and then answers, with the times it was tried."""
    clock = ManualClock()
    left, tried = list(errors), []

    def send() -> str:
        tried.append(clock.now_s())
        if left:
            raise left.pop(0)
        return "answer"

    return send, tried, clock


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rate=st.floats(0.5, 50),
    burst=st.integers(0, 20),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=80),
    window_s=st.sampled_from([1.0, 3.0, 10.0]),
)
def test_no_window_sees_more_calls_than_the_rate_allows(
    rate: float, burst: int, pauses: list[float], window_s: float
) -> None:
    clock = ManualClock()
    pacer = Pacer(Limits(windows=(Window("calls", rate, burst),)), clock=clock)
    sent: list[float] = []
    for pause in pauses:
        clock.advance(pause if pause > 1 else 0)
        pacer.call(lambda: sent.append(clock.now_s()))
    most = max(sum(start <= at < start + window_s for at in sent) for start in sent)
    assert most <= rate * window_s + burst + 1 + 1e-6


def test_the_rate_is_used_fully_and_a_burst_is_not_delayed() -> None:
    clock = ManualClock()
    pacer = Pacer(Limits(windows=(Window("calls", 10, 5),)), clock=clock)
    for _ in range(6):
        pacer.call(clock.now_s)
    assert clock.now_s() == 0
    for _ in range(100):
        pacer.call(clock.now_s)
    assert clock.now_s() == pytest.approx(10, abs=0.01)


def test_an_unavailable_platform_is_tried_again_with_full_jitter_up_to_the_cap() -> None:
    waits: dict[int, list[float]] = {}
    limits = Limits(tries=12, backoff_s=1, cap_s=60)
    for seed in range(200):
        send, _, clock = failing(*(Unavailable("down") for _ in range(11)))
        assert Pacer(limits, clock=clock, seed=seed).call(send) == "answer"
        for number, slept in enumerate(clock.sleeps):
            waits.setdefault(number, []).append(slept)
    for number, slept in waits.items():
        highest = min(60, 2**number)
        assert max(slept) <= highest
        assert min(slept) < 0.1 * highest  # full jitter: down to nothing
        assert sum(slept) / len(slept) == pytest.approx(highest / 2, rel=0.2)


def test_tries_are_bounded_and_the_last_error_comes_out() -> None:
    send, tried, clock = failing(*(Unavailable(f"down {n}") for n in range(9)))
    pacer = Pacer(Limits(tries=4), clock=clock)
    with pytest.raises(Unavailable, match="down 3"):
        pacer.call(send)
    assert len(tried) == 4
    assert pacer.retries == 3


def test_rate_limited_answers_do_not_count_as_failed_tries() -> None:
    errors = [RateLimited("slow", retry_after_s=1) for _ in range(20)]
    send, tried, clock = failing(Unavailable("down"), *errors, Unavailable("down"))
    pacer = Pacer(Limits(tries=3), clock=clock)
    assert pacer.call(send) == "answer"
    assert len(tried) == 23
    assert (pacer.retries, pacer.rate_limited) == (22, 20)


def test_the_platforms_own_delay_is_honoured_with_a_little_jitter() -> None:
    send, tried, clock = failing(RateLimited("slow", retry_after_s=30))
    Pacer(Limits(), clock=clock).call(send)
    assert 30 <= tried[1] <= 33


def test_the_platforms_own_delay_holds_back_every_call() -> None:
    clock = ManualClock()
    pacer = Pacer(Limits(concurrency=2, longest_wait_s=60), clock=clock)
    entered, sent = threading.Event(), []

    class Held(ManualClock):
        """Lets the other thread come in while the first one waits."""

        def sleep(self, seconds: float) -> None:
            if not entered.is_set():
                entered.set()
                other.start()
                other.join()
            super().sleep(seconds)

    held = Held()
    pacer = Pacer(Limits(concurrency=2), clock=held)
    other = threading.Thread(target=lambda: pacer.call(lambda: sent.append(held.now_s())))
    first = [RateLimited("slow", retry_after_s=20)]

    def send() -> None:
        if first:
            raise first.pop()

    pacer.call(send)
    assert sent[0] >= 20


def test_a_delay_beyond_patience_is_handed_back_at_once() -> None:
    send, tried, clock = failing(RateLimited("slow", retry_after_s=400))
    with pytest.raises(RateLimited):
        Pacer(Limits(longest_wait_s=300), clock=clock).call(send)
    assert len(tried) == 1
    assert clock.sleeps == []


def test_endless_rate_limits_end_when_patience_does() -> None:
    send, _, clock = failing(*(RateLimited("slow", retry_after_s=50) for _ in range(1000)))
    with pytest.raises(RateLimited):
        Pacer(Limits(patience_s=500), clock=clock).call(send)
    assert 400 <= clock.now_s() <= 500


def test_other_errors_come_out_unchanged_and_free_their_place() -> None:
    send, tried, clock = failing(Unauthorized("key"), Unauthorized("key"))
    pacer = Pacer(Limits(concurrency=1), clock=clock)
    for _ in range(2):
        with pytest.raises(Unauthorized):
            pacer.call(send)
    assert pacer.call(send) == "answer"
    assert len(tried) == 3
    assert pacer.retries == 0


def test_never_more_calls_at_once_than_allowed() -> None:
    pacer = Pacer(Limits(concurrency=3), clock=ManualClock())
    lock, now, most = threading.Lock(), [0], [0]
    gate = threading.Barrier(3)

    def send() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(PATIENCE_S)  # passes only if three are in at the same time
        with lock:
            now[0] -= 1

    threads = [threading.Thread(target=pacer.call, args=(send,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 3


def test_the_same_seed_waits_the_same() -> None:
    runs = []
    for _ in range(2):
        send, _, clock = failing(*(Unavailable("down") for _ in range(4)))
        Pacer(Limits(), clock=clock, seed=7).call(send)
        runs.append(clock.sleeps)
    assert runs[0] == runs[1]


def test_a_manual_clock_tells_the_time_of_day_too() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    clock = ManualClock(start)
    clock.sleep(90)
    clock.advance(30)
    assert clock.utc_now() == start + timedelta(minutes=2)
    assert clock.sleeps == [90]


def test_the_system_clock_is_the_computers() -> None:
    clock = SystemClock()
    assert abs(clock.utc_now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(clock.now_s() - time.monotonic()) < 5
    clock.sleep(0)
