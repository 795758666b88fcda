"""How fast we may call a platform: a rate, a bound on simultaneous calls, and retries with jitter.

One `Pacer` per connection. Time comes from an injected `Clock`, so tests never sleep. It must not know
any platform: connectors turn answers into `RateLimited` and `Unavailable`, the pacer only reacts.
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

from connectors.errors import RateLimited, Unavailable

Answer = TypeVar("Answer")


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

    With `rate_per_s` any window of W seconds sees at most rate·W + burst + 1 calls; to stay under a
    platform's limit L per W take rate = (0.98·L − burst)/W (GCRA; reference/reliability.md section 9).
    """

    concurrency: int = 1
    rate_per_s: float | None = None
    burst: int = 0
    tries: int = 5  # sends of one call that may end in Unavailable
    backoff_s: float = 1.0
    cap_s: float = 60.0
    longest_wait_s: float = 300.0  # a longer Retry-After is handed to the caller, who parks the run
    patience_s: float = 900.0  # all waiting of one call for rate limits together


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
    `Retry-After` must hold back every thread of the connection, and a call keeps its place among the
    simultaneous ones while it waits. As tenacity hooks that is longer than the loop itself.
    """

    def __init__(self, limits: Limits, *, clock: Clock, seed: int = 0) -> None:
        self.limits = limits
        self._clock = clock
        self._random = random.Random(seed)
        self._slots = threading.BoundedSemaphore(limits.concurrency)
        self._lock = threading.Lock()
        self._theoretical_s = 0.0  # GCRA: when the next call is due at an even pace
        self._not_before_s = 0.0
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
        with self._lock:
            self._not_before_s = max(self._not_before_s, self._clock.now_s() + seconds)

    def call(self, send: Callable[[], Answer], *, tries: int | None = None) -> Answer:
        """Run `send` until it answers. Raises its last RateLimited or Unavailable when patience ends.

        `tries`: instead of the limits' own, for calls that must not be repeated without a look first.
        """
        most = self.limits.tries if tries is None else tries
        failures = limited = 0
        waited_s = 0.0
        # The place is kept while we wait: a platform that says "too many at once" thereby sees fewer.
        with self._slots:
            while True:
                self._await_turn()
                try:
                    return send()
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

    def _wait_for(self, error: RateLimited, *, limited: int) -> float:
        """Seconds to wait; a delay that the platform names holds back the whole connection."""
        with self._lock:
            self._rate_limited += 1
        if error.retry_after_s is None:
            return self._jitter(limited)
        with self._lock:
            wait_s = error.retry_after_s * (1 + self._random.uniform(0, 0.1))
            self._not_before_s = max(self._not_before_s, self._clock.now_s() + error.retry_after_s)
        return wait_s

    def _jitter(self, attempt: int) -> float:
        """Full jitter: anything up to backoff·2^(attempt−1), capped."""
        highest_s = min(self.limits.cap_s, self.limits.backoff_s * 2 ** min(attempt - 1, 30))
        with self._lock:
            return self._random.uniform(0, highest_s)

    def _await_turn(self) -> None:
        with self._lock:
            now_s = self._clock.now_s()
            wait_s = self._not_before_s - now_s
            rate = self.limits.rate_per_s
            if rate is not None:
                due_s = max(self._theoretical_s, self._not_before_s, now_s)
                wait_s = max(wait_s, due_s - self.limits.burst / rate - now_s)
                self._theoretical_s = due_s + 1 / rate
        if wait_s > 0:
            self._clock.sleep(wait_s)
