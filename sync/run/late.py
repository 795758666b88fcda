"""No request goes out that might outlive the lease: each is asked for at the last moment before it is sent.

A platform cannot check a fence. So whoever sleeps too long, or is stopped, and then goes on, must notice
here and not send; what it still had under way is an older absolute value, which the next plan sees and mends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from connectors.budget import Budget, Budgets
from connectors.standing import AtOnce, Quota, Standing, Window

Ask = Callable[[], None]
"""Raises if the request must not be sent now."""


class AskingBudgets:
    """Somebody else's budgets, of one connection, that ask before every request."""

    def __init__(self, budgets: Budgets, ask: Ask) -> None:
        self._budgets = budgets
        self._ask = ask

    def account(self, platform: str, account: str) -> Budget:
        """The account's budget, which others share without our question."""
        return AskingBudget(self._budgets.account(platform, account), self._ask)


class AskingBudget(Budget):
    """Asks when a turn has come: after `take` if there is nothing to wait for, else after the wait."""

    def __init__(self, budget: Budget, ask: Ask) -> None:  # what is shared lies in `budget`
        self.platform = budget.platform
        self._budget = budget
        self._ask = ask

    def take(
        self,
        windows: Sequence[Window],
        *,
        quota: Quota | None = None,
        cost: float = 1.0,
        patience_s: float = 300.0,
    ) -> float:
        """As of the budget; a turn that has come at once is asked for."""
        wait_s = self._budget.take(windows, quota=quota, cost=cost, patience_s=patience_s)
        if wait_s <= 0:
            self._ask()
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
        self._budget.limited(window, hold_s=hold_s)

    def hold(self, window: Window, seconds: float) -> None:
        """As of the budget."""
        self._budget.hold(window, seconds)

    def told(self, quota: Quota, *, used: int, limit: int) -> None:
        """As of the budget."""
        self._budget.told(quota, used=used, limit=limit)

    def over(self, quota: Quota, *, for_s: float | None = None) -> None:
        """As of the budget."""
        self._budget.over(quota, for_s=for_s)

    def day(self, quota: Quota) -> tuple[int, int]:
        """As of the budget."""
        return self._budget.day(quota)

    def _changing(
        self, names: Mapping[str, float], *, only_look: bool = False
    ) -> AbstractContextManager[tuple[float, dict[str, Standing]]]:
        return self._budget._changing(names, only_look=only_look)
