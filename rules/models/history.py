"""From a log of purchases to one row per customer, and what came after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Column, Floats, InputError, Ints, column, same_length


@dataclass(frozen=True, slots=True)
class Summary:
    """One row per customer, in ascending order of `person`; times in units of `unit_days` days.

    frequency: days with a purchase after the first; recency: time from the first to the last of them (0
    without); age: time from the first purchase to the end; mean_value: mean of a day's total over the days
    after the first (0 without); spend: the total of all days, the first included.
    """

    person: Ints
    first_day: Ints
    frequency: Floats
    recency: Floats
    age: Floats
    mean_value: Floats
    spend: Floats


@dataclass(frozen=True, slots=True)
class Later:
    """What the customers of a summary did afterwards, row by row: days with a purchase, and their total."""

    purchases: Floats
    revenue: Floats


def summarise(person: Column, day: Column, value: Column, *, until: int, unit_days: float = 7.0) -> Summary:
    """One row per customer of the purchases up to the end of the day `until`; later ones are passed over.

    person: a whole number each; day: whole days on one calendar (such as days since 1970-01-01); value: what
    was paid. Several purchases of a day count once, with the sum of their values.
    """
    people, days, values = _daily(person, day, value)
    seen = days <= until
    people, days, values = people[seen], days[seen], values[seen]
    starts = np.flatnonzero(np.append(True, people[1:] != people[:-1])[: len(people)])
    ends = np.append(starts[1:], len(people))[: len(starts)]
    first, last = days[starts], days[ends - 1]
    frequency = (ends - starts - 1).astype(np.float64)
    spend = np.add.reduceat(values, starts) if len(starts) else values
    repeated = spend - values[starts]
    return Summary(
        person=people[starts],
        first_day=first,
        frequency=frequency,
        recency=(last - first) / unit_days,
        age=(until - first) / unit_days,
        mean_value=np.divide(repeated, frequency, out=np.zeros(len(starts)), where=frequency > 0),
        spend=spend,
    )


def later(summary: Summary, person: Column, day: Column, value: Column, *, after: int, until: int) -> Later:
    """What the people of a summary bought after the day `after` and up to the end of `until`."""
    people, days, values = _daily(person, day, value)
    held_out = (days > after) & (days <= until) & np.isin(people, summary.person)
    row = np.searchsorted(summary.person, people[held_out])
    rows = len(summary.person)
    return Later(
        purchases=np.bincount(row, minlength=rows).astype(np.float64),
        revenue=np.bincount(row, weights=values[held_out], minlength=rows).astype(np.float64),
    )


def purchase_days(person: Column, day: Column, *, until: int) -> tuple[Ints, Ints]:
    """Each day with a purchase up to the end of the day `until` once, by person, then day."""
    people, days, _ = _daily(person, day, np.zeros(len(day)))
    seen = days <= until
    return people[seen], days[seen]


def _daily(person: Column, day: Column, value: Column) -> tuple[Ints, Ints, Floats]:
    """Days with a purchase by person, then day, each with the sum of its values."""
    people, days = whole_numbers("person", person), whole_numbers("day", day)
    values = column("value", value)
    same_length(person=people, day=days, value=values)
    order = np.lexsort((values, days, people))  # by value, too, so that sums never depend on the rows' order
    people, days, values = people[order], days[order], values[order]
    if not len(people):
        return people, days, values
    new = np.append(True, (people[1:] != people[:-1]) | (days[1:] != days[:-1]))
    starts = np.flatnonzero(new)
    return people[starts], days[starts], np.add.reduceat(values, starts)


def whole_numbers(name: str, values: Column) -> Ints:
    """The values as whole numbers in one dimension; else InputError."""
    found: NDArray[np.generic] = np.asarray(values)
    if found.dtype.kind not in "iu" and len(found):
        raise InputError(f"{name}: whole numbers are needed, not {found.dtype}; turn them into such first")
    if found.ndim != 1:
        raise InputError(f"{name}: one number per row is needed, not an array of {found.ndim} dimensions")
    return found.astype(np.int64)
