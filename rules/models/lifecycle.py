"""Lifecycle: who is new, active, at risk or lapsed, by the gaps that a store's people leave.

Completed gaps alone are far too short: who is still waiting has not been counted. So the running gap of each
person counts, too, as longer than so far (Kaplan, Meier 1958, "Nonparametric estimation from incomplete
observations", JASA 53, 457-481). Limits are read off, never extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Column, Floats, Ints, Notice, Severity
from rules.models.history import purchase_days, whole_numbers

NEW_DAYS = 30
FIXED_AT_RISK, FIXED_LAPSED = 40, 90
"""Days, where the store's own gaps are too few to tell."""
LEAST_RETURNING = 100
OWN_ORDERS = 4
"""From so many order days on people are judged by their own gaps."""
AT_RISK_OPEN, LAPSED_OPEN = 20, 5
"""Percent of gaps that are still open at the limits."""
_STEP = 5
_ROUNDING = 1e-12


class State(StrEnum):
    """Where somebody stands."""

    PROSPECT = "Prospect"
    NEW = "New"
    ACTIVE = "Active"
    AT_RISK = "At risk"
    LAPSED = "Lapsed"
    REACTIVATED = "Reactivated"


@dataclass(frozen=True, slots=True)
class Gaps:
    """Days between successive order days of one person; those that are not `closed` still run.
    `person`: whose each is."""

    days: Ints
    closed: np.ndarray[tuple[int], np.dtype[np.bool_]]
    person: Ints


@dataclass(frozen=True, slots=True)
class Limits:
    """Days without an order: more than at_risk is At risk, more than lapsed is Lapsed."""

    at_risk: int
    lapsed: int
    notices: tuple[Notice, ...] = ()


def gaps(person: Column, day: Column, *, as_of: int) -> Gaps:
    """The gaps of a log of orders (whole numbers); orders after the day `as_of` are passed over."""
    people, days = purchase_days(person, day, until=as_of)
    same = people[1:] == people[:-1]
    last = np.append(~same, True)[: len(people)]
    return Gaps(
        days=np.concatenate([np.diff(days)[same], as_of - days[last]]),
        closed=np.concatenate([np.ones(int(same.sum()), np.bool_), np.zeros(int(last.sum()), np.bool_)]),
        person=np.concatenate([people[1:][same], people[last]]),
    )


def open_after(of: Gaps) -> tuple[Ints, Floats]:
    """The days at which gaps closed, ascending, and the share of gaps that is still open after each.

    A gap that runs since t days counts as open at t. The share is the product of 1 - closing/open over all
    days so far.
    """
    closing = np.bincount(of.days[of.closed])
    at = np.flatnonzero(closing)
    ended = np.cumsum(np.bincount(of.days, minlength=len(closing) + 1))
    still = len(of.days) - np.where(at > 0, ended[at - 1], 0)
    return at, np.cumprod(1.0 - closing[at] / still, dtype=np.float64)


def limits(person: Column, day: Column, *, as_of: int) -> Limits:
    """The limits of a store: when 80 % and 95 % of all gaps have closed, or the largest share that ever does.

    Fewer than 100 people who came back, or hardly a gap that closes: fixed limits of 40 and 90 days.
    """
    people, _ = purchase_days(person, day, until=as_of)
    _, orders = np.unique(people, return_counts=True)
    returning = int((orders > 1).sum())
    if returning < LEAST_RETURNING:
        return _fixed(f"Fewer than {LEAST_RETURNING} returning customers ({returning})", returning)
    at, share = open_after(gaps(person, day, as_of=as_of))
    at_risk, lapsed = (_reached(at, share, level) for level in (AT_RISK_OPEN, LAPSED_OPEN))
    if at_risk is None or lapsed is None:
        return _fixed(f"Only {1 - share[-1]:.1%} of gaps ever close", returning)
    told = [
        _level(name, wanted, level, days, closing=float(1 - share[-1]))
        for name, wanted, (level, days) in (
            ("at-risk", AT_RISK_OPEN, at_risk),
            ("lapsed", LAPSED_OPEN, lapsed),
        )
        if level != wanted
    ]
    return Limits(at_risk[1], lapsed[1], tuple(told))


