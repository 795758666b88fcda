"""The half-life by which engagement fades: the one that best tells who clicks next, if any tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Bools, Column, Floats, Notice, Severity
from rules.models.engagement import (
    CLICK,
    DAY_S,
    HALF_LIFE_DAYS,
    NEVER_FADING,
    WEIGHTS,
    Deliveries,
    Events,
    engagement,
    latest_of_a_day,
)
from rules.models.history import whole_numbers
from rules.models.ranking import COIN, auc, least_auc

CANDIDATES = (7.0, 14.0, 30.0, 60.0, 90.0)
FOLLOWING_DAYS, LEAST_CLICKERS = 30, 100


@dataclass(frozen=True, slots=True)
class HalfLife:
    """The half-life that best ranks who clicks next; the AUC of each candidate, and of no fading at all."""

    days: float
    auc: Mapping[float, float]
    naive_auc: float
    notices: tuple[Notice, ...] = ()


def choose_half_life(
    everybody: Column,
    events: Events,
    deliveries: Deliveries,
    *,
    split_s: int,
    candidates: Sequence[float] = CANDIDATES,
    weights: Mapping[str, float] = WEIGHTS,
) -> HalfLife:
    """Try half-lives on what was known at split_s against who clicked in the 30 days after it.

    Only who can be scored then is compared. Of equal ones the one nearest the default of 30 days is taken;
    where points that never fade do as well as the best, these. With fewer than 100 clickers (or others) it is
    the default.
    """
    wanted = whole_numbers("everybody", everybody)
    person, kind, at = latest_of_a_day(events, split_s + FOLLOWING_DAYS * DAY_S, sorted(weights))
    clicks = (at > split_s) & (kind == sorted(weights).index(CLICK))
    clicked = np.isin(wanted, person[clicks])
    tried = {
        days: engagement(
            wanted, events, deliveries, as_of_s=split_s, half_life_days=days, weights=weights
        ).rate
        for days in (*candidates, NEVER_FADING)
    }
    return best_half_life(tried, clicked)


def best_half_life(tried: Mapping[float, Floats], clicked: Bools) -> HalfLife:
    """The same, of the rates by each half-life (`NEVER_FADING` among them) and who clicked afterwards. Only
    who has a rate by all of them is compared."""
    compared = np.logical_and.reduce([np.isfinite(rate) for rate in tried.values()])
    fewest = int(min(clicked[compared].sum(), (~clicked[compared]).sum()))
    if fewest < LEAST_CLICKERS:
        return HalfLife(HALF_LIFE_DAYS, {}, 0.5, (_few_clickers(fewest),))
    found = {days: auc(rate[compared], clicked[compared]) for days, rate in tried.items()}
    naive = found.pop(NEVER_FADING)
    best = min(found, key=lambda days: (-found[days], abs(days - HALF_LIFE_DAYS), days))
    if naive >= found[best]:
        return HalfLife(NEVER_FADING, found, naive, (_naive_wins(naive, best, found[best]),))
    return HalfLife(best, found, naive)


def no_better_than_alike(rate: Floats, clicked: Bools) -> Notice | None:
    """A refusal where the rates do not tell who clicks in the following days, beyond chance; None where they
    do, and where fewer than 100 clicked (or did not), which decides nothing."""
    known = np.isfinite(rate)
    rate, clicked = rate[known], clicked[known]
    if min(clicked.sum(), (~clicked).sum()) < LEAST_CLICKERS or least_auc(rate, clicked) > COIN:
        return None
    found = auc(rate, clicked)
    message = (
        f"It does not tell who clicks in the next {FOLLOWING_DAYS} days: {found:.1%} of pairs of people are"
        f" in the right order, a coin has {COIN:.0%}, and the difference may be chance: treat all alike."
    )
    evidence = {"auc": found, "naive_auc": COIN}
    return Notice("engagement.baseline_wins", Severity.REFUSAL, message, evidence)


def _naive_wins(naive: float, days: float, best: float) -> Notice:
    message = (
        f"Who clicks next is told as well by points that never fade ({naive:.1%} of pairs of people are in"
        f" the right order) as by points that halve every {days:g} days ({best:.1%}): they do not fade."
    )
    evidence = {"naive_auc": naive, "auc": best, "days": days}
    return Notice("engagement.baseline_wins", Severity.NOTE, message, evidence)


def _few_clickers(fewest: int) -> Notice:
    message = (
        f"Only {fewest} people who could be scored clicked, or did not, in {FOLLOWING_DAYS} days; choosing a "
        f"half-life needs {LEAST_CLICKERS}: {HALF_LIFE_DAYS:g} days are used."
    )
    return Notice("engagement.few_clickers", Severity.WARNING, message, {"n": fewest, "need": LEAST_CLICKERS})
