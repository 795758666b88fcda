"""No request goes out that might outlive the lease: each is asked for at the last moment before it is sent.

A platform cannot check a fence. So whoever sleeps too long, or is stopped, and then goes on, must notice
here and not send; what it still had under way is an older absolute value, which the next plan sees and mends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from connectors.budget import Budget, Budgets
from connectors.standing import AtOnce, Quota, Standing, Window

Ask = Callable[[], None]
"""Raises if the request must not be sent now."""


class Tally:
    """Requests of each connection and answers that told us to slow down, until somebody takes the counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, int]] = {}

    def add(self, connection: str, *, sent: int = 0, limited: int = 0) -> None:
        """Count; safe for threads."""
        with self._lock:
            before = self._counts.get(connection, (0, 0))
            self._counts[connection] = before[0] + sent, before[1] + limited

    def take(self) -> dict[str, tuple[int, int]]:
        """Connection → (requests, refused ones) since the last time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts


class AskingBudgets:
    """Somebody else's budgets, of `connection`, that ask before every request and count it."""

    def __init__(
        self, budgets: Budgets, ask: Ask, *, tally: Tally | None = None, connection: str = ""
    ) -> None:
        self._budgets = budgets
        self._ask = ask
        self._tally = tally or Tally()
        self._connection = connection

    def account(self, platform: str, account: str) -> Budget:
        """The account's budget, which others share without our question."""
        budget = self._budgets.account(platform, account)
        return AskingBudget(budget, self._ask, tally=self._tally, connection=self._connection)


class AskingBudget(Budget):
    """Asks when a turn has come: after `take` if there is nothing to wait for, else after the wait."""

    def __init__(self, budget: Budget, ask: Ask, *, tally: Tally, connection: str) -> None:
        self.platform = budget.platform
        self._budget = budget  # what is shared lies here
        self._ask = ask
        self._tally = tally
        self._connection = connection

    _quota: Quota | None = None  # what calls of this connection are counted against

    def left_today(self) -> int | None:
        """Calls that the day has left for us, less the reserve; None if the platform never told."""
        if self._quota is None:
            return None
        used, most = self._budget.day(self._quota)
        return max(0, int(most * (1 - self._quota.reserve)) - used) if most else None

    def take(
        self,
        windows: Sequence[Window],
        *,
        quota: Quota | None = None,
        cost: float = 1.0,
        patience_s: float = 300.0,
    ) -> float:
        """As of the budget; a turn that has come at once is asked for."""
        self._quota = quota or self._quota
        wait_s = self._budget.take(windows, quota=quota, cost=cost, patience_s=patience_s)
        if wait_s <= 0:
            self._ask()
        self._tally.add(self._connection, sent=1)
        return wait_s

    def held_s(self, windows: Sequence[Window]) -> float:
        """As of the budget; the pacer looks here when it has waited for its turn."""
        held_s = self._budget.held_s(windows)
        self._ask()
        return held_s

    @contextmanager
    def place(self, at_once: AtOnce) -> Iterator[None]:
        """As of the budget; to get a place may have taken long."""
        with self._budget.place(at_once):
            self._ask()
            yield

    def limited(self, window: Window, *, hold_s: float) -> None:
        """As of the budget."""
        self._tally.add(self._connection, limited=1)
        self._budget.limited(window, hold_s=hold_s)

    def hold(self, window: Window, seconds: float) -> None:
        """As of the budget."""
        self._budget.hold(window, seconds)

    def told(self, quota: Quota, *, used: int, limit: int) -> None:
        """As of the budget."""
        self._budget.told(quota, used=used, limit=limit)

    def over(self, quota: Quota, *, for_s: float | None = None) -> None:
        """As of the budget."""
        self._tally.add(self._connection, limited=1)
        self._budget.over(quota, for_s=for_s)

    def day(self, quota: Quota) -> tuple[int, int]:
        """As of the budget."""
        return self._budget.day(quota)

    def _changing(
        self, names: Mapping[str, float], *, only_look: bool = False
    ) -> AbstractContextManager[tuple[float, dict[str, Standing]]]:
        return self._budget._changing(names, only_look=only_look)
