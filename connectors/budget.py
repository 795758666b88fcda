"""One budget per account: what all its connections, threads and processes may still send, together.

The rules are in `standing.py`; a budget adds what is shared and how it is changed one at a time. Here it is
kept in memory, for one process; the run hands in budgets kept in its database. A refusal slows down everybody
who draws on the limit that was hit; other limits of the account (another endpoint, search) are not touched.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from connectors.errors import QuotaSpent, RateLimited
from connectors.standing import AtOnce, Quota, Standing, Window

if TYPE_CHECKING:
    from connectors.pacing import Clock

LONG_WINDOW_S = 3600.0
"""A limit over a longer time is a quota for whoever has to wait for it."""
TOLD_SHARE = 500
"""A quota's count is kept again when it moved by one part in so many; the state that matters at once."""


class Budget(ABC):
    """What one account may send. Safe for threads."""

    def __init__(self, platform: str, *, clock: Clock) -> None:
        self.platform = platform
        self._clock = clock
        self._gate = threading.Condition()
        self._under_way: dict[str, int] = {}
        self._last_told: dict[str, tuple[int, int]] = {}

    # ---- turns -----------------------------------------------------------------------------------

    def take(
        self,
        windows: Sequence[Window],
        *,
        quota: Quota | None = None,
        cost: float = 1.0,
        patience_s: float = 300.0,
    ) -> float:
        """Take a turn in all `windows` at once; seconds to wait before the call goes out, 0: now.

        Takes nothing and raises if it cannot go out within `patience_s`: QuotaSpent if a day's share is used
        up, else RateLimited.
        """
        if not windows and quota is None:
            return 0.0
        names = {one.name: one.seconds for one in windows}
        if quota is not None:
            names[quota.name] = quota.ask_again_s
        paced = any(one.rate_per_s is not None for one in windows)
        with self._changing(names, only_look=not paced) as (now_s, standing):
            if quota is not None:
                self._mind(quota, standing[quota.name], now_s)
            wait_s = max((standing[w.name].wait_s(w, now_s) for w in windows), default=0.0)
            if wait_s > patience_s:
                raise self._too_long(windows, wait_s)
            start_s = now_s + max(wait_s, 0.0)
            for window in windows:
                standing[window.name].count(window, start_s, cost=cost)
        return max(wait_s, 0.0)

    def held_s(self, windows: Sequence[Window]) -> float:
        """Seconds until anybody may call at all, as everybody has been told meanwhile."""
        with self._changing({w.name: w.seconds for w in windows}, only_look=True) as (now_s, standing):
            return max((standing[w.name].not_before_s - now_s for w in windows), default=0.0)

    def limited(self, window: Window, *, hold_s: float) -> None:
        """The platform refused a call for being one too many: everybody waits, and goes slower."""
        with self._changing({window.name: window.seconds}) as (now_s, standing):
            standing[window.name].limit(now_s, seconds=window.seconds, hold_s=hold_s)

    def hold(self, window: Window, seconds: float) -> None:
        """Nobody sends for so long: the platform said that nothing is left until then."""
        with self._changing({window.name: window.seconds}) as (now_s, standing):
            standing[window.name].hold(now_s, seconds)

    # ---- the day ---------------------------------------------------------------------------------

    def told(self, quota: Quota, *, used: int, limit: int) -> None:
        """What the platform says of its day."""
        before, at_most = self._last_told.get(quota.name, (0, 0))
        near = at_most == limit and abs(used - before) * TOLD_SHARE < limit
        if near and not quota.spent(used, limit) and not quota.spent(before, at_most):
            return
        self._last_told[quota.name] = (used, limit)
        with self._changing({quota.name: quota.ask_again_s}) as (now_s, standing):
            standing[quota.name].told(quota, now_s, used=used, limit=limit)

    def over(self, quota: Quota, *, for_s: float | None = None) -> None:
        """The platform says that nothing is left of the day."""
        self._last_told.pop(quota.name, None)
        with self._changing({quota.name: quota.ask_again_s}) as (now_s, standing):
            standing[quota.name].over(quota, now_s, for_s=for_s)

    def day(self, quota: Quota) -> tuple[int, int]:
        """(used, limit) as last told; (0, 0) if nobody ever said."""
        with self._changing({quota.name: quota.ask_again_s}, only_look=True) as (_, standing):
            return standing[quota.name].used, standing[quota.name].most

    def _mind(self, quota: Quota, standing: Standing, now_s: float) -> None:
        left_s = standing.not_before_s - now_s
        if left_s > 0:
            raise QuotaSpent(
                f"{standing.used:,} of the account's {standing.most:,} {self.platform} calls of a day are"
                f" used; {quota.reserve:.0%} are left to its other tools (daily_reserve)",
                retry_after_s=left_s,
                resets_at=self._clock.utc_now() + timedelta(seconds=left_s),
            )
        standing.probe(now_s)

    def _too_long(self, windows: Sequence[Window], wait_s: float) -> RateLimited:
        message = f"the next call of this kind to {self.platform} is due in {wait_s:,.0f} s"
        if all(one.seconds < LONG_WINDOW_S for one in windows):
            return RateLimited(message, retry_after_s=wait_s)
        resets_at = self._clock.utc_now() + timedelta(seconds=wait_s)
        return QuotaSpent(
            f"the {self.platform} calls of this kind that a day allows us are used up",
            retry_after_s=wait_s,
            resets_at=resets_at,
        )

    # ---- calls at the same time ------------------------------------------------------------------

    @contextmanager
    def place(self, at_once: AtOnce) -> Iterator[None]:
        """Hold one of the places for calls under way; waits until one is free."""
        self._enter(at_once)
        try:
            lease = self._lease(at_once)
            try:
                yield
            finally:
                self._give_back(lease)
        finally:
            with self._gate:
                self._under_way[at_once.name] -= 1
                self._gate.notify()

    def _enter(self, at_once: AtOnce) -> None:
        """First among the threads of this process, which need no store to know of each other."""
        most = self._places(at_once)
        with self._gate:
            while self._under_way.get(at_once.name, 0) >= most:
                self._gate.wait()
            self._under_way[at_once.name] = self._under_way.get(at_once.name, 0) + 1

    def _places(self, at_once: AtOnce) -> int:
        return at_once.most

    def _lease(self, at_once: AtOnce) -> int | None:  # noqa: ARG002
        """A place among all processes; None where there are no others."""
        return None

    def _give_back(self, lease: int | None) -> None:
        """The counterpart."""
        assert lease is None  # noqa: S101 - who leases overrides both

    # ---- storage ---------------------------------------------------------------------------------

    @abstractmethod
    def _changing(
        self, names: Mapping[str, float], *, only_look: bool = False
    ) -> AbstractContextManager[tuple[float, dict[str, Standing]]]:
        """Now, and the standing of these limits (name → seconds of its window), brought up to now.

        Nobody else changes them inside the block; changes are kept at its end, and dropped if it raises.
        `only_look`: nothing of importance is changed, so nobody need be kept out.
        """


