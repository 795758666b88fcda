"""How many calls the account may send: a window of ten seconds, a day, and search by the second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from connectors.hubspot.simulated.problem import Problem

WINDOW_MS, SECOND_MS, DAY_MS = 10_000, 1_000, 86_400_000
OAUTH_CALLS = 110


class Limits:
    """Counts calls. `calls` per ten seconds: 100, 190 or 250 by plan; `daily` of the whole account."""

    def __init__(
        self, *, now: Callable[[], int], calls: int = 190, searches: int = 5, daily: int = 650_000
    ) -> None:
        self.now = now
        self.calls = calls
        self.searches = searches
        self.daily = daily
        self.used_today = 0
        self._day = 0
        self._window: deque[int] = deque()
        self._searched: deque[int] = deque()

    def count(self, *, search: bool, oauth: bool) -> dict[str, str | None]:
        """Counts one call; its rate-limit headers. Raises Problem if it is one too many."""
        now = self.now()
        if now // DAY_MS != self._day:
            self._day, self.used_today = now // DAY_MS, 0
        if self.used_today >= self.daily:
            raise Problem(429, "You have reached your daily limit.", None, more=_policy("DAILY"))
        self.used_today += 1
        headers: dict[str, str | None] = {}
        if not oauth:
            headers["X-HubSpot-RateLimit-Daily"] = str(self.daily)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(self.daily - self.used_today)
        if search:
            _forget(self._searched, before=now - SECOND_MS)
            if len(self._searched) >= self.searches:
                raise Problem(
                    429,
                    "You have reached your secondly limit.",
                    "RATE_LIMITS",
                    headers={k: v for k, v in headers.items() if v is not None},
                )
            self._searched.append(now)
            return headers
        calls = OAUTH_CALLS if oauth else self.calls
        _forget(self._window, before=now - WINDOW_MS)
        full = len(self._window) >= calls
        if not full:
            self._window.append(now)
        recent = sum(1 for at in self._window if at > now - SECOND_MS)
        headers["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(WINDOW_MS)
        headers["X-HubSpot-RateLimit-Max"] = str(calls)
        headers["X-HubSpot-RateLimit-Remaining"] = str(calls - len(self._window))
        headers["X-HubSpot-RateLimit-Secondly"] = str(calls // 10)
        headers["X-HubSpot-RateLimit-Secondly-Remaining"] = str(max(0, calls // 10 - recent))
        if full:
            raise Problem(
                429,
                "You have reached your ten_secondly_rolling limit.",
                None,
                more=_policy("TEN_SECONDLY_ROLLING"),
                headers={k: v for k, v in headers.items() if v is not None},
            )
        return headers


def _forget(calls: deque[int], *, before: int) -> None:
    while calls and calls[0] <= before:
        calls.popleft()


def _policy(name: str) -> dict[str, str]:
    return {"errorType": "RATE_LIMIT", "policyName": name}
