"""What time it is at a platform. Our computer's clock may be wrong by minutes without anybody noticing.

A read of changes ends at some moment, and the next one begins there. Taken from a clock that is fast, that
moment lies in the platform's future, and whatever changes until then is in no read: an opt-out would be lost.
So ends of reads are told by the platform, in the `Date` of its answers (RFC 9110, 6.6.1).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from connectors.errors import ConnectorError
from connectors.pacing import Clock

CLOSE = timedelta(seconds=2)
"""`Date` is cut to whole seconds and comes late: so far apart, two clocks may well be the same. Every reader
stays further clear of the present than that."""


class ServerTime:
    """A `Clock` that a platform's answers correct. Until there is one, `ask` is called for it; once answered,
    no more.

    `refused`: what `ask` raises if the platform does not allow it, an answer all the same.
    """

    def __init__(self, clock: Clock, ask: Callable[[], object], *, refused: type[Exception]) -> None:
        self._clock = clock
        self._ask = ask
        self._refused = refused
        self._lock = threading.Lock()
        self._asking = threading.RLock()
        self._told: tuple[datetime, float] | None = None
        self._asked = False

    def heard(self, headers: Mapping[str, str]) -> None:
        """An answer has just come. One without a readable `Date` is passed over."""
        text = headers.get("Date") or headers.get("date")
        try:
            told = parsedate_to_datetime(text) if text else None
        except ValueError:
            return
        if told is None or told.tzinfo is None:
            return
        with self._lock:
            self._told = told.astimezone(UTC), self._clock.now_s()

    def utc_now(self) -> datetime:
        """The time there, or a little earlier; ours, if both agree or the platform never tells.

        It goes on from the last answer by a clock that nobody sets, so ours may be put right meanwhile.
        Raises what `ask` raises if no answer came: ours may be fast, and a read must not end there.
        """
        with self._asking:  # other threads wait for the answer; the call may want the time itself
            if self._told is None and not self._asked:
                self._asked = True
                try:
                    self._ask()
                except self._refused:
                    pass
                except ConnectorError:
                    self._asked = False
                    if self._told is None:
                        raise
        ours = self._clock.utc_now()
        with self._lock:
            if self._told is None:
                return ours
            told, at_s = self._told
            theirs = told + timedelta(seconds=self._clock.now_s() - at_s)
        return ours if abs(ours - theirs) <= CLOSE else theirs

    def now_s(self) -> float:
        """As the computer's."""
        return self._clock.now_s()

    def sleep(self, seconds: float) -> None:
        """As the computer does."""
        self._clock.sleep(seconds)
