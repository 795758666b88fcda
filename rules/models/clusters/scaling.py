"""Features as numbers that distances mean something in. Fitted once: scaled anew each day, everybody would
move a little though nobody did anything.

Numbers: log1p where asked, cut off at 0.5 % and 99.5 %, then (x - median) / (interquartile range / 1.349).
Categories: one column a level, 0 or 1/sqrt(2), so that two people of different levels are 1 apart.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rules.models.columns import Floats, InputError, Notice, Severity

CUT_OFF = (0.005, 0.995)
NORMAL_RANGE = 1.349
"""The interquartile range of a normal distribution with standard deviation 1."""
LEVEL = 1 / math.sqrt(2)
LEAST_SHARE = 0.01
"""Rarer levels have no column: who has one, or none, is as far from every level."""
MOST_LEVELS = 20

Numbers = Mapping[str, Floats]
"""Feature → its value per person; NaN where it is missing."""
Categories = Mapping[str, Sequence[str | None]]
"""Feature → its level per person."""


@dataclass(frozen=True, slots=True)
class Number:
    """How one feature is scaled. Who lacks it gets the middle, which says nothing about them."""

    name: str
    logged: bool
    low: float
    high: float
    middle: float
    spread: float


@dataclass(frozen=True, slots=True)
class Category:
    """The levels of one feature that have a column, the most frequent first."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scaling:
    """What of a fit has to be kept to scale other people, or other days, alike."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the matrix's columns, in their order: `spend`, `country = DE`."""
        levels = [f"{one.name} = {level}" for one in self.categories for level in one.levels]
        return (*(one.name for one in self.numbers), *levels)


def fit_scaling(
    numbers: Numbers, categories: Categories | None = None, *, logged: Collection[str] = ()
) -> Scaling:
    """By these people. `logged`: features that are money or counts, which must not be negative.

    Features with one value only are left out, with a notice. InputError if none is left, for infinite
    values, and for features of different lengths.
    """
    size = _size(numbers, categories or {})
    found, notices = [], []
    for name, values in numbers.items():
        one = _number(name, values, logged=name in logged)
        if one is None:
            notices.append(_constant(name))
        else:
            found.append(one)
    kept = []
    for name, levels in (categories or {}).items():
        frequent = _frequent(levels, size)
        if len(frequent) < 2:
            notices.append(_constant(name))
        else:
            kept.append(Category(name, frequent))
    if not found and not kept:
        raise InputError("no feature differs between people: there is nothing to find clusters by")
    return Scaling(tuple(found), tuple(kept), tuple(notices))


def scaled(scaling: Scaling, numbers: Numbers, categories: Categories | None = None) -> Floats:
    """(people, columns): every feature of the scaling, as it was fitted. InputError if one is not given."""
    given = categories or {}
    wanted = [*(one.name for one in scaling.numbers), *(one.name for one in scaling.categories)]
    missing = [name for name in wanted if name not in numbers and name not in given]
    if missing:
        raise InputError(f"the clusters were found by {', '.join(missing)} as well, which is not given")
    matrix = np.zeros((_size(numbers, given), len(scaling.columns)))
    for place, one in enumerate(scaling.numbers):
        values = np.clip(_values(one.name, numbers[one.name], logged=one.logged), one.low, one.high)
        matrix[:, place] = np.where(np.isnan(values), 0.0, (values - one.middle) / one.spread)
    place = len(scaling.numbers)
    for category in scaling.categories:
        levels = np.array(
            [level if level is not None else "" for level in given[category.name]], dtype=object
        )
        for level in category.levels:
            matrix[:, place] = LEVEL * (levels == level)
            place += 1
    return matrix


def _number(name: str, values: Floats, *, logged: bool) -> Number | None:
    known = _values(name, values, logged=logged)
    known = known[~np.isnan(known)]
    if not len(known):
        return None
    low, high = (float(one) for one in np.quantile(known, CUT_OFF))
    if low == high:
        return None  # asked here: rounding leaves the same number throughout a deviation above 0
    inside = np.clip(known, low, high)
    first, middle, third = (float(one) for one in np.quantile(inside, (0.25, 0.5, 0.75)))
    # half of the people with the same value leave no range between the quarters
    spread = (third - first) / NORMAL_RANGE or float(inside.std())
    return Number(name, logged, low, high, middle, spread)


def _values(name: str, values: Floats, *, logged: bool) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if np.isinf(found).any():
        raise InputError(f"{name}[{int(np.argmax(np.isinf(found)))}] is infinite; leave it out or mend it")
    if not logged:
        return found
    negative = found < 0
    if negative.any():
        row = int(np.argmax(negative))
        raise InputError(f"{name}[{row}] is {found[row]:g}: money and counts must not be negative")
    logs: Floats = np.log1p(found)
    return logs


def _frequent(levels: Sequence[str | None], size: int) -> tuple[str, ...]:
    names, counts = np.unique([level for level in levels if level is not None], return_counts=True)
    order = sorted(range(len(names)), key=lambda at: (-int(counts[at]), str(names[at])))
    some = [str(names[at]) for at in order if counts[at] >= LEAST_SHARE * size]
    return tuple(some[:MOST_LEVELS])


def _constant(name: str) -> Notice:
    message = f"{name} is the same for everybody, so it was left out."
    return Notice("cluster.constant", Severity.NOTE, message, {"feature": name})


def _size(numbers: Numbers, categories: Categories) -> int:
    lengths = {name: len(values) for name, values in numbers.items()}
    lengths |= {name: len(levels) for name, levels in categories.items()}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items()) or "there are none"
        raise InputError(f"every feature needs one value per person: {told}")
    return next(iter(lengths.values()))
