"""What the day's quota of an account has left, as the answers to our own calls told it."""

from __future__ import annotations

from connectors.budget import Budget, Budgets
from sync.run.late import AskingBudget


class RememberedBudgets:
    """Somebody else's budgets of one connection; knows which of them the connection draws on."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._opened: list[Budget] = []

    def account(self, platform: str, account: str) -> Budget:
        """As of the budgets."""
        self._opened.append(self._budgets.account(platform, account))
        return self._opened[-1]

    def left_today(self) -> int | None:
        """Calls that the day has left for us, less the reserve; None if the platform never told."""
        told = [budget.left_today() for budget in self._opened if isinstance(budget, AskingBudget)]
        return min((left for left in told if left is not None), default=None)
