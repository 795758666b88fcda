"""Klaviyo's limits: fixed windows of a second, a minute and a day for each endpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.klaviyo.operations import Rate

DAY_S = 86_400
Spent = dict[tuple[str, int], tuple[float, int]]


@dataclass(slots=True)
class Limiter:
    """Counts calls per (endpoint, window). Times in seconds, given by the caller."""

    _spent: Spent = field(default_factory=dict)
    enabled: bool = True

    def admit(self, endpoint: str, rate: Rate, now_s: float) -> float | None:
        """Counts the call; or the seconds until the window that is full ends, and counts nothing."""
        if not self.enabled:
            return None
        windows = self._windows(rate)
        for width_s, most in windows:
            began_s, count = self._window(endpoint, width_s, now_s)
            if count >= most:
                return max(began_s + width_s - now_s, 0.001)
        for width_s, _ in windows:
            began_s, count = self._window(endpoint, width_s, now_s)
            self._spent[endpoint, width_s] = (began_s, count + 1)
        return None

    def headers(self, endpoint: str, rate: Rate, now_s: float) -> Mapping[str, str]:
        """What every answer but a 429 tells of the steady window."""
        began_s, count = self._window(endpoint, 60, now_s)
        return {
            "RateLimit-Limit": str(rate.steady),
            "RateLimit-Remaining": str(max(0, rate.steady - count)),
            "RateLimit-Reset": str(math.ceil(began_s + 60 - now_s)),
        }

    def _windows(self, rate: Rate) -> list[tuple[int, int]]:
        found = [(1, rate.burst), (60, rate.steady)]
        return found if rate.per_day is None else [*found, (DAY_S, rate.per_day)]

    def _window(self, endpoint: str, width_s: int, now_s: float) -> tuple[float, int]:
        """Start of the window we are in, and how many calls it has seen."""
        began_s = now_s - now_s % width_s
        seen = self._spent.get((endpoint, width_s))
        return seen if seen is not None and seen[0] == began_s else (began_s, 0)
