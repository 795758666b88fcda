"""The time at a platform, by its answers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connectors.errors import Unavailable
from connectors.pacing import ManualClock
from connectors.server_time import ServerTime
from tests.connectors.rig import WrongClock
from tests.patience import PATIENCE_S

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class NotAllowed(Exception):
    """A platform's own refusal."""


def date(moment: datetime) -> dict[str, str]:
    return {"Date": format_datetime(moment, usegmt=True)}


def test_a_clock_that_agrees_is_kept_to_the_millisecond() -> None:
    clock = ManualClock(START + timedelta(milliseconds=700))
    time = ServerTime(clock, lambda: None, refused=NotAllowed)
    time.heard(date(START))
    assert time.utc_now() == clock.utc_now()


@pytest.mark.parametrize("wrong_s", [600, -600, 3600 * 24 * 400])
def test_the_platforms_time_goes_on_from_its_last_answer(wrong_s: float) -> None:
    right = ManualClock(START)
    time = ServerTime(WrongClock(right, wrong_s), lambda: None, refused=NotAllowed)
    time.heard(date(START))
    right.advance(90)
    assert time.utc_now() == START + timedelta(seconds=90)


def test_our_clock_may_be_put_wrong_after_the_last_answer() -> None:
    right = ManualClock(START)
    ours = WrongClock(right, 0)
    time = ServerTime(ours, lambda: None, refused=NotAllowed)
    time.heard(date(START))
    ours._wrong = timedelta(minutes=10)
    assert time.utc_now() == START


def test_without_an_answer_it_asks_once() -> None:
    asked = []
    clock = WrongClock(ManualClock(START), 600)

    def ask() -> None:
        asked.append(1)
        time.heard(date(START))

    time = ServerTime(clock, ask, refused=NotAllowed)
    assert time.utc_now() == time.utc_now() == START
    assert len(asked) == 1


def test_whoever_wants_the_time_while_it_is_asked_for_waits_for_it() -> None:
    asking, may_answer = threading.Event(), threading.Event()
    clock = WrongClock(ManualClock(START), 600)

    def ask() -> None:
        asking.set()
        assert may_answer.wait(PATIENCE_S)
        time.heard(date(START))

    time = ServerTime(clock, ask, refused=NotAllowed)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(time.utc_now)
        assert asking.wait(PATIENCE_S)
        second = threads.submit(time.utc_now)
        try:
            with pytest.raises(TimeoutError):
                second.result(timeout=0.2)
        finally:
            may_answer.set()
        assert first.result() == second.result() == START


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": "Sun, 01 Nov 2026 12:00:00 -0000"}])
def test_whoever_does_not_tell_leaves_ours(headers: dict[str, str]) -> None:
    def ask() -> None:
        time.heard(headers)
        raise NotAllowed

    time = ServerTime(WrongClock(ManualClock(START), 600), ask, refused=NotAllowed)
    assert time.utc_now() == START + timedelta(seconds=600)


def test_while_no_answer_comes_no_read_ends_at_a_time_of_ours() -> None:
    """It would lie in the platform's future, and what changes until then would be in no read."""
    answers: list[Exception | None] = [Unavailable("no"), Unavailable("no"), None]

    def ask() -> None:
        if error := answers.pop(0):
            raise error
        time.heard(date(START))

    time = ServerTime(WrongClock(ManualClock(START), 600), ask, refused=NotAllowed)
    for _ in range(2):
        with pytest.raises(Unavailable):
            time.utc_now()
    assert time.utc_now() == START
    assert answers == []