def states(everybody: Column, person: Column, day: Column, of: Limits, *, as_of: int) -> NDArray[np.str_]:
    """The `State` of each of `everybody` at the end of the day `as_of`, by a log of orders (person, day).

    The first that fits. Prospect: no order. New: first order at most 30 days ago. Lapsed, At risk: the
    running gap is longer than the limit. Reactivated: the last order ended a gap that was longer than the
    lapsed limit then; it lasts until the next order, or until the person is at risk again. Else Active.
    From 4 order days on, limits are a person's own, if they are shorter than the store's: the gap that 80 %
    of his gaps do not exceed, and his longest.
    """
    people, days = purchase_days(person, day, until=as_of)
    wanted = whole_numbers("everybody", everybody)
    known, starts, orders = np.unique(people, return_index=True, return_counts=True)
    if not len(known):
        return np.full(len(wanted), State.PROSPECT.value)
    last = starts + orders - 1
    between = np.append(0, np.diff(days))
    between[starts] = 0  # the first order ends no gap
    at_risk, lapsed = _own_limits(between, starts, orders, of)
    # What was the limit when the last gap ran: that of the gaps before it.
    _, lapsed_before = _own_limits(between, starts, orders - 1, of)
    came_back = (orders > 1) & (between[last] > lapsed_before)
    running = as_of - days[last]
    found = np.select(
        [as_of - days[starts] <= NEW_DAYS, running > lapsed, running > at_risk, came_back],
        [State.NEW.value, State.LAPSED.value, State.AT_RISK.value, State.REACTIVATED.value],
        State.ACTIVE.value,
    )
    row = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[row] == wanted, found[row], State.PROSPECT.value)


def _own_limits(between: Ints, starts: Ints, orders: Ints, of: Limits) -> tuple[Ints, Ints]:
    """By person, from the gaps of the first `orders` order days, which begin at `starts`."""
    at_risk, lapsed = np.full(len(starts), of.at_risk), np.full(len(starts), of.lapsed)
    own = np.flatnonzero(orders >= OWN_ORDERS)
    if not len(own):
        return at_risk, lapsed
    count = orders[own] - 1
    ends = np.cumsum(count)
    owner = np.repeat(np.arange(len(own)), count)
    place = np.arange(int(ends[-1])) - np.repeat(ends - count, count)
    values = between[starts[own][owner] + 1 + place]
    ordered = values[np.lexsort((values, owner))]
    most = -(-4 * count // 5)  # 80 %, rounded up
    at_risk[own] = np.minimum(of.at_risk, ordered[ends - count + most - 1])
    lapsed[own] = np.minimum(of.lapsed, ordered[ends - 1])
    return at_risk, lapsed


def _reached(at: Ints, share: Floats, percent: int) -> tuple[int, int] | None:
    """The lowest percentage, in steps of five, to which the share ever falls, and the first day it does."""
    for level in range(percent, 100, _STEP):
        under = share <= level / 100 + _ROUNDING
        if under.any():
            return level, int(at[int(np.argmax(under))])
    return None


def _level(name: str, wanted: int, level: int, days: int, *, closing: float) -> Notice:
    message = (
        f"Only {closing:.1%} of gaps ever close; the {name} limit uses the {100 - level} % level "
        f"({days} days) instead of {100 - wanted} %."
    )
    evidence = {"closing": closing, "level": 100 - level, "days": days}
    return Notice("lifecycle.quantile", Severity.WARNING, message, evidence)


def _fixed(why: str, returning: int) -> Limits:
    message = f"{why}: fixed limits {FIXED_AT_RISK}/{FIXED_LAPSED} days."
    notice = Notice("lifecycle.fallback", Severity.WARNING, message, {"returning": returning})
    return Limits(FIXED_AT_RISK, FIXED_LAPSED, (notice,))
