"""How well RFM and lifecycle rank people by who orders again, on days that were not seen, beside a guess.

Both describe people, and are used to choose whom to write to. So they are held to what they are used for:
who ranks people no better than the guess, or than everybody alike, is no fact unless forced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rules.models.columns import Floats, Notice, Severity
from rules.models.ranking import COIN, auc, least_auc
from sync.models.log import Ints, Log, Orders, date_of

MOST_DAYS = 90
Ranked = Callable[[int], tuple[Ints, Floats, Floats]]
"""Day → who had ordered by its end (ascending), and two ranks of them: by the model, and by the guess."""


@dataclass(frozen=True, slots=True)
class Again:
    """Who ordered within `days` after the model was made of earlier days: shares of pairs of people in the
    right order. `least`: the lower end of the model's 95 % interval, `least_naive`: of the guess's."""

    days: int
    model: float
    naive: float
    least: float
    least_naive: float
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def better(self) -> bool:
        """Than the guess, and than everybody alike by more than chance."""
        return self.model > self.naive and self.least > COIN

    def loses(self, model: str, guess: str, *, instead: str) -> Notice:
        """What to say where it is not. `instead`: what rules may ask for."""
        if self.least <= COIN:
            return self.chance(model, self.model)
        message = (
            f"Who orders within {self.days} days is told as well by {guess} ({self.naive:.1%} of pairs of"
            f" people are in the right order, {self.model:.1%} by the model): {instead}."
        )
        return Notice(f"{model}.baseline_wins", Severity.REFUSAL, message, self._evidence)

    def chance(self, model: str, share: float) -> Notice:
        """What to say where everybody alike does as well; `share`: of pairs in the right order."""
        message = (
            f"It does not tell who orders within {self.days} days: {share:.1%} of pairs of people are in the"
            f" right order, a coin has {COIN:.0%}, and the difference may be chance. Treat everybody alike,"
            " or wait for a longer history."
        )
        return Notice(f"{model}.baseline_wins", Severity.REFUSAL, message, self._evidence)

    @property
    def _evidence(self) -> dict[str, float]:
        return {"auc": self.model, "naive_auc": self.naive, "least": self.least, "days": self.days}


def tried(log: Log, orders: Orders, ranked: Ranked, *, guess: str) -> Again | None:
    """Over a third of the history, 90 days at most. None where everybody, or nobody, ordered again."""
    first = orders.extent().first
    days = 0 if first is None else min(MOST_DAYS, (log.today - first) // 3)
    if days < 1:
        return None
    split = log.today - days
    person, by_model, by_guess = ranked(split)
    again = np.isin(person, orders.histories(after=split, until=log.today).person)
    if again.all() or not again.any():
        return None
    found = auc(by_model, again), auc(by_guess, again)
    document = {
        "naive": guess,
        "from": str(date_of(split + 1)),
        "to": str(date_of(log.today)),
        "again_auc": found[0],
        "naive_auc": found[1],
    }
    least = least_auc(by_model, again), least_auc(by_guess, again)
    return Again(days, *found, *least, document=document)


def untried(model: str) -> Notice:
    """Where there is nothing to try it on."""
    message = (
        "It could not be tried: of those who had ordered before, everybody or nobody ordered in the newest"
        " days. Nothing shows yet that it tells more than a guess."
    )
    return Notice(f"{model}.untried", Severity.WARNING, message, {})
