"""How well people are ranked by who orders again, on days that were not seen: a description, and a guess.

RFM and lifecycle describe, they foretell nothing, so a guess that ranks as well takes nothing from them: it
is told, and is the better one to choose the best people by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rules.models.columns import Floats, Notice, Severity
from rules.models.engagement import auc
from sync.models.log import Ints, Log, Orders, date_of

MOST_DAYS = 90
Ranked = Callable[[int], tuple[Ints, Floats, Floats]]
"""Day → who had ordered by its end (ascending), and two ranks of them: by the model, and by the guess."""


def tried(
    model: str, log: Log, orders: Orders, ranked: Ranked, *, guess: str
) -> tuple[dict[str, Any], Notice | None]:
    """The comparison as JSON, over a third of the history, 90 days at most; a note where the guess wins.
    Nothing where everybody, or nobody, ordered again."""
    first = orders.extent().first
    days = 0 if first is None else min(MOST_DAYS, (log.today - first) // 3)
    if days < 1:
        return {}, None
    split = log.today - days
    person, by_model, by_guess = ranked(split)
    again = np.isin(person, orders.histories(after=split, until=log.today).person)
    if again.all() or not again.any():
        return {}, None
    found = auc(by_model, again), auc(by_guess, again)
    told = {
        "naive": guess,
        "from": str(date_of(split + 1)),
        "to": str(date_of(log.today)),
        "again_auc": found[0],
        "naive_auc": found[1],
    }
    if found[0] > found[1]:
        return told, None
    message = (
        f"Who orders within {days} days is told as well by {guess} ({found[1]:.1%} of pairs of people are"
        f" ranked rightly, {found[0]:.1%} by the model): choose by that whom you expect to order."
    )
    evidence = {"auc": found[0], "naive_auc": found[1], "days": days}
    return told, Notice(f"{model}.baseline_wins", Severity.NOTE, message, evidence)
