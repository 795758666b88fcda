"""How fast we may call a platform: a rate, a bound on simultaneous calls, and retries with jitter.

A `Pacer` sends the calls of one connection that draw on the same limits; what is left of them is in the
account's `Budget`, shared with everybody else. Time comes from an injected `Clock`, so tests never sleep. It
must not know any platform: connectors turn answers into `RateLimited` and `Unavailable`, the pacer reacts.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar

from connectors.budget import Budget, MemoryBudget
from connectors.errors import QuotaSpent, RateLimited, Unavailable
from connectors.standing import AtOnce, Quota, Window

Answer = TypeVar("Answer")
SLACK_S = 0.05
"""Two clocks may differ so much in how long a sleep was."""


class Clock(Protocol):
    """Time as connectors see it."""

    def now_s(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""

    def utc_now(self) -> datetime:
        """The time of day, aware UTC. Used for the upper bound of a read, never for decisions on people."""

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""


class SystemClock:
    """The computer's own clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def utc_now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock for tests: it stands still until somebody sleeps on it or moves it. Safe for threads."""

    def __init__(self, start: datetime = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now_s(self) -> float:
        with self._lock:
            return self._elapsed_s

    def utc_now(self) -> datetime:
        return self._start + timedelta(seconds=self.now_s())

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self._elapsed_s += max(seconds, 0.0)

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody having slept."""
        with self._lock:
            self._elapsed_s += seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows and how patient we are. Times in seconds.

    Each call takes a turn in all `windows`, the one that a refusal counts against first. `concurrency` bounds
    the calls of one connection; `at_once` those of the whole account, where the platform counts them.
    """

    concurrency: int = 1
    windows: tuple[Window, ...] = ()
    at_once: AtOnce | None = None
    quota: Quota | None = None
    tries: int = 5  # sends of one call that may end in Unavailable
    backoff_s: float = 1.0
    cap_s: float = 60.0
    longest_wait_s: float = 300.0  # a longer Retry-After is handed to the caller, who parks the run
    patience_s: float = 900.0  # all waiting of one call for rate limits together

    @property
    def drawn(self) -> tuple[Window, ...]:
        """All windows that can hold a call back; one at least, for refusals hold everybody back."""
        if self.at_once is not None:
            return (*self.windows, self.at_once.window)
        return self.windows or (Window("calls"),)


def retry_after_s(text: str | None, *, now: datetime) -> float | None:
    """Seconds of a `Retry-After` header, which is a number or an HTTP date; None if it says neither."""
    if not text or not text.strip():
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


class Pacer:
    """Sends calls at the allowed pace and repeats those that were put off.

    The loop is our own and not tenacity's: a rate-limited answer must not count as a failed try, its
    `Retry-After` must hold back every thread and process on the account, and a call keeps its place among the
    simultaneous ones of its connection while it waits. As tenacity hooks that is longer than the loop itself.
    """

    def __init__(self, limits: Limits, *, clock: Clock, budget: Budget | None = None, seed: int = 0) -> None:
        self.limits = limits
        self.budget = budget or MemoryBudget("platform", clock=clock)
        self._clock = clock
        self._random = random.Random(seed)
        self._slots = threading.BoundedSemaphore(limits.concurrency)
        self._lock = threading.Lock()
        self._retries = 0
        self._rate_limited = 0

    @property
    def retries(self) -> int:
        """Sends beyond the first of each call, for whatever reason."""
        return self._retries

    @property
    def rate_limited(self) -> int:
        """Answers that told us to slow down."""
        return self._rate_limited

    def hold(self, seconds: float) -> None:
        """Nobody sends for so long: the platform said that nothing is left until then."""
        self.budget.hold(self.limits.drawn[0], seconds)

    def call(self, send: Callable[[], Answer], *, tries: int | None = None, cost: float = 1.0) -> Answer:
        """Run `send` until it answers. Raises its last RateLimited or Unavailable when patience ends.

        `tries`: instead of the limits' own, for calls that must not be repeated without a look first. `cost`:
        turns that the call takes. QuotaSpent comes at once, without a call if it would be one too many.
        """
        most = self.limits.tries if tries is None else tries
        failures = limited = 0
        waited_s = 0.0
        # The place is kept while we wait: a platform that says "too many at once" thereby sees fewer.
        with self._slots:
            while True:
                self._await_turn(cost)
                try:
                    return self._sent(send)
                except QuotaSpent as spent:
                    raise self._parked(spent) from None
                except RateLimited as error:
                    limited += 1
                    wait_s = self._wait_for(error, limited=limited)
                    waited_s += wait_s
                    if wait_s > self.limits.longest_wait_s or waited_s > self.limits.patience_s:
                        raise
                except Unavailable:
                    failures += 1
                    if failures >= most:
                        raise
                    wait_s = self._jitter(failures)
                with self._lock:
                    self._retries += 1
                self._clock.sleep(wait_s)

    def _sent(self, send: Callable[[], Answer]) -> Answer:
        if self.limits.at_once is None:
            return send()
        with self.budget.place(self.limits.at_once):
            return send()

    def _parked(self, spent: QuotaSpent) -> QuotaSpent:
        """Everybody on the account learns that the day is over; the message tells until when."""
        with self._lock:
            self._rate_limited += 1
        quota = self.limits.quota
        wait_s = spent.retry_after_s if quota is None else min(spent.retry_after_s or 1e9, quota.ask_again_s)
        if quota is not None:
            self.budget.over(quota, for_s=wait_s)
        if wait_s is not None:
            spent.resets_at = self._clock.utc_now() + timedelta(seconds=wait_s)
        return spent

    def _wait_for(self, error: RateLimited, *, limited: int) -> float:
        """Seconds to wait; everybody on the account waits as long as the platform says, and goes slower."""
        with self._lock:
            self._rate_limited += 1
        hold_s = self._jitter(limited) if error.retry_after_s is None else error.retry_after_s
        self.budget.limited(self.limits.drawn[0], hold_s=hold_s)
        if error.retry_after_s is None:
            return hold_s
        with self._lock:
            return hold_s * (1 + self._random.uniform(0, 0.1))

    def _jitter(self, attempt: int) -> float:
        """Full jitter: anything up to backoff·2^(attempt−1), capped."""
        highest_s = min(self.limits.cap_s, self.limits.backoff_s * 2 ** min(attempt - 1, 30))
        with self._lock:
            return self._random.uniform(0, highest_s)

    def _await_turn(self, cost: float) -> None:
        """Take a turn and wait for it. Whoever is told meanwhile that nobody may call takes another."""
        while True:
            windows, quota = self.limits.drawn, self.limits.quota
            patience_s = self.limits.longest_wait_s
            wait_s = self.budget.take(windows, quota=quota, cost=cost, patience_s=patience_s)
            if wait_s <= 0:
                return
            self._clock.sleep(wait_s)
            held_s = self.budget.held_s(windows)
            if held_s <= SLACK_S:
                if held_s > 0:
                    self._clock.sleep(held_s)
                return
