"""RFM: how recently, how often and for how much people bought, scored by cut points that stay.

Cut points are made once, on one day's people, and applied to everybody until they are made anew. Never rank
anew each day: that moves people who did nothing. Equal values always share a score; a score may be empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import (
    Column,
    Floats,
    InputError,
    Ints,
    Notice,
    Severity,
    column,
    same_length,
)
from rules.models.groups import PROSPECTS, SCORES, Group, combinations, uncovered

FIXED_FREQUENCY = (1.0, 2.0, 3.0, 6.0)
"""Upper edges of the scores 1 to 4: once, twice, three times, four to six times; more is 5."""
LEAST_BUYERS, LEAST_DAYS, RECENT_DAYS, OFTEN = 500, 180, 30, 3
OLD_DAYS = 92
"""A quarter; cut points are due to be made anew then."""


class Dimension(StrEnum):
    """What a score is about."""

    RECENCY = "recency"
    FREQUENCY = "frequency"
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class CutPoints:
    """The upper edges of the scores 1 to 4 of each dimension, ascending: a value at an edge is below it.

    For recency they run from the freshest: days up to the first edge are score 5. made_on is the day of the
    people they were made of (days on the caller's calendar), buyers how many these were.
    """

    recency: tuple[float, ...]
    frequency: tuple[float, ...]
    money: tuple[float, ...]
    made_on: int
    buyers: int


@dataclass(frozen=True, slots=True)
class Scores:
    """1 to 5 per person and dimension, 5 the best; 0 in all three for who never bought."""

    recency: Ints
    frequency: Ints
    money: Ints


def cut_points(
    recency_days: Column, orders: Column, spend: Column, *, made_on: int, fixed_frequency: bool = True
) -> CutPoints:
    """Cut points from the people of one day, by fifths; who has no order is left out.

    recency_days: whole days since the last order (any number for who has none); orders: how many; spend: the
    sum. fixed_frequency takes 1 / 2 / 3 / 4-6 / 7+ orders instead of fifths, which collapse where most bought
    once. InputError if nobody bought.
    """
    days, count, money = _columns(recency_days, orders, spend)
    bought = count > 0
    if not bought.any():
        raise InputError("orders: nobody has any, so there is nothing to cut; wait for buyers")
    return CutPoints(
        recency=_edges(days[bought]),
        frequency=FIXED_FREQUENCY if fixed_frequency else _edges(count[bought]),
        money=_edges(money[bought]),
        made_on=made_on,
        buyers=int(bought.sum()),
    )


def score(cuts: CutPoints, recency_days: Column, orders: Column, spend: Column) -> Scores:
    """The scores of people by cut points, of whichever day's people these are."""
    days, count, money = _columns(recency_days, orders, spend)
    bought = count > 0

    def scored(edges: Sequence[float], values: Floats) -> Ints:
        return np.where(bought, np.searchsorted(edges, values, side="left") + 1, 0)

    return Scores(
        recency=np.where(bought, SCORES + 1 - scored(cuts.recency, days), 0),
        frequency=scored(cuts.frequency, count),
        money=scored(cuts.money, money),
    )


def moved(before: Scores, after: Scores) -> Mapping[Dimension, int]:
    """How many of the same people have another score, to be printed when cut points are made anew."""
    same_length(before=before.recency, after=after.recency)
    return {
        dimension: int((getattr(before, dimension) != getattr(after, dimension)).sum())
        for dimension in Dimension
    }


def grouped_by_name(scores: Scores, groups: Sequence[Group]) -> NDArray[np.object_]:
    """The group of each person: the first that fits, `Prospects` for who never bought.

    InputError if the groups leave out a combination of scores; see `uncovered`.
    """
    missing = uncovered(groups)
    if missing:
        r, f, m = missing[0]
        raise InputError(
            f"groups: no group fits recency {r}, frequency {f}, money {m} ({len(missing)} combinations in "
            "all); widen a group or add one at the end"
        )
    table = np.full((SCORES + 1,) * 3, PROSPECTS, dtype=np.object_)
    for each in combinations():
        table[each] = next(group.name for group in groups if group.fits(*each))
    return table[scores.recency, scores.frequency, scores.money]


def floor(recency_days: Column, orders: Column, *, history_days: int) -> tuple[Notice, ...]:
    """A refusal if there are too few buyers, days, recent or repeated orders for scores to be written."""
    days = column("recency_days", recency_days)
    count = column("orders", orders, at_least=0, whole=True)
    same_length(recency_days=days, orders=count)
    buyers = int((count > 0).sum())
    recent = int(((count > 0) & (days <= RECENT_DAYS)).sum())
    often = int((count >= OFTEN).sum())
    if buyers >= LEAST_BUYERS and history_days >= LEAST_DAYS and recent and often:
        return ()
    message = (
        f"RFM needs {LEAST_BUYERS} buyers, {LEAST_DAYS} days, an order within {RECENT_DAYS} days and people "
        f"with {OFTEN} orders; this store has {buyers}, {history_days}, {recent} and {often}: scores are "
        "shown for inspection, not written."
    )
    evidence = {"buyers": buyers, "days": history_days, "recent": recent, "often": often}
    return (Notice("rfm.floor", Severity.REFUSAL, message, evidence),)


def empty_scores(scores: Scores, recency_days: Column, orders: Column, spend: Column) -> tuple[Notice, ...]:
    """Tells each score that no buyer has, with the value that most buyers share."""
    days, count, money = _columns(recency_days, orders, spend)
    bought = count > 0
    notices = []
    for dimension, values in zip(Dimension, (days, count, money), strict=True):
        present = set(getattr(scores, dimension)[bought].tolist())
        if not present:
            continue
        distinct, how_many = np.unique(values[bought], return_counts=True)
        most = int(np.argmax(how_many))
        share, value = float(how_many[most] / how_many.sum()), float(distinct[most])
        for empty in sorted(set(range(1, SCORES + 1)) - present):
            message = (
                f"No one has {dimension} score {empty}: {share:.1%} of buyers share the value {value:g}."
            )
            evidence: dict[str, float | str] = {
                "dimension": str(dimension),
                "score": empty,
                "share": share,
                "value": value,
            }
            notices.append(Notice("rfm.empty_class", Severity.NOTE, message, evidence))
    return tuple(notices)


def age_of_edges(cuts: CutPoints, *, today: int) -> tuple[Notice, ...]:
    """Warns of cut points that are older than a quarter."""
    days = today - cuts.made_on
    if days <= OLD_DAYS:
        return ()
    message = f"Cut points are {days} days old; make them anew and look at who moves."
    return (Notice("rfm.edges_old", Severity.WARNING, message, {"days": days}),)


def _edges(values: Floats) -> tuple[float, ...]:
    """The highest value of each of the scores 1 to 4 by `ceil(5 · percent rank)`.

    An empty score repeats the edge below it; where there is none below, its edge is below every value.
    """
    ordered = np.sort(values)
    below, up_to = (
        np.searchsorted(ordered, ordered, side="left"),
        np.searchsorted(ordered, ordered, side="right"),
    )
    scored = -(
        -SCORES * (below + up_to + 1) // (2 * len(ordered))
    )  # in whole numbers: no rounding at an edge
    edges: list[float] = []
    for each in range(1, SCORES):
        people = int(np.searchsorted(scored, each, side="right"))
        edges.append(float(ordered[people - 1]) if people else -np.inf)
    return tuple(edges)


def _columns(recency_days: Column, orders: Column, spend: Column) -> tuple[Floats, Floats, Floats]:
    days = column("recency_days", recency_days, advice="write any number for who has no order")
    count = column("orders", orders, at_least=0, whole=True)
    money = column("spend", spend)
    same_length(recency_days=days, orders=count, spend=money)
    wrong = (count > 0) & ((days < 0) | (days != np.floor(days)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"recency_days[{row}] is {days[row]:g}: whole days, 0 or more; leave out orders after the day "
            "of scoring"
        )
    return days, count, money