class Budgets(Protocol):
    """Where budgets are kept."""

    def account(self, platform: str, account: str) -> Budget:
        """The budget of this account: the same for everybody who names it so."""


class MemoryBudget(Budget):
    """Kept in this process."""

    def __init__(self, platform: str, *, clock: Clock) -> None:
        super().__init__(platform, clock=clock)
        self._lock = threading.Lock()
        self._standing: dict[str, Standing] = {}

    @contextmanager
    def _changing(
        self,
        names: Mapping[str, float],
        *,
        only_look: bool = False,  # noqa: ARG002
    ) -> Iterator[tuple[float, dict[str, Standing]]]:
        with self._lock:
            now_s = self._clock.now_s()
            for name, seconds in names.items():
                self._standing.setdefault(name, Standing()).look(now_s, seconds=seconds)
            yield now_s, self._standing

    def _places(self, at_once: AtOnce) -> int:
        with self._changing({at_once.name: at_once.seconds}) as (_, standing):
            return standing[at_once.name].places(at_once)


class MemoryBudgets:
    """Budgets of one process, by platform and account."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str], MemoryBudget] = {}

    def account(self, platform: str, account: str) -> Budget:
        """The budget of this account."""
        with self._lock:
            key = platform, account
            if key not in self._budgets:
                self._budgets[key] = MemoryBudget(platform, clock=self._clock)
            return self._budgets[key]


_lock = threading.Lock()
_shared: weakref.WeakKeyDictionary[Clock, MemoryBudgets] = weakref.WeakKeyDictionary()


def shared_budgets(clock: Clock) -> Budgets:
    """The budgets in memory of everybody who goes by this clock; for whoever hands in none."""
    with _lock:
        if clock not in _shared:
            _shared[clock] = MemoryBudgets(weakref.proxy(clock))  # or no clock would ever be let go of
        return _shared[clock]


def account_key(*parts: str | None) -> str:
    """A short name for an account out of what identifies it; keys and secrets cannot be told from it."""
    content = "\x00".join(part or "" for part in parts)
    return hashlib.sha256(content.encode()).hexdigest()[:32]
